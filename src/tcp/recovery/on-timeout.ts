/** What follows when a timer finds a loss: RFC 5681 §3.1 and RFC 6298 §5.4, RFC 8985 §6.3; and when a router's word does. */
import type { Micros } from '../../base/time.ts';
import type { Tcb } from '../tcb.ts';
import { Timer } from '../timers.ts';
import { work } from './delivered.ts';
import { findLosses, tellController } from './on-ack.ts';
import { prrOnAck } from './prr.ts';
import { Mark } from './scoreboard.ts';
import { traceCongestion } from './trace.ts';
import { noteForUndo } from './undo.ts';

/** The retransmission timer expired: what is outstanding and not sacked is presumed lost and sent again in slow start. */
export function onRetransmitTimeout(tcb: Tcb, now: Micros): void {
  const { board, loss, rack } = tcb;
  const isFirst = tcb.timeouts === 1;
  const wasProbing = tcb.pathMtu.lost(tcb.sndUna) > 0;
  if (board.count > 0 && board.has(board.slot(0), Mark.sacked)) forgetSacks(tcb);
  if (isFirst) noteForUndo(tcb);
  const mayBeSpurious = tcb.sackAgreed && tcb.config.sysctl.tcp_frto > 0 && !wasProbing;
  loss.frto = mayBeSpurious && (tcb.recovery === 'open' || !isFirst) ? 'probing' : 'off';
  tcb.congestion.onRto(board.out - board.sacked, isFirst, now);
  tcb.recovery = 'loss';
  tcb.recover = tcb.sndNxt;
  tcb.cwrDue = tcb.ecnAgreed;
  tcb.inflation = 0;
  tcb.dupAcks = 0;
  tcb.rtxNote = 'retransmission';
  loss.prrActive = false;
  loss.probeOut = false;
  loss.releaseAt = now;
  loss.timeouts++;
  tcb.timers.stop(Timer.reorder);
  tcb.timers.stop(Timer.tailLoss);
  tcb.timers.stop(Timer.pacing);
  const usesRack = tcb.sackAgreed && (tcb.config.sysctl.tcp_recovery & 1) !== 0;
  for (let i = 0; i < board.count; i++) {
    const slot = board.slot(i);
    // RFC 8985 §6.3: what left less than a round trip ago may still arrive; the first goes in any case.
    const isRecent = usesRack && i > 0 && now - board.sentAt(slot) < rack.rtt;
    if (!board.has(slot, Mark.sacked) && !isRecent && !isWaiting(tcb, slot)) board.markLost(slot);
  }
  traceCongestion(tcb, 'retransmission timeout');
}

/** RACK's timer: enough time has passed for what was only late. */
export function onReorderTimeout(tcb: Tcb, now: Micros): void {
  work.begin(tcb);
  tcb.rack.advanced = true;
  findLosses(tcb, now);
  if (work.lost === 0) return;
  if (tcb.recovery === 'recovery') prrOnAck(tcb, 0, false);
  tellController(tcb, 0, 0, 0, false, false, now);
}

/** The path carries less than we sent: what is out goes again in smaller segments, and is no sign of congestion (RFC 1191 §6.5). */
export function resendAll(tcb: Tcb): void {
  const { board } = tcb;
  tcb.rtxNote = 'retransmission';
  for (let i = 0; i < board.count; i++) {
    const slot = board.slot(i);
    if (!board.has(slot, Mark.sacked) && !isWaiting(tcb, slot)) board.markLost(slot);
  }
}

/** RFC 2018 §8: the peer has thrown away what it had reported, or it would have acknowledged it. */
function forgetSacks(tcb: Tcb): void {
  const { board } = tcb;
  for (let i = 0; i < board.count; i++) board.forgetSacked(board.slot(i));
  tcb.loss.markedTo = tcb.sndUna;
  tcb.rack.fack = tcb.sndUna;
}

function isWaiting(tcb: Tcb, slot: number): boolean {
  return tcb.board.has(slot, Mark.lost) && !tcb.board.has(slot, Mark.resent);
}
