/**
 * Taking back what was no loss: each octet sent again turned out to be a duplicate (DSACK, RFC 3708), or an ACK echoes a
 * timestamp from before the first retransmission (Eifel, RFC 3522 and RFC 4015). Window and threshold become what they were;
 * the back-off ends with the next RTT sample, as ever (Karn): where round trips have grown beyond the RTO, it is what helps.
 */
import { type Seq, seqDiff, seqLeq } from '../../base/seq.ts';
import type { Micros } from '../../base/time.ts';
import type { TcpSegment } from '../../wire/tcp.ts';
import type { Tcb } from '../tcb.ts';
import { timestamp } from '../timestamps.ts';
import { traceCongestion } from './trace.ts';

/** A reduction is about to come. */
export function noteForUndo(tcb: Tcb): void {
  const { loss } = tcb;
  loss.canUndo = true;
  loss.undoFrom = tcb.sndUna;
  loss.undoOctets = 0;
  loss.hasStamp = false;
}

/** `len` octets leave again. */
export function onResent(tcb: Tcb, len: number, now: Micros): void {
  const { loss } = tcb;
  loss.undoOctets += len;
  if (loss.hasStamp) return;
  loss.hasStamp = true;
  loss.firstStamp = timestamp(tcb, now);
}

/** The peer has `[left, right)` twice. */
export function onDuplicateReported(tcb: Tcb, left: Seq, right: Seq): void {
  const { loss } = tcb;
  if (!loss.canUndo || loss.undoOctets === 0 || !seqLeq(loss.undoFrom, left) || !seqLeq(right, tcb.sndNxt)) return;
  loss.undoOctets = Math.max(0, loss.undoOctets - seqDiff(right, left));
  loss.dsackedAll = loss.undoOctets === 0;
}

/** RFC 3522: the segment that made the peer send this ACK left before anything was sent again. */
export function echoesOriginal(tcb: Tcb, seg: TcpSegment): boolean {
  const { loss } = tcb;
  if (!tcb.timestampsAgreed || !seg.hasTimestamps || seg.tsEcr === 0 || !loss.canUndo || !loss.hasStamp) return false;
  return ((seg.tsEcr - loss.firstStamp) | 0) < 0;
}

export function undo(tcb: Tcb, why: string, now: Micros): void {
  const { board, loss } = tcb;
  if (tcb.rtxNote === 'fast retransmit') tcb.rack.reorderingSeen = true;
  if (board.lost > 0) for (let i = 0; i < board.count; i++) board.unmarkLost(board.slot(i));
  loss.canUndo = false;
  loss.dsackedAll = false;
  loss.prrActive = false;
  loss.frto = 'off';
  loss.spurious++;
  tcb.recovery = 'open';
  tcb.inflation = 0;
  tcb.cwrDue = false;
  tcb.dupAcks = 0;
  tcb.timeouts = 0;
  tcb.congestion.onUndo(now);
  traceCongestion(tcb, `undo: ${why}`);
}
