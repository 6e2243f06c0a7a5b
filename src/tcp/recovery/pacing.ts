/**
 * Pacing: a controller that names a rate has segments leave at it. What leaves at once is about a millisecond's worth, at
 * least two segments and at most what a link takes in one piece (Linux's tcp_tso_autosize); short bursts are allowed in
 * between, so that a fast connection does not wake for each.
 */
import type { Micros } from '../../base/time.ts';
import type { Tcb } from '../tcb.ts';
import { Timer } from '../timers.ts';

/** µs of the rate that may leave in one go. */
const BURST = 250;
/** A release that came late is made up for, as far as this, µs: alarms are. */
const MOST_CREDIT = 1000;
/** Below this round trip, µs, a link's largest piece is no burst to anyone. */
const SHORT_RTT = 512;

/** Octets per second; Infinity when nothing is paced. */
export function pacingRate(tcb: Tcb): number {
  const most = tcb.options.SO_MAX_PACING_RATE;
  const { pacingRate: rate } = tcb.congestion;
  return most > 0 ? Math.min(rate, most) : rate;
}

/** Most octets in one segment, before it is cut to whole MSSs. */
export function quantum(tcb: Tcb, most: number): number {
  const rate = pacingRate(tcb);
  if (rate === Number.POSITIVE_INFINITY) return most;
  const { minRtt } = tcb.rack;
  const bonus = minRtt > 0 && minRtt < SHORT_RTT ? most : 0;
  return Math.min(most, Math.max(Math.floor(rate / 1000) + bonus, 2 * tcb.smss));
}

/** Whether data may leave now; when not, the timer says when. */
export function mayRelease(tcb: Tcb, now: Micros): boolean {
  const ahead = tcb.loss.releaseAt - now;
  if (ahead <= 0) {
    if (tcb.timers.isSet(Timer.pacing)) onRelease(tcb);
    return true;
  }
  if (pacingRate(tcb) === Number.POSITIVE_INFINITY) return true;
  if (ahead < BURST && !tcb.timers.isSet(Timer.pacing)) return true;
  if (!tcb.timers.isSet(Timer.pacing)) tcb.timers.set(Timer.pacing, tcb.loss.releaseAt as Micros);
  return false;
}

/** What was held back may leave, and may make up for a release that came late. */
export function onRelease(tcb: Tcb): void {
  tcb.timers.stop(Timer.pacing);
  tcb.loss.wasHeld = true;
}

/** `len` octets of data leave. */
export function onPaced(tcb: Tcb, len: number, now: Micros): void {
  const rate = pacingRate(tcb);
  if (rate === Number.POSITIVE_INFINITY) return;
  const { loss } = tcb;
  const from = Math.max(loss.releaseAt, loss.wasHeld ? now - MOST_CREDIT : now);
  loss.releaseAt = Math.ceil(from + (len * 1e6) / rate);
  if (loss.releaseAt >= now) loss.wasHeld = false;
}
