/**
 * What the user has sent and the peer has not acknowledged, addressed by its place in the stream (0 is the first
 * octet after the SYN). Octets are copied once, on the way in: the writer's buffer is free when `append` returns.
 */
import type { Gather } from '../base/gather.ts';
import type { Keepable, Keeper } from '../base/keeper.ts';

/** Small writes share a block, so that a stream of single octets costs no object each. */
const BLOCK_LEN = 16_384;
const SMALL = 4096;

export class SendBuffer implements Keepable {
  /** Place in the stream of the first octet held. */
  #start = 0;
  #len = 0;
  readonly #chunks: Uint8Array[] = [];
  /** How much of the last chunk is filled; earlier ones are full. */
  #tailFill = 0;
  /** Octets of the first chunk already dropped. */
  #headSkip = 0;
  /** Where the last `gather` ended: most begin there. */
  #cursorChunk = 0;
  #cursorAt = 0;

  /** Of an empty one. */
  keep(k: Keeper): void {
    this.#start = k.number(this.#start);
    this.#cursorAt = this.#start;
  }

  /** Octets held. */
  get len(): number {
    return this.#len;
  }

  /** Place in the stream just after the last octet held. */
  get end(): number {
    return this.#start + this.#len;
  }

  append(octets: Uint8Array): void {
    if (octets.length === 0) return;
    let from = 0;
    const tail = this.#chunks.at(-1);
    if (tail !== undefined && this.#tailFill < tail.length) {
      from = Math.min(octets.length, tail.length - this.#tailFill);
      tail.set(octets.subarray(0, from), this.#tailFill);
      this.#tailFill += from;
    }
    const rest = octets.length - from;
    if (rest > 0) {
      const chunk = rest < SMALL ? new Uint8Array(BLOCK_LEN) : new Uint8Array(rest);
      chunk.set(octets.subarray(from));
      this.#chunks.push(chunk);
      this.#tailFill = rest;
    }
    this.#len += octets.length;
  }

  /** Lets go of everything before `place`. */
  dropTo(place: number): void {
    let n = Math.min(place - this.#start, this.#len);
    if (n <= 0) return;
    this.#start += n;
    this.#len -= n;
    let gone = 0;
    for (;;) {
      const left = this.#filled(gone) - this.#headSkip;
      if (n < left || (n === left && gone === this.#chunks.length - 1 && this.#tailFill < this.#chunks[gone]!.length))
        break;
      n -= left;
      this.#headSkip = 0;
      gone++;
      if (gone === this.#chunks.length) break;
    }
    this.#headSkip += n;
    if (gone > 0) this.#chunks.splice(0, gone);
    this.#cursorChunk = 0;
    this.#cursorAt = this.#start - this.#headSkip;
  }

  /** Adds `[place, place + len)` of the stream to `into`, by reference. The caller keeps within what is held. */
  gather(place: number, len: number, into: Gather): void {
    if (len === 0) return;
    if (place < this.#cursorAt) {
      this.#cursorChunk = 0;
      this.#cursorAt = this.#start - this.#headSkip;
    }
    let chunkAt = this.#cursorAt;
    let i = this.#cursorChunk;
    while (place >= chunkAt + this.#filled(i)) chunkAt += this.#filled(i++);
    this.#cursorChunk = i;
    this.#cursorAt = chunkAt;
    let at = place;
    let left = len;
    while (left > 0) {
      const offset = at - chunkAt;
      const n = Math.min(left, this.#filled(i) - offset);
      into.push(this.#chunks[i]!, offset, n);
      left -= n;
      at += n;
      chunkAt += this.#filled(i++);
    }
  }

  clear(): void {
    this.#start += this.#len;
    this.#len = 0;
    this.#chunks.length = 0;
    this.#tailFill = 0;
    this.#headSkip = 0;
    this.#cursorChunk = 0;
    this.#cursorAt = this.#start;
  }

  #filled(i: number): number {
    return i === this.#chunks.length - 1 ? this.#tailFill : this.#chunks[i]!.length;
  }
}
