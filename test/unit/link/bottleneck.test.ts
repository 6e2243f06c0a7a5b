import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { micros, ms } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { Bottleneck, OVERFLOW } from '../../../src/link/bottleneck.ts';
import type { Faults } from '../../../src/link/faults.ts';
import { memoryLink } from '../../../src/link/memory.ts';
import { faultTap } from '../../../src/link/taps/fault.ts';
import { packetOf, Recorder } from './packets.ts';

test('packets leave one after the other, each after its time on the wire', () => {
  // A megabyte a second: an octet a microsecond.
  const wire = new Bottleneck(1_000_000, { packets: 10 });
  expect([wire.take(100, 0), wire.take(50, 0), wire.take(10, 200)]).toEqual([100, 150, 210]);
});

test('fractions of a microsecond add up', () => {
  const wire = new Bottleneck(3_000_000, { packets: 1000 });
  const last = Array.from({ length: 300 }, () => wire.take(1, 0)).at(-1);
  expect(last).toBe(100);
});

test('a queue of two packets takes two beside the one on the wire, and one more as each begins to leave', () => {
  const wire = new Bottleneck(1_000_000, { packets: 2 });
  expect([0, 0, 0, 0].map((now) => wire.take(100, now))).toEqual([100, 200, 300, OVERFLOW]);
  expect(wire.take(100, 99)).toBe(OVERFLOW);
  expect(wire.take(100, 100)).toBe(400);
  expect(wire.take(100, 199)).toBe(OVERFLOW);
});

test('a queue of no packets takes what finds the wire idle', () => {
  const wire = new Bottleneck(1_000_000, { packets: 0 });
  expect([wire.take(100, 0), wire.take(100, 50), wire.take(100, 100)]).toEqual([100, OVERFLOW, 200]);
});

test('a queue of octets counts what is still to leave', () => {
  const wire = new Bottleneck(1_000_000, { octets: 150 });
  expect([wire.take(100, 0), wire.take(50, 0), wire.take(1, 0)]).toEqual([100, 150, OVERFLOW]);
  expect(wire.take(50, 50)).toBe(200);
  // An idle wire takes a packet larger than the queue.
  expect(wire.take(1000, 500)).toBe(1500);
});

/** Sends numbered packets of 100 octets at these instants through a path, and gives what arrives and when. */
function through(faults: Faults, at: readonly number[]) {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time);
  const tap = faultTap(a, { clock: time.clock(), random: seededRandom(1), out: faults });
  new Recorder(tap);
  const recorder = new Recorder(b);
  const got: [number, number][] = [];
  recorder.onEach = () => got.push([time.now, recorder.octets.length]);
  for (const [n, t] of at.entries()) time.schedule(micros(t), () => tap.send(packetOf([n, ...new Uint8Array(99)])));
  while (time.step());
  return { got: recorder.octets.map((o, i) => [o[0], got[i]![0]]), counters: tap.faults.out };
}

test('a path of 8 Mbit/s and 1 ms: each packet comes after its own time and those before it', () => {
  const { got } = through({ rate: 1_000_000, delay: ms(1) }, [0, 0, 500]);
  expect(got).toEqual([
    [0, 1100],
    [1, 1200],
    [2, 1600],
  ]);
});

test('what finds the queue full is dropped and counted; a lost packet has taken its time', () => {
  const { got, counters } = through({ rate: 1_000_000, queue: { packets: 1 } }, [0, 0, 0, 150]);
  expect(got).toEqual([
    [0, 100],
    [1, 200],
    [3, 300],
  ]);
  expect(counters).toMatchObject({ packets: 4, overflowed: 1, lost: 0, delayed: 3 });
  const script = (_: unknown, n: number) => (n === 1 ? ('drop' as const) : undefined);
  expect(through({ rate: 1_000_000, script }, [0, 0]).got).toEqual([[1, 200]]);
});

test('what is dropped at the queue does not change what chance does to the others', () => {
  const burst = Array.from({ length: 200 }, () => 0);
  const lost = (queue: number) => {
    const { got } = through({ rate: 1_000_000, queue: { packets: queue }, loss: 0.3 }, burst);
    return got.map(([n]) => n).filter((n) => n! < 20);
  };
  expect(lost(30)).toEqual(lost(1000));
});
