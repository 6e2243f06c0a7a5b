import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { SipHash } from '../../../src/base/siphash.ts';
import { FastOpenCookies } from '../../../src/stack/fast-open-cookies.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';

test('a cookie is for one address, and hangs on the secret (RFC 7413 §4.1.2)', () => {
  const cookies = new FastOpenCookies(new SipHash(seededRandom(1)));
  const others = new FastOpenCookies(new SipHash(seededRandom(2)));
  const [a, b] = [parseIpv4('192.0.2.1')!, parseIpv4('192.0.2.2')!];
  expect(cookies.for(a)).toMatch(/^[0-9a-f]{16}$/);
  expect(cookies.for(a)).toBe(cookies.for(a));
  expect(cookies.for(b)).not.toBe(cookies.for(a));
  expect(others.for(a)).not.toBe(cookies.for(a));
});
