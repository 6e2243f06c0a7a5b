/**
 * Segments, one a call: what `emit` returns leaves at once. The order of preference is the order of this file: an
 * answer owed to something unacceptable, the SYN, what must be sent again, new data, a probe, a bare ACK.
 */
import { type Seq, seqAdd, seqMax } from '../base/seq.ts';
import { later, type Micros } from '../base/time.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import { markEcn, offerEcn } from './ecn.ts';
import { addFastOpen } from './fast-open.ts';
import { emitData } from './output-data.ts';
import { acknowledged, addAck, sent, stamp } from './output-parts.ts';
import { synWindow, usableWindow, windowWorthAnAck } from './output-rules.ts';
import type { Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import { timestamp } from './timestamps.ts';
import { traceSegment } from './trace-segment.ts';

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
        emitData(tcb, now, out) ||
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
  // RFC 7323 §3.2: SHOULD be on a RST too; not on one that answers what may be anybody's.
  if (tcb.state === 'CLOSED' && tcb.timestampsAgreed) stamp(tcb, now, out);
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
  addFastOpen(tcb, out, isAnswer, now);
  tcb.sndNxt = seqMax(tcb.sndNxt, seqAdd(tcb.iss, 1));
  if (again) {
    tcb.totalRetrans++;
    tcb.isTiming = false;
    tcb.rtxStamp = timestamp(tcb, now);
  } else if (!tcb.fromCookie) {
    tcb.isTiming = true;
    tcb.timedAt = now;
  }
  tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
  sent(tcb, now, out, again ? 'retransmission' : undefined);
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
  const owed = tcb.ackOwed === 'now';
  if (!owed && !opened) return false;
  const note = tcb.ackNote ?? (owed ? undefined : 'window update');
  out.flags = TcpFlag.ACK;
  out.seq = acceptableSeq(tcb);
  addAck(tcb, now, out);
  markEcn(tcb, out, false);
  sent(tcb, now, out, note);
  return true;
}

/**
 * SND.NXT, though a peer that shrank its window would not accept it: then the last octet it does accept. Less than one
 * unit of a scale may be missing only because the scale can't express it (RFC 7323 §2.4; Linux's tcp_acceptable_seq).
 */
function acceptableSeq(tcb: Tcb): Seq {
  const isBeyond = usableWindow(tcb) <= -(1 << tcb.rcvWscale);
  return isBeyond ? seqMax(tcb.sndUna, seqAdd(tcb.sndUna, tcb.sndWnd)) : tcb.sndNxt;
}

function canStillReceive(tcb: Tcb): boolean {
  return tcb.state === 'ESTABLISHED' || tcb.state === 'FIN-WAIT-1' || tcb.state === 'FIN-WAIT-2';
}
