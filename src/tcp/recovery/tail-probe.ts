/**
 * Tail loss probe, RFC 8985 §7: when the last of a flight is lost nothing arrives beyond it that could tell. After two round
 * trips without an ACK, one segment more, new or the last again, brings the answer before the retransmission timeout.
 */
import { seqLeq, seqLt } from '../../base/seq.ts';
import { later, type Micros, ms } from '../../base/time.ts';
import type { Tcb } from '../tcb.ts';
import { Timer } from '../timers.ts';
import { work } from './delivered.ts';
import { traceCongestion } from './trace.ts';

/** TLP.max_ack_delay: what a peer may wait with the ACK of a lone segment. */
const ACK_DELAY = ms(200);
/** What an ACK may need through queues of ours and the peer's (Linux's TCP_TIMEOUT_MIN_US). */
const SLACK = ms(2);

/** TLP_calc_PTO, §7.2: arms the timer, or stops it where a probe would tell nothing. */
export function scheduleProbe(tcb: Tcb, now: Micros): void {
  if (!mayProbe(tcb)) {
    tcb.timers.stop(Timer.tailLoss);
    return;
  }
  const isAlone = tcb.board.count === 1 && tcb.board.out <= tcb.smss;
  const timeout = Math.ceil(2 * tcb.rtt.srtt) + (isAlone ? ACK_DELAY : SLACK);
  const rtoAt = tcb.timers.isSet(Timer.retransmit) ? tcb.timers.at(Timer.retransmit) : later(now, tcb.rtt.rto);
  tcb.timers.set(Timer.tailLoss, Math.min(now + timeout, rtoAt) as Micros);
}

function mayProbe(tcb: Tcb): boolean {
  const { board } = tcb;
  if (!tcb.sackAgreed || tcb.config.sysctl.tcp_early_retrans < 3 || tcb.recovery !== 'open') return false;
  if (board.count === 0 || board.sacked > 0 || board.waiting > 0 || !tcb.synAcked) return false;
  return !tcb.loss.probeOut && tcb.rtt.srtt > 0 && tcb.sndWnd > 0 && tcb.timeouts === 0;
}

/** The timer expired. Whether or not a probe can leave, the retransmission timer takes over (§7.3). */
export function probeTimeout(tcb: Tcb, now: Micros): void {
  if (tcb.board.count === 0) return;
  tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
  if (mayProbe(tcb)) tcb.loss.probeDue = true;
}

export function probeSent(tcb: Tcb, isAgain: boolean): void {
  const { loss } = tcb;
  loss.probeOut = true;
  loss.probeEnd = tcb.sndNxt;
  loss.probeIsAgain = isAgain;
  loss.tailProbes++;
}

/** §7.4: an ACK while a probe is out. `isDup`: it says nothing new at all. */
export function probeOnAck(tcb: Tcb, isDup: boolean, now: Micros): void {
  const { loss, sndUna } = tcb;
  if (seqLt(sndUna, loss.probeEnd)) return;
  if (!loss.probeIsAgain || work.dsackOfProbe) {
    loss.probeOut = false;
    return;
  }
  if (loss.probeEnd !== sndUna && seqLeq(loss.probeEnd, sndUna)) {
    // More was acknowledged than the probe, and no word of a duplicate: it has filled a hole.
    loss.probeOut = false;
    if (tcb.recovery !== 'open') return;
    tcb.cwrDue = tcb.ecnAgreed;
    tcb.congestion.onLoss(work.pipe, now);
    tcb.congestion.onRecovered(Number.POSITIVE_INFINITY, now);
    traceCongestion(tcb, 'TLP');
  } else if (isDup) loss.probeOut = false;
}
