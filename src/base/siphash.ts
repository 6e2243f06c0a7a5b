/**
 * SipHash-2-4 (Aumasson and Bernstein), a keyed pseudo-random function for short inputs: initial sequence numbers,
 * timestamp offsets, ports and hash tables take it so that no outsider can foresee them. Input is 32-bit words.
 */
import type { Random } from './random.ts';

/** 64-bit values are pairs of int32, high half first: v[2i], v[2i + 1]. */
export class SipHash {
  readonly #key = new Int32Array(4);
  readonly #v = new Int32Array(8);

  constructor(random: Random) {
    for (let i = 0; i < 4; i++) this.#key[i] = random.uint32() | 0;
  }

  /** The low 32 bits of the hash of `a, b, c, d`, as int32. */
  hash(a: number, b: number, c: number, d: number): number {
    const v = this.#v;
    const k = this.#key;
    v[0] = k[0]! ^ 0x736f6d65;
    v[1] = k[1]! ^ 0x70736575;
    v[2] = k[2]! ^ 0x646f7261;
    v[3] = k[3]! ^ 0x6e646f6d;
    v[4] = k[0]! ^ 0x6c796765;
    v[5] = k[1]! ^ 0x6e657261;
    v[6] = k[2]! ^ 0x74656462;
    v[7] = k[3]! ^ 0x79746573;
    this.#word(b, a);
    this.#word(d, c);
    // The last block holds the input's length in octets, 16, in its top octet.
    this.#word(16 << 24, 0);
    v[5] = v[5]! ^ 0xff;
    for (let i = 0; i < 4; i++) this.#round();
    return v[1]! ^ v[3]! ^ v[5]! ^ v[7]!;
  }

  #word(high: number, low: number): void {
    const v = this.#v;
    v[6] = v[6]! ^ high;
    v[7] = v[7]! ^ low;
    this.#round();
    this.#round();
    v[0] = v[0]! ^ high;
    v[1] = v[1]! ^ low;
  }

  #round(): void {
    const v = this.#v;
    add(v, 0, 2);
    rotate(v, 2, 13);
    xor(v, 2, 0);
    rotate(v, 0, 32);
    add(v, 4, 6);
    rotate(v, 6, 16);
    xor(v, 6, 4);
    add(v, 0, 6);
    rotate(v, 6, 21);
    xor(v, 6, 0);
    add(v, 4, 2);
    rotate(v, 2, 17);
    xor(v, 2, 4);
    rotate(v, 4, 32);
  }
}

function add(v: Int32Array, to: number, from: number): void {
  const low = (v[to + 1]! >>> 0) + (v[from + 1]! >>> 0);
  v[to] = v[to]! + v[from]! + (low > 0xffff_ffff ? 1 : 0);
  v[to + 1] = low | 0;
}

function xor(v: Int32Array, to: number, from: number): void {
  v[to] = v[to]! ^ v[from]!;
  v[to + 1] = v[to + 1]! ^ v[from + 1]!;
}

function rotate(v: Int32Array, i: number, by: number): void {
  const high = v[i]!;
  const low = v[i + 1]!;
  if (by === 32) {
    v[i] = low;
    v[i + 1] = high;
    return;
  }
  v[i] = (high << by) | (low >>> (32 - by));
  v[i + 1] = (low << by) | (high >>> (32 - by));
}
