/**
 * Numbers and flags as one short string, and back: how something that is rarely needed is put away. One function names
 * what is kept, in order, for both directions: `this.cwnd = k.number(this.cwnd)` writes the value when packing, and gives
 * back the one that was packed when unpacking. A string, because nothing that the collector looks after is smaller.
 */

import { type Seq, seqInt, toSeq } from './seq.ts';

/** First octet of a number: below PLAIN the number itself; else how many octets of it follow, or what it is. */
const PLAIN = 0xe0;
const INFINITE = 0xe0;
const MINUS_INFINITE = 0xe1;
const FLOAT = 0xe2;
/** Plus the count of octets, 1 to 7. */
const POSITIVE = 0xe8;
const NEGATIVE = 0xf0;
/** Octets of any value, and one more. */
const MOST_LEN = 10;

export class Keeper {
  #octets = new Uint8Array(256);
  readonly #float = new Float64Array(1);
  readonly #floatOctets = new Uint8Array(this.#float.buffer);
  #text = '';
  #at = 0;
  #reading = false;
  /** How many flags the octet at `#flagsAt` holds; 0: none is begun. */
  #flags = 0;
  #flagsAt = 0;

  /** From now on values are written. */
  pack(): void {
    this.#reading = false;
    this.#flags = 0;
    this.#at = 0;
  }

  /** What was written since `pack`. */
  packed(): string {
    // A plain call with as many arguments: far below the limit, and faster than a decoder.
    return String.fromCharCode.apply(null, this.#octets.subarray(0, this.#at) as unknown as number[]);
  }

  /** From now on values are read from `text`, in the order in which they were written. */
  unpack(text: string): void {
    this.#reading = true;
    this.#flags = 0;
    this.#text = text;
    this.#at = 0;
  }

  /** Any number but NaN; −0 becomes 0. */
  number(value: number): number {
    this.#flags = 0;
    if (this.#reading) return this.#read();
    this.#write(value);
    return value;
  }

  seq(value: Seq): Seq {
    return toSeq(this.number(seqInt(value)));
  }

  /** Up to eight in a row share an octet. */
  flag(value: boolean): boolean {
    if (this.#flags === 0) {
      this.#flagsAt = this.#at++;
      if (!this.#reading) {
        this.#reserve();
        this.#octets[this.#flagsAt] = 0;
      }
    }
    const bit = 1 << this.#flags;
    this.#flags = (this.#flags + 1) & 7;
    if (this.#reading) return (this.#text.charCodeAt(this.#flagsAt) & bit) !== 0;
    if (value) this.#octets[this.#flagsAt]! |= bit;
    return value;
  }

  #write(value: number): void {
    this.#reserve();
    const octets = this.#octets;
    const whole = value | 0;
    if (whole === value) {
      if (whole >= 0 && whole < PLAIN) {
        octets[this.#at++] = whole;
        return;
      }
      let rest = (whole < 0 ? -whole : whole) >>> 0;
      const first = this.#at++;
      while (rest > 0) {
        octets[this.#at++] = rest & 0xff;
        rest >>>= 8;
      }
      octets[first] = (whole < 0 ? NEGATIVE : POSITIVE) + this.#at - first - 1;
    } else if (Number.isSafeInteger(value)) {
      let rest = Math.abs(value);
      const first = this.#at++;
      while (rest > 0) {
        octets[this.#at++] = rest & 0xff;
        rest = Math.floor(rest / 256);
      }
      octets[first] = (value < 0 ? NEGATIVE : POSITIVE) + this.#at - first - 1;
    } else if (Number.isFinite(value)) {
      octets[this.#at++] = FLOAT;
      this.#float[0] = value;
      octets.set(this.#floatOctets, this.#at);
      this.#at += 8;
    } else octets[this.#at++] = value > 0 ? INFINITE : MINUS_INFINITE;
  }

  #read(): number {
    const first = this.#next();
    if (first < PLAIN) return first;
    if (first >= POSITIVE) {
      const isNegative = first >= NEGATIVE;
      let left = first - (isNegative ? NEGATIVE : POSITIVE);
      let size = this.#next();
      for (let unit = 256; --left > 0; unit *= 256) size += this.#next() * unit;
      return isNegative ? -size : size;
    }
    if (first === INFINITE) return Number.POSITIVE_INFINITY;
    if (first === MINUS_INFINITE) return Number.NEGATIVE_INFINITY;
    for (let i = 0; i < 8; i++) this.#floatOctets[i] = this.#next();
    return this.#float[0]!;
  }

  #next(): number {
    return this.#text.charCodeAt(this.#at++);
  }

  /** Room for any one value. */
  #reserve(): void {
    if (this.#at + MOST_LEN <= this.#octets.length) return;
    const larger = new Uint8Array(2 * this.#octets.length);
    larger.set(this.#octets);
    this.#octets = larger;
  }
}

/** What puts its own variables away, private ones included. */
export interface Keepable {
  /** Names each variable that can differ from a fresh one's, to pack it or to set it. */
  keep(k: Keeper): void;
}
