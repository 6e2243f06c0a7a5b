/** A log's connections for the report: the ladder, the rows of the table as the log names them, and what was measured. */
import { ruleText } from '../../tcp/machine.ts';
import type { TraceRecord } from '../../tcp/trace.ts';
import type { StateRecord } from '../carrier.ts';
import { buildLadder, type Ladder } from '../ladder.ts';
import { summaryLine } from '../log-lines.ts';
import type { FailureRecord, HeaderRecord, LogRecord, OpenRecord, SummaryRecord } from '../log-record.ts';
import type { ReportConnection, ReportMove, ReportNote, ReportSection } from './model.ts';
import { movesOf } from './moves.ts';
import { WindowWatch } from './window-watch.ts';

export interface LogReportOptions {
  /** Only this connection. */
  readonly conn?: number | undefined;
  /** Connections taken, the first ones; default all. */
  readonly most?: number;
  /** Records kept of one connection; default all. */
  readonly mostRecords?: number;
  /** In front of each title: which log it is, where there are several. */
  readonly name?: string;
}

interface Collected {
  readonly records: LogRecord[];
  /** Records beyond the most. */
  leftOut: number;
}

/** Takes a log record by record, and tells at any time what it holds so far. */
export class LogCollector {
  readonly #o: LogReportOptions;
  readonly #window = new WindowWatch();
  readonly #connections = new Map<number, Collected>();
  readonly #ignored = new Set<number>();
  readonly #about: (HeaderRecord | FailureRecord | Extract<LogRecord, { type: 'note' }>)[] = [];
  #summary: SummaryRecord | undefined;
  #line = 0;

  constructor(o: LogReportOptions = {}) {
    this.#o = o;
  }

  /** Connections of the log that are not told of. */
  get ignored(): number {
    return this.#ignored.size;
  }

  get empty(): boolean {
    return this.#line === 0;
  }

  /** Whether the log is whole. */
  get ended(): boolean {
    return this.#summary !== undefined;
  }

  add(record: LogRecord): void {
    this.#line++;
    if ('conn' in record) this.#ofConnection(record);
    else if (record.type === 'summary') this.#summary = record;
    else if (record.type === 'header' || record.type === 'failure' || record.type === 'note') this.#about.push(record);
  }

  /** What the log says of itself. */
  about(): readonly ReportSection[] {
    const lines = this.#about.flatMap((r) => {
      if (r.type === 'header') return [headerText(r)];
      return r.type === 'note' ? [r.text] : [r.message, ...(r.hint === undefined ? [] : [r.hint])];
    });
    if (this.#summary !== undefined) lines.push(summaryLine(this.#summary).replace(/^tcpx: /, ''));
    return lines.length === 0 ? [] : [{ ...(this.#o.name !== undefined && { heading: this.#o.name }), lines }];
  }

  /** In the order in which they began. */
  connections(): readonly ReportConnection[] {
    return [...this.#connections].flatMap(([conn, { records, leftOut }]) => {
      const ladder = buildLadder(records, conn);
      if (ladder === undefined) return [];
      return [
        {
          title: titleOf(conn, records, this.#o.name),
          ladder,
          moves: withRules(ladder, records),
          samples: {
            congestion: this.#window.of(conn),
            rtt: records.flatMap((r) =>
              r.type === 'rtt' ? [{ t: r.t, end: 'ours' as const, rtt: r.rtt, srtt: r.srtt, rto: r.rto }] : [],
            ),
          },
          remarks: leftOut === 0 ? [] : [`${leftOut} records of the log after these are left out`],
          notes: notesOf(records),
        },
      ];
    });
  }

  #ofConnection(record: OpenRecord | TraceRecord): void {
    const { conn } = record;
    if (!this.#wants(conn)) {
      this.#ignored.add(conn);
      return;
    }
    const of = this.#connections.get(conn) ?? { records: [], leftOut: 0 };
    this.#connections.set(conn, of);
    if (of.records.length >= (this.#o.mostRecords ?? Number.POSITIVE_INFINITY)) of.leftOut++;
    else of.records.push(record);
    if (record.type !== 'open') this.#window.take(this.#line, record);
  }

  #wants(conn: number): boolean {
    if (this.#o.conn !== undefined) return conn === this.#o.conn;
    return this.#connections.has(conn) || this.#connections.size < (this.#o.most ?? Number.POSITIVE_INFINITY);
  }
}

/** The connections of a whole log, at once. */
export function logConnections(records: Iterable<LogRecord>, o: LogReportOptions = {}): readonly ReportConnection[] {
  const collector = new LogCollector(o);
  for (const record of records) collector.add(record);
  return collector.connections();
}

function headerText(header: HeaderRecord): string {
  const by = [`tcpx ${header.tcpx}`, `Node ${header.node}`, `Linux ${header.kernel}`];
  if (header.interface !== undefined) by.push(header.interface);
  if (header.driver !== undefined) by.push(`driver ${header.driver}`);
  const target = header.target === undefined ? '' : ` ${header.target}`;
  return `tcpx ${header.command}${target}, ${header.wall} (${by.join(', ')})`;
}

function titleOf(conn: number, records: readonly LogRecord[], name: string | undefined): string {
  const open = records.find((r): r is OpenRecord => r.type === 'open');
  const ends = open === undefined ? '' : ` ${open.local}:${open.localPort} – ${open.remote}:${open.remotePort}`;
  return `${name === undefined ? '' : `${name} `}c${conn}${ends}`;
}

/** Our moves as the log has them: the ladder has a row for each of its state records, in their order. */
function withRules(ladder: Ladder, records: readonly LogRecord[]): readonly ReportMove[] {
  const states = records.filter((r): r is StateRecord => r.type === 'state');
  let next = 0;
  return movesOf(ladder).map((move) => {
    const record = states[next];
    if (move.end === 'peer' || record?.to !== move.to) return move;
    next++;
    return { ...move, from: record.from, event: record.event, rule: ruleText(record.rule) };
  });
}

/** What a ladder has no rung for. */
function notesOf(records: readonly LogRecord[]): readonly ReportNote[] {
  return records.flatMap((r) => {
    if (r.type === 'drop') return [{ t: r.t, text: `dropped: ${r.reason}` }];
    if (r.type === 'error') return [{ t: r.t, text: r.message === undefined ? r.code : `${r.code}: ${r.message}` }];
    return [];
  });
}
