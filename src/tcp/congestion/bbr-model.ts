/**
 * BBR's model of the path, draft-ietf-ccwg-bbr-06 §5.5: how fast it delivers, how long it takes, how much it holds.
 * The long-term bounds come from probing; the short-term ones follow each round with losses and go with the next probe.
 * Sizes are octets, times µs, rates octets per second. What is done with it is bbr.ts's business.
 */
import type { AckSample } from './controller.ts';

/** §2.5: what a round with losses leaves of the short-term bounds at least. */
export const BETA = 0.7;
/** Share of a flight whose loss says that there was too much of it. */
export const LOSS_THRESH = 0.02;
const MIN_RTT_FILTER_LEN = 10_000_000;
const PROBE_RTT_INTERVAL = 5_000_000;
/** Rounds over which the aggregation of ACKs is remembered; two halves of the filter. */
const EXTRA_ACKED_FILTER_LEN = 10;

export class BbrModel {
  /** Largest delivery rate of this ProbeBW cycle and the one before (§5.5.5). */
  maxBw = 0;
  #maxBwNow = 0;
  #maxBwBefore = 0;
  bwShortterm: number = Number.POSITIVE_INFINITY;
  /** The rate that counts: the smaller of the two. */
  bw = 0;
  inflightShortterm: number = Number.POSITIVE_INFINITY;
  inflightLongterm: number = Number.POSITIVE_INFINITY;

  /** Infinity before the first sample. */
  minRtt: number = Number.POSITIVE_INFINITY;
  #minRttAt = 0;
  #probeRttMinDelay: number = Number.POSITIVE_INFINITY;
  probeRttMinAt = 0;
  /** No RTT as small as the smallest was seen for 5 s. */
  probeRttExpired = false;

  /** Packet-timed rounds (§5.5.1). */
  roundCount = 0;
  roundStart = false;
  #nextRoundDelivered = 0;

  /** What one round has delivered: largest rate, largest amount (§5.5.10.3). */
  #bwLatest = 0;
  inflightLatest = 0;
  #lossRoundDelivered = 0;
  lossRoundStart = false;
  isLossInRound = false;
  /** ACKs of this loss round that showed losses. */
  lossEvents = 0;

  /** Octets acknowledged beyond what the rate explains (§5.5.9). */
  extraAcked = 0;
  readonly #extraSlots: [number, number] = [0, 0];
  #extraRound = 0;
  #extraSince = 0;
  #extraDelivered = 0;

  constructor(now: number) {
    this.#minRttAt = now;
    this.probeRttMinAt = now;
    this.#extraSince = now;
  }

  /** §5.5.10.3, near the start of an ACK. */
  updateLatest(s: Readonly<AckSample>): void {
    this.#bwLatest = Math.max(this.#bwLatest, s.deliveryRate);
    this.inflightLatest = Math.max(this.inflightLatest, s.delivered - s.priorDelivered);
    this.lossRoundStart = s.priorDelivered >= this.#lossRoundDelivered;
    if (this.lossRoundStart) this.#lossRoundDelivered = s.delivered;
  }

  /** And near its end. */
  advanceLatest(s: Readonly<AckSample>): void {
    if (!this.lossRoundStart) return;
    this.#bwLatest = s.deliveryRate;
    this.inflightLatest = s.delivered - s.priorDelivered;
  }

  /** §5.5.5; true when a round begins. A sample that the writer has limited counts only if it shows more than was known. */
  updateMaxBw(s: Readonly<AckSample>, appLimited: boolean): void {
    this.roundStart = s.priorDelivered >= this.#nextRoundDelivered;
    if (this.roundStart) {
      this.startRound(s.delivered);
      this.roundCount++;
    }
    if (s.deliveryRate <= 0 || (appLimited && s.deliveryRate < this.maxBw)) return;
    this.#maxBwNow = Math.max(this.#maxBwNow, s.deliveryRate);
    this.maxBw = Math.max(this.#maxBwNow, this.#maxBwBefore);
  }

  startRound(delivered: number): void {
    this.#nextRoundDelivered = delivered;
  }

  /** §5.5.6: a ProbeBW cycle is over. One that has seen nothing does not make us forget. */
  advanceMaxBwFilter(): void {
    if (this.#maxBwNow === 0) return;
    this.#maxBwBefore = this.#maxBwNow;
    this.#maxBwNow = 0;
    this.maxBw = this.#maxBwBefore;
  }

  /** The first losses of a round begin it. */
  noteLoss(delivered: number): void {
    if (!this.isLossInRound) this.#lossRoundDelivered = delivered;
    this.isLossInRound = true;
    this.lossEvents++;
  }

  /** §5.5.10.3: slows down towards what was last delivered, once per round with losses. */
  lowerBounds(cwnd: number): void {
    if (this.bwShortterm === Number.POSITIVE_INFINITY) this.bwShortterm = this.maxBw;
    if (this.inflightShortterm === Number.POSITIVE_INFINITY) this.inflightShortterm = cwnd;
    this.bwShortterm = Math.max(this.#bwLatest, BETA * this.bwShortterm);
    this.inflightShortterm = Math.max(this.inflightLatest, BETA * this.inflightShortterm);
  }

  resetShortterm(): void {
    this.bwShortterm = Number.POSITIVE_INFINITY;
    this.inflightShortterm = Number.POSITIVE_INFINITY;
  }

  resetCongestionSignals(): void {
    this.isLossInRound = false;
    this.#bwLatest = 0;
    this.inflightLatest = 0;
  }

  boundBw(): void {
    this.bw = Math.min(this.maxBw, this.bwShortterm);
  }

  /** §5.5.9. `window`: rounds to remember, 1 while the rate is still being found. */
  updateAggregation(acked: number, cwnd: number, isFound: boolean, now: number): void {
    let expected = (this.bw * (now - this.#extraSince)) / 1e6;
    if (this.#extraDelivered <= expected) {
      this.restartAggregation(now);
      expected = 0;
    }
    this.#extraDelivered += acked;
    const extra = Math.min(this.#extraDelivered - expected, cwnd);
    const half = isFound ? EXTRA_ACKED_FILTER_LEN / 2 : 1;
    if (this.roundCount - this.#extraRound >= half) {
      this.#extraRound = this.roundCount;
      this.#extraSlots[1] = isFound ? this.#extraSlots[0] : 0;
      this.#extraSlots[0] = 0;
    }
    this.#extraSlots[0] = Math.max(this.#extraSlots[0], extra);
    this.extraAcked = Math.max(this.#extraSlots[0], this.#extraSlots[1]);
  }

  restartAggregation(now: number): void {
    this.#extraSince = now;
    this.#extraDelivered = 0;
  }

  /** §5.3.4.3 */
  updateMinRtt(rtt: number, now: number): void {
    this.probeRttExpired = now > this.probeRttMinAt + PROBE_RTT_INTERVAL;
    if (rtt > 0 && (rtt < this.#probeRttMinDelay || this.probeRttExpired)) {
      this.#probeRttMinDelay = rtt;
      this.probeRttMinAt = now;
    }
    const expired = now > this.#minRttAt + MIN_RTT_FILTER_LEN;
    if (this.#probeRttMinDelay < this.minRtt || expired) {
      this.minRtt = this.#probeRttMinDelay;
      this.#minRttAt = this.probeRttMinAt;
    }
  }
}
