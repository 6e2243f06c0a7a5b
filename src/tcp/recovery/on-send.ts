/** The scoreboard's side of sending: what leaves for the first time, and what leaves again. */
import { type Seq, seqAdd, seqDiff, seqLt } from '../../base/seq.ts';
import type { Micros } from '../../base/time.ts';
import type { Tcb } from '../tcb.ts';
import { timestamp } from '../timestamps.ts';
import { Mark } from './scoreboard.ts';
import { onResent } from './undo.ts';

/** `len` octets of sequence space at `seq` leave in one segment. `mark`: Mark bits of it beside those every segment has. */
export function onFirstSent(tcb: Tcb, seq: Seq, len: number, mark: number, now: Micros): void {
  const { board, rate } = tcb;
  const wasIdle = board.count === 0;
  const slot = board.append(seq, len, now, mark | rate.mark);
  rate.onSent(board, slot, wasIdle, now);
  if (tcb.loss.prrActive) tcb.loss.prrOut += len;
}

/**
 * The run that begins with the `index`th entry leaves again, at most `most` octets of it: as far as its entries are alike in
 * waiting to be sent again, or the one entry alone that does not wait. The last is cut to fit. Returns how many octets.
 */
export function takeAgain(tcb: Tcb, index: number, most: number, now: Micros): number {
  const { board, rate } = tcb;
  const from = board.seqOf(board.slot(index));
  const waits = isWaiting(tcb, index);
  let len = 0;
  for (let i = index; i < board.count && len < most; i++) {
    if (i > index && !(waits && isWaiting(tcb, i))) break;
    const slot = board.slot(i);
    if (board.lenOf(slot) > most - len) board.cut(i, seqAdd(from, most));
    len += board.lenOf(slot);
    board.markResent(slot, now);
    rate.onSent(board, slot, false, now);
  }
  if (tcb.loss.prrActive) tcb.loss.prrOut += len;
  tcb.rtxStamp = timestamp(tcb, now);
  onResent(tcb, len, now);
  return len;
}

function isWaiting(tcb: Tcb, index: number): boolean {
  const slot = tcb.board.slot(index);
  return tcb.board.has(slot, Mark.lost) && !tcb.board.has(slot, Mark.resent);
}

/** Cuts the last entry so that a tail loss probe takes no more than `smss` octets; returns its index. */
export function lastSegment(tcb: Tcb): number {
  const { board, smss } = tcb;
  const index = board.count - 1;
  const slot = board.slot(index);
  const whole = Math.floor((board.lenOf(slot) - 1) / smss) * smss;
  // A FIN that stands alone behind full segments goes with the last of them.
  const data = seqDiff(seqLt(tcb.finSeq, board.endOf(slot)) ? tcb.finSeq : board.endOf(slot), board.seqOf(slot));
  const at = whole === data && whole > 0 ? whole - smss : whole;
  if (at <= 0) return index;
  board.cut(index, seqAdd(board.seqOf(slot), at));
  return index + 1;
}
