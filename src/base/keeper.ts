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

export class Keeper {
  #octets = new Uint8Array(256);
  readonly #float = new DataView(new ArrayBuffer(8));
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
      if (!this.#reading) this.#set(this.#flagsAt, 0);
    }
    const bit = 1 << this.#flags;
    this.#flags = (this.#flags + 1) & 7;
    if (this.#reading) return (this.#text.charCodeAt(this.#flagsAt) & bit) !== 0;
    if (value) this.#octets[this.#flagsAt]! |= bit;
    return value;
  }

  #write(value: number): void {
    if (Number.isSafeInteger(value)) {
      const size = Math.abs(value);
      if (value >= 0 && value < PLAIN) {
        this.#put(value);
        return;
      }
      let count = 1;
      while (count < 7 && size >= 2 ** (8 * count)) count++;
      this.#put((value < 0 ? NEGATIVE : POSITIVE) + count);
      let rest = size;
      for (let i = 0; i < count; i++) {
        this.#put(rest % 256);
        rest = Math.floor(rest / 256);
      }
    } else if (Number.isFinite(value)) {
      this.#put(FLOAT);
      this.#float.setFloat64(0, value);
      for (let i = 0; i < 8; i++) this.#put(this.#float.getUint8(i));
    } else this.#put(value > 0 ? INFINITE : MINUS_INFINITE);
  }

  #read(): number {
    const first = this.#next();
    if (first < PLAIN) return first;
    if (first === INFINITE) return Number.POSITIVE_INFINITY;
    if (first === MINUS_INFINITE) return Number.NEGATIVE_INFINITY;
    if (first === FLOAT) {
      for (let i = 0; i < 8; i++) this.#float.setUint8(i, this.#next());
      return this.#float.getFloat64(0);
    }
    const isNegative = first >= NEGATIVE;
    const count = first - (isNegative ? NEGATIVE : POSITIVE);
    let size = 0;
    for (let i = 0, unit = 1; i < count; i++, unit *= 256) size += this.#next() * unit;
    return isNegative ? -size : size;
  }

  #next(): number {
    return this.#text.charCodeAt(this.#at++);
  }

  #put(octet: number): void {
    this.#set(this.#at++, octet);
  }

  #set(at: number, octet: number): void {
    if (at === this.#octets.length) {
      const larger = new Uint8Array(2 * this.#octets.length);
      larger.set(this.#octets);
      this.#octets = larger;
    }
    this.#octets[at] = octet;
  }
}

/** What puts its own variables away, private ones included. */
export interface Keepable {
  /** Names each variable that can differ from a fresh one's, to pack it or to set it. */
  keep(k: Keeper): void;
}
