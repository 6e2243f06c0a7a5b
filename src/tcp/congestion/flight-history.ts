/**
 * How much was in flight, and how much had been lost, when a segment left that is acknowledged now: a round trip's
 * worth of samples, found by what had been delivered at that time. So no segment has to carry it. Sizes are octets.
 */

const SLOTS = 64;
/** Samples in a window's worth of deliveries: a round trip, and twice that, fit into SLOTS. */
const PER_WINDOW = 24;

export class FlightHistory {
  readonly #delivered = new Float64Array(SLOTS);
  readonly #inFlight = new Float64Array(SLOTS);
  readonly #lost = new Float64Array(SLOTS);
  #newest = 0;
  #at = 0;

  /** With `delivered` octets delivered up to then there were `inFlight` octets in flight and `lost` had been lost. */
  add(delivered: number, inFlight: number, lost: number, cwnd: number): void {
    const newest = this.#newest;
    const isNear = delivered - this.#delivered[newest]! < cwnd / PER_WINDOW;
    const next = isNear ? newest : (newest + 1) % SLOTS;
    if (!isNear) {
      this.#newest = next;
      this.#delivered[next] = delivered;
      this.#inFlight[next] = 0;
      this.#lost[next] = lost;
    }
    this.#inFlight[next] = Math.max(this.#inFlight[next]!, inFlight);
  }

  /** Looks up when `delivered` octets had been delivered: the newest sample from then or before, or the oldest there is. */
  find(delivered: number): this {
    let at = this.#newest;
    for (let i = 1; i < SLOTS && this.#delivered[at]! > delivered; i++) at = (at + SLOTS - 1) % SLOTS;
    this.#at = at;
    return this;
  }

  /** What `find` has found. */
  get inFlight(): number {
    return this.#inFlight[this.#at]!;
  }

  get lost(): number {
    return this.#lost[this.#at]!;
  }
}
