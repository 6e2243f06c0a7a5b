/**
 * Segments, one a call: what `emit` returns leaves at once. The order of preference is the order of this file: an
 * answer owed to something unacceptable, the SYN, what must be sent again, new data, a probe, a bare ACK.
 */
import { seqAdd, seqDiff, seqLt, seqMax, seqMin } from '../base/seq.ts';
import { later, type Micros } from '../base/time.ts';
import { MAX_SACK_BLOCKS, TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import { markEcn, offerEcn } from './ecn.ts';
import { addFastOpen } from './fast-open.ts';
import {
  NOTHING,
  newDataLen,
  offerWindow,
  roomInWindows,
  synWindow,
  usableWindow,
  windowWorthAnAck,
} from './output-rules.ts';
import { probeLen } from './path-mtu.ts';
import { pipe, usableCwnd } from './recovery.ts';
import type { Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import { timestamp } from './timestamps.ts';
import type { SendNote } from './trace.ts';
import { traceSegment } from './trace-segment.ts';
import { addUrgent } from './urgent.ts';

/** Fills `out` (but for the ports) with the next segment that is to leave; false when there is none. */
export function emit(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  tcb.now = now;
  tcb.wireMss = tcb.smss;
  out.clear();
  if (tcb.pendingReset !== undefined) return emitReset(tcb, now, out);
  switch (tcb.state) {
    case 'CLOSED':
    case 'LISTEN':
      return false;
    case 'SYN-SENT':
      return tcb.synDue && emitSyn(tcb, now, out);
    default:
      return (
        (tcb.synDue && emitSyn(tcb, now, out)) ||
        emitRetransmission(tcb, now, out) ||
        emitNew(tcb, now, out) ||
        emitProbe(tcb, now, out) ||
        emitAck(tcb, now, out)
      );
  }
}

function emitReset(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  const reset = tcb.pendingReset!;
  tcb.pendingReset = undefined;
  out.flags = TcpFlag.RST;
  out.seq = reset.seq;
  if (reset.ack !== undefined) {
    out.flags |= TcpFlag.ACK;
    out.ack = reset.ack;
  }
  tcb.segsOut++;
  traceSegment(tcb, 'out', out, now);
  return true;
}

/** SYN in SYN-SENT, SYN-ACK once the peer's SYN is known; first time and again alike. */
function emitSyn(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  const { sysctl, path } = tcb.config;
  const isAnswer = tcb.state !== 'SYN-SENT';
  tcb.synDue = false;
  out.flags = TcpFlag.SYN | (isAnswer ? TcpFlag.ACK : 0);
  out.seq = tcb.iss;
  tcb.synWnd = synWindow(tcb);
  out.wnd = tcb.synWnd;
  out.mss = tcb.ownMss(path.receiveMss);
  if (isAnswer ? tcb.wscaleAgreed : sysctl.tcp_window_scaling) out.wscale = tcb.rcvWscale;
  if (isAnswer ? tcb.timestampsAgreed : sysctl.tcp_timestamps) stamp(tcb, now, out);
  offerEcn(tcb, out, isAnswer);
  out.sackPermitted = isAnswer ? tcb.sackAgreed : sysctl.tcp_sack;
  if (isAnswer) {
    out.ack = tcb.rcvNxt;
    tcb.rcvAdv = seqMax(tcb.rcvAdv, seqAdd(tcb.rcvNxt, tcb.synWnd));
    acknowledged(tcb);
  }
  const again = tcb.synSent;
  tcb.synSent = true;
  addFastOpen(tcb, out, isAnswer);
  tcb.sndNxt = seqMax(tcb.sndNxt, seqAdd(tcb.iss, 1));
  tcb.rtxNxt = seqMax(tcb.rtxNxt, seqAdd(tcb.iss, 1));
  if (again) {
    tcb.totalRetrans++;
    tcb.isTiming = false;
    tcb.rtxStamp = timestamp(tcb, now);
  } else if (!tcb.fromCookie) time(tcb, seqAdd(tcb.iss, 1), now);
  tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
  sent(tcb, now, out, again ? 'retransmission' : undefined);
  return true;
}

/** One segment of what recovery.ts has named, cut anew to the present segment size. */
function emitRetransmission(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  if (!seqLt(tcb.rtxNxt, tcb.rtxEnd)) return false;
  if (tcb.recovery === 'loss' && pipe(tcb) > 0 && pipe(tcb) + tcb.smss > usableCwnd(tcb)) return false;
  const dataEnd = seqMin(tcb.rtxEnd, tcb.finSeq);
  const len = Math.max(0, Math.min(roomForData(tcb), seqDiff(dataEnd, tcb.rtxNxt)));
  const fin = tcb.finSent && seqAdd(tcb.rtxNxt, len) === tcb.finSeq && seqLt(tcb.finSeq, tcb.rtxEnd);
  if (len === 0 && !fin) {
    tcb.rtxNxt = tcb.rtxEnd;
    return false;
  }
  out.flags = TcpFlag.ACK | (fin ? TcpFlag.FIN : 0);
  out.seq = tcb.rtxNxt;
  const place = tcb.placeOfSeq(tcb.rtxNxt);
  tcb.sendBuffer.gather(place, len, out.payload);
  if (len > 0 && place + len === tcb.sendBuffer.end) out.flags |= TcpFlag.PSH;
  tcb.rtxNxt = seqAdd(tcb.rtxNxt, len + (fin ? 1 : 0));
  tcb.isTiming = false;
  tcb.rtxStamp = timestamp(tcb, now);
  tcb.totalRetrans++;
  tcb.bytesRetrans += len;
  if (len > 0) tcb.dataSegsOut++;
  if (!tcb.timers.isSet(Timer.retransmit)) tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
  addAck(tcb, now, out);
  markEcn(tcb, out, false);
  sent(tcb, now, out, tcb.rtxNote);
  return true;
}

function emitNew(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  // What waits to be sent again, the congestion window permitting, goes before anything new, a FIN included.
  if (seqLt(tcb.rtxNxt, tcb.rtxEnd)) return false;
  const { smss } = tcb;
  const gso = tcb.config.path.maxGsoPayload;
  const room = roomForData(tcb);
  let len = newDataLen(tcb, gso > smss && room === smss ? gso - (gso % smss) : room);
  if (len === NOTHING) return false;
  const probe = len >= smss && room === smss ? probeLen(tcb, now) : 0;
  if (probe > 0 && probe <= roomInWindows(tcb)) {
    tcb.pathMtu.probeSent(probe, tcb.sndNxt);
    len = probe;
    tcb.wireMss = probe;
  }
  if (tcb.flightSize === 0 && tcb.dataSegsOut > 0) tcb.congestion.onIdle(now - tcb.lastSentAt, tcb.rtt.rto, now);

  const empties = len === tcb.unsent;
  const fin = tcb.finQueued && empties && usableWindow(tcb) > len;
  out.flags = TcpFlag.ACK | (empties && len > 0 ? TcpFlag.PSH : 0) | (fin ? TcpFlag.FIN : 0);
  out.seq = tcb.sndNxt;
  if (len > 0) tcb.sendBuffer.gather(tcb.placeOfSeq(tcb.sndNxt), len, out.payload);
  tcb.sndNxt = seqAdd(tcb.sndNxt, len + (fin ? 1 : 0));
  // Nothing is to be sent again, so what is sent anew is not either.
  tcb.rtxNxt = tcb.recovery === 'loss' ? seqMax(tcb.rtxNxt, tcb.sndNxt) : tcb.rtxNxt;
  tcb.rtxEnd = tcb.rtxNxt;
  tcb.overrideDue = false;
  tcb.probeOctetDue = false;
  tcb.bytesSent += len;
  if (len > 0) {
    tcb.dataSegsOut++;
    tcb.ackPolicy.onDataSent(now);
  }
  time(tcb, tcb.sndNxt, now);
  if (!tcb.timers.isSet(Timer.retransmit)) tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
  const patience = tcb.options.TCP_USER_TIMEOUT;
  if (patience > 0 && !tcb.timers.isSet(Timer.user)) tcb.timers.set(Timer.user, (now + patience * 1000) as Micros);
  tcb.timers.stop(Timer.persist);
  tcb.cwndLimited = usableCwnd(tcb) - pipe(tcb) < smss;
  addAck(tcb, now, out);
  markEcn(tcb, out, len > 0);
  sent(tcb, now, out, undefined);
  if (fin && tcb.closePending) {
    tcb.closePending = false;
    tcb.cause = 'call';
    tcb.step('CLOSE');
  }
  return true;
}

/**
 * A probe of a zero window, RFC 9293 §3.8.6.1, in Linux's form (the rfc profile spends an octet, see timeouts.ts): no data, and a sequence number just before SND.UNA,
 * which the peer must answer with an ACK that carries its window. No octet is spent on a window that is not there.
 * A keep-alive asks in the same words whether the peer is there at all (§3.8.4).
 */
function emitProbe(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  if (!tcb.probeDue && !tcb.keepAliveDue) return false;
  const note = tcb.probeDue ? 'zero-window probe' : 'keep-alive';
  tcb.probeDue = false;
  tcb.keepAliveDue = false;
  out.flags = TcpFlag.ACK;
  out.seq = seqAdd(tcb.sndUna, -1);
  addAck(tcb, now, out);
  sent(tcb, now, out, note);
  return true;
}

function emitAck(tcb: Tcb, now: Micros, out: TcpSegment): boolean {
  const opened = tcb.windowMayHaveOpened && canStillReceive(tcb) && windowWorthAnAck(tcb);
  if (tcb.ackOwed !== 'now' && tcb.dupAcksOwed === 0 && !opened) return false;
  const note = tcb.ackNote ?? (tcb.ackOwed !== 'now' && tcb.dupAcksOwed === 0 ? 'window update' : undefined);
  if (tcb.ackOwed === 'now') tcb.ackOwed = 'none';
  else if (tcb.dupAcksOwed > 0) tcb.dupAcksOwed--;
  const owedStill = tcb.dupAcksOwed;
  out.flags = TcpFlag.ACK;
  // SND.NXT, though a peer that shrank its window would not accept it: then the last octet it does accept.
  out.seq = usableWindow(tcb) < 0 ? seqMax(tcb.sndUna, seqAdd(tcb.sndUna, tcb.sndWnd)) : tcb.sndNxt;
  addAck(tcb, now, out);
  tcb.dupAcksOwed = owedStill;
  markEcn(tcb, out, false);
  sent(tcb, now, out, note);
  return true;
}

function canStillReceive(tcb: Tcb): boolean {
  return tcb.state === 'ESTABLISHED' || tcb.state === 'FIN-WAIT-1' || tcb.state === 'FIN-WAIT-2';
}

/** Octets of payload that fit beside the options this segment carries. */
function roomForData(tcb: Tcb): number {
  return tcb.smss - sackOptionLen(tcb);
}

function sackOptionLen(tcb: Tcb): number {
  if (!tcb.sackAgreed || (tcb.reassembly.isEmpty && !tcb.hasDsack)) return 0;
  return 4 + 8 * maxSackBlocks(tcb);
}

/** RFC 2018 §3: 40 octets of options hold four blocks, three beside timestamps. */
function maxSackBlocks(tcb: Tcb): number {
  return tcb.timestampsAgreed ? MAX_SACK_BLOCKS - 1 : MAX_SACK_BLOCKS;
}

/** Everything a segment says of the receiving side; what was owed is thereby paid. */
function addAck(tcb: Tcb, now: Micros, out: TcpSegment): void {
  out.ack = tcb.rcvNxt;
  out.wnd = offerWindow(tcb);
  if (tcb.timestampsAgreed) stamp(tcb, now, out);
  if (tcb.sackAgreed && (!tcb.reassembly.isEmpty || tcb.hasDsack)) addSack(tcb, out);
  acknowledged(tcb);
}

function addSack(tcb: Tcb, out: TcpSegment): void {
  let count = 0;
  if (tcb.hasDsack) {
    out.sack[0] = tcb.dsackLeft;
    out.sack[1] = tcb.dsackRight;
    tcb.hasDsack = false;
    count = 1;
  }
  out.sackCount = count + tcb.reassembly.writeSack(out.sack, 2 * count, maxSackBlocks(tcb) - count);
}

function acknowledged(tcb: Tcb): void {
  tcb.lastAckSent = tcb.rcvNxt;
  tcb.ackOwed = 'none';
  tcb.dupAcksOwed = 0;
  tcb.ackNote = undefined;
  tcb.timers.stop(Timer.delayedAck);
  tcb.ackPolicy.onAckSent();
}

function stamp(tcb: Tcb, now: Micros, out: TcpSegment): void {
  out.hasTimestamps = true;
  out.tsVal = timestamp(tcb, now);
  out.tsEcr = tcb.tsRecent;
}

/** One segment is timed at a time; `end` is the octet after it. */
function time(tcb: Tcb, end: Tcb['timedSeq'], now: Micros): void {
  if (tcb.isTiming) return;
  tcb.isTiming = true;
  tcb.timedSeq = end;
  tcb.timedAt = now;
}

function sent(tcb: Tcb, now: Micros, out: TcpSegment, note: SendNote | undefined): void {
  tcb.segsOut++;
  addUrgent(tcb, out);
  if (out.segLen > 0) tcb.lastSentAt = now;
  traceSegment(tcb, 'out', out, now, note);
}
