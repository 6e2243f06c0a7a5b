/**
 * What decides how much may be in flight, RFC 5681 and its successors. A controller is told numbers, never segments,
 * timers or sequence numbers; the sample object is reused, and is where delivery rate, rounds and ECN can be added.
 */
import type { Micros } from '../../base/time.ts';

export interface AckSample {
  /** Octets newly acknowledged; never 0. */
  acked: number;
  /** FlightSize before this ACK, octets (RFC 5681 §2). */
  flightSize: number;
  /** µs; 0 when this ACK gave no sample. */
  rtt: number;
  /** The sender used the whole window: only then is there a reason to grow it (RFC 7661). */
  cwndLimited: boolean;
  now: Micros;
}

export interface CongestionControl {
  readonly name: string;
  /** Octets that may be in flight. */
  readonly cwnd: number;
  /** Octets; Infinity before the first loss. */
  readonly ssthresh: number;
  onAck(sample: Readonly<AckSample>): void;
  /** Loss inferred from duplicate ACKs; once per recovery episode (RFC 5681 §3.2 step 2). */
  onLoss(flightSize: number, now: Micros): void;
  /** The network marked a segment instead of dropping it; at most once per round trip (RFC 3168 §6.1.2). */
  onEcn(flightSize: number, now: Micros): void;
  /** The episode is over; `flightSize` is what is still out (RFC 6582 §3.2 step 3). */
  onRecovered(flightSize: number, now: Micros): void;
  /** The retransmission timer expired; `first` is false when the same data had timed out before (RFC 5681 §3.1). */
  onRto(flightSize: number, first: boolean, now: Micros): void;
  /** Nothing was sent for at least an RTO (RFC 5681 §4.1). */
  onIdle(now: Micros): void;
  onMssChange(smss: number): void;
}
