/**
 * Octets in order that the user has not read, and how large a window they leave. The size grows with what the
 * reader takes per round trip (as Linux's dynamic right-sizing does), up to tcp_rmem's most.
 */
import type { Keepable, Keeper } from '../base/keeper.ts';
import { copyOf, memoryOf } from '../base/slab.ts';
import type { Micros } from '../base/time.ts';

const SMALL = 1024;
const BLOCK_LEN = 4096;

export class ReceiveBuffer implements Keepable {
  /** Entries `[#head, #end)` are unread. It does not shrink: an array that did would grow anew with each segment. */
  #queue: Uint8Array[] = [];
  #head = 0;
  #end = 0;
  /** The block behind the last entry, when it has room for more, and how far it is filled. */
  #tail: Uint8Array | undefined;
  #tailFill = 0;
  /** Octets in order, not yet read. */
  unread = 0;
  /** Octets of memory that they hold on to: more than they are, where they came in a buffer that was handed on. */
  pinned = 0;
  /** Octets the buffer may hold, in order and ahead of order together. */
  capacity: number;
  readonly #most: number;
  /** Reader's progress in the current round trip, and in the one before. */
  #taken = 0;
  #takenBefore = 0;
  #roundBeganAt = 0;

  /** `most` equal to `initial` switches the growth off. */
  constructor(initial: number, most: number) {
    this.capacity = initial;
    this.#most = most;
  }

  /** Of an empty one. */
  keep(k: Keeper): void {
    this.capacity = k.number(this.capacity);
    this.#taken = k.number(this.#taken);
    this.#takenBefore = k.number(this.#takenBefore);
    this.#roundBeganAt = k.number(this.#roundBeganAt);
  }

  /** Octets that may still arrive in order. */
  get free(): number {
    return Math.max(0, this.capacity - this.unread);
  }

  /**
   * Copies the `len` octets at `at` of `bytes`. Small ones that nobody has read yet share a block, so that a peer who
   * sends single octets to a reader who doesn't read can't make us keep an object for each.
   */
  copy(bytes: Uint8Array, at: number, len: number): void {
    const tail = this.#tail;
    if (tail !== undefined && len <= tail.length - this.#tailFill) {
      for (let i = 0; i < len; i++) tail[this.#tailFill + i] = bytes[at + i]!;
      this.#tailFill += len;
      this.#queue[this.#end - 1] = tail.subarray(0, this.#tailFill);
      this.unread += len;
      return;
    }
    if (len >= SMALL || this.#end === this.#head) {
      this.push(copyOf(bytes, at, len));
      return;
    }
    const block = new Uint8Array(BLOCK_LEN);
    for (let i = 0; i < len; i++) block[i] = bytes[at + i]!;
    this.push(block.subarray(0, len));
    this.#tail = block;
    this.#tailFill = len;
  }

  /** Takes ownership of `octets`, and of the buffer they are a part of. */
  push(octets: Uint8Array): void {
    this.#queue[this.#end++] = octets;
    this.#tail = undefined;
    this.unread += octets.length;
    this.pinned += memoryOf(octets);
  }

  /** What `take` will give next. */
  get next(): Uint8Array | undefined {
    return this.#head === this.#end ? undefined : this.#queue[this.#head];
  }

  /** The next octets in order; undefined when there are none. `rtt` in µs, 0 when unknown. */
  take(now: Micros, rtt: number): Uint8Array | undefined {
    if (this.#head === this.#end) return undefined;
    const octets = this.#queue[this.#head]!;
    this.#queue[this.#head++] = NOTHING;
    if (this.#head === this.#end) {
      this.#tail = undefined;
      this.#head = 0;
      this.#end = 0;
    } else if (this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head, this.#end);
      this.#end -= this.#head;
      this.#head = 0;
    }
    this.unread -= octets.length;
    this.pinned -= memoryOf(octets);
    this.#grow(octets.length, now, rtt);
    return octets;
  }

  clear(): void {
    this.#queue = [];
    this.#head = 0;
    this.#end = 0;
    this.#tail = undefined;
    this.unread = 0;
    this.pinned = 0;
  }

  /**
   * Twice what the reader took in one round trip. Where that was more than in the one before, the sender is in slow start and
   * will have doubled again before it hears of this window and once more before what it allows has come: as much more
   * as that takes, as Linux does (tcp_rcv_space_adjust).
   */
  #grow(taken: number, now: Micros, rtt: number): void {
    this.#taken += taken;
    if (now - this.#roundBeganAt < rtt) return;
    const before = this.#takenBefore;
    // From nothing it is as much growth as there is.
    const growth = Math.min(Math.max(0, (this.#taken - before) / before), 1);
    this.capacity = Math.max(this.capacity, Math.min(this.#most, Math.floor(2 * this.#taken * (1 + 2 * growth))));
    this.#takenBefore = this.#taken;
    this.#taken = 0;
    this.#roundBeganAt = now;
  }
}

const NOTHING = new Uint8Array(0);
