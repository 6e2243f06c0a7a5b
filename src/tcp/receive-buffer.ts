/**
 * Octets in order that the user has not read, and how large a window they leave. The size grows with what the
 * reader takes per round trip (as Linux's dynamic right-sizing does), up to tcp_rmem's most.
 */
import type { Micros } from '../base/time.ts';

const SMALL = 1024;
const BLOCK_LEN = 4096;

export class ReceiveBuffer {
  readonly #queue: Uint8Array[] = [];
  #head = 0;
  /** The block behind the last entry, when it has room for more, and how far it is filled. */
  #tail: Uint8Array | undefined;
  #tailFill = 0;
  /** Octets in order, not yet read. */
  unread = 0;
  /** Octets the buffer may hold, in order and ahead of order together. */
  capacity: number;
  readonly #most: number;
  /** Reader's progress in the current round trip. */
  #taken = 0;
  #roundBeganAt = 0;

  /** `most` equal to `initial` switches the growth off. */
  constructor(initial: number, most: number) {
    this.capacity = initial;
    this.#most = most;
  }

  /** Octets that may still arrive in order. */
  get free(): number {
    return Math.max(0, this.capacity - this.unread);
  }

  /**
   * Copies `octets`. Small ones that nobody has read yet share a block, so that a peer who sends single octets to a
   * reader who doesn't read can't make us keep an object for each.
   */
  copy(octets: Uint8Array): void {
    const room = this.#tail === undefined ? 0 : this.#tail.length - this.#tailFill;
    if (octets.length <= room) {
      this.#tail!.set(octets, this.#tailFill);
      this.#tailFill += octets.length;
      this.#queue[this.#queue.length - 1] = this.#tail!.subarray(0, this.#tailFill);
      this.unread += octets.length;
      return;
    }
    if (octets.length >= SMALL || this.#queue.length === this.#head) {
      this.push(octets.slice());
      return;
    }
    const block = new Uint8Array(BLOCK_LEN);
    block.set(octets);
    this.push(block.subarray(0, octets.length));
    this.#tail = block;
    this.#tailFill = octets.length;
  }

  /** Takes ownership of `octets`. */
  push(octets: Uint8Array): void {
    this.#queue.push(octets);
    this.#tail = undefined;
    this.unread += octets.length;
  }

  /** The next octets in order; undefined when there are none. `rtt` in µs, 0 when unknown. */
  take(now: Micros, rtt: number): Uint8Array | undefined {
    const octets = this.#queue[this.#head];
    if (octets === undefined) return undefined;
    this.#queue[this.#head++] = NOTHING;
    if (this.#head === this.#queue.length) {
      this.#tail = undefined;
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    this.unread -= octets.length;
    this.#grow(octets.length, now, rtt);
    return octets;
  }

  clear(): void {
    this.#queue.length = 0;
    this.#head = 0;
    this.#tail = undefined;
    this.unread = 0;
  }

  /** Twice what the reader took in one round trip, so that a sender in slow start never waits for the window. */
  #grow(taken: number, now: Micros, rtt: number): void {
    this.#taken += taken;
    if (now - this.#roundBeganAt < rtt) return;
    this.capacity = Math.max(this.capacity, Math.min(this.#most, 2 * this.#taken));
    this.#taken = 0;
    this.#roundBeganAt = now;
  }
}

const NOTHING = new Uint8Array(0);
