/**
 * Urgent data, RFC 9293 §3.8.5 and RFC 6093: a mark in the stream that the peer hears of before it gets there. The
 * octets stay in line; the pointer names the octet after the last urgent one (MUST-62). New programs should not use it.
 */
import { type Seq, seqAdd, seqDiff, seqLt } from '../base/seq.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import { Happened, type Tcb } from './tcb.ts';

/** Everything queued so far is urgent: SND.UP = what comes after it. */
export function markUrgent(tcb: Tcb): void {
  tcb.sndUp = tcb.finSeq;
  tcb.urgentToSend = true;
}

/** Every segment that begins before SND.UP says so, with a window shut or not (MUST-31). */
export function addUrgent(tcb: Tcb, out: TcpSegment): void {
  if (!tcb.urgentToSend) return;
  if (!seqLt(tcb.sndUna, tcb.sndUp)) {
    tcb.urgentToSend = false;
    return;
  }
  const distance = seqDiff(tcb.sndUp, out.seq);
  if (distance <= 0) return;
  out.flags |= TcpFlag.URG;
  out.urgentPointer = Math.min(distance, 0xffff);
}

/** Sixth step of §3.10.7.4: the user is told when the mark first appears and when it moves on (MUST-32). */
export function takeUrgent(tcb: Tcb, seg: TcpSegment): void {
  if (!seg.has(TcpFlag.URG) || seg.urgentPointer === 0) return;
  const mark: Seq = seqAdd(seg.seq, seg.urgentPointer);
  const before = tcb.hasUrgent && seqLt(tcb.rcvNxt, tcb.rcvUp) ? tcb.rcvUp : tcb.rcvNxt;
  if (!seqLt(before, mark)) return;
  tcb.rcvUp = mark;
  tcb.hasUrgent = true;
  tcb.happened |= Happened.urgent;
}

/** Octets the user has still to read up to the mark; 0 when there is none ahead (MUST-33). */
export function urgentAhead(tcb: Tcb): number {
  if (!tcb.hasUrgent) return 0;
  const ahead = seqDiff(tcb.rcvUp, seqAdd(tcb.rcvNxt, -tcb.receiveBuffer.unread - (tcb.rcvFinReached ? 1 : 0)));
  if (ahead <= 0) tcb.hasUrgent = false;
  return Math.max(0, ahead);
}
