/**
 * HalfSipHash-1-3 (Aumasson), the keyed hash for tables: on 32-bit words, and with as few rounds as keep an outsider
 * from choosing keys that fall into one bucket. What must not be foreseen takes SipHash instead.
 */
import type { Random } from './random.ts';

/** Input is three words of 32 bits: the last word of the input holds its length, 12 octets. */
const LENGTH_WORD = 12 << 24;

export class HalfSipHash {
  readonly #k0: number;
  readonly #k1: number;

  constructor(random: Random) {
    this.#k0 = random.uint32() | 0;
    this.#k1 = random.uint32() | 0;
  }

  /** The hash of `a, b, c`, as int32. */
  hash(a: number, b: number, c: number): number {
    let v0 = this.#k0;
    let v1 = this.#k1;
    let v2 = this.#k0 ^ 0x6c796765;
    let v3 = this.#k1 ^ 0x74656462;
    for (let round = 0; round < 7; round++) {
      const word = round === 0 ? a : round === 1 ? b : round === 2 ? c : round === 3 ? LENGTH_WORD : 0;
      v3 ^= word;
      if (round === 4) v2 ^= 0xff;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}
