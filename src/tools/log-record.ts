/**
 * The log: the trace's records with what a reader needs around them. One record feeds the text on the terminal and the
 * NDJSON, which is the records one a line: the header first, the summary last. Its JSON Schema is cli/log.schema.json.
 */
import type { FaultCounters, Faults } from '../link/faults.ts';
import type { TcpInfo } from '../tcp/info.ts';
import type { TraceRecord } from '../tcp/trace.ts';

export const LOG_SCHEMA = 'tcpx.log/1';

/** First in every log: where and with what it was made. */
export interface HeaderRecord {
  readonly schema: typeof LOG_SCHEMA;
  readonly type: 'header';
  readonly t: 0;
  /** When `t` was 0, ISO 8601 with UTC. */
  readonly wall: string;
  readonly tcpx: string;
  readonly node: string;
  readonly kernel: string;
  readonly command: string;
  /** The target as the user wrote it. */
  readonly target?: string;
  readonly interface?: string;
  readonly gateway?: string;
  readonly mtu?: number;
  readonly driver?: string;
  /** Why the driver is 'raw' although nobody asked for it. */
  readonly fallBack?: string;
  /** Segments leave as the wire carries them: the user asked for it. */
  readonly offload?: false;
  readonly guard?: { readonly kind: string; readonly note: string };
  /** Whose behaviour, where it is not 'linux'. */
  readonly profile?: string;
  /** Faults put on our own link, by direction, and the seed that repeats them. */
  readonly faults?: {
    readonly seed: number;
    readonly in: Omit<Faults, 'script'>;
    readonly out: Omit<Faults, 'script'>;
  };
  /** What was asked of the stack beyond its defaults: names and units of Linux's sysctls. */
  readonly sysctl?: Readonly<Record<string, unknown>>;
  /** Socket options set by the user. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A port on which connections are taken, at one address and by one way in; comes after the header. */
export interface ListenRecord {
  readonly type: 'listen';
  readonly t: number;
  readonly local: string;
  readonly localPort: number;
  readonly interface: string;
  readonly mtu: number;
  readonly driver: string;
  /** As in the header. */
  readonly fallBack?: string;
  readonly offload?: false;
  readonly guard: { readonly kind: string; readonly note: string };
  /** Connections that may wait to be accepted. */
  readonly backlog: number;
}

/** A connection's ends; comes before its first TraceRecord. */
export interface OpenRecord {
  readonly type: 'open';
  readonly t: number;
  readonly conn: number;
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
}

/** The path to the wire failed: errno name and words. */
export interface LinkRecord {
  readonly type: 'link';
  readonly t: number;
  readonly code: string;
  readonly message: string;
  readonly fatal: boolean;
}

/** Something the user should know that no other record says. */
export interface NoteRecord {
  readonly type: 'note';
  readonly t: number;
  readonly text: string;
}

/** The command failed: what the user reads, and the exit code. */
export interface FailureRecord {
  readonly type: 'failure';
  readonly t: number;
  readonly message: string;
  readonly hint?: string;
  readonly exitCode: number;
}

export interface RttSummary {
  readonly count: number;
  /** Microseconds. */
  readonly min: number;
  readonly avg: number;
  readonly max: number;
}

/** What the summary tells beside what the records do. */
export interface SummaryFacts extends Pick<SummaryRecord, 'faults'> {
  readonly info?: TcpInfo | undefined;
  readonly counters?: Readonly<Record<string, number>> | undefined;
  /** Of several connections. */
  readonly totals?: ConnectionTotals;
}

/** Last in every log that is whole. Octets are those of the stream: each counts once, however often it was on the wire. */
export interface SummaryRecord {
  readonly type: 'summary';
  readonly t: number;
  /** The state the connection was left in; of several the one that moved last. */
  readonly state: string;
  /** How many connections there were, where it may be another number than 1. */
  readonly connections?: number;
  readonly segmentsOut: number;
  readonly segmentsIn: number;
  readonly octetsOut: number;
  readonly octetsIn: number;
  readonly retransmissions: number;
  readonly rtt?: RttSummary;
  /** The connection at its end, after Linux's tcp_info. */
  readonly info?: TcpInfo;
  /** What the faults on our own link did. */
  readonly faults?: { readonly in: Readonly<FaultCounters>; readonly out: Readonly<FaultCounters> };
  /** Counters of stack and link, by their own names. */
  readonly counters?: Readonly<Record<string, number>>;
}

export type LogRecord =
  | HeaderRecord
  | ListenRecord
  | OpenRecord
  | TraceRecord
  | LinkRecord
  | NoteRecord
  | FailureRecord
  | SummaryRecord;

/** Where a log goes. `flush`: nothing follows at this instant; whatever was held to be joined goes out. */
export interface LogSink {
  write(record: LogRecord): void;
  flush(): void;
}

/** Of connections that were accepted. */
export interface ConnectionTotals {
  readonly connections: number;
  readonly octetsOut: number;
  readonly octetsIn: number;
}

/** Counts what a summary tells, from the records alone, so that it can be made from a file as well. */
export class LogTally {
  #segmentsOut = 0;
  #segmentsIn = 0;
  #octetsOut = 0;
  #octetsIn = 0;
  #retransmissions = 0;
  #rttCount = 0;
  #rttSum = 0;
  #rttMin = Number.POSITIVE_INFINITY;
  #rttMax = 0;
  #state = 'CLOSED';

  get segmentsOut(): number {
    return this.#segmentsOut;
  }

  add(record: LogRecord): void {
    if (record.type === 'segment') {
      if (record.dir === 'out') {
        this.#segmentsOut++;
        if (record.note === 'retransmission' || record.note === 'fast retransmit') this.#retransmissions++;
        else this.#octetsOut += record.seg.len;
      } else {
        this.#segmentsIn++;
        this.#octetsIn += record.seg.len;
      }
    } else if (record.type === 'rtt') {
      this.#rttCount++;
      this.#rttSum += record.rtt;
      this.#rttMin = Math.min(this.#rttMin, record.rtt);
      this.#rttMax = Math.max(this.#rttMax, record.rtt);
    } else if (record.type === 'state') {
      this.#state = record.to;
    }
  }

  /** `info` and `totals` know which octets were new; without them, what was received twice counts twice. */
  summary(t: number, facts: SummaryFacts = {}): SummaryRecord {
    const { info, counters, totals, faults } = facts;
    return {
      type: 'summary',
      t,
      state: this.#state,
      ...(totals !== undefined && { connections: totals.connections }),
      segmentsOut: this.#segmentsOut,
      segmentsIn: this.#segmentsIn,
      octetsOut: totals?.octetsOut ?? info?.bytes_sent ?? this.#octetsOut,
      octetsIn: totals?.octetsIn ?? info?.bytes_received ?? this.#octetsIn,
      retransmissions: this.#retransmissions,
      ...(this.#rttCount > 0 && {
        rtt: {
          count: this.#rttCount,
          min: this.#rttMin,
          avg: Math.round(this.#rttSum / this.#rttCount),
          max: this.#rttMax,
        },
      }),
      ...(info !== undefined && { info }),
      ...(faults !== undefined && { faults }),
      ...(counters !== undefined && { counters }),
    };
  }
}
