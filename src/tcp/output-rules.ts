/**
 * What may leave now: the peer's window, the congestion window, Nagle's algorithm and silly-window avoidance
 * (RFC 9293 §3.7.4, §3.8.6.2.1), and what window we offer in turn (§3.8.6.2.2). Decisions only; output.ts builds.
 */
import { seqAdd, seqDiff, seqLt } from '../base/seq.ts';
import { later, type Micros, seconds } from '../base/time.ts';
import { afterSyn } from './ending.ts';
import { windowInSyn } from './receive-window.ts';
import { pipe, usableCwnd } from './recovery/window.ts';
import type { Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import { TIMESTAMPS_LEN } from './timestamps.ts';

/** `newDataLen` says this when nothing may leave; 0 is a FIN alone. */
export const NOTHING = -1;

/** Octets the peer's window still allows; negative when it has shrunk below what is out. */
export function usableWindow(tcb: Tcb): number {
  return seqDiff(seqAdd(tcb.sndUna, tcb.sndWnd), tcb.sndNxt);
}

/** Octets that both windows, the peer's and the congestion window, still allow. */
export function roomInWindows(tcb: Tcb): number {
  return Math.min(usableWindow(tcb), usableCwnd(tcb) - pipe(tcb));
}

function finToSend(tcb: Tcb): boolean {
  return tcb.finQueued && !tcb.finSent;
}

function mayCarryData(tcb: Tcb): boolean {
  switch (tcb.state) {
    case 'ESTABLISHED':
    case 'CLOSE-WAIT':
    case 'FIN-WAIT-1':
    case 'CLOSING':
    case 'LAST-ACK':
      return tcb.synSent && !tcb.synDue;
    case 'SYN-RECEIVED':
      return tcb.tfoAccepted && tcb.synSent && !tcb.synDue;
    default:
      return false;
  }
}

/** Octets of data that the next new segment carries, at most `most`; 0 for a FIN alone, NOTHING for no segment. */
export function newDataLen(tcb: Tcb, most: number): number {
  if (!mayCarryData(tcb)) return NOTHING;
  const unsent = tcb.unsent;
  const window = usableWindow(tcb);
  if (unsent === 0) return finToSend(tcb) && window > 0 ? 0 : NOTHING;

  if (tcb.probeOctetDue) return Math.min(1, most);
  const cwndRoom = usableCwnd(tcb) - pipe(tcb);
  const room = Math.min(window, cwndRoom);
  const len = Math.min(unsent, room, most);
  if (len <= 0) return NOTHING;
  if (len >= tcb.smss) return len === unsent ? withoutTail(tcb, len) : len - (len % tcb.smss);
  if (len === most) return len;
  if (len === unsent) return mayBeSmall(tcb) ? len : NOTHING;
  return mayFillWindow(tcb, len, window <= cwndRoom) ? len : NOTHING;
}

/** A run of full segments and a small rest: the rest goes along only if it could go alone. */
function withoutTail(tcb: Tcb, len: number): number {
  const tail = len % tcb.smss;
  // What goes before it is out by then, so Nagle holds it.
  const mayFollow = finToSend(tcb) || (tcb.options.TCP_NODELAY && !tcb.options.TCP_CORK);
  return mayFollow ? len : len - tail;
}

/** Nagle, RFC 9293 §3.7.4: a small segment waits while anything is unacknowledged. Our FIN ends the waiting. */
function mayBeSmall(tcb: Tcb): boolean {
  if (finToSend(tcb)) return true;
  // Not for ever: a send buffer smaller than a segment would be full, and never emptied.
  if (tcb.options.TCP_CORK) return tcb.overrideDue;
  // A SYN that is still out is no data (Fast Open).
  return tcb.options.TCP_NODELAY || tcb.flightSize === 0 || tcb.sndNxt === afterSyn(tcb);
}

/** Silly-window avoidance, rules (3) and (4): a segment cut short by the window is worth sending when it is half of the largest. */
function mayFillWindow(tcb: Tcb, len: number, limitedByPeer: boolean): boolean {
  if (!limitedByPeer) return tcb.flightSize === 0;
  return tcb.overrideDue || (tcb.flightSize === 0 && len >= tcb.maxSndWnd / 2);
}

/**
 * Arms or stops the persist timer: octets wait, nothing is out whose ACK would tell of a larger window.
 * The first expiry comes after one RTO (SHLD-29), and no later than 1 s where only silly-window avoidance or TCP_CORK
 * holds us.
 */
export function updatePersist(tcb: Tcb, now: Micros): void {
  const waiting = tcb.unsent > 0 || finToSend(tcb);
  if (!waiting || tcb.flightSize > 0 || !mayCarryData(tcb) || newDataLen(tcb, tcb.smss) !== NOTHING) {
    tcb.timers.stop(Timer.persist);
    tcb.probeDue = false;
    tcb.probeCount = 0;
    return;
  }
  if (!tcb.timers.isSet(Timer.persist) && !tcb.probeDue) tcb.timers.set(Timer.persist, later(now, persistDelay(tcb)));
}

export function persistDelay(tcb: Tcb): Micros {
  const most = tcb.config.sysctl.tcp_rto_max_ms * 1000;
  const delay = Math.min(tcb.rtt.rto * 2 ** tcb.probeCount, most);
  return (usableWindow(tcb) > 0 ? Math.min(delay, seconds(1)) : delay) as Micros;
}

/** Octets of window there is room for, clamped as the user asked, and no more than the field can say. */
function freeWindow(tcb: Tcb): number {
  const free = tcb.pressed ? Math.min(tcb.receiveBuffer.free, tcb.rcvWnd) : tcb.receiveBuffer.free;
  return Math.min(free, largestWindow(tcb));
}

/** The window when nothing is unread. */
function largestWindow(tcb: Tcb): number {
  const clamp = tcb.options.TCP_WINDOW_CLAMP;
  const expressible = Math.min(tcb.receiveBuffer.capacity, 65_535 * (1 << tcb.rcvWscale));
  return clamp > 0 ? Math.min(clamp, expressible) : expressible;
}

export function synWindow(tcb: Tcb): number {
  const isAnswer = tcb.state !== 'SYN-SENT';
  const mss = tcb.ownMss(tcb.config.path.receiveMss) - (isAnswer && tcb.timestampsAgreed ? TIMESTAMPS_LEN : 0);
  return windowInSyn(freeWindow(tcb), mss);
}

/** Whether reading has made so much room that the next segment should say so, RFC 9293 §3.8.6.2.2 (MUST-39). */
function windowWorthTelling(tcb: Tcb): boolean {
  return freeWindow(tcb) - tcb.rcvWnd >= leastIncrease(tcb);
}

/** Whether it is worth a segment of its own: the window has doubled (Linux). Less than that rides on the ACKs of data. */
export function windowWorthAnAck(tcb: Tcb): boolean {
  return windowWorthTelling(tcb) && freeWindow(tcb) >= 2 * tcb.rcvWnd;
}

function leastIncrease(tcb: Tcb): number {
  return Math.min(tcb.ownMss(tcb.config.path.receiveMss), largestWindow(tcb) / 2);
}

/**
 * The window field of a segment that leaves now; moves RCV.ADV, and never to the left (SHLD-14). What the scale can't
 * express is rounded up while the buffer has room for it but for one unit; beyond that it is rounded down, and the edge
 * the peer knows stays where it is (RFC 7323 §2.4). So the buffer holds at most one unit more than its capacity.
 */
export function offerWindow(tcb: Tcb): number {
  const told = tcb.rcvWnd;
  const wnd = windowWorthTelling(tcb) ? freeWindow(tcb) : told;
  const unit = 1 << tcb.rcvWscale;
  const up = Math.ceil(wnd / unit);
  const field = Math.min(up * unit < tcb.receiveBuffer.free + unit ? up : Math.floor(wnd / unit), 65_535);
  const edge = seqAdd(tcb.rcvNxt, field * unit);
  if (seqLt(tcb.rcvAdv, edge)) tcb.rcvAdv = edge;
  tcb.windowMayHaveOpened = false;
  return field;
}
