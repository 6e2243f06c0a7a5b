/**
 * Reno's window, RFC 5681: slow start, congestion avoidance, halving on loss. Which segments are lost and what is
 * sent again is recovery.ts's business (NewReno, RFC 6582). Sizes are octets.
 */
import type { Micros } from '../../base/time.ts';
import type { AckSample, CongestionControl } from './controller.ts';

export class Reno implements CongestionControl {
  readonly name = 'reno';
  cwnd: number;
  ssthresh: number = Number.POSITIVE_INFINITY;
  #smss: number;
  readonly #initial: number;
  /** Octets acknowledged since the window last grew in congestion avoidance. */
  #credit = 0;

  constructor(smss: number, initialSegments: number) {
    this.#smss = smss;
    this.#initial = initialSegments;
    this.cwnd = initialSegments * smss;
  }

  /** §3.1, counting octets rather than ACKs as RFC 3465 does, so that a stretched ACK counts for all it covers. */
  onAck(sample: Readonly<AckSample>): void {
    if (!sample.cwndLimited) return;
    let acked = sample.acked;
    if (this.cwnd < this.ssthresh) {
      const grown = Math.min(this.cwnd + acked, Math.max(this.ssthresh, this.cwnd));
      acked -= grown - this.cwnd;
      this.cwnd = grown;
      if (acked === 0) return;
    }
    this.#credit += acked;
    if (this.#credit < this.cwnd) return;
    this.#credit -= this.cwnd;
    this.cwnd += this.#smss;
  }

  onLoss(flightSize: number, _now: Micros): void {
    this.ssthresh = Math.max(Math.floor(flightSize / 2), 2 * this.#smss);
    this.cwnd = this.ssthresh;
    this.#credit = 0;
  }

  onEcn(flightSize: number, now: Micros): void {
    this.onLoss(flightSize, now);
  }

  onRecovered(flightSize: number, _now: Micros): void {
    this.cwnd = Math.min(this.ssthresh, Math.max(flightSize, this.#smss) + this.#smss);
  }

  onRto(flightSize: number, first: boolean, _now: Micros): void {
    if (first) this.ssthresh = Math.max(Math.floor(flightSize / 2), 2 * this.#smss);
    this.cwnd = this.#smss;
    this.#credit = 0;
  }

  onIdle(_now: Micros): void {
    this.cwnd = Math.min(this.cwnd, this.#initial * this.#smss);
  }

  onMssChange(smss: number): void {
    this.#smss = smss;
    this.cwnd = Math.max(this.cwnd, smss);
  }
}
