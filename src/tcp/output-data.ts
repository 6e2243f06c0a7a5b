/**
 * Segments with data or a FIN: what must be sent again before what is new (RFC 6675's NextSeg), a tail loss probe in between.
 * What is lost is decided in recovery/, how much may leave in output-rules.ts; here segments are built.
 */
import { seqAdd, seqDiff, seqLeq, seqLt, seqMin } from '../base/seq.ts';
import { later, type Micros } from '../base/time.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import { markEcn } from './ecn.ts';
import { addAck, roomForData, segmentsOnWire, sent } from './output-parts.ts';
import { NOTHING, newDataLen, roomInWindows, usableWindow } from './output-rules.ts';
import { probeLen } from './path-mtu.ts';
import { lastSegment, onFirstSent, takeAgain } from './recovery/on-send.ts';
import { mayRelease, onPaced, quantum } from './recovery/pacing.ts';
import { Mark, NONE } from './recovery/scoreboard.ts';
import { probeSent, scheduleProbe } from './recovery/tail-probe.ts';
import { noteUsage, pipe, usableCwnd } from './recovery/window.ts';
import type { Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import type { SendNote } from './trace.ts';

export function emitData(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  if (tcb.loss.probeDue && emitTailProbe(tcb, now, out)) return true;
  if (emitRetransmission(tcb, now, out) || emitNew(tcb, now, out)) return true;
  if (tcb.loss.frto === 'new' && tcb.sndNxt === tcb.recover) {
    // F-RTO wanted new data out, and none may leave: then what seems lost goes (RFC 5682 §3.1 step 2b).
    tcb.loss.frto = 'off';
    if (emitRetransmission(tcb, now, out)) return true;
  }
  noteAppLimited(tcb);
  return false;
}

/** The first that is lost, and what is lost behind it, cut anew to the present segment size. */
function emitRetransmission(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  const { board, loss, smss } = tcb;
  if (board.waiting === 0 || loss.frto === 'new') return false;
  const index = board.firstWaiting();
  if (index === NONE) return false;
  const slot = board.slot(index);
  const room = usableCwnd(tcb) - pipe(tcb);
  // RFC 6582 sends what a duplicate or partial ACK asks for whatever the window says; PRR makes room for it. So does RFC 6298
  // §5.4 the first after a timeout, though what left just before it may fill the window of one segment.
  const isFirstOfTimeout = tcb.timeouts > 0 && index === 0 && board.resent === 0;
  const isOwed = isFirstOfTimeout || (!tcb.sackAgreed && tcb.recovery === 'recovery');
  if (!isOwed && pipe(tcb) > 0 && room < Math.min(smss, board.lenOf(slot))) return false;
  if (!mayRelease(tcb, now)) return false;
  const fits = roomForData(tcb);
  const most = fits === smss ? Math.max(smss, Math.min(largest(tcb), room - (room % smss))) : fits;
  resend(tcb, now, out, index, most, tcb.rtxNote);
  if (index === 0 && tcb.sackAgreed && tcb.recovery === 'recovery')
    tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
  return true;
}

/** Most octets of payload in a segment that the link may cut: whole ones of SMSS. */
function largest(tcb: Tcb): number {
  const { smss } = tcb;
  const gso = tcb.config.path.maxGsoPayload;
  if (gso <= smss) return smss;
  const most = quantum(tcb, gso);
  return Math.max(smss, most - (most % smss));
}

/** Fills `out` with at most `most` octets of payload from the `index`th entry on. */
function resend(tcb: Tcb, now: Micros, out: TcpSegment, index: number, most: number, note: SendNote): void {
  const { board } = tcb;
  const seq = board.seqOf(board.slot(index));
  // The FIN needs no room.
  const taken = takeAgain(tcb, index, finWithin(tcb, seqAdd(seq, most)) ? most + 1 : most, now);
  const end = seqAdd(seq, taken);
  const dataEnd = seqMin(end, tcb.finSeq);
  const len = Math.max(0, seqDiff(dataEnd, seq));
  const fin = tcb.finSent && seqLt(tcb.finSeq, end);
  out.flags = TcpFlag.ACK | (fin ? TcpFlag.FIN : 0);
  out.seq = seq;
  const place = tcb.placeOfSeq(seq);
  tcb.sendBuffer.gather(place, len, out.payload);
  if (len > 0 && place + len === tcb.sendBuffer.end) out.flags |= TcpFlag.PSH;
  tcb.totalRetrans += segmentsOnWire(tcb, len);
  tcb.bytesRetrans += len;
  if (len > 0) tcb.dataSegsOut += segmentsOnWire(tcb, len);
  onPaced(tcb, len, now);
  if (!tcb.timers.isSet(Timer.retransmit)) tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
  addAck(tcb, now, out);
  markEcn(tcb, out, false);
  sent(tcb, now, out, note);
}

function finWithin(tcb: Tcb, end: ReturnType<typeof seqAdd>): boolean {
  return tcb.finSent && seqLeq(tcb.finSeq, end);
}

function emitNew(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  // What waits to be sent again, the congestion window permitting, goes before anything new, a FIN included.
  if (tcb.board.waiting > 0 && tcb.loss.frto !== 'new') return false;
  const { smss } = tcb;
  const room = roomForData(tcb);
  const len = newDataLen(tcb, room === smss ? largest(tcb) : room);
  if (len === NOTHING || (len > 0 && !mayRelease(tcb, now))) return false;
  const probe = len >= smss && room === smss ? probeLen(tcb, now) : 0;
  if (probe > 0 && probe <= roomInWindows(tcb)) {
    tcb.pathMtu.probeSent(probe, tcb.sndNxt);
    tcb.wireMss = probe;
    sendNew(tcb, now, out, probe, Mark.mtuProbe, undefined);
  } else sendNew(tcb, now, out, len, 0, undefined);
  return true;
}

/** RFC 8985 §7.3: new data if there is some and the peer has room for it, else the last segment again. */
function emitTailProbe(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  tcb.loss.probeDue = false;
  const { board } = tcb;
  if (board.count === 0 || board.waiting > 0) return false;
  // Neither the congestion window nor Nagle holds it.
  const len = Math.min(tcb.unsent, usableWindow(tcb), roomForData(tcb));
  if (len > 0) {
    sendNew(tcb, now, out, len, 0, 'tail loss probe');
    probeSent(tcb, false);
  } else {
    resend(tcb, now, out, lastSegment(tcb), roomForData(tcb), 'tail loss probe');
    probeSent(tcb, true);
  }
  tcb.timers.stop(Timer.tailLoss);
  return true;
}

function sendNew(tcb: Tcb, now: Micros, out: TcpSegment, len: number, mark: number, note: SendNote | undefined): void {
  if (tcb.flightSize === 0 && tcb.dataSegsOut > 0) restartAfterIdle(tcb, now);
  const empties = len === tcb.unsent;
  const fin = tcb.finQueued && empties && usableWindow(tcb) > len;
  out.flags = TcpFlag.ACK | (empties && len > 0 ? TcpFlag.PSH : 0) | (fin ? TcpFlag.FIN : 0);
  out.seq = tcb.sndNxt;
  tcb.sendBuffer.gather(tcb.placeOfSeq(tcb.sndNxt), len, out.payload);
  const segLen = len + (fin ? 1 : 0);
  onFirstSent(tcb, tcb.sndNxt, segLen, mark, now);
  tcb.sndNxt = seqAdd(tcb.sndNxt, segLen);
  tcb.overrideDue = false;
  tcb.probeOctetDue = false;
  tcb.bytesSent += len;
  if (len > 0) {
    tcb.dataSegsOut += segmentsOnWire(tcb, len);
    tcb.ackPolicy.onDataSent(now);
  }
  onPaced(tcb, len, now);
  if (!tcb.timers.isSet(Timer.retransmit)) tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
  scheduleProbe(tcb, now);
  const patience = tcb.options.TCP_USER_TIMEOUT;
  if (patience > 0 && !tcb.timers.isSet(Timer.user)) tcb.timers.set(Timer.user, (now + patience * 1000) as Micros);
  tcb.timers.stop(Timer.persist);
  noteUsage(tcb);
  addAck(tcb, now, out);
  markEcn(tcb, out, len > 0);
  sent(tcb, now, out, note);
  if (fin && tcb.closePending) {
    tcb.closePending = false;
    tcb.cause = 'call';
    tcb.step('CLOSE');
  }
}

/** The writer has nothing more, and the window would take it: rates measured now say little of the path. */
function noteAppLimited(tcb: Tcb): void {
  const { board } = tcb;
  if (board.waiting > 0 || tcb.unsent >= tcb.smss || board.pipe >= usableCwnd(tcb)) return;
  tcb.rate.onAppLimited(board.pipe);
}

function restartAfterIdle(tcb: Tcb, now: Micros): void {
  const rto = tcb.config.sysctl.tcp_slow_start_after_idle ? tcb.rtt.rto : Number.POSITIVE_INFINITY;
  tcb.congestion.onIdle(now - tcb.lastSentAt, rto, now);
}
