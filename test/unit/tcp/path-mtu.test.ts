import { expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { PathMtu } from '../../../src/tcp/path-mtu.ts';

test('after a black hole the search begins at once', () => {
  const path = new PathMtu(1460);
  path.blackHole(1024, micros(7));
  expect(path.mss).toBe(1024);
  expect(path.wantedProbe(micros(7))).toBeGreaterThan(1024);
});
