/**
 * Round-trip time and retransmission timeout, RFC 6298.
 *
 * Departures of the linux profile: the floor is 200 ms instead of 1 s, and it bounds 4*RTTVAR rather than the sum, so
 * that a peer's delayed ACK does not look like a loss on a short path. Before the first sample RTO is 1 s (§2.1).
 * All times are integer microseconds. Knows nothing of segments.
 */
import type { Keepable, Keeper } from '../base/keeper.ts';
import { type Micros, seconds } from '../base/time.ts';
import type { Profile } from './config.ts';

export class RttEstimator implements Keepable {
  /** Smoothed round-trip time; 0 before the first sample. */
  srtt = 0;
  rttvar = 0;
  /** Smallest, largest and sum of all samples, for info(). */
  minRtt = 0;
  maxRtt = 0;
  sumRtt = 0;
  sampleCount = 0;
  readonly #floor: number;
  readonly #ceiling: number;
  readonly #boundsSum: boolean;
  #rto: number;
  #backoff = 0;

  constructor(floor: Micros, ceiling: Micros, profile: Profile) {
    this.#floor = floor;
    this.#boundsSum = profile === 'rfc';
    this.#ceiling = ceiling;
    this.#rto = seconds(1);
  }

  keep(k: Keeper): void {
    this.srtt = k.number(this.srtt);
    this.rttvar = k.number(this.rttvar);
    this.minRtt = k.number(this.minRtt);
    this.maxRtt = k.number(this.maxRtt);
    this.sumRtt = k.number(this.sumRtt);
    this.sampleCount = k.number(this.sampleCount);
    this.#rto = k.number(this.#rto);
    this.#backoff = k.number(this.#backoff);
  }

  /** RTO with its back-off, §5.5. */
  get rto(): Micros {
    return Math.min(this.#rto * 2 ** this.#backoff, this.#ceiling) as Micros;
  }

  get backoff(): number {
    return this.#backoff;
  }

  /** §2.2 and §2.3, with alpha 1/8 and beta 1/4. `rtt` is never from a retransmitted segment unless timestamps say which (§3). */
  sample(rtt: number): void {
    const r = Math.max(1, Math.round(rtt));
    if (this.sampleCount === 0) {
      this.srtt = r;
      this.rttvar = r / 2;
      this.minRtt = r;
    } else {
      this.rttvar += (Math.abs(this.srtt - r) - this.rttvar) / 4;
      this.srtt += (r - this.srtt) / 8;
    }
    this.minRtt = Math.min(this.minRtt, r);
    this.maxRtt = Math.max(this.maxRtt, r);
    this.sumRtt += r;
    this.sampleCount++;
    this.#backoff = 0;
    const rto = this.#boundsSum
      ? Math.max(this.#floor, this.srtt + 4 * this.rttvar)
      : this.srtt + Math.max(this.#floor, 4 * this.rttvar);
    this.#rto = Math.round(Math.min(rto, this.#ceiling));
  }

  /** §5.5: the timer expired. */
  backOff(): void {
    if (this.#rto * 2 ** this.#backoff < this.#ceiling) this.#backoff++;
  }

  /** What timed out is no more: the next SYN-ACK is another connection's. */
  stopBackingOff(): void {
    this.#backoff = 0;
  }

  /** §5.7: the SYN had to be retransmitted, so the first RTO for data is 3 s unless a sample says better. */
  afterLostSyn(): void {
    if (this.sampleCount === 0) this.#rto = seconds(3);
    this.#backoff = 0;
  }
}
