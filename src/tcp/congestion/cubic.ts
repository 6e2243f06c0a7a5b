/**
 * CUBIC, RFC 9438: after a loss the window returns along a cubic curve, fast at first, flat around where the loss was,
 * then ever faster; time, not the round trip, sets the pace. Never slower than Reno would be (§4.3). Where the RFC leaves
 * a choice it is Linux's. Sizes are octets, times µs; inside the formulas segments and seconds, as the RFC has them.
 */
import type { Keepable, Keeper } from '../../base/keeper.ts';
import type { Micros } from '../../base/time.ts';
import type { AckSample, CongestionControl } from './controller.ts';
import { CSS_GROWTH_DIVISOR, HyStart } from './hystart.ts';
import { afterIdle } from './idle.ts';
import { windowForSize } from './segment-size.ts';
import { windowRate } from './window-rate.ts';

/** Segments per second cubed (§4.1.2, §5.1). */
const C = 0.4;
/** What a loss leaves of the window (§4.6). */
const BETA = 0.7;
/** What Reno with that factor may add per round trip, segments, for the same rate as Reno with a half (§4.3). */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);
/** No more than this share of what is acknowledged is added: 1.5 windows after a round trip (§4.2, Linux). */
const MAX_GROWTH = 0.5;
/** Where no loss has shown the path's limit, at least this share is (Linux): a path that HyStart left too early is still found. */
const SEARCH_GROWTH = 1 / 20;

/** What a reduction changes: put back when it was for nothing (§4.9). */
class State implements Keepable {
  cwnd = 0;
  ssthresh: number = Number.POSITIVE_INFINITY;
  /** W_max, octets: the window at the last loss, or less after two in a row (§4.7); 0: none known. */
  wMax = 0;
  /** W_est, octets: Reno's window in this epoch. */
  wEst = 0;
  /** cwnd_prior, octets: W_est has caught up when it gets there. */
  cwndPrior = 0;
  /** µs; −Infinity: begins with the next ACK in congestion avoidance. */
  epochStart: number = Number.NEGATIVE_INFINITY;
  /** Seconds until the curve is at its plateau, and the height of that, octets. */
  k = 0;
  origin = 0;

  copy(from: State): void {
    this.cwnd = from.cwnd;
    this.ssthresh = from.ssthresh;
    this.wMax = from.wMax;
    this.wEst = from.wEst;
    this.cwndPrior = from.cwndPrior;
    this.epochStart = from.epochStart;
    this.k = from.k;
    this.origin = from.origin;
  }

  keep(k: Keeper): void {
    this.cwnd = k.number(this.cwnd);
    this.ssthresh = k.number(this.ssthresh);
    this.wMax = k.number(this.wMax);
    this.wEst = k.number(this.wEst);
    this.cwndPrior = k.number(this.cwndPrior);
    this.epochStart = k.number(this.epochStart);
    this.k = k.number(this.k);
    this.origin = k.number(this.origin);
  }
}

export class Cubic implements CongestionControl, Keepable {
  readonly name = 'cubic';
  readonly ownsRecovery = false;
  readonly #paced: boolean;
  readonly #state = new State();
  readonly #prior = new State();
  readonly #hystart = new HyStart();
  #smss: number;
  #initial: number;
  #srtt = 0;
  /** Octets by which the window has grown but for the fraction. */
  #credit = 0;
  /** The last ACK: time in which the window was not the limit doesn't count (§4.2, §5.8). */
  #lastAckAt = 0;
  /** Reno's window is the larger one. */
  #isFriendly = false;

  constructor(smss: number, initialSegments: number, paced: boolean) {
    this.#smss = smss;
    this.#initial = initialSegments;
    this.#paced = paced;
    this.#state.cwnd = initialSegments * smss;
  }

  get cwnd(): number {
    return this.#state.cwnd;
  }

  get ssthresh(): number {
    return this.#state.ssthresh;
  }

  get pacingRate(): number {
    return this.#paced ? windowRate(this.cwnd, this.ssthresh, this.#srtt) : Number.POSITIVE_INFINITY;
  }

  get phase(): string {
    if (this.cwnd < this.ssthresh) return this.ssthresh < Number.POSITIVE_INFINITY ? 'slow start' : this.#hystart.phase;
    return this.#isFriendly ? 'Reno-friendly' : 'cubic';
  }

  onAck(sample: Readonly<AckSample>): void {
    const { now } = sample;
    if (sample.srtt > 0) this.#srtt = sample.srtt;
    if (!sample.cwndLimited) {
      this.#pause(now);
      return;
    }
    let { acked } = sample;
    if (this.cwnd < this.ssthresh) acked = this.#slowStart(acked, sample);
    if (acked > 0 && !sample.recovering) this.#avoid(acked, now);
    this.#lastAckAt = now;
  }

  onLoss(_inFlight: number, _now: Micros): void {
    this.#prior.copy(this.#state);
    const s = this.#state;
    // §4.7: who loses before it is back where it was leaves room to others.
    s.wMax = s.cwnd < s.wMax ? (s.cwnd * (1 + BETA)) / 2 : s.cwnd;
    this.#reduce();
    s.cwnd = s.ssthresh;
  }

