import { expect, test } from 'vitest';
import { micros } from '../../../../src/base/time.ts';
import { mayRelease, quantum } from '../../../../src/tcp/recovery/pacing.ts';
import type { Tcb } from '../../../../src/tcp/tcb.ts';
import { Timer, TimerTable } from '../../../../src/tcp/timers.ts';

const MOST = 60_000;

/** What `quantum` looks at. */
function at(pacingRate: number, minRtt: number, SO_MAX_PACING_RATE = 0): number {
  const tcb = { options: { SO_MAX_PACING_RATE }, congestion: { pacingRate }, rack: { minRtt }, smss: 1000 };
  return quantum(tcb as unknown as Tcb, MOST);
}

test('what leaves in one piece is a millisecond’s worth, two segments at least, what the link takes at most', () => {
  expect(at(10_000_000, 20_000)).toBe(10_000);
  expect(at(10_000_999, 20_000)).toBe(10_000);
  expect([at(2_001_000, 20_000), at(1_999_000, 20_000), at(1, 20_000)]).toEqual([2001, 2000, 2000]);
  expect([at(59_999_999, 20_000), at(60_001_000, 20_000)]).toEqual([59_999, MOST]);
  expect(at(Number.POSITIVE_INFINITY, 20_000)).toBe(MOST);
});

test('the user’s limit counts, too', () => {
  expect(at(10_000_000, 20_000, 5_000_000)).toBe(5000);
  expect(at(Number.POSITIVE_INFINITY, 20_000, 5_000_000)).toBe(5000);
  expect(at(4_000_000, 20_000, 5_000_000)).toBe(4000);
});

test('an octet a second is a limit', () => {
  expect(at(10_000_000, 20_000, 1)).toBe(2000);
});

test('below a round trip of 512 µs the largest piece is no burst, once one is known', () => {
  expect([at(1, 511), at(1, 512), at(1, 1), at(1, 0)]).toEqual([MOST, 2000, MOST, 2000]);
});

/** Whether data may leave at 1000 when the pace lets it at `releaseAt`, and the timer that says so has not come. */
function mayLeave(releaseAt: number, pacingRate: number): boolean {
  const timers = new TimerTable();
  timers.set(Timer.pacing, micros(releaseAt));
  const tcb = { options: { SO_MAX_PACING_RATE: 0 }, congestion: { pacingRate }, timers, loss: { releaseAt } };
  return mayRelease(tcb as unknown as Tcb, micros(1000));
}

test('data leave when their time has come, before the timer says so', () => {
  expect([mayLeave(999, 1e6), mayLeave(1000, 1e6), mayLeave(1001, 1e6)]).toEqual([true, true, false]);
});

test('and when there is no pace any more', () => {
  expect(mayLeave(5000, Number.POSITIVE_INFINITY)).toBe(true);
});
