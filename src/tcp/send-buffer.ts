/**
 * What the user has sent and the peer has not acknowledged, addressed by its place in the stream (0 is the first
 * octet after the SYN). Octets are copied on the way in, and the writer's buffer is free when `append` returns; or they
 * are lent, and stay where they are until they are acknowledged or `own` copies what is left of them.
 */
import type { Gather } from '../base/gather.ts';
import type { Keepable, Keeper } from '../base/keeper.ts';

/** A few small writes, and all others: small ones share a block, so that a stream of single octets costs no object each. */
const SMALL_BLOCK_LEN = 4096;
const BLOCK_LEN = 32_768;

export class SendBuffer implements Keepable {
  /** Place in the stream of the first octet held. */
  #start = 0;
  #len = 0;
  /**
   * Chunks `[#head, #tail)` in their order, and how many octets of each are filled. The arrays don't shrink: they would
   * grow anew with each segment.
   */
  #chunks: Uint8Array[] = [];
  #lens: number[] = [];
  #head = 0;
  #tail = 0;
  /** Octets of the first chunk already dropped. */
  #headSkip = 0;
  /** Where the last `gather` ended: most begin there. */
  #cursorChunk = 0;
  #cursorAt = 0;
  /** Those of the chunks that are the writer's, and octets held in them. */
  readonly #lentChunks: Uint8Array[] = [];
  #lent = 0;
  /** Somebody waits until nothing is lent any more. */
  isAwaited = false;

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

  /** Octets held that are in the writer's own buffers. */
  get lent(): number {
    return this.#lent;
  }

  append(octets: Uint8Array): void {
    this.#len += octets.length;
    let from = 0;
    const last = this.#tail - 1;
    // One that is lent is full.
    if (last >= this.#head) from = this.#fill(last, octets, 0);
    while (from < octets.length) {
      const isSmall = last < this.#head && octets.length <= SMALL_BLOCK_LEN / 2;
      this.#push(isSmall ? blockOf(SMALL_BLOCKS, SMALL_BLOCK_LEN) : blockOf(BLOCKS, BLOCK_LEN), 0);
      from += this.#fill(this.#tail - 1, octets, from);
    }
  }

  /** Refers to `octets` until they are dropped, cleared or `own`ed; nobody may write to them before that. */
  lend(octets: Uint8Array): void {
    if (octets.length === 0) return;
    this.#push(octets, octets.length);
    this.#lentChunks.push(octets);
    this.#len += octets.length;
    this.#lent += octets.length;
    this.isAwaited = true;
  }

  /** Copies what is still lent: the writer's buffers are free. */
  own(): void {
    if (this.#lent === 0) return;
    const chunks = this.#chunks;
    const lens = this.#lens;
    const end = this.#tail;
    this.#chunks = [];
    this.#lens = [];
    this.#tail = 0;
    const lent = this.#lentChunks.splice(0);
    let nextLent = 0;
    const len = this.#len;
    const first = this.#head;
    this.#head = 0;
    for (let i = first; i < end; i++) {
      const chunk = chunks[i]!;
      if (chunk === lent[nextLent]) {
        nextLent++;
        const skip = i === first ? this.#headSkip : 0;
        if (i === first) this.#headSkip = 0;
        this.append(skip === 0 ? chunk : chunk.subarray(skip));
      } else {
        this.#push(chunk, lens[i]!);
      }
    }
    this.#len = len;
    this.#lent = 0;
    this.#rewind();
  }

  /** Lets go of everything before `place`. */
  dropTo(place: number): void {
    let n = Math.min(place - this.#start, this.#len);
    if (n <= 0) return;
    this.#start += n;
    this.#len -= n;
    while (n > 0) {
      const i = this.#head;
      const left = this.#lens[i]! - this.#headSkip;
      const isLent = this.#chunks[i] === this.#lentChunks[0];
      if (isLent) this.#lent -= Math.min(n, left);
      if (n < left) {
        this.#headSkip += n;
        break;
      }
      n -= left;
      this.#headSkip = 0;
      if (isLent) this.#lentChunks.shift();
      else spare(this.#chunks[i]!);
      this.#chunks[i] = NOTHING;
      this.#head++;
    }
    if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
      this.#rewind();
    } else if (this.#head > 256) {
      this.#chunks = this.#chunks.slice(this.#head, this.#tail);
      this.#lens = this.#lens.slice(this.#head, this.#tail);
      this.#tail -= this.#head;
      this.#head = 0;
      this.#rewind();
    }
  }

  /** Adds `[place, place + len)` of the stream to `into`, by reference. The caller keeps within what is held. */
  gather(place: number, len: number, into: Gather): void {
    if (len === 0) return;
    if (place < this.#cursorAt) this.#rewind();
    let chunkAt = this.#cursorAt;
    let i = this.#cursorChunk;
    while (place >= chunkAt + this.#lens[i]!) chunkAt += this.#lens[i++]!;
    this.#cursorChunk = i;
    this.#cursorAt = chunkAt;
    let at = place;
    let left = len;
    while (left > 0) {
      const offset = at - chunkAt;
      const n = Math.min(left, this.#lens[i]! - offset);
      into.push(this.#chunks[i]!, offset, n);
      left -= n;
      at += n;
      chunkAt += this.#lens[i++]!;
    }
  }

  clear(): void {
    this.#start += this.#len;
    this.#len = 0;
    this.#chunks = [];
    this.#lens = [];
    this.#head = 0;
    this.#tail = 0;
    this.#headSkip = 0;
    this.#lentChunks.length = 0;
    this.#lent = 0;
    this.isAwaited = false;
    this.#rewind();
  }

  #push(chunk: Uint8Array, len: number): void {
    this.#chunks[this.#tail] = chunk;
    this.#lens[this.#tail++] = len;
  }

  /** Copies as much of `octets` from `from` on as chunk `i` has room for; returns how many that were. */
  #fill(i: number, octets: Uint8Array, from: number): number {
    const chunk = this.#chunks[i]!;
    const at = this.#lens[i]!;
    const len = Math.min(octets.length - from, chunk.length - at);
    if (len >= LONG) chunk.set(len === octets.length ? octets : octets.subarray(from, from + len), at);
    else for (let k = 0; k < len; k++) chunk[at + k] = octets[from + k]!;
    this.#lens[i] = at + len;
    return len;
  }

  #rewind(): void {
    this.#cursorChunk = this.#head;
    this.#cursorAt = this.#start - this.#headSkip;
  }
}

const NOTHING = new Uint8Array(0);
/** Octets from which on a view and one call are cheaper than a loop. */
const LONG = 64;

/**
 * Blocks that nobody uses, of all connections: what was sent last is still in the processor's cache, and new memory
 * would have to be cleared. A block is spared only when its octets are acknowledged and every link has let go of them.
 */
const BLOCKS: Uint8Array[] = [];
const SMALL_BLOCKS: Uint8Array[] = [];
const SPARE_OCTETS = 4 << 20;

function blockOf(spares: Uint8Array[], len: number): Uint8Array {
  return spares.pop() ?? new Uint8Array(len);
}

function spare(block: Uint8Array): void {
  const spares = block.length === BLOCK_LEN ? BLOCKS : SMALL_BLOCKS;
  if (spares.length * block.length < SPARE_OCTETS) spares.push(block);
}
