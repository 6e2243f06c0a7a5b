import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chance, intBelow, seededRandom } from '../../../src/base/random.ts';

const take = (seed: number, count: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.uint32());
};

test('a seed gives the numbers it has always given', () => {
  expect(take(1, 4)).toEqual([4120146262, 2409689209, 3543981501, 3643560935]);
});

test('neighbouring seeds have nothing in common', () => {
  for (let seed = 0; seed < 100; seed++) {
    const other = new Set(take(seed + 1, 50));
    expect(take(seed, 50).filter((n) => other.has(n))).toEqual([]);
  }
});

test('numbers are uint32 and fill their range evenly', () => {
  const buckets = new Array<number>(16).fill(0);
  const odd = [];
  for (const n of take(7, 160_000)) {
    if (!Number.isInteger(n) || n < 0 || n > 0xffff_ffff) odd.push(n);
    buckets[n >>> 28]!++;
  }
  expect(odd).toEqual([]);
  for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

test('a chance of 0 and of 1 are certain and draw nothing', () => {
  const random = seededRandom(3);
  const untouched = seededRandom(3);
  expect(chance(random, 0)).toBe(false);
  expect(chance(random, 1)).toBe(true);
  expect(random.uint32()).toBe(untouched.uint32());
});

test('a chance of 2 % comes true in 2 % of cases', () => {
  const random = seededRandom(11);
  let hits = 0;
  for (let i = 0; i < 100_000; i++) if (chance(random, 0.02)) hits++;
  expect(hits).toBeGreaterThan(1800);
  expect(hits).toBeLessThan(2200);
});

test('intBelow stays below, and reaches both ends', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 0x1_0000_0000 }), (seed, n) => {
      const i = intBelow(seededRandom(seed), n);
      return Number.isInteger(i) && i >= 0 && i < n;
    }),
  );
  const random = seededRandom(5);
  const seen = new Set(Array.from({ length: 200 }, () => intBelow(random, 6)));
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5]);
});
