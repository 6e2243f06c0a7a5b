/** Reads what a run of tcpx recorded, in the way tests ask about it; rows it took against a kernel are counted here. */
import { readFileSync } from 'node:fs';
import { ruleText, TRANSITIONS } from '../../src/tcp/machine.ts';
import type { SegmentRecord, TraceRecord } from '../../src/tcp/trace.ts';
import type { LogRecord } from '../../src/tools/log-record.ts';
import { rowTaken } from './rows/rows.ts';

type OfType<T extends LogRecord['type']> = Extract<LogRecord, { readonly type: T }>;

export type SegmentLine = Extract<TraceRecord, { readonly type: 'segment' }>;

export class RunLog {
  readonly records: readonly LogRecord[];

  constructor(records: readonly LogRecord[]) {
    this.records = records;
  }

  of<T extends LogRecord['type']>(type: T): readonly OfType<T>[] {
    return this.records.filter((r): r is OfType<T> => r.type === type);
  }

  /** The way of a connection through the table: 'SYN-SENT --rcv SYN,ACK--> ESTABLISHED (segment)'. */
  transitions(conn = 1): readonly string[] {
    return this.of('state')
      .filter((r) => r.conn === conn)
      .map((r) => `${r.from} --${r.event}--> ${r.to} (${r.cause})`);
  }

  /** Segments of a direction, those that are `such`. */
  segments(
    dir: 'in' | 'out',
    such: (seg: SegmentRecord, line: SegmentLine) => boolean = () => true,
  ): readonly SegmentLine[] {
    return this.of('segment').filter((r) => r.dir === dir && such(r.seg, r));
  }

  errors(): readonly string[] {
    return this.of('error').map((r) => r.code);
  }
}

/** A log as NDJSON, header and summary or not. `live`: a kernel was at the other end. */
export function readRunLog(file: string, where: 'live' | 'virtual' = 'live'): RunLog {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  const records = lines.map((line) => JSON.parse(line) as LogRecord);
  for (const r of records) {
    if (r.type !== 'state') continue;
    checkRow(r);
    rowTaken(where, r.from, r.event);
  }
  return new RunLog(records);
}

/** What the log says must be a row of the table, with the rule that goes with it. */
function checkRow(r: OfType<'state'>): void {
  const rows: Readonly<Record<string, readonly [to: string, rule: string]>> = TRANSITIONS[r.from];
  const row = rows[r.event];
  if (row?.[0] !== r.to || (r.rule !== row[1] && r.rule !== ruleText(row[1])))
    throw new Error(`no such row in the table: ${JSON.stringify(r)}`);
}

/** Seconds between each of the records and the next, rounded to a tenth. */
export function gaps(records: readonly { readonly t: number }[]): readonly number[] {
  return records.slice(1).map((r, i) => Math.round((r.t - records[i]!.t) / 100_000) / 10);
}

/** The whole of an active opening, as every log of a client begins. */
export const ACTIVE_OPEN = [
  'CLOSED --active OPEN--> SYN-SENT (call)',
  'SYN-SENT --rcv SYN,ACK--> ESTABLISHED (segment)',
] as const;
/** We close first, the peer follows, TIME-WAIT ends. */
export const ACTIVE_CLOSE = [
  'ESTABLISHED --CLOSE--> FIN-WAIT-1 (call)',
  'FIN-WAIT-1 --rcv ACK of FIN--> FIN-WAIT-2 (segment)',
  'FIN-WAIT-2 --rcv FIN--> TIME-WAIT (segment)',
  'TIME-WAIT --2MSL--> CLOSED (timer)',
] as const;
/** The peer closes first, we follow. */
export const PASSIVE_CLOSE = [
  'ESTABLISHED --rcv FIN--> CLOSE-WAIT (segment)',
  'CLOSE-WAIT --CLOSE--> LAST-ACK (call)',
  'LAST-ACK --rcv ACK of FIN--> CLOSED (segment)',
] as const;
