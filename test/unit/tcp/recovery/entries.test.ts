import { expect, test } from 'vitest';
import { borrowEntries, Entries, NO_ENTRIES, returnEntries, STRIDE } from '../../../../src/tcp/recovery/entries.ts';

/** How many of those that are given back are lent again. */
function keptOf(capacity: number, count: number): number {
  for (let i = 0; i < 200 && isKept(capacity); i++);
  const given = new Set(Array.from({ length: count }, () => new Entries(capacity)));
  for (const one of given) returnEntries(one);
  let kept = 0;
  while (kept < count && given.has(borrowEntries(capacity))) kept++;
  return kept;
}

/** Whether one lies there that is not new: a new one has never been written to. */
function isKept(capacity: number): boolean {
  const one = borrowEntries(capacity);
  const isUsed = one.fields[0] === 1;
  one.fields[0] = 1;
  return isUsed;
}

test('the smallest storage has room for 16 entries', () => {
  expect(borrowEntries().capacity).toBe(16);
  expect(borrowEntries(64).fields.length).toBe(64 * STRIDE);
});

test.each([
  [16, 1024],
  [32, 32],
  [1024, 1],
  [4096, 1],
])('of storage for %i entries %i are kept, for whoever comes', (capacity, most) => {
  expect(keptOf(capacity, most + 5)).toBe(most);
  expect(keptOf(capacity, 1)).toBe(1);
});

test('larger ones are not kept, nor is what has no room', () => {
  expect(keptOf(8192, 1)).toBe(0);
  for (let i = 0; i < 100_000 && borrowEntries(0) === NO_ENTRIES; i++);
  returnEntries(NO_ENTRIES);
  expect(borrowEntries(0)).not.toBe(NO_ENTRIES);
});
