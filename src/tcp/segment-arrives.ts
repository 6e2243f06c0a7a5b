/**
 * SEGMENT ARRIVES, RFC 9293 §3.10.7, in the RFC's order: one function per state before synchronization, one per step
 * after it. RFC 5961 (blind attacks) and RFC 7323 (timestamps) sit where they say they belong. Finding that something
 * happened is this file's work; what state follows is the table's.
 */
import { type Seq, seqAdd, seqInWindow, seqLeq, seqLt, seqMin } from '../base/seq.ts';
import { later, type Micros, ms } from '../base/time.ts';
import { ABSENT, TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import { answerUnacceptable, challenge, countInvalidAnew, drop, mayAnswerInvalid, type Verdict } from './answers.ts';
import { takeEcnMark, takeEcnOffer } from './ecn.ts';
import { afterSyn, backToListen, endConnection, startSyn, startTimeWait } from './ending.ts';
import { takeSynAckOfFastOpen, takeSynData } from './fast-open.ts';
import { heard, updateKeepAlive } from './keep-alive.ts';
import { updatePersist } from './output-rules.ts';
import { setSmss } from './path-mtu.ts';
import { processAck } from './process-ack.ts';
import { processText, reportDuplicate } from './process-text.ts';
import { Happened, type Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import { echoedRtt, failsPaws, lacksTimestamp } from './timestamps.ts';
import { traceSegment } from './trace-segment.ts';
import { takeUrgent } from './urgent.ts';

const SYN_OR_RST = TcpFlag.SYN | TcpFlag.RST;
/** Linux's TCP_TIMEOUT_MIN: two ticks. */
const AFTER_RESET = ms(2);

export function segmentArrives(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  tcb.now = now;
  tcb.cause = 'segment';
  tcb.segsIn++;
  if (seg.payload.len > 0) tcb.dataSegsIn++;
  heard(tcb, now);
  traceSegment(tcb, 'in', seg, now);
  switch (tcb.state) {
    case 'CLOSED':
      return;
    case 'LISTEN':
      listenState(tcb, seg, now);
      break;
    case 'SYN-SENT':
      synSentState(tcb, seg, now);
      break;
    default:
      otherStates(tcb, seg, now);
  }
  updatePersist(tcb, now);
}

/** §3.10.7.2. */
function listenState(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  // First, check for a RST: it can't be for anything we sent.
  if (seg.has(TcpFlag.RST)) return;
  // Second, an ACK acknowledges what we never said.
  if (seg.has(TcpFlag.ACK)) {
    tcb.pendingReset = { seq: seg.ack, ack: undefined };
    return;
  }
  if (!seg.has(TcpFlag.SYN)) return;
  // Third, a SYN. Data on it is not kept without Fast Open: the peer will send it again (9293-U7).
  takeSyn(tcb, seg, now);
  startSyn(tcb);
  setSendWindow(tcb, seg);
  tcb.step('rcv SYN');
  if (tcb.tfoAccepted) takeSynData(tcb, seg);
}

/** §3.10.7.3. */
function synSentState(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  // First, check the ACK bit.
  const acceptable = seg.has(TcpFlag.ACK) && seqLt(tcb.iss, seg.ack) && seqLeq(seg.ack, tcb.sndNxt);
  if (seg.has(TcpFlag.ACK) && !acceptable) {
    drop(tcb, 'unacceptable ACK in SYN-SENT');
    if (seg.has(TcpFlag.RST)) return;
    tcb.pendingReset = { seq: seg.ack, ack: undefined };
    // Behind the RST, which ends what the peer still had of an earlier connection, the SYN comes again (§3.5.1 figure 9).
    if (tcb.synRetransmits === 0) tcb.timers.set(Timer.retransmit, later(now, AFTER_RESET));
    return;
  }
  // Second, check the RST bit: only one that acknowledges our SYN is for us (RFC 5961 §3.2).
  if (seg.has(TcpFlag.RST)) {
    if (acceptable) endConnection(tcb, 'rcv RST', 'ECONNREFUSED');
    else drop(tcb, 'RST without ACK in SYN-SENT');
    return;
  }
  // Fourth, check the SYN bit. Fifth: without it, drop.
  if (!seg.has(TcpFlag.SYN)) {
    drop(tcb, 'no SYN in SYN-SENT');
    return;
  }
  takeSyn(tcb, seg, now);
  if (!acceptable) {
    // Simultaneous open: our SYN becomes a SYN-ACK with the same ISS.
    tcb.synDue = true;
    setSendWindow(tcb, seg);
    tcb.step('rcv SYN');
    return;
  }
  tcb.sndUna = seg.ack;
  tcb.synAcked = true;
  sampleSynRtt(tcb, seg, now);
  tcb.timers.stop(Timer.retransmit);
  tcb.rcvAdv = seqAdd(tcb.rcvNxt, tcb.synWnd);
  setSendWindow(tcb, seg);
  tcb.step('rcv SYN,ACK');
  establish(tcb);
  takeSynAckOfFastOpen(tcb, seg, now);
  tcb.ackOwed = 'now';
  // Other controls or text: continue at the sixth step of §3.10.7.4, with the SYN's sequence number behind us.
  if (seg.payload.len > 0 || seg.has(TcpFlag.FIN)) {
    seg.seq = seqAdd(seg.seq, 1);
    textAndFin(tcb, seg, now);
  }
}

/** §3.10.7.4: all states from SYN-RECEIVED on. */
function otherStates(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  if (checkSequence(tcb, seg, now) === 'done') return;
  if (checkRst(tcb, seg, now) === 'done') return;
  // Third, security and precedence: not implemented, and nothing to check.
  if (checkSyn(tcb, seg, now) === 'done') return;
  if (checkAck(tcb, seg, now) === 'done') return;
  textAndFin(tcb, seg, now);
}

/** First, check the sequence number; and before it, PAWS (RFC 7323 §5.3 R1). */
function checkSequence(tcb: Tcb, seg: TcpSegment, now: Micros): Verdict {
  if (!seg.has(TcpFlag.RST) && lacksTimestamp(tcb, seg)) {
    drop(tcb, 'no timestamp, where they are agreed on');
    return 'done';
  }
  if (!seg.has(TcpFlag.RST) && failsPaws(tcb, seg, now)) {
    drop(tcb, 'PAWS: timestamp older than the last');
    noteDuplicate(tcb, seg);
    answerUnacceptable(tcb, seg, now);
    return 'done';
  }
  // A peer whose SYN-ACK was lost asks again, with text or without: only a SYN-ACK helps it (Linux; the RFC's bare ACK
  // would not, and by the text it would be a new SYN in the window). Not more often than others are answered.
  const isSynAgain = tcb.state === 'SYN-RECEIVED' && seg.seq === tcb.irs && (seg.flags & SYN_OR_RST) === TcpFlag.SYN;
  if (isSynAgain && !seg.has(TcpFlag.ACK)) {
    if (mayAnswerInvalid(tcb, now)) tcb.synDue = true;
    else drop(tcb, 'SYN again');
    return 'done';
  }
  // In a simultaneous open it comes as a SYN-ACK, whose ACK counts.
  if (isSynAgain && !tcb.isPassive) return 'continue';
  if (isAcceptable(tcb, seg)) {
    return 'continue';
  }
  if (seg.has(TcpFlag.RST)) {
    drop(tcb, 'RST out of window');
    return 'done';
  }
  drop(tcb, 'out of window');
  noteDuplicate(tcb, seg);
  // The peer repeats its FIN: our last ACK was lost, and the wait starts afresh (eighth step, TIME-WAIT).
  if (tcb.state === 'TIME-WAIT' && seg.has(TcpFlag.FIN) && tcb.rcvFin === finOf(seg)) startTimeWait(tcb, now);
  answerUnacceptable(tcb, seg, now);
  return 'done';
}

/** The four cases of §3.4, table 6. */
function isAcceptable(tcb: Tcb, seg: TcpSegment): boolean {
  const len = seg.segLen;
  const wnd = tcb.rcvWnd;
  if (wnd === 0) {
    // What stands exactly at RCV.NXT is looked at, for its RST, URG and ACK (MUST-66; a probe's ACK counts too,
    // appendix A.2); its text finds no room and is answered by an ACK.
    return seg.seq === tcb.rcvNxt;
  }
  if (seqInWindow(seg.seq, tcb.rcvNxt, wnd)) return true;
  // Linux takes an empty segment at the right edge too, where a sender stands that has filled the window; but no RST.
  if (len === 0 && !tcb.isRfc) return seg.seq === seqAdd(tcb.rcvNxt, wnd) && !seg.has(TcpFlag.RST);
  return seqLt(seg.seq, tcb.rcvNxt) && seqLt(tcb.rcvNxt, seqAdd(seg.seq, len));
}

/** Second, check the RST bit: exactly at RCV.NXT it counts, elsewhere in the window it is challenged (RFC 5961 §3.2). */
function checkRst(tcb: Tcb, seg: TcpSegment, now: Micros): Verdict {
  if (!seg.has(TcpFlag.RST)) return 'continue';
  if (seg.seq !== tcb.rcvNxt) {
    if (mayAnswerInvalid(tcb, now)) challenge(tcb, 'RST in window, not at RCV.NXT');
    else drop(tcb, 'RST in window, not at RCV.NXT');
    return 'done';
  }
  switch (tcb.state) {
    case 'SYN-RECEIVED':
      if (tcb.isPassive) backToListen(tcb, 'rcv RST, passive');
      else endConnection(tcb, 'rcv RST', tcb.tfoAccepted ? 'ECONNRESET' : 'ECONNREFUSED');
      return 'done';
    case 'TIME-WAIT':
      if (tcb.config.sysctl.tcp_rfc1337) drop(tcb, 'RST in TIME-WAIT (RFC 1337)');
      else endConnection(tcb, 'rcv RST', undefined);
      return 'done';
    case 'CLOSING':
    case 'LAST-ACK':
      // Both have said all they had to say: nobody is told of an error.
      endConnection(tcb, 'rcv RST', undefined);
      return 'done';
    default:
      endConnection(tcb, 'rcv RST', 'ECONNRESET');
      return 'done';
  }
}

/** Fourth, check the SYN bit: in SYN-RECEIVED a passive connection starts over, elsewhere RFC 5961 §4.2 challenges. */
function checkSyn(tcb: Tcb, seg: TcpSegment, now: Micros): Verdict {
  if (!seg.has(TcpFlag.SYN)) return 'continue';
  if (tcb.state === 'SYN-RECEIVED') {
    // Simultaneous open: the peer's SYN-ACK repeats the SYN we have; its ACK is what counts (9293-U12; Linux too).
    if (!tcb.isPassive && seg.has(TcpFlag.ACK) && seg.seq === tcb.irs && seg.segLen === 1) return 'continue';
    if (tcb.isPassive) {
      backToListen(tcb, 'rcv SYN, passive');
      return 'done';
    }
  }
  if (mayAnswerInvalid(tcb, now)) challenge(tcb, 'SYN in window');
  return 'done';
}

/** Fifth, check the ACK field. */
function checkAck(tcb: Tcb, seg: TcpSegment, now: Micros): Verdict {
  if (!seg.has(TcpFlag.ACK)) {
    drop(tcb, 'no ACK');
    return 'done';
  }
  if (tcb.state === 'SYN-RECEIVED') {
    // Half the sequence space away is both before and after: while our SYN has not left, nothing is in between.
    if (!seqInWindow(seg.ack, seqAdd(tcb.sndUna, 1), tcb.flightSize)) {
      tcb.pendingReset = { seq: seg.ack, ack: undefined };
      drop(tcb, 'unacceptable ACK in SYN-RECEIVED');
      return 'done';
    }
    sampleSynRtt(tcb, seg, now);
    tcb.step('rcv ACK of SYN');
    setSendWindow(tcb, seg);
    establish(tcb);
    if (tcb.isPassive) countInvalidAnew(tcb);
  }
  return processAck(tcb, seg, now);
}

/** Sixth, the URG bit, seventh, the text, and eighth, the FIN. */
function textAndFin(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  if (!tcb.rcvFinReached) takeUrgent(tcb, seg);
  takeEcnMark(tcb, seg);
  if (processText(tcb, seg, now) === 'done') return;
  if (!tcb.rcvFinReached && tcb.rcvFin !== undefined && tcb.rcvFin === tcb.rcvNxt) takeFin(tcb, now);
}

function takeFin(tcb: Tcb, now: Micros): void {
  tcb.rcvFinReached = true;
  tcb.rcvNxt = seqAdd(tcb.rcvNxt, 1);
  if (seqLt(tcb.rcvAdv, tcb.rcvNxt)) tcb.rcvAdv = tcb.rcvNxt;
  // What claims to lie beyond it is no part of the stream, and is not to be reported as if it were (Linux drops it, too).
  tcb.reassembly.clear();
  tcb.ackOwed = 'now';
  tcb.happened |= Happened.peerClosed;
  switch (tcb.state) {
    case 'ESTABLISHED':
    case 'FIN-WAIT-1':
      tcb.step('rcv FIN');
      return;
    case 'FIN-WAIT-2':
      tcb.step('rcv FIN');
      startTimeWait(tcb, now);
      return;
    default:
      return;
  }
}

/** What both handshakes take from the peer's SYN: RCV.NXT, IRS and the options (RFC 9293 §3.7.1, RFC 7323, RFC 2018). */
function takeSyn(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  const { sysctl, path } = tcb.config;
  tcb.irs = seg.seq;
  tcb.rcvNxt = seqAdd(seg.seq, 1);
  tcb.rcvAdv = tcb.rcvNxt;
  const announced = seg.mss === ABSENT || seg.mss === 0 ? path.defaultMss : seg.mss;
  tcb.peerMss = Math.max(announced, sysctl.tcp_min_snd_mss);
  tcb.wscaleAgreed = sysctl.tcp_window_scaling && seg.wscale !== ABSENT;
  // RFC 7323 §2.3: a shift above 14 is taken as 14.
  tcb.sndWscale = tcb.wscaleAgreed ? Math.min(seg.wscale, 14) : 0;
  if (!tcb.wscaleAgreed) tcb.rcvWscale = 0;
  tcb.timestampsAgreed = sysctl.tcp_timestamps && seg.hasTimestamps;
  tcb.sackAgreed = sysctl.tcp_sack && seg.sackPermitted;
  takeEcnOffer(tcb, seg, seg.has(TcpFlag.ACK));
  if (tcb.timestampsAgreed) {
    tcb.tsRecent = seg.tsVal;
    tcb.tsRecentAt = now;
  }
  setSmss(tcb);
}

/** SND.WND from a SYN: never scaled (RFC 7323 §2.2). On other segments see process-ack.ts. */
function setSendWindow(tcb: Tcb, seg: TcpSegment): void {
  tcb.sndWnd = seg.has(TcpFlag.SYN) ? seg.wnd : seg.wnd * (1 << tcb.sndWscale);
  tcb.maxSndWnd = Math.max(tcb.maxSndWnd, tcb.sndWnd);
  tcb.sndWl1 = seg.seq;
  tcb.sndWl2 = seg.ack;
}

/** The connection is synchronized both ways: cwnd begins here (RFC 5681 §3.1, RFC 6928), with the MSS now known. */
function establish(tcb: Tcb): void {
  const { sysctl } = tcb.config;
  // The peer's SYN-ACK came before ours could leave: an ACK does as well.
  if (tcb.synDue) tcb.ackOwed = 'now';
  tcb.synDue = false;
  const segments = tcb.synRetransmits > 1 ? 1 : sysctl.initcwnd;
  tcb.congestion = tcb.newCongestion(segments);
  if (tcb.synRetransmits > 0) tcb.rtt.afterLostSyn();
  tcb.ecnRecover = afterSyn(tcb);
  updateKeepAlive(tcb, tcb.now);
  tcb.happened |= Happened.connected | Happened.writable;
}

/** An RTT sample from the handshake: by the clock if the SYN left once, by its echoed timestamp if not. */
function sampleSynRtt(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  if (tcb.isTiming && tcb.synRetransmits === 0) tcb.sampleRtt(now - tcb.timedAt);
  else if (!tcb.fromCookie) {
    const rtt = echoedRtt(tcb, seg, now);
    if (rtt > 0) tcb.sampleRtt(rtt);
  }
  tcb.isTiming = false;
}

/** Where a segment's FIN stands in sequence space. */
function finOf(seg: TcpSegment): Seq {
  return seqAdd(seg.seq, seg.segLen - 1);
}

/** Octets that had all arrived before: the sender is in trouble. Those on a SYN are of no stream that we know. */
function noteDuplicate(tcb: Tcb, seg: TcpSegment): void {
  if (seg.payload.len === 0 || seg.has(TcpFlag.SYN) || !seqLt(seg.seq, tcb.rcvNxt)) return;
  tcb.dupSegsIn++;
  tcb.ackPolicy.onDisorder(tcb.rcvWnd);
  reportDuplicate(tcb, seg.seq, seqMin(tcb.rcvNxt, seqAdd(seg.seq, seg.payload.len)));
}
