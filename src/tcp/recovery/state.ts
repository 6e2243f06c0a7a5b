/** The variables of loss recovery that are no list and no estimate: one record per connection. Sizes are octets. */
import type { Keepable, Keeper } from '../../base/keeper.ts';
import { type Seq, toSeq } from '../../base/seq.ts';

/**
 * F-RTO, RFC 5682 §3.1, after a timeout. 'probing': the first segment has gone again, and an ACK will tell; 'new':
 * that ACK came, and new data is sent rather than what seems lost.
 */
export type Frto = 'off' | 'probing' | 'new';

export class LossState implements Keepable {
  // Proportional rate reduction, RFC 9937.
  prrActive = false;
  prrCwnd = 0;
  prrDelivered = 0;
  prrOut = 0;
  recoverFs = 0;

  // What must be known to take a reduction back, RFC 3708 and RFC 4015.
  /** A reduction can be taken back. */
  canUndo = false;
  /** SND.UNA when it came; nothing below it was sent again on its account. */
  undoFrom: Seq = toSeq(0);
  /** Octets sent again since, less those that the peer says it has twice. */
  undoOctets = 0;
  /** They have come to nothing: each was a duplicate. */
  dsackedAll = false;
  /** TSval of the first retransmission since. */
  firstStamp = 0;
  hasStamp = false;

  // Tail loss probe, RFC 8985 §7.
  /** A probe is to leave. */
  probeDue = false;
  /** A probe is out: SND.NXT after it left, and whether it was a retransmission. */
  probeOut = false;
  probeEnd: Seq = toSeq(0);
  probeIsAgain = false;

  frto: Frto = 'off';

  /** RFC 6675: everything below it that is not sacked was marked once. */
  markedTo: Seq = toSeq(0);

  /** µs: nothing more may leave before, when the controller asks for a pace. */
  releaseAt = 0;
  /** Something was ready before that. */
  wasHeld = false;

  /** How full the window was in this round trip (Linux's tcp_cwnd_validate): most octets out, and when the round ends. */
  mostOut = 0;
  usageEnd: Seq = toSeq(0);

  // Counters, for info().
  dsacksIn = 0;
  reorderings = 0;
  spurious = 0;
  tailProbes = 0;
  timeouts = 0;
  recoveries = 0;

  keep(k: Keeper): void {
    this.canUndo = k.flag(this.canUndo);
    this.undoFrom = k.seq(this.undoFrom);
    this.undoOctets = k.number(this.undoOctets);
    this.firstStamp = k.number(this.firstStamp);
    this.hasStamp = k.flag(this.hasStamp);
    this.markedTo = k.seq(this.markedTo);
    this.releaseAt = k.number(this.releaseAt);
    this.wasHeld = k.flag(this.wasHeld);
    this.mostOut = k.number(this.mostOut);
    this.usageEnd = k.seq(this.usageEnd);
    this.dsacksIn = k.number(this.dsacksIn);
    this.reorderings = k.number(this.reorderings);
    this.spurious = k.number(this.spurious);
    this.tailProbes = k.number(this.tailProbes);
    this.timeouts = k.number(this.timeouts);
    this.recoveries = k.number(this.recoveries);
  }

  /** The SYN is about to leave. */
  start(iss: Seq): void {
    this.undoFrom = iss;
    this.markedTo = iss;
    this.usageEnd = iss;
    this.canUndo = false;
  }
}
