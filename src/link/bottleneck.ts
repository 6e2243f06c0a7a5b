/**
 * A wire of limited rate with a queue in front that drops what finds it full (drop tail). It holds no packets: when one
 * will have left is known as it comes, and those waiting are counted by the instants at which they begin.
 */
import type { QueueLimit } from './faults.ts';

/** No room in the queue. */
export const OVERFLOW = -1;

export class Bottleneck {
  /** Octets per microsecond. */
  readonly #rate: number;
  readonly #maxOctets: number;
  /** When the last so many packets taken began to leave, in a circle: when the oldest has not, so many are waiting. */
  readonly #starts: Float64Array;
  #next = 0;
  /** When the wire is free; not an integer. */
  #freeAt = Number.NEGATIVE_INFINITY;

  /** `rate`: octets per second. */
  constructor(rate: number, queue: QueueLimit) {
    this.#rate = rate / 1e6;
    this.#maxOctets = 'octets' in queue ? queue.octets : Number.POSITIVE_INFINITY;
    this.#starts = new Float64Array('packets' in queue ? queue.packets : 0).fill(Number.NEGATIVE_INFINITY);
  }

  /** Takes a packet of `len` octets at `now`; when its last octet will have left, in whole microseconds, or OVERFLOW. */
  take(len: number, now: number): number {
    const start = Math.max(now, this.#freeAt);
    if (start > now) {
      const starts = this.#starts;
      if (this.#maxOctets === Number.POSITIVE_INFINITY) {
        if (starts.length === 0 || starts[this.#next]! > now) return OVERFLOW;
      } else if ((start - now) * this.#rate + len > this.#maxOctets) return OVERFLOW;
    }
    if (this.#starts.length > 0) {
      this.#starts[this.#next] = start;
      this.#next = (this.#next + 1) % this.#starts.length;
    }
    this.#freeAt = start + len / this.#rate;
    return Math.ceil(this.#freeAt);
  }
}
