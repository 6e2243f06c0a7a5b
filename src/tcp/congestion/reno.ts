/**
 * Reno's window, RFC 5681: slow start, congestion avoidance, halving on loss. Sizes are octets.
 */
import type { Keepable, Keeper } from '../../base/keeper.ts';
import type { Micros } from '../../base/time.ts';
import type { AckSample, CongestionControl } from './controller.ts';
import { afterIdle } from './idle.ts';
import { windowForSize } from './segment-size.ts';
import { windowRate } from './window-rate.ts';

export class Reno implements CongestionControl, Keepable {
  readonly name = 'reno';
  readonly ownsRecovery = false;
  readonly #paced: boolean;
  cwnd: number;
  ssthresh: number = Number.POSITIVE_INFINITY;
  #smss: number;
  #initial: number;
  /** Octets acknowledged since the window last grew in congestion avoidance. */
  #credit = 0;
  /** Window and threshold before the last reduction, for onUndo. */
  #priorCwnd = 0;
  #priorSsthresh = 0;
  #srtt = 0;

  constructor(smss: number, initialSegments: number, paced: boolean) {
    this.#paced = paced;
    this.#smss = smss;
    this.#initial = initialSegments;
    this.cwnd = initialSegments * smss;
  }

  keep(k: Keeper): void {
    this.cwnd = k.number(this.cwnd);
    this.ssthresh = k.number(this.ssthresh);
    this.#smss = k.number(this.#smss);
    this.#initial = k.number(this.#initial);
    this.#credit = k.number(this.#credit);
    this.#priorCwnd = k.number(this.#priorCwnd);
    this.#priorSsthresh = k.number(this.#priorSsthresh);
    this.#srtt = k.number(this.#srtt);
  }

  get pacingRate(): number {
    return this.#paced ? windowRate(this.cwnd, this.ssthresh, this.#srtt) : Number.POSITIVE_INFINITY;
  }

  get phase(): string {
    return this.cwnd < this.ssthresh ? 'slow start' : 'congestion avoidance';
  }

  /** §3.1, counting octets rather than ACKs as RFC 3465 does, so that a stretched ACK counts for all it covers. */
  onAck(sample: Readonly<AckSample>): void {
    if (sample.srtt > 0) this.#srtt = sample.srtt;
    if (!sample.cwndLimited) return;
    let { acked } = sample;
    if (this.cwnd < this.ssthresh) {
      const grown = Math.min(this.cwnd + acked, this.ssthresh);
      acked -= grown - this.cwnd;
      this.cwnd = grown;
    }
    if (acked === 0 || sample.recovering) return;
    this.#credit += acked;
    if (this.#credit < this.cwnd) return;
    this.#credit -= this.cwnd;
    this.cwnd += this.#smss;
  }

  onLoss(inFlight: number, _now: Micros): void {
    this.#keepForUndo();
    this.ssthresh = this.#half(inFlight);
    this.cwnd = this.ssthresh;
    this.#credit = 0;
  }

  onEcn(inFlight: number, now: Micros): void {
    this.onLoss(inFlight, now);
  }

  onRecovered(inFlight: number, _now: Micros): void {
    const enough = Math.max(inFlight, this.#smss) + this.#smss;
    this.cwnd = Math.max(Math.min(this.ssthresh, enough), this.#smss);
  }

  onRto(inFlight: number, first: boolean, _now: Micros): void {
    if (first) {
      this.#keepForUndo();
      this.ssthresh = this.#half(inFlight);
    }
    this.cwnd = this.#smss;
    this.#credit = 0;
  }

  onUndo(_now: Micros): void {
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd);
    this.ssthresh = Math.max(this.ssthresh, this.#priorSsthresh);
  }

  onIdle(idle: number, rto: number, _now: Micros): void {
    if (idle <= rto) return;
    this.ssthresh = Math.max(this.ssthresh, Math.floor((3 * this.cwnd) / 4));
    this.cwnd = afterIdle(this.cwnd, this.#initial * this.#smss, idle, rto);
  }

  onMssChange(smss: number): void {
    this.cwnd = windowForSize(this.cwnd, this.#smss, smss);
    this.#smss = smss;
  }

  takeOver(cwnd: number, ssthresh: number): void {
    this.cwnd = cwnd;
    this.ssthresh = ssthresh;
  }

  #half(inFlight: number): number {
    return Math.max(Math.floor(inFlight / 2), 2 * this.#smss);
  }

  #keepForUndo(): void {
    this.#priorCwnd = this.cwnd;
    this.#priorSsthresh = this.ssthresh;
  }
}
