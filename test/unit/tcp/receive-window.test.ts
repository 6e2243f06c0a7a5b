import { expect, test } from 'vitest';
import { type ConnectionConfig, DEFAULT_SOCKET_OPTIONS, DEFAULT_SYSCTL } from '../../../src/tcp/config.ts';
import { initialCapacity, initialWindow, receiveMss, windowInSyn } from '../../../src/tcp/receive-window.ts';

test.each([
  [100_000, 5, 65_535],
  [100_000, 1460, 64_240],
  [3000, 1460, 2920],
  [1461, 1460, 1460],
  [1000, 1460, 1000],
])('of %i octets free, in segments of %i, a SYN offers %i', (free, mss, offered) => {
  expect(windowInSyn(free, mss)).toBe(offered);
});

const configOf = (options: Partial<ConnectionConfig['options']>): ConnectionConfig => ({
  profile: 'linux',
  sysctl: DEFAULT_SYSCTL,
  options: { ...DEFAULT_SOCKET_OPTIONS, ...options },
  path: { receiveMss: 1460, sendMss: 1460, defaultMss: 536, maxGsoPayload: 0 },
});

test('TCP_WINDOW_CLAMP and TCP_MAXSEG lower what the SYN says, and 0 is no limit', () => {
  expect([initialWindow(configOf({ TCP_WINDOW_CLAMP: 1 })), receiveMss(configOf({ TCP_MAXSEG: 1 }))]).toEqual([1, 1]);
  const free = configOf({ TCP_WINDOW_CLAMP: 0, TCP_MAXSEG: 0 });
  expect([initialWindow(free), receiveMss(free)]).toEqual([initialCapacity(free), 1460]);
  expect(initialCapacity(free)).toBeGreaterThan(1);
});
