/** How much may be in flight, and how much is: RFC 5681, RFC 6675 §4 (pipe), RFC 9937, RFC 3042; and whether the window was used. */
import { seqLeq } from '../../base/seq.ts';
import type { Tcb } from '../tcb.ts';
import { DUP_THRESH } from './newreno.ts';

/** Octets presumed to be on the way. */
export function pipe(tcb: Tcb): number {
  return tcb.board.pipe;
}

/** The congestion window without what duplicate ACKs lend it: for info(). */
export function congestionWindow(tcb: Tcb): number {
  return tcb.recovery === 'recovery' && tcb.loss.prrActive ? tcb.loss.prrCwnd : tcb.congestion.cwnd;
}

/** The congestion window as it stands for sending. Without SACK it is inflated in recovery, and for the first two duplicates. */
export function usableCwnd(tcb: Tcb): number {
  if (tcb.sackAgreed) return congestionWindow(tcb);
  const limitedTransmit = tcb.recovery === 'open' ? Math.min(tcb.dupAcks, DUP_THRESH - 1) * tcb.smss : 0;
  return tcb.congestion.cwnd + tcb.inflation + limitedTransmit;
}

/** New data has left: was the window the limit? What was true once in a round trip stays true for its rest. */
export function noteUsage(tcb: Tcb): void {
  const { loss } = tcb;
  const out = tcb.board.pipe;
  const isLimited = usableCwnd(tcb) - out < tcb.smss;
  const isNewRound = seqLeq(loss.usageEnd, tcb.sndUna);
  if (!isNewRound && !isLimited && (tcb.cwndLimited || out <= loss.mostOut)) return;
  tcb.cwndLimited = isLimited;
  loss.mostOut = out;
  loss.usageEnd = tcb.sndNxt;
}

/** RFC 7661: only a window that is used has a reason to grow; in slow start half of it is enough (Linux). */
export function isWindowUsed(tcb: Tcb): boolean {
  const { cwnd, ssthresh } = tcb.congestion;
  return tcb.cwndLimited || (cwnd < ssthresh && cwnd < 2 * tcb.loss.mostOut);
}

/** Segments by which one ACK may grow the first slow start under HyStart++, where nothing spaces out what leaves (RFC 9406 §4.3). */
const L = 8;

/**
 * Octets by which one ACK may let slow start grow, to the letter: one segment (RFC 5681 §3.1; after a timeout RFC 3465
 * §2.3), more only under HyStart++. Linux counts all that is acknowledged.
 */
export function slowStartLimit(tcb: Tcb): number {
  const { cwnd, ssthresh, name, ownsRecovery } = tcb.congestion;
  if (ownsRecovery || cwnd >= ssthresh) return Number.POSITIVE_INFINITY;
  if (name === 'reno' || ssthresh < Number.POSITIVE_INFINITY) return tcb.smss;
  return tcb.config.sysctl.tcp_pacing ? Number.POSITIVE_INFINITY : L * tcb.smss;
}
