/** What the expiry of each timer does, RFC 9293 §3.10.8. */
import { later, type Micros } from '../base/time.ts';
import type { Sysctl } from './config.ts';
import { endConnection } from './ending.ts';
import { keepAliveTimeout } from './keep-alive.ts';
import { persistDelay, usableWindow } from './output-rules.ts';
import { setSmss } from './path-mtu.ts';
import { onReorderTimeout, onRetransmitTimeout } from './recovery/on-timeout.ts';
import { onRelease } from './recovery/pacing.ts';
import { probeTimeout } from './recovery/tail-probe.ts';
import { Happened, type Tcb } from './tcb.ts';
import { TIMER_NAMES, Timer } from './timers.ts';

/** What tcp_orphan_retries = 0 means. */
const ORPHAN_RETRIES = 8;

/** Runs every timer that is due. */
export function timeouts(tcb: Tcb, now: Micros): void {
  for (let timer = tcb.timers.takeDue(now); timer !== undefined; timer = tcb.timers.takeDue(now)) {
    tcb.now = now;
    tcb.cause = 'timer';
    traceTimer(tcb, timer);
    expire(tcb, timer, now);
  }
}

function expire(tcb: Tcb, timer: Timer, now: Micros): void {
  switch (timer) {
    case Timer.retransmit:
      if (!tcb.synAcked) synTimeout(tcb, now);
      else retransmitTimeout(tcb, now);
      return;
    case Timer.reorder:
      onReorderTimeout(tcb, now);
      return;
    case Timer.tailLoss:
      probeTimeout(tcb, now);
      return;
    case Timer.pacing:
      onRelease(tcb);
      return;
    case Timer.persist:
      persistTimeout(tcb, now);
      return;
    case Timer.delayedAck:
      if (tcb.ackOwed === 'delayed') tcb.ackOwed = 'now';
      tcb.ackPolicy.onDelayExpired();
      return;
    case Timer.user:
      giveUp(tcb);
      return;
    case Timer.keepAlive:
      keepAliveTimeout(tcb, now);
      return;
    case Timer.finWait2:
      endConnection(tcb, 'FIN-WAIT-2 timeout', undefined);
      return;
    case Timer.timeWait:
      endConnection(tcb, '2MSL', undefined);
      return;
  }
}

/** No answer to a SYN or SYN-ACK: again, each time after twice as long, until its retries are used up. */
function synTimeout(tcb: Tcb, now: Micros): void {
  const { sysctl } = tcb.config;
  const retries = tcb.state === 'SYN-SENT' ? synRetries(sysctl) : sysctl.tcp_synack_retries;
  if (tcb.synRetransmits >= retries) {
    giveUp(tcb);
    return;
  }
  tcb.synRetransmits++;
  tcb.synDue = true;
  if (tcb.synRetransmits > sysctl.tcp_syn_linear_timeouts) tcb.rtt.backOff();
  // Should the link refuse the segment, the next try still comes.
  tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
}

/**
 * Linux gives a SYN the time that tcp_syn_retries doublings take: where tcp_syn_linear_timeouts makes the first ones come
 * sooner, more of them fit in.
 */
function synRetries({ tcp_syn_retries, tcp_syn_linear_timeouts, tcp_rto_max_ms }: Sysctl): number {
  const longest = tcp_rto_max_ms / 1000;
  let left = 0;
  for (let i = 0; i <= tcp_syn_retries; i++) left += Math.min(2 ** i, longest);
  for (let n = 0; ; n++) {
    left -= Math.min(2 ** Math.max(0, n - tcp_syn_linear_timeouts), longest);
    if (left <= 0) return n;
  }
}

/** RFC 6298 §5.4 to §5.6; RFC 9293 §3.8.3, where R2 is Linux's tcp_retries2. */
function retransmitTimeout(tcb: Tcb, now: Micros): void {
  // The peer has shut its window on octets that are out: they become probes, and patience ends as with any (MUST-35, MUST-37).
  const { tcp_retries2 } = tcb.config.sysctl;
  if (tcb.sndWnd === 0 && !isOrphan(tcb)) {
    if (tcb.probesUnanswered >= tcp_retries2) {
      giveUp(tcb);
      return;
    }
    tcb.probesUnanswered++;
  } else {
    const retries = isOrphan(tcb) ? orphanRetries(tcb, tcb.rtt.rto) : tcp_retries2;
    tcb.timeouts++;
    if (tcb.timeouts === 1) tcb.firstTimeoutAt = now;
    else if (now - tcb.firstTimeoutAt >= patience(tcb, retries)) {
      giveUp(tcb);
      return;
    }
  }
  tcb.rtt.backOff();
  // First, so that the window of one segment is one of the size that is left.
  if (tcb.timeouts >= tcb.config.sysctl.tcp_retries1) troubled(tcb, now);
  onRetransmitTimeout(tcb, now);
  tcb.timers.set(Timer.retransmit, later(now, tcb.rtt.rto));
}

