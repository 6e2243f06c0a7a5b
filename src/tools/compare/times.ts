/**
 * Times of a run in classes coarse enough to be the stack's and not the machine's: what is answered at once, what waits
 * for a delayed acknowledgment (Linux: 40 to 200 ms), what a retransmission timer sends (200 ms or more).
 */
import type { Micros } from '../../base/time.ts';
import type { Shot } from './model.ts';

export type TimeClass = 'at once' | 'delayed' | 'timeout';

const DELAYED_FROM = 25_000;
const TIMEOUT_FROM = 190_000;

export function timeClass(gap: Micros): TimeClass {
  if (gap < DELAYED_FROM) return 'at once';
  return gap < TIMEOUT_FROM ? 'delayed' : 'timeout';
}

/** Gaps just beside a class's bound are not told apart, and two timeouts only when one is half as long again. */
export function sameTimeClass(a: Micros, b: Micros): boolean {
  const close = Math.max(a, b) <= 1.5 * Math.min(a, b);
  if (timeClass(a) === timeClass(b)) return timeClass(a) !== 'timeout' || close;
  return close;
}

export const timeText = (gap: Micros): string => `${timeClass(gap)}, after ${(gap / 1000).toFixed(1)} ms`;

/**
 * How long our end took to acknowledge what segment `i`, the peer's, brought; 'never' while the capture lasted, undefined
 * when it brought nothing that is acknowledged.
 */
export function ackDelay(shots: readonly Shot[], i: number): Micros | 'never' | undefined {
  const shot = shots[i]!;
  const octets = shot.len + (shot.flags.match(/[SF]/g)?.length ?? 0);
  if (shot.dir === 'out' || octets === 0 || shot.flags.includes('R')) return undefined;
  const end = (shot.seq + octets) >>> 0;
  for (let j = i + 1; j < shots.length; j++) {
    const { dir, ack, pace } = shots[j]!;
    if (dir === 'out' && ack !== undefined && ((ack - end) | 0) >= 0) return (pace - shot.pace) as Micros;
  }
  return 'never';
}

/** Seconds without their unit, to the hundredth where that matters. */
export const secondsText = (t: Micros): string => {
  const s = t / 1_000_000;
  return s >= 10 ? s.toFixed(1) : s >= 0.1 ? s.toFixed(2) : s.toFixed(3);
};
