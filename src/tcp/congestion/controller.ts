/**
 * What decides how much may be in flight, RFC 5681 and its successors, and how fast it leaves. A controller is told
 * numbers, never segments, timers or sequence numbers. Sizes are octets, times µs, rates octets per second.
 *
 * Which segments are lost, and what is sent again, is decided elsewhere. During fast recovery a window of its own
 * (PRR, RFC 9937) leads from what was in flight to `ssthresh`; the controller's window holds at all other times.
 */
import type { Keepable } from '../../base/keeper.ts';
import type { Micros } from '../../base/time.ts';

/** What one ACK has shown; one reused object per connection. */
export interface AckSample {
  /** Octets newly delivered by this ACK, cumulatively or by SACK; may be 0 on an ACK that only marks losses. */
  acked: number;
  /** Octets by which SND.UNA moved. */
  cumulative: number;
  /** Octets in flight (RFC 6675's pipe) before and after this ACK. */
  priorInFlight: number;
  inFlight: number;
  /** Octets that this ACK showed to be lost. */
  lost: number;
  /** µs; 0 when this ACK gave no sample. */
  rtt: number;
  /** Smoothed and smallest RTT so far, µs; 0 before the first. */
  srtt: number;
  minRtt: number;
  /** The sender used the whole window since the last round: only then is there a reason to grow it (RFC 7661). */
  cwndLimited: boolean;
  /** In fast recovery or with the ACK that ends it, or in loss recovery after a timeout: a window that PRR or slow start governs. */
  recovering: boolean;
  /** Delivery rate sample; 0 when this ACK gave none (too short an interval, or none). */
  deliveryRate: number;
  /** What the rate sample covered was sent while the writer, not the window, was the limit. */
  appLimited: boolean;
  /** Octets delivered over the whole connection… */
  delivered: number;
  /** …and how many had been when the newest segment just delivered was sent. */
  priorDelivered: number;
  /** The first ACK of a packet-timed round trip. */
  roundStart: boolean;
  /** Congestion was echoed (ECE) on this ACK. */
  ece: boolean;
  /** SND.UNA and SND.NXT as places in the stream, counted without wrap: for round marks. */
  una: number;
  nxt: number;
  now: Micros;
}

/** One that has no `keep` stays in memory while its connection is idle. */
export interface CongestionControl extends Partial<Keepable> {
  readonly name: string;
  /** Octets that may be in flight. */
  readonly cwnd: number;
  /** Octets; Infinity before the first loss. */
  readonly ssthresh: number;
  /** Octets per second; Infinity: segments leave as the window allows. */
  readonly pacingRate: number;
  /** It keeps its own window through recovery (BBR): PRR is left out. */
  readonly ownsRecovery: boolean;
  /** The controller's own state in a word, for traces and info: 'slow start', 'ProbeBW_UP', … */
  readonly phase: string;
  onAck(sample: Readonly<AckSample>): void;
  /** A loss begins an episode (once each); `inFlight` before what was lost is taken off. PRR then moves to `ssthresh`. */
  onLoss(inFlight: number, now: Micros): void;
  /** The network marked a segment instead of dropping it; at most once per round trip (RFC 3168 §6.1.2). */
  onEcn(inFlight: number, now: Micros): void;
  /**
   * The episode is over. The window is `ssthresh`, and where PRR has not led there (without SACK) little more than `inFlight`,
   * what is still out, or a burst would follow (RFC 6582 §3.2 step 3); Infinity where it has.
   */
  onRecovered(inFlight: number, now: Micros): void;
  /** The retransmission timer expired; `first` is false when the same data had timed out before (RFC 5681 §3.1). */
  onRto(inFlight: number, first: boolean, now: Micros): void;
  /** What was taken for a loss was none: window and threshold as before the last onLoss or onRto. */
  onUndo(now: Micros): void;
  /**
   * Nothing is in flight, nothing was sent for `idle` µs, and data is about to leave: RFC 5681 §4.1, RFC 9438 §4.2's
   * shift of the epoch, BBR's restart. `rto` µs; Infinity where an idle window is not to shrink.
   */
  onIdle(idle: number, rto: number, now: Micros): void;
  onMssChange(smss: number): void;
  /** It is to go on with what another controller of the same connection has reached. */
  takeOver(cwnd: number, ssthresh: number): void;
}

export function emptySample(): AckSample {
  return {
    acked: 0,
    cumulative: 0,
    priorInFlight: 0,
    inFlight: 0,
    lost: 0,
    rtt: 0,
    srtt: 0,
    minRtt: 0,
    cwndLimited: false,
    recovering: false,
    deliveryRate: 0,
    appLimited: false,
    delivered: 0,
    priorDelivered: 0,
    roundStart: false,
    ece: false,
    una: 0,
    nxt: 0,
    now: 0 as Micros,
  };
}
