import { describe, expect, test } from 'vitest';
import { type Random, seededRandom } from '../../../src/base/random.ts';
import { SipHash } from '../../../src/base/siphash.ts';
import { micros, seconds } from '../../../src/base/time.ts';
import { initialSequence, timestampOffset } from '../../../src/tcp/isn.ts';

/** SipHash-2-4 over 16 octets, written from the paper with 64-bit integers: nothing in common with ours. */
function reference(key: Uint8Array, message: Uint8Array): bigint {
  const word = (octets: Uint8Array, at: number): bigint =>
    new DataView(octets.buffer).getBigUint64(octets.byteOffset + at, true);
  const mask = (1n << 64n) - 1n;
  const [k0, k1] = [word(key, 0), word(key, 8)];
  let [v0, v1, v2, v3] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & mask;
  const round = (): void => {
    v0 = (v0 + v1) & mask;
    v1 = rotate(v1, 13n) ^ v0;
    v0 = rotate(v0, 32n);
    v2 = (v2 + v3) & mask;
    v3 = rotate(v3, 16n) ^ v2;
    v0 = (v0 + v3) & mask;
    v3 = rotate(v3, 21n) ^ v0;
    v2 = (v2 + v1) & mask;
    v1 = rotate(v1, 17n) ^ v2;
    v2 = rotate(v2, 32n);
  };
  const tail = message.length % 8;
  const last = new Uint8Array(8);
  last.set(message.subarray(message.length - tail));
  last[7] = message.length & 0xff;
  const words = Array.from({ length: (message.length - tail) / 8 }, (_, i) => word(message, 8 * i));
  for (const m of [...words, word(last, 0)]) {
    v3 ^= m;
    round();
    round();
    v0 ^= m;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

/** Key 00 01 … 0f, as the paper's vectors have it: our words are the high halves of k0 and k1 before the low ones. */
const PAPER_KEY = Uint8Array.from({ length: 16 }, (_, i) => i);
function ofWords(words: readonly number[]): Random {
  let i = 0;
  return { uint32: () => words[i++]! };
}
const wordsOf = (octets: Uint8Array): number[] => {
  const view = new DataView(octets.buffer, octets.byteOffset);
  return [view.getUint32(4, true), view.getUint32(0, true), view.getUint32(12, true), view.getUint32(8, true)];
};

describe('SipHash-2-4', () => {
  test('the reference is right: the paper’s vector for 15 octets, and that for 16', () => {
    const octets = Uint8Array.from({ length: 15 }, (_, i) => i);
    expect(reference(PAPER_KEY, octets).toString(16)).toBe('a129ca6149be45e5');
    // Of the 64 vectors published with the reference implementation.
    expect(reference(PAPER_KEY, PAPER_KEY).toString(16)).toBe('3f2acc7f57c29bdb');
    expect(reference(PAPER_KEY, new Uint8Array(0)).toString(16)).toBe('726fdb47dd0e0e31');
  });

  test('the low half of the vector for 16 octets', () => {
    const hash = new SipHash(ofWords(wordsOf(PAPER_KEY)));
    const view = new DataView(PAPER_KEY.buffer);
    const words = [0, 4, 8, 12].map((at) => view.getInt32(at, true)) as [number, number, number, number];
    expect((hash.hash(...words) >>> 0).toString(16)).toBe('57c29bdb');
  });

  test('agrees with the reference for any key and words', () => {
    const random = seededRandom(77);
    for (let i = 0; i < 300; i++) {
      const key = new Uint8Array(16);
      const message = new Uint8Array(16);
      for (let w = 0; w < 4; w++) {
        new DataView(key.buffer).setUint32(4 * w, random.uint32(), true);
        // Often all ones or zeros, where carries go wrong.
        const word = [random.uint32(), 0xffff_ffff, 0][random.uint32() % 3]!;
        new DataView(message.buffer).setUint32(4 * w, word, true);
      }
      const view = new DataView(message.buffer);
      const words = [0, 4, 8, 12].map((at) => view.getInt32(at, true)) as [number, number, number, number];
      const expected = Number(BigInt.asIntN(32, reference(key, message)));
      expect(new SipHash(ofWords(wordsOf(key))).hash(...words)).toBe(expected);
    }
  });
});

describe('initial sequence numbers', () => {
  const prf = new SipHash(seededRandom(5));
  const at = (t: number, ...tuple: [number, number, number]): number => initialSequence(prf, ...tuple, micros(t));

  test('step every 4 µs, and wrap', () => {
    const base = at(0, 1, 2, 3);
    expect((at(3, 1, 2, 3) - base) | 0).toBe(0);
    expect((at(4, 1, 2, 3) - base) | 0).toBe(1);
    expect((at(2 ** 34, 1, 2, 3) - base) | 0).toBe(0);
    expect((at(2 ** 34 + 8, 1, 2, 3) - base) | 0).toBe(2);
    expect(Number.isInteger(at(2 ** 50 + 1, 1, 2, 3))).toBe(true);
  });

  test('hang on addresses, ports and secret', () => {
    const all = [at(0, 1, 2, 3), at(0, 9, 2, 3), at(0, 1, 9, 3), at(0, 1, 2, 9), at(0, 2, 1, 3)];
    expect(new Set(all).size).toBe(5);
    expect(initialSequence(new SipHash(seededRandom(6)), 1, 2, 3, micros(0))).not.toBe(all[0]);
  });

  test('a later incarnation begins ahead of an earlier one', () => {
    const first = at(1_000_000, 1, 2, 3);
    for (const t of [2, 60, 3600]) expect((at(seconds(t), 1, 2, 3) - first) | 0).toBeGreaterThan(0);
  });
});

test('timestamp offsets hang on the same, and tell nothing of sequence numbers', () => {
  const prf = new SipHash(seededRandom(5));
  expect(timestampOffset(prf, 1, 2, 3)).toBe(timestampOffset(prf, 1, 2, 3));
  expect(timestampOffset(prf, 1, 2, 3)).not.toBe(timestampOffset(prf, 1, 2, 4));
  expect(timestampOffset(prf, 1, 2, 3)).not.toBe(initialSequence(prf, 1, 2, 3, micros(0)));
});
