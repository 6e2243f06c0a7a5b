import { expect, test } from 'vitest';
import { toSeq } from '../../../src/base/seq.ts';
import { micros, NEVER, seconds } from '../../../src/base/time.ts';
import { PathMtu } from '../../../src/tcp/path-mtu.ts';

test.each([
  ['all again, is over for good', true, NEVER],
  ['less than it might, goes on after ten minutes', false, seconds(600)],
])('the search on a path that carries %s', (_, carries, wait) => {
  const path = new PathMtu(1460);
  path.blackHole(1024, micros(0));
  for (let len = path.wantedProbe(micros(0)); len > 0; len = path.wantedProbe(micros(0))) {
    path.probeSent(len, toSeq(0));
    if (carries) path.acknowledged(toSeq(len));
    else path.lost(toSeq(0));
  }
  expect(path.wantedProbe(micros(wait === NEVER ? seconds(1e6) : wait - 1))).toBe(0);
  expect(path.wantedProbe(micros(wait === NEVER ? seconds(1e6) : wait)) > 0).toBe(wait !== NEVER);
});

test.each([
  [1032, 1028],
  [1031, 0],
])('between 1024 and %i it tries %i', (most, wanted) => {
  const path = new PathMtu(most);
  path.blackHole(1024, micros(0));
  expect(path.wantedProbe(micros(0))).toBe(wanted);
});

test('what is lost is the probe, or it is not', () => {
  const path = new PathMtu(1460);
  path.blackHole(1024, micros(0));
  path.wantedProbe(micros(0));
  path.probeSent(1200, toSeq(5000));
  expect(path.lost(toSeq(4000))).toBe(0);
  expect(path.lost(toSeq(5000))).toBe(0);
  path.wantedProbe(micros(0));
  path.probeSent(1200, toSeq(5000));
  expect(path.lost(toSeq(5000))).toBe(1200);
});

test('after a black hole the search begins at once', () => {
  const path = new PathMtu(1460);
  path.blackHole(1024, micros(7));
  expect(path.mss).toBe(1024);
  expect(path.wantedProbe(micros(7))).toBeGreaterThan(1024);
});