/** R1 of RFC 9293 §3.8.3: the user hears of it once (SHLD-9), and full segments may be what does not pass (RFC 4821 §7.7). */
function troubled(tcb: Tcb, now: Micros): void {
  if (tcb.timeouts === tcb.config.sysctl.tcp_retries1) {
    tcb.softError ??= 'ETIMEDOUT';
    tcb.happened |= Happened.softError;
  }
  if (tcb.config.sysctl.tcp_mtu_probing === 0) return;
  tcb.pathMtu.blackHole(tcb.config.sysctl.tcp_base_mss, now);
  setSmss(tcb);
}

/** How long `retries` retransmissions take from the smallest RTO on, µs: what Linux makes of tcp_retries2. */
function patience(tcb: Tcb, retries: number): number {
  const { tcp_rto_min_us, tcp_rto_max_ms } = tcb.config.sysctl;
  let sum = 0;
  for (let i = 0; i <= retries; i++) sum += Math.min(tcp_rto_min_us * 2 ** i, tcp_rto_max_ms * 1000);
  return sum;
}

/** The user has gone, and only the peer keeps the connection: to Linux no reason to hold it for long. To the RFC nothing of the kind (MUST-37). */
const isOrphan = (tcb: Tcb): boolean => tcb.userGone && !tcb.isRfc;

/** Of an orphan whose timer has grown to `wait` µs: Linux's function of that name. */
function orphanRetries(tcb: Tcb, wait: number): number {
  const { tcp_orphan_retries } = tcb.config.sysctl;
  if (!isLongest(tcb, wait)) return tcp_orphan_retries === 0 ? ORPHAN_RETRIES : tcp_orphan_retries;
  // ETIMEDOUT is our own word (R1), no router's.
  const { softError } = tcb;
  return softError === undefined || softError === 'ETIMEDOUT' ? tcp_orphan_retries : 0;
}

const isLongest = (tcb: Tcb, wait: number): boolean => wait >= tcb.config.sysctl.tcp_rto_max_ms * 1000;

function persistTimeout(tcb: Tcb, now: Micros): void {
  const wait = persistDelay(tcb);
  const retries = isOrphan(tcb) ? orphanRetries(tcb, wait) : tcb.config.sysctl.tcp_retries2;
  // An orphan's peer that goes on answering must not keep it for ever.
  const isHeld = isOrphan(tcb) && isLongest(tcb, wait) && tcb.probeCount >= retries;
  if (tcb.probesUnanswered >= retries || isHeld) {
    giveUp(tcb);
    return;
  }
  tcb.probeCount++;
  if (usableWindow(tcb) > 0) {
    tcb.overrideDue = true;
    return;
  }
  tcb.probesUnanswered++;
  if (tcb.isRfc && tcb.unsent > 0) {
    // An octet of new data, which the retransmission timer then repeats with its back-off (SHLD-29, SHLD-30).
    tcb.probeOctetDue = true;
    return;
  }
  tcb.probeDue = true;
  tcb.timers.set(Timer.persist, later(now, persistDelay(tcb)));
}

/** R2 of RFC 9293 §3.8.3, or the user's own patience. An ICMP error on the way says more than "timed out" (SHLD-25). */
function giveUp(tcb: Tcb): void {
  endConnection(tcb, 'give up', tcb.softError ?? 'ETIMEDOUT');
}

function traceTimer(tcb: Tcb, timer: Timer): void {
  if (!tcb.tracer.enabled) return;
  const record = { t: tcb.now, conn: tcb.id, type: 'timer', timer: TIMER_NAMES[timer]! } as const;
  tcb.tracer.record(timer === Timer.retransmit ? { ...record, rto: tcb.rtt.rto, count: tcb.timeouts } : record);
}
