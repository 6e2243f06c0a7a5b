import { expect, test } from 'vitest';
import { windowInSyn } from '../../../src/tcp/receive-window.ts';

test.each([
  [100_000, 5, 65_535],
  [100_000, 1460, 64_240],
  [3000, 1460, 2920],
  [1461, 1460, 1460],
  [1000, 1460, 1000],
])('of %i octets free, in segments of %i, a SYN offers %i', (free, mss, offered) => {
  expect(windowInSyn(free, mss)).toBe(offered);
});
