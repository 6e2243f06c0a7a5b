/**
 * Which rows of the transition table the tests took, and how often: in virtual time, or against a live kernel.
 * Test processes add to a file each in the directory of this run; `setup.ts` makes it, and prints the sum at the end.
 */
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allRows, type Event, type State } from '../../../src/tcp/machine.ts';

export type Where = 'virtual' | 'live';

/** Names the directory to the processes of a run. */
export const ROWS_DIR = 'TCPX_TEST_ROWS_DIR';

/** Separates the parts of a key: events have spaces and commas in their names. */
const BAR = '|';
const counts = new Map<string, number>();

export function rowTaken(where: Where, from: State, event: Event): void {
  const key = [where, from, event].join(BAR);
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Writes what was counted since the last time. Without a directory nobody asked. */
export function writeRows(): void {
  const dir = process.env[ROWS_DIR];
  if (dir !== undefined && counts.size > 0) {
    const lines = [...counts].map(([key, n]) => `${key}${BAR}${n}\n`).join('');
    appendFileSync(join(dir, `${process.pid}.rows`), lines);
  }
  counts.clear();
}

export interface RowCount {
  readonly from: State;
  readonly event: Event;
  readonly to: State;
  readonly virtual: number;
  readonly live: number;
}

/** The sum over all processes, every row of the table in its order. */
export function readRows(dir: string): readonly RowCount[] {
  const sum = new Map<string, number>();
  for (const file of readdirSync(dir)) {
    for (const line of readFileSync(join(dir, file), 'utf8').split('\n')) {
      const at = line.lastIndexOf(BAR);
      if (at > 0) sum.set(line.slice(0, at), (sum.get(line.slice(0, at)) ?? 0) + Number(line.slice(at + 1)));
    }
  }
  return allRows().map(({ from, event, to }) => ({
    from,
    event,
    to,
    virtual: sum.get(['virtual', from, event].join(BAR)) ?? 0,
    live: sum.get(['live', from, event].join(BAR)) ?? 0,
  }));
}

/** The table, one row a line. */
export function rowsTable(rows: readonly RowCount[]): string {
  const width = Math.max(...rows.map((r) => r.event.length));
  const line = (r: RowCount): string => {
    const mark = r.live > 0 ? 'live' : r.virtual > 0 ? '' : 'not taken';
    const arrow = `${r.from.padEnd(12)} --${r.event.padEnd(width)}--> ${r.to.padEnd(12)}`;
    return `  ${arrow} ${String(r.virtual).padStart(9)} ${String(r.live).padStart(6)}  ${mark}`.trimEnd();
  };
  const head = `  ${'row of the transition table'.padEnd(32 + width)} ${'virtual'.padStart(9)} ${'live'.padStart(6)}`;
  return [head, ...rows.map(line)].join('\n');
}

/** One line: how many, and which were not taken. */
export function rowsSummary(rows: readonly RowCount[]): string {
  const missing = rows.filter((r) => r.virtual + r.live === 0);
  const taken = `transition rows: ${rows.length - missing.length} of ${rows.length} taken, ${rows.filter((r) => r.live > 0).length} against a live kernel`;
  if (missing.length === 0) return taken;
  return `${taken}; not taken: ${missing.map((r) => `${r.from} --${r.event}`).join(', ')}`;
}
