/**
 * What a page that is fed has to be told. A report is made anew each time, since what comes later can show what earlier rows
 * meant; of that only what has changed is sent: from the first row on that is another one.
 */
import { pageData } from './html.ts';
import type { Report } from './model.ts';
import type { PageConnection, PageData, PageNews, PagePatch } from './page-data.ts';

export class NewsDesk {
  #last: PageData | undefined;
  #ended = false;

  /** What is new in `report`; undefined when nothing is. */
  news(report: Report, ended: boolean): PageNews | undefined {
    const before = this.#last;
    const data = pageData(report);
    this.#last = data;
    const patches = data.connections.flatMap((connection, i) => patch(i, before?.connections[i], connection));
    const told = before !== undefined && sameJson(before.about, data.about) && before.title === data.title;
    const finished = ended && !this.#ended;
    this.#ended = ended;
    if (patches.length === 0 && told && !finished) return undefined;
    return { title: data.title, about: data.about, patches, ended };
  }

  /** All of it, for a page that has nothing yet. */
  everything(): PageNews | undefined {
    const data = this.#last;
    if (data === undefined) return undefined;
    const patches = data.connections.flatMap((connection, i) => patch(i, undefined, connection));
    return { title: data.title, about: data.about, patches, ended: this.#ended };
  }
}

function patch(index: number, before: PageConnection | undefined, now: PageConnection): readonly PagePatch[] {
  if (before === undefined) return [{ connection: index, from: 0, congestionFrom: 0, rttFrom: 0, data: now }];
  const from = firstRow(before.rows, now.rows);
  const congestionFrom = firstRow(before.congestion, now.congestion);
  const rttFrom = firstRow(before.rtt, now.rtt);
  const same =
    from === now.rows.t.length &&
    from === before.rows.t.length &&
    congestionFrom === now.congestion.t.length &&
    rttFrom === now.rtt.t.length &&
    sameJson(before.words, now.words) &&
    sameJson(before.moves, now.moves) &&
    sameJson(before.remarks, now.remarks);
  if (same) return [];
  const data: PageConnection = {
    ...now,
    rows: after(now.rows, from),
    congestion: after(now.congestion, congestionFrom),
    rtt: after(now.rtt, rttFrom),
  };
  return [{ connection: index, from, congestionFrom, rttFrom, data }];
}

type Columns = Readonly<Record<string, readonly (number | null)[]>>;

const columnsOf = (o: object): Columns => o as Columns;

/** The first index at which any column differs. */
function firstRow(before: object, now: object): number {
  const had = columnsOf(before);
  return Math.min(...Object.entries(columnsOf(now)).map(([name, column]) => firstDifference(had[name] ?? [], column)));
}

function firstDifference<T>(before: readonly T[], now: readonly T[]): number {
  const shorter = Math.min(before.length, now.length);
  for (let i = 0; i < shorter; i++) if (before[i] !== now[i]) return i;
  return shorter;
}

/** Each column from `from` on. */
function after<T extends object>(o: T, from: number): T {
  const entries = Object.entries(columnsOf(o)).map(([name, column]) => [name, column.slice(from)]);
  // The same columns, shorter.
  return Object.fromEntries(entries) as T;
}

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
