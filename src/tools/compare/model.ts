/**
 * The model of a comparison: two runs of one scenario against one peer, laid side by side.
 *
 * A run is what was seen on the wire, with sequence numbers relative to each end's initial one and times to the first
 * segment, plus our end's states. Values that differ between any two connections (initial sequence numbers,
 * timestamps, ports, microseconds) are not in it or are no difference.
 */
import type { Micros } from '../../base/time.ts';
import type { State } from '../../tcp/machine.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import type { Outcome } from './scenarios.ts';

export type Side = 'kernel' | 'tcpx';

/** One segment as it was seen. */
export interface Shot {
  /** Microseconds since the run's first segment. */
  readonly t: Micros;
  /** The same on the clock that waiting is measured by (see capture.ts). */
  readonly pace: Micros;
  /** Silence before it on that clock: since the segment before it, or the user's last call when that came later. */
  readonly gap: Micros;
  /** As our end sees it. */
  readonly dir: 'in' | 'out';
  /** tcpdump's letters: S F R P . U E W. */
  readonly flags: string;
  /** Relative to its sender's first sequence number. */
  readonly seq: number;
  /** Relative to the first sequence number of the end it goes to; undefined without ACK. */
  readonly ack: number | undefined;
  /** The window field, unscaled. */
  readonly wnd: number;
  /** Payload octets; more than the MSS where the machine merges segments. */
  readonly len: number;
  /** In their order on the wire, as tcpdump spells them, the timestamps' values left out: 'mss 1460', 'nop', 'TS'. */
  readonly options: readonly string[];
  readonly ttl: number;
  readonly dontFragment: boolean;
  /** The octet of RFC 2474 and 3168: DSCP and ECN. */
  readonly tos: number;
}

/** Where a state was known from: 'log': our own; 'observed': a reading of the kernel's tables; 'inferred': from the segments. */
export type StateSource = 'log' | 'observed' | 'inferred';

/** A state our end entered. `shot`: index of the segment that took it there, or showed that it is there. */
export interface StateMark {
  readonly state: State;
  readonly shot: number | undefined;
  readonly source: StateSource;
}

export interface Run {
  readonly side: Side;
  readonly local: { readonly address: Ipv4; readonly port: number };
  readonly remote: { readonly address: Ipv4; readonly port: number };
  readonly shots: readonly Shot[];
  readonly states: readonly StateMark[];
  readonly outcome: Outcome;
  /** What else there is to say about this run. */
  readonly notes: readonly string[];
}

export type Property =
  | 'segment'
  | 'flags'
  | 'seq'
  | 'ack'
  | 'window'
  | 'length'
  | 'options'
  | 'time'
  | 'ack delay'
  | 'ttl'
  | 'df'
  | 'tos'
  | 'states'
  | 'outcome'
  | 'octets received';

/** `peer`: it is the peer that does otherwise. `allowed`: ours, for a reason; `why` tells it. */
export interface Excuse {
  readonly kind: 'peer' | 'allowed';
  readonly why: string;
}

export interface Difference {
  readonly property: Property;
  /** Index in `rows`; undefined for what concerns the whole run. */
  readonly row: number | undefined;
  /** Both sides' value as text; '' for a segment that side does not have. */
  readonly kernel: string;
  readonly tcpx: string;
  /** Why it is shown and not counted; undefined when it counts. */
  readonly excuse: Excuse | undefined;
}

/** Indices into the shots of each run; undefined where that run has no such segment. */
export interface Row {
  readonly kernel: number | undefined;
  readonly tcpx: number | undefined;
}

export interface Comparison {
  readonly scenario: string;
  readonly kernel: Run;
  readonly tcpx: Run;
  readonly rows: readonly Row[];
  readonly differences: readonly Difference[];
  /** Why the comparison means nothing: the scenario did not come about. */
  readonly complaint: string | undefined;
  /** No difference that counts, and no complaint. */
  readonly same: boolean;
}

/** `S. seq 0 ack 1 win 65160 len 0`, and the options when there are any; one line of plain text. */
export function shotText(s: Shot): string {
  const range = s.len > 0 ? `${s.seq}:${s.seq + s.len}` : String(s.seq);
  return `${s.flags} ${range}${s.ack === undefined ? '' : ` ack ${s.ack}`} win ${s.wnd}`;
}
