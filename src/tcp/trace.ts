/**
 * The trace: one record read by everything that shows what happened (log, NDJSON, capture comments, compare, report)
 * and by replay, which feeds the inputs in it to the core again. So it holds every input in full: calls with their
 * lengths, segments with every field the core reads, timer expiries; and every output for comparison.
 */
import type { Micros } from '../base/time.ts';
import type { TextSegment } from '../wire/tcp-text.ts';
import type { Event, State } from './machine.ts';

/** A segment's fields as numbers JSON can hold: sequence numbers and timestamps as uint32, absolute. */
export interface SegmentRecord extends TextSegment {
  /** The IP header's ECN field, where it is not 0. */
  readonly ecn?: number;
}

/** What an outgoing segment is, where its fields alone don't say. */
export type SendNote =
  | 'retransmission'
  | 'fast retransmit'
  | 'tail loss probe'
  | 'zero-window probe'
  | 'challenge ACK'
  | 'window update'
  | 'duplicate ACK'
  | 'keep-alive';

export type Cause = 'call' | 'segment' | 'timer' | 'icmp';

/** Connection-level records. `t` is microseconds since the log began; `conn` counts connections from 1. */
export type TraceRecord = { readonly t: Micros; readonly conn: number } & (
  | {
      readonly type: 'call';
      readonly call: string;
      readonly len?: number;
      readonly args?: Readonly<Record<string, unknown>>;
    }
  | {
      readonly type: 'state';
      readonly from: State;
      readonly event: Event;
      readonly to: State;
      readonly cause: Cause;
      readonly rule: string;
    }
  | { readonly type: 'segment'; readonly dir: 'in' | 'out'; readonly seg: SegmentRecord; readonly note?: SendNote }
  | { readonly type: 'timer'; readonly timer: string; readonly rto?: number; readonly count?: number }
  | { readonly type: 'congestion'; readonly why: string; readonly cwnd: number; readonly ssthresh: number }
  | { readonly type: 'rtt'; readonly rtt: number; readonly srtt: number; readonly rttvar: number; readonly rto: number }
  | { readonly type: 'drop'; readonly reason: string }
  | { readonly type: 'icmp'; readonly error: string; readonly args: Readonly<Record<string, unknown>> }
  | { readonly type: 'error'; readonly code: string /** Of a bug of ours: what it said. */; readonly message?: string }
);

/** Where records go. Callers compose a record only when `enabled`. */
export interface Tracer {
  readonly enabled: boolean;
  record(record: TraceRecord): void;
}

export const NO_TRACE: Tracer = { enabled: false, record: () => {} };
