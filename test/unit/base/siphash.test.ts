import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { SipHash } from '../../../src/base/siphash.ts';

/** `random` that gives these words. */
function words(...all: number[]): { uint32(): number } {
  let i = 0;
  return { uint32: () => all[i++]! };
}

test("the reference's vector for 16 octets comes out", () => {
  // vectors_sip64[16] of the reference implementation, key and input 00 01 02 …: 0x3f2acc7f57c29bdb.
  const hash = new SipHash(words(0x07060504, 0x03020100, 0x0f0e0d0c, 0x0b0a0908));
  expect(hash.hash(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c) >>> 0).toBe(0x57c29bdb);
});

test('every word of the input counts, as int32 or as uint32', () => {
  const hash = new SipHash(seededRandom(1));
  const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(fc.tuple(word, word, word, word), fc.nat(3), fc.nat(31), (input, which, bit) => {
      const [a, b, c, d] = input;
      const of = hash.hash(a, b, c, d);
      expect(hash.hash(a >>> 0, b >>> 0, c >>> 0, d >>> 0)).toBe(of);
      const changed = input.map((w, i) => (i === which ? w ^ (1 << bit) : w)) as [number, number, number, number];
      expect(hash.hash(...changed)).not.toBe(of);
    }),
    { seed: 20261121 },
  );
});
