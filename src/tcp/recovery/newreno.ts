/**
 * Recovery without SACK: fast retransmit and NewReno's fast recovery (RFC 5681 §3.2, RFC 6582), limited transmit
 * (RFC 3042). Duplicate ACKs are all there is to count.
 */
import { seqAdd, seqLeq, seqLt, seqMin } from '../../base/seq.ts';
import type { Micros } from '../../base/time.ts';
import type { Tcb } from '../tcb.ts';
import { enterRecovery, finishRecovery } from './episode.ts';
import { Mark } from './scoreboard.ts';

/** Duplicate ACKs that mean a loss rather than reordering (RFC 5681 §2). */
export const DUP_THRESH = 3;

/** A duplicate ACK, RFC 5681 §2: nothing new, no data, no window change, and something outstanding. */
export function onDuplicateAck(tcb: Tcb, now: Micros): void {
  tcb.dupAcks++;
  if (tcb.recovery === 'recovery') {
    tcb.inflation += tcb.smss;
    return;
  }
  if (tcb.dupAcks === 1) tcb.flightBeforeDups = tcb.flightSize;
  // RFC 6582 §3.2 step 2: up to what was out at the last loss, duplicates may be of what we sent again ourselves.
  if (tcb.dupAcks !== DUP_THRESH || tcb.recovery === 'loss' || seqLeq(tcb.sndUna, tcb.recover)) return;
  const probe = tcb.pathMtu.lost(tcb.sndUna);
  if (probe > 0) {
    // The probe was too large for the path: its octets go again in segments that fit, and the window stays (RFC 4821 §7.6.2).
    loseFirst(tcb, probe);
    return;
  }
  // RFC 5681 §3.2 step 2: what limited transmit has let out does not count.
  enterRecovery(tcb, 'three duplicate ACKs', tcb.flightBeforeDups, now);
  tcb.inflation = DUP_THRESH * tcb.smss;
  loseFirst(tcb, tcb.smss);
}

/** SND.UNA has moved by `acked` octets in fast recovery. */
export function onNewAckInRecovery(tcb: Tcb, acked: number, now: Micros): void {
  if (seqLeq(tcb.recover, tcb.sndUna)) {
    finishRecovery(tcb, now);
    return;
  }
  // Partial ACK: the next hole is at SND.UNA (RFC 6582 §3.2 step 3).
  tcb.inflation = Math.max(0, tcb.inflation - acked) + (acked >= tcb.smss ? tcb.smss : 0);
  loseFirst(tcb, tcb.smss);
}

/** `len` octets from SND.UNA on go again. */
function loseFirst(tcb: Tcb, len: number): void {
  const { board } = tcb;
  const end = seqMin(seqAdd(tcb.sndUna, len), tcb.sndNxt);
  tcb.rtxNote = 'fast retransmit';
  for (let i = 0; i < board.count; i++) {
    const slot = board.slot(i);
    if (!seqLt(board.seqOf(slot), end)) return;
    if (seqLt(end, board.endOf(slot))) board.cut(i, end);
    if (!board.has(slot, Mark.lost) || board.has(slot, Mark.resent)) board.markLost(slot);
  }
}
