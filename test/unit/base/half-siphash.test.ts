import { expect, test } from 'vitest';
import { HalfSipHash } from '../../../src/base/half-siphash.ts';
import { seededRandom } from '../../../src/base/random.ts';

test("Linux's own vector for 12 octets comes out", () => {
  // lib/tests/siphash_kunit.c, hsiphash on 32 bits: key and input 00 01 02 …
  const key = [0x03020100, 0x07060504];
  const hash = new HalfSipHash({ uint32: () => key.shift()! });
  expect(hash.hash(0x03020100, 0x07060504, 0x0b0a0908) >>> 0).toBe(0x6b28096c);
});

test('every bit of the input counts, and every key has its own', () => {
  const [one, other] = [new HalfSipHash(seededRandom(1)), new HalfSipHash(seededRandom(2))];
  const of = one.hash(1, 2, 3);
  expect(other.hash(1, 2, 3)).not.toBe(of);
  for (let bit = 0; bit < 32; bit++) {
    const b = 1 << bit;
    for (const changed of [one.hash(1 ^ b, 2, 3), one.hash(1, 2 ^ b, 3), one.hash(1, 2, 3 ^ b)])
      expect(changed).not.toBe(of);
  }
});
