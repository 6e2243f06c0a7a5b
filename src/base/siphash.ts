/**
 * SipHash-2-4 (Aumasson and Bernstein), a keyed pseudo-random function for short inputs: initial sequence numbers,
 * timestamp offsets, ports and hash tables take it so that no outsider can foresee them. Input is 32-bit words.
 *
 * It runs several times for each segment of a flood: so all is in one function, on local variables.
 */
import type { Random } from './random.ts';

/** Two rounds after each of three words, the length's included, and four at the end. */
const WORD_ROUNDS = 6;
const ROUNDS = 10;
/** The last word holds the input's length in octets in its top octet. */
const LENGTH_WORD = 16 << 24;

export class SipHash {
  readonly #key = new Int32Array(4);

  constructor(random: Random) {
    for (let i = 0; i < 4; i++) this.#key[i] = random.uint32() | 0;
  }

  /** The low 32 bits of the hash of `a, b, c, d`, as int32. */
  hash(a: number, b: number, c: number, d: number): number {
    const k = this.#key;
    // 64-bit values are pairs of int32: v0h is the high half of v0.
    let v0h = k[0]! ^ 0x736f6d65;
    let v0l = k[1]! ^ 0x70736575;
    let v1h = k[2]! ^ 0x646f7261;
    let v1l = k[3]! ^ 0x6e646f6d;
    let v2h = k[0]! ^ 0x6c796765;
    let v2l = k[1]! ^ 0x6e657261;
    let v3h = k[2]! ^ 0x74656462;
    let v3l = k[3]! ^ 0x79746573;
    let wordHigh = 0;
    let wordLow = 0;
    for (let round = 0; round < ROUNDS; round++) {
      if (round < WORD_ROUNDS && (round & 1) === 0) {
        wordHigh = round === 0 ? b : round === 2 ? d : LENGTH_WORD;
        wordLow = round === 0 ? a : round === 2 ? c : 0;
        v3h ^= wordHigh;
        v3l ^= wordLow;
      } else if (round === WORD_ROUNDS) v2l ^= 0xff;

      // v0 += v1, v1 <<<= 13, v1 ^= v0, v0 <<<= 32
      let low = (v0l + v1l) | 0;
      let high = (v0h + v1h + (low >>> 0 < v1l >>> 0 ? 1 : 0)) | 0;
      let turned = (v1h << 13) | (v1l >>> 19);
      v1l = ((v1l << 13) | (v1h >>> 19)) ^ low;
      v1h = turned ^ high;
      v0h = low;
      v0l = high;
      // v2 += v3, v3 <<<= 16, v3 ^= v2
      low = (v2l + v3l) | 0;
      v2h = (v2h + v3h + (low >>> 0 < v3l >>> 0 ? 1 : 0)) | 0;
      v2l = low;
      turned = (v3h << 16) | (v3l >>> 16);
      v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
      v3h = turned ^ v2h;
      // v0 += v3, v3 <<<= 21, v3 ^= v0
      low = (v0l + v3l) | 0;
      v0h = (v0h + v3h + (low >>> 0 < v3l >>> 0 ? 1 : 0)) | 0;
      v0l = low;
      turned = (v3h << 21) | (v3l >>> 11);
      v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
      v3h = turned ^ v0h;
      // v2 += v1, v1 <<<= 17, v1 ^= v2, v2 <<<= 32
      low = (v2l + v1l) | 0;
      high = (v2h + v1h + (low >>> 0 < v1l >>> 0 ? 1 : 0)) | 0;
      turned = (v1h << 17) | (v1l >>> 15);
      v1l = ((v1l << 17) | (v1h >>> 15)) ^ low;
      v1h = turned ^ high;
      v2h = low;
      v2l = high;

      if (round < WORD_ROUNDS && (round & 1) === 1) {
        v0h ^= wordHigh;
        v0l ^= wordLow;
      }
    }
    return v0l ^ v1l ^ v2l ^ v3l;
  }
}
