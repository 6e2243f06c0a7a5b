import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogCollector, logConnections } from '../../../../src/tools/report/from-log.ts';
import { pageData } from '../../../../src/tools/report/html.ts';
import type { Report } from '../../../../src/tools/report/model.ts';
import { NewsDesk } from '../../../../src/tools/report/news.ts';
import type { PageConnection, PageNews } from '../../../../src/tools/report/page-data.ts';
import { recordedRun } from '../../../support/recorded.ts';

const records = recordedRun({ lose: [1, 4, 9] }).log();
const other = records.map((record) => ('conn' in record ? { ...record, conn: 2 } : record));

/** As the page does it. */
function take(had: readonly PageConnection[], news: PageNews): PageConnection[] {
  const joined = <T extends object>(before: T, fresh: T, from: number): T => {
    const columns = Object.entries(fresh).map(([name, column]) => {
      const old: readonly unknown[] = (before as Readonly<Record<string, readonly unknown[]>>)[name] ?? [];
      return [name, [...old.slice(0, from), ...column]];
    });
    return Object.fromEntries(columns) as T;
  };
  const all = [...had];
  for (const { connection, from, congestionFrom, rttFrom, data } of news.patches) {
    const before = all[connection];
    all[connection] =
      before === undefined
        ? data
        : {
            ...data,
            rows: joined(before.rows, data.rows, from),
            congestion: joined(before.congestion, data.congestion, congestionFrom),
            rtt: joined(before.rtt, data.rtt, rttFrom),
          };
  }
  return all;
}

const reportOf = (collector: LogCollector): Report => ({
  title: 'x',
  about: collector.about(),
  connections: collector.connections(),
});

test('whenever it is told, what a page has put together is what there is', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 12 }),
      fc.boolean(),
      (steps, both) => {
        const log = both ? records.flatMap((r, i) => ('conn' in r ? [r, other[i]!] : [r])) : records;
        const collector = new LogCollector();
        const desk = new NewsDesk();
        let page: PageConnection[] = [];
        let at = 0;
        for (const step of [...steps, log.length]) {
          for (const record of log.slice(at, at + step)) collector.add(record);
          at += step;
          const news = desk.news(reportOf(collector), at >= log.length);
          if (news !== undefined) page = take(page, news);
          expect(page).toEqual(pageData(reportOf(collector)).connections);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('what a page has already is not sent again', () => {
  const collector = new LogCollector();
  const desk = new NewsDesk();
  for (const record of records.slice(0, 20)) collector.add(record);
  desk.news(reportOf(collector), false);
  expect(desk.news(reportOf(collector), false)).toBeUndefined();
  for (const record of records.slice(20, 22)) collector.add(record);
  const sent = desk.news(reportOf(collector), false)!.patches[0]!;
  expect(sent.from).toBeGreaterThan(5);
  expect(sent.data.rows.t.length).toBeLessThan(5);
});

test('another word in the same place is news, though every number stays what it was', () => {
  const desk = new NewsDesk();
  const [c] = logConnections(records);
  const told = (text: string): Report => ({ title: 'x', connections: [{ ...c!, notes: [{ t: 0, text }] }] });
  const page = take([], desk.news(told('one'), false)!);
  expect(take(page, desk.news(told('two'), false)!)).toEqual(pageData(told('two')).connections);
});

test('a page that comes late is told everything, and the end is told though nothing else is new', () => {
  const collector = new LogCollector();
  const desk = new NewsDesk();
  expect(desk.everything()).toBeUndefined();
  for (const record of records) collector.add(record);
  desk.news(reportOf(collector), false);
  expect(desk.news(reportOf(collector), true)).toMatchObject({ patches: [], ended: true });
  expect(take([], desk.everything()!)).toEqual(pageData(reportOf(collector)).connections);
  expect(desk.everything()!.ended).toBe(true);
});
