/** The fifth step of SEGMENT ARRIVES in synchronized states: the ACK field and the window, RFC 9293 §3.10.7.4. */
import { type Seq, seqDiff, seqLeq, seqLt } from '../base/seq.ts';
import { later, type Micros } from '../base/time.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import { challenge, drop, mayAnswerInvalid, type Verdict } from './answers.ts';
import { takeEcnEcho } from './ecn.ts';
import { endConnection, startTimeWait } from './ending.ts';
import { takeCumulative, takeSack, work } from './recovery/delivered.ts';
import { onAck } from './recovery/on-ack.ts';
import { scheduleProbe } from './recovery/tail-probe.ts';
import { Happened, type Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import { echoedRtt, updateTsRecent } from './timestamps.ts';
import { startFinWait2 } from './user-calls.ts';

export function processAck(tcb: Tcb, seg: TcpSegment, now: Micros): Verdict {
  if (tcb.state === 'TIME-WAIT') {
    // The only thing that can arrive is the peer's FIN again, and that is below RCV.NXT: see checkSequence.
    updateTsRecent(tcb, seg, now);
    return 'continue';
  }
  // RFC 5961 §5.2: an ACK of what was never sent, or of what is older than a window, is a forger's guess.
  const acked = seqDiff(seg.ack, tcb.sndUna);
  const tooOld = acked < 0 && -acked > mostBehind(tcb);
  if (tooOld || seqLt(tcb.sndNxt, seg.ack)) {
    if (mayAnswerInvalid(tcb, now)) challenge(tcb, tooOld ? 'ACK too old' : 'ACK of what was not sent');
    else drop(tcb, 'unacceptable ACK');
    return 'done';
  }
  // Not before: who can't name an acceptable ACK must not move TS.Recent either, or PAWS would shut out the honest peer.
  updateTsRecent(tcb, seg, now);
  tcb.probesUnanswered = 0;
  const flightBefore = tcb.flightSize;
  const windowMoved = updateSendWindow(tcb, seg);
  const ece = tcb.ecnAgreed && seg.has(TcpFlag.ECE);
  if (ece) takeEcnEcho(tcb, seg, now);
  const hasSack = tcb.sackAgreed && seg.sackCount > 0;
  // RFC 5681 §2; with SACK blocks a window that moves says nothing against it (RFC 6675 §2), and Linux's moves.
  // All may be acknowledged when the answer to a tail loss probe comes (RFC 8985 §7.4).
  const isAwaited = flightBefore > 0 || tcb.loss.probeOut;
  const isDup = acked === 0 && isAwaited && seg.segLen === 0 && (!windowMoved || hasSack);
  if (acked <= 0 && !hasSack && !isDup) return 'continue';
  work.begin(tcb);
  if (hasSack) takeSack(tcb, seg, now);
  const rtt = acked > 0 ? acknowledge(tcb, seg, now) : 0;
  if (work.sackRtt > 0) tcb.rack.noteRtt(work.sackRtt, now);
  onAck(tcb, seg, Math.max(0, acked), isDup, rtt, ece, now);
  if (acked > 0 || work.sacked > 0) scheduleProbe(tcb, now);
  return acked > 0 ? afterAck(tcb, now) : 'continue';
}

/**
 * How far an ACK may lie behind SND.UNA and still be an old one: MAX.SND.WND (RFC 5961 §5.2), and no further than what was
 * acknowledged at all, since nobody honest acknowledges what came before the first number (Linux 6.7). Octets, our FIN,
 * and the SYN of who was not asked: a passive open knows of no peer that had not acknowledged its SYN.
 */
function mostBehind(tcb: Tcb): number {
  const acknowledged = tcb.bytesAcked + (tcb.state === 'FIN-WAIT-2' ? 1 : 0) + (tcb.isPassive ? 0 : 1);
  return Math.min(tcb.maxSndWnd, acknowledged);
}

/** SND.UNA = SEG.ACK: octets leave the send buffer, the timer starts afresh (RFC 6298 §5.2, §5.3). Returns the RTT sample, 0 for none. */
function acknowledge(tcb: Tcb, seg: TcpSegment, now: Micros): number {
  const heldBefore = tcb.sendBuffer.len;
  const keepsTimer = isLaterPartial(tcb, seg.ack);
  tcb.sndUna = seg.ack;
  tcb.synAcked = true;
  tcb.sendBuffer.dropTo(Math.min(tcb.placeOfSeq(seg.ack), tcb.sendBuffer.end));
  tcb.bytesAcked += heldBefore - tcb.sendBuffer.len;
  // Without a sample RTO stays backed off: whose ACK it is can't be told (RFC 6298 §5.6, Karn's second part).
  takeCumulative(tcb, now);
  const rtt = sampleRtt(tcb, seg, now);
  tcb.timeouts = 0;
  if (tcb.flightSize === 0) {
    tcb.timers.stop(Timer.retransmit);
    tcb.timers.stop(Timer.reorder);
    tcb.timers.stop(Timer.user);
  } else {
    if (!keepsTimer) tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
    if (tcb.timers.isSet(Timer.user)) tcb.timers.set(Timer.user, (now + tcb.options.TCP_USER_TIMEOUT * 1000) as Micros);
  }
  if (tcb.userWaitsForRoom) {
    tcb.userWaitsForRoom = false;
    tcb.happened |= Happened.writable;
  }
  if (tcb.sendBuffer.len === 0) tcb.happened |= Happened.writable;
  return rtt;
}

/**
 * A partial ACK after the first of an episode: to the letter it leaves the timer alone, so that many losses in one window
 * end in slow start (RFC 6582 §3.2 step 3, the Impatient variant of §4). Linux sets it anew with each (Slow-but-Steady).
 */
function isLaterPartial(tcb: Tcb, ack: Seq): boolean {
  if (!tcb.isRfc || tcb.sackAgreed || tcb.recovery !== 'recovery') return false;
  // SND.UNA was noted when the episode began.
  return tcb.sndUna !== tcb.loss.undoFrom && seqLt(ack, tcb.recover);
}

/**
 * Karn: of what was sent once, the newest. Where none of it was, and after a retransmission the echoed timestamp says which was received,
 * but only the echo of the last copy is a round trip: that of an earlier one comes as well when its ACK was lost and a
 * later copy, a duplicate, brought the ACK again, and then it holds the whole timeout.
 */
function sampleRtt(tcb: Tcb, seg: TcpSegment, now: Micros): number {
  let rtt = work.rtt;
  if (rtt < 0 && tcb.timeouts > 0) rtt = echoedRtt(tcb, seg, now);
  else if (rtt < 0 && !work.ambiguous) rtt = work.sackRtt;
  if (rtt < 0 || (rtt === 0 && work.rtt < 0)) return 0;
  tcb.sampleRtt(rtt);
  return Math.max(1, rtt);
}

/** SND.WND, unless the segment is older than the one the window came from; true when it changed. */
function updateSendWindow(tcb: Tcb, seg: TcpSegment): boolean {
  const newer =
    seqLt(tcb.sndUna, seg.ack) || seqLt(tcb.sndWl1, seg.seq) || (tcb.sndWl1 === seg.seq && seqLeq(tcb.sndWl2, seg.ack));
  if (!newer || seqLt(seg.ack, tcb.sndUna)) return false;
  const wnd = seg.has(TcpFlag.SYN) ? seg.wnd : seg.wnd * (1 << tcb.sndWscale);
  const changed = wnd !== tcb.sndWnd;
  tcb.sndWnd = wnd;
  tcb.maxSndWnd = Math.max(tcb.maxSndWnd, wnd);
  tcb.sndWl1 = seg.seq;
  tcb.sndWl2 = seg.ack;
  return changed;
}

/** What follows when the ACK covers our FIN. */
function afterAck(tcb: Tcb, now: Micros): Verdict {
  if (!tcb.finSent || !seqLt(tcb.finSeq, tcb.sndUna)) return 'continue';
  switch (tcb.state) {
    case 'FIN-WAIT-1':
      tcb.step('rcv ACK of FIN');
      if (tcb.userGone) startFinWait2(tcb, now);
      return 'continue';
    case 'CLOSING':
      tcb.step('rcv ACK of FIN');
      startTimeWait(tcb, now);
      return 'done';
    case 'LAST-ACK':
      endConnection(tcb, 'rcv ACK of FIN', undefined);
      return 'done';
    default:
      return 'continue';
  }
}