  onEcn(inFlight: number, now: Micros): void {
    this.onLoss(inFlight, now);
  }

  onRecovered(_inFlight: number, _now: Micros): void {
    this.#state.cwnd = Math.max(Math.min(this.cwnd, this.ssthresh), this.#smss);
  }

  onRto(_inFlight: number, first: boolean, _now: Micros): void {
    if (first) {
      this.#prior.copy(this.#state);
      this.#reduce();
      // §4.8: the curve begins where slow start ends.
      this.#state.wMax = 0;
    }
    this.#state.cwnd = this.#smss;
  }

  onUndo(now: Micros): void {
    const { cwnd, ssthresh } = this.#state;
    this.#state.copy(this.#prior);
    this.#state.cwnd = Math.max(cwnd, this.#state.cwnd);
    this.#state.ssthresh = Math.max(ssthresh, this.#state.ssthresh);
    this.#lastAckAt = now;
  }

  onIdle(idle: number, rto: number, now: Micros): void {
    this.#pause(now);
    if (idle <= rto) return;
    const s = this.#state;
    s.ssthresh = Math.max(s.ssthresh, Math.floor((3 * s.cwnd) / 4));
    s.cwnd = afterIdle(s.cwnd, this.#initial * this.#smss, idle, rto);
  }

  onMssChange(smss: number): void {
    this.#state.cwnd = windowForSize(this.cwnd, this.#smss, smss);
    this.#smss = smss;
  }

  takeOver(cwnd: number, ssthresh: number): void {
    this.#state.cwnd = cwnd;
    this.#state.ssthresh = ssthresh;
  }

  keep(k: Keeper): void {
    this.#state.keep(k);
    this.#prior.keep(k);
    this.#hystart.keep(k);
    this.#smss = k.number(this.#smss);
    this.#initial = k.number(this.#initial);
    this.#srtt = k.number(this.#srtt);
    this.#credit = k.number(this.#credit);
    this.#lastAckAt = k.number(this.#lastAckAt);
    this.#isFriendly = k.flag(this.#isFriendly);
  }

  /** Returns what of `acked` congestion avoidance is left with. HyStart++ is for the first slow start only (RFC 9406 §4.3). */
  #slowStart(acked: number, sample: Readonly<AckSample>): number {
    const s = this.#state;
    if (s.ssthresh < Number.POSITIVE_INFINITY) {
      const grown = Math.min(s.cwnd + acked, s.ssthresh);
      const left = acked - (grown - s.cwnd);
      s.cwnd = grown;
      return left;
    }
    const phase = this.#hystart.onAck(sample.una, sample.nxt, sample.rtt);
    if (phase === 'done') s.ssthresh = s.cwnd;
    else s.cwnd += phase === 'slow start' ? acked : Math.ceil(acked / CSS_GROWTH_DIVISOR);
    return 0;
  }

  #avoid(acked: number, now: number): void {
    const s = this.#state;
    if (s.epochStart === Number.NEGATIVE_INFINITY) this.#startEpoch(now);
    const counted = Math.min(acked, s.cwnd);
    const share = counted / s.cwnd;
    // The window is to be in a round trip's time what the curve says then (§4.2).
    const toCurve = (this.#curve(now - s.epochStart + this.#srtt) - s.cwnd) * share;
    s.wEst += (s.wEst < s.cwndPrior ? ALPHA : 1) * this.#smss * share;
    const toReno = s.wEst - s.cwnd - this.#credit;
    this.#isFriendly = toReno > toCurve;
    const least = s.wMax === 0 ? counted * SEARCH_GROWTH : 0;
    this.#credit += Math.min(Math.max(toCurve, toReno, least), counted * MAX_GROWTH);
    const whole = Math.floor(this.#credit);
    this.#credit -= whole;
    s.cwnd += whole;
  }

  /** §4.2, W_cubic(t) in octets; `t` µs since the epoch began. */
  #curve(t: number): number {
    const d = t / 1e6 - this.#state.k;
    return this.#state.origin + C * d * d * d * this.#smss;
  }

  #startEpoch(now: number): void {
    const s = this.#state;
    s.epochStart = now;
    s.wEst = s.cwnd;
    s.origin = Math.max(s.cwnd, s.wMax);
    s.k = Math.cbrt((s.origin - s.cwnd) / this.#smss / C);
    this.#credit = 0;
  }

  #reduce(): void {
    const s = this.#state;
    s.cwndPrior = s.cwnd;
    s.ssthresh = Math.max(Math.floor(s.cwnd * BETA), 2 * this.#smss);
    s.epochStart = Number.NEGATIVE_INFINITY;
    this.#credit = 0;
  }

  /** Since the last ACK something else than the window was the limit. */
  #pause(now: number): void {
    this.#state.epochStart += Math.max(0, now - this.#lastAckAt);
    this.#lastAckAt = now;
  }
}
