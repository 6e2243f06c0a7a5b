/**
 * BBR version 3, draft-ietf-ccwg-bbr-06: paces at the rate that the path has been seen to deliver, and keeps about its
 * bandwidth-delay product in flight, whatever gets lost below 2 %. Startup finds the rate, Drain empties the queue that
 * left, ProbeBW cruises and every few seconds tries for more, ProbeRTT empties the pipe to see the bare round trip.
 *
 * Version 3 and not 1, which mainline Linux has: 1 answers no loss at all, and beside CUBIC with a queue of one
 * bandwidth-delay product leaves it next to nothing. 3 remembers how much in flight was too much, leaves headroom
 * below that, and probes no more often than Reno would lose.
 * Sizes are octets, times µs, rates octets per second. Functions bear the draft's names.
 */
import { intBelow, type Random, seededRandom } from '../../base/random.ts';
import type { Micros } from '../../base/time.ts';
import { BbrModel, BETA, LOSS_THRESH } from './bbr-model.ts';
import type { AckSample, CongestionControl } from './controller.ts';
import { FlightHistory } from './flight-history.ts';
import { windowForSize } from './segment-size.ts';

type State = 'Startup' | 'Drain' | 'ProbeBW_DOWN' | 'ProbeBW_CRUISE' | 'ProbeBW_REFILL' | 'ProbeBW_UP' | 'ProbeRTT';
/** What the ACKs that come in now say: of which part of a probe they are. */
type AckPhase = 'init' | 'refilling' | 'probe starting' | 'probe feedback' | 'probe stopping';

/** §5.6.1 */
const PACING_GAIN: Readonly<Record<State, number>> = {
  Startup: 2.77,
  Drain: 0.5,
  ProbeBW_DOWN: 0.9,
  ProbeBW_CRUISE: 1,
  ProbeBW_REFILL: 1,
  ProbeBW_UP: 1.25,
  ProbeRTT: 1,
};
const CWND_GAIN: Readonly<Record<State, number>> = {
  Startup: 2,
  Drain: 2,
  ProbeBW_DOWN: 2,
  ProbeBW_CRUISE: 2,
  ProbeBW_REFILL: 2,
  ProbeBW_UP: 2.25,
  ProbeRTT: 0.5,
};
/** Paced so much below the rate that queues drain. */
const PACING_MARGIN = 0.01;
/** What cruising leaves free of what was seen to fit. */
const HEADROOM = 0.15;
const MIN_PIPE_SEGMENTS = 4;
const PROBE_RTT_DURATION = 200_000;
/** Rounds without a quarter more: the pipe is full. */
const FULL_BW_ROUNDS = 3;
const FULL_BW_GROWTH = 1.25;
/** ACKs with losses in one round that end Startup. */
const STARTUP_LOSS_EVENTS = 6;
const RENO_ROUNDS = 63;
const DRAIN_ROUNDS = 3;
const MAX_QUANTUM = 65_536;

export class Bbr implements CongestionControl {
  readonly name = 'bbr';
  readonly ownsRecovery = true;
  readonly ssthresh: number = Number.POSITIVE_INFINITY;
  cwnd: number;
  pacingRate: number;

  #smss: number;
  readonly #initial: number;
  readonly #random: Random;
  #model = new BbrModel(0);
  readonly #history = new FlightHistory();
  #isFresh = true;
  #hasSeenRtt = false;
  #state: State = 'Startup';
  #now = 0;
  #delivered = 0;
  #lostTotal = 0;
  /** Samples of what was sent before so much was delivered are of our own slowing down. */
  #limitedUntil = 0;

  #fullBwReached = false;
  #fullBwNow = false;
  #fullBw = 0;
  #fullBwCount = 0;

  #drainStartRound = 0;
  #ackPhase: AckPhase = 'init';
  #cycleAt = 0;
  #probeWait = 0;
  #probeUpRound = 0;
  #isProbeSample = false;
  #prevProbeTooHigh = false;
  #prevProbePrecautionary = false;
  #probeUpRounds = 0;
  #probeUpAcked = 0;
  #ackedPerIncrement: number = Number.POSITIVE_INFINITY;

  #probeRttDoneAt = 0;
  #probeRttRoundDone = false;
  #idleRestart = false;

  #inRecovery = false;
  #priorCwnd = 0;
  #undoState: 'none' | 'Startup' | 'ProbeBW_UP' = 'none';
  #undoBwShortterm = 0;
  #undoInflightShortterm = 0;
  #undoInflightLongterm = 0;

  constructor(smss: number, initialSegments: number, seed: number) {
    this.#smss = smss;
    this.#initial = initialSegments;
    this.#random = seededRandom(seed);
    this.cwnd = initialSegments * smss;
    // §5.6.2, with 1 ms for a round trip that is not known.
    this.pacingRate = (PACING_GAIN.Startup * this.cwnd) / 0.001;
  }

  get phase(): string {
    return this.#state;
  }

  /** §5.2.3 */
  onAck(s: Readonly<AckSample>): void {
    this.#now = s.now;
    this.#delivered = s.delivered;
    if (this.#isFresh) {
      this.#isFresh = false;
      this.#model = new BbrModel(s.now);
    }
    if (!this.#hasSeenRtt && s.srtt > 0) {
      this.#hasSeenRtt = true;
      this.pacingRate = (PACING_GAIN.Startup * this.cwnd * 1e6) / s.srtt;
    }
    const appLimited = s.appLimited || s.priorDelivered < this.#limitedUntil;
    this.#history.add(s.delivered - s.acked, s.priorInFlight, this.#lostTotal, this.cwnd);
    if (s.lost > 0) this.#handleLost(s, appLimited);
    if (s.acked > 0) this.#updateModelAndState(s, appLimited);
    this.#setPacingRate(PACING_GAIN[this.#state]);
    this.#setCwnd(s.acked);
  }

  onLoss(_inFlight: number, _now: Micros): void {
    this.#saveStateUponLoss();
    this.#inRecovery = true;
  }

  /** The draft leaves ECN of RFC 3168 open: a mark counts as a loss of which nothing has to be sent again. */
  onEcn(_inFlight: number, now: Micros): void {
    this.#now = now;
    this.#model.noteLoss(this.#delivered);
  }

  onRecovered(_inFlight: number, _now: Micros): void {
    this.#inRecovery = false;
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd);
    this.#boundCwndForModel();
  }

  onRto(_inFlight: number, _first: boolean, _now: Micros): void {
    this.#saveStateUponLoss();
    this.#inRecovery = true;
    this.cwnd = this.#smss;
  }

  /** §5.5.11.2 */
  onUndo(_now: Micros): void {
    const m = this.#model;
    this.#inRecovery = false;
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd);
    m.isLossInRound = false;
    this.#resetFullBw();
    m.bwShortterm = Math.max(m.bwShortterm, this.#undoBwShortterm);
    m.inflightShortterm = Math.max(m.inflightShortterm, this.#undoInflightShortterm);
    m.inflightLongterm = Math.max(m.inflightLongterm, this.#undoInflightLongterm);
    const was = this.#undoState;
    this.#undoState = 'none';
    if (was === 'Startup' && this.#state !== 'Startup') {
      this.#fullBwReached = false;
      if (this.#state !== 'ProbeRTT') this.#state = 'Startup';
    } else if (was === 'ProbeBW_UP' && this.#state !== 'ProbeBW_UP' && this.#state !== 'ProbeRTT') this.#startRefill();
  }

  /** §5.4: at the rate that was known, instead of from nothing. */
  onIdle(_idle: number, _rto: number, now: Micros): void {
    this.#now = now;
    this.#idleRestart = true;
    this.#model.restartAggregation(now);
    if (this.#isInProbeBw()) this.#setPacingRate(1);
    else if (this.#state === 'ProbeRTT') this.#checkProbeRttDone();
  }

  onMssChange(smss: number): void {
    this.cwnd = windowForSize(this.cwnd, this.#smss, smss);
    this.#smss = smss;
  }

  takeOver(cwnd: number, _ssthresh: number): void {
    this.cwnd = cwnd;
  }

  #updateModelAndState(s: Readonly<AckSample>, appLimited: boolean): void {
    const m = this.#model;
    m.updateLatest(s);
    m.updateMaxBw(s, appLimited);
    this.#adaptLowerBounds(s);
    m.updateAggregation(s.acked, this.cwnd, this.#fullBwReached, s.now);
    this.#checkFullBwReached(s.deliveryRate, appLimited);
    this.#checkStartupHighLoss(s);
    if (this.#state === 'Startup' && this.#fullBwReached) this.#enterDrain();
    this.#checkDrainDone(s.inFlight);
    this.#updateCyclePhase(s, appLimited);
    m.updateMinRtt(s.rtt, s.now);
    this.#checkProbeRtt(s);
    m.advanceLatest(s);
    m.boundBw();
  }

  // Startup and Drain, §5.3.1 and §5.3.2.

  #resetFullBw(): void {
    this.#fullBw = 0;
    this.#fullBwCount = 0;
    this.#fullBwNow = false;
  }

  #checkFullBwReached(rate: number, appLimited: boolean): void {
    if (this.#fullBwNow || !this.#model.roundStart || appLimited || rate === 0) return;
    if (rate >= this.#fullBw * FULL_BW_GROWTH) {
      this.#resetFullBw();
      this.#fullBw = rate;
      return;
    }
    this.#fullBwNow = ++this.#fullBwCount >= FULL_BW_ROUNDS;
    if (this.#fullBwNow) this.#fullBwReached = true;
  }

  #checkStartupHighLoss(s: Readonly<AckSample>): void {
    const m = this.#model;
    if (!m.lossRoundStart) return;
    const events = m.lossEvents;
    m.lossEvents = 0;
    if (this.#fullBwReached || !this.#inRecovery || events < STARTUP_LOSS_EVENTS || !this.#isTooHigh(s)) return;
    this.#undoState = 'Startup';
    this.#fullBwReached = true;
    m.inflightLongterm = Math.max(this.#inflight(m.maxBw, 1), m.inflightLatest);
  }

  #enterDrain(): void {
    this.#state = 'Drain';
    this.#drainStartRound = this.#model.roundCount;
  }

  #checkDrainDone(inFlight: number): void {
    if (this.#state !== 'Drain') return;
    const isLong = this.#model.roundCount > this.#drainStartRound + DRAIN_ROUNDS;
    if (isLong || inFlight <= this.#inflight(this.#model.maxBw, 1)) this.#startDown();
  }

  // ProbeBW, §5.3.3.

  #isInProbeBw(): boolean {
    return this.#state.startsWith('ProbeBW');
  }

  #startDown(): void {
    this.#model.resetCongestionSignals();
    this.#ackedPerIncrement = Number.POSITIVE_INFINITY;
    this.#probeUpRound = this.#model.roundCount - intBelow(this.#random, 2);
    this.#probeWait = 2_000_000 + intBelow(this.#random, 1_000_000);
    this.#cycleAt = this.#now;
    this.#ackPhase = 'probe stopping';
    this.#model.startRound(this.#delivered);
    this.#state = 'ProbeBW_DOWN';
  }

  #startRefill(): void {
    this.#model.resetShortterm();
    this.#probeUpRounds = 0;
    this.#probeUpAcked = 0;
    this.#prevProbePrecautionary = false;
    this.#ackPhase = 'refilling';
    this.#model.startRound(this.#delivered);
    this.#state = 'ProbeBW_REFILL';
  }

  #startUp(rate: number): void {
    this.#ackPhase = 'probe starting';
    this.#model.startRound(this.#delivered);
    this.#resetFullBw();
    this.#fullBw = rate;
    this.#state = 'ProbeBW_UP';
    this.#raiseSlope();
  }

  #updateCyclePhase(s: Readonly<AckSample>, appLimited: boolean): void {
    if (!this.#fullBwReached || this.#adaptLongTermModel(s, appLimited)) return;
    switch (this.#state) {
      case 'ProbeBW_DOWN':
        if (this.#isTimeToProbe()) this.#startRefill();
        else if (this.#isTimeToCruise(s.inFlight)) this.#state = 'ProbeBW_CRUISE';
        break;
      case 'ProbeBW_CRUISE':
        if (this.#isTimeToProbe()) this.#startRefill();
        break;
      case 'ProbeBW_REFILL':
        if (!this.#model.roundStart) break;
        this.#isProbeSample = true;
        this.#startUp(s.deliveryRate);
        break;
      case 'ProbeBW_UP':
        if (!this.#isTimeToGoDown(s)) break;
        this.#prevProbeTooHigh = false;
        this.#startDown();
        break;
      default:
        break;
    }
  }

  /** Whichever comes first: 2 to 3 s, or the rounds in which Reno would grow by a window (§5.3.3.8). */
  #isTimeToProbe(): boolean {
    if (this.#now > this.#cycleAt + this.#probeWait) return true;
    const rounds = Math.min(this.#targetInflight() / this.#smss, RENO_ROUNDS);
    return this.#model.roundCount - this.#probeUpRound >= rounds;
  }

  #isTimeToCruise(inFlight: number): boolean {
    return inFlight <= this.#inflightWithHeadroom() && inFlight <= this.#inflight(this.#model.maxBw, 1);
  }

  #isTimeToGoDown(s: Readonly<AckSample>): boolean {
    const { inflightLongterm } = this.#model;
    if (this.#prevProbeTooHigh && s.priorInFlight >= inflightLongterm) {
      this.#prevProbePrecautionary = true;
      return true;
    }
    if (!s.cwndLimited || this.cwnd < inflightLongterm) return this.#fullBwNow;
    // What fits is the limit, and is being raised: that the rate doesn't grow says nothing.
    this.#resetFullBw();
    this.#fullBw = s.deliveryRate;
    return false;
  }

  /** True when it has changed the state. */
  #adaptLongTermModel(s: Readonly<AckSample>, appLimited: boolean): boolean {
    const m = this.#model;
    if (this.#ackPhase === 'probe starting' && m.roundStart) this.#ackPhase = 'probe feedback';
    if (this.#ackPhase === 'probe stopping' && m.roundStart) {
      this.#isProbeSample = false;
      this.#ackPhase = 'init';
      if (this.#isInProbeBw()) {
        if (!appLimited) m.advanceMaxBwFilter();
        if (this.#prevProbePrecautionary && !this.#prevProbeTooHigh) {
          this.#startRefill();
          return true;
        }
      }
    }
    if (m.inflightLongterm === Number.POSITIVE_INFINITY || this.#isTooHigh(s)) return false;
    m.inflightLongterm = Math.max(m.inflightLongterm, this.#history.inFlight);
    if (this.#state === 'ProbeBW_UP') this.#probeLongtermUpward(s);
    return false;
  }

  #raiseSlope(): void {
    const growth = 2 ** this.#probeUpRounds;
    this.#probeUpRounds = Math.min(this.#probeUpRounds + 1, 30);
    this.#ackedPerIncrement = Math.max(this.cwnd / growth, this.#smss);
  }

  #probeLongtermUpward(s: Readonly<AckSample>): void {
    if (!s.cwndLimited || this.cwnd < this.#model.inflightLongterm) return;
    this.#probeUpAcked += s.acked;
    const steps = Math.floor(this.#probeUpAcked / this.#ackedPerIncrement);
    this.#probeUpAcked -= steps * this.#ackedPerIncrement;
    this.#model.inflightLongterm += steps * this.#smss;
    if (this.#model.roundStart) this.#raiseSlope();
  }

  // Losses, §5.5.10.

  #handleLost(s: Readonly<AckSample>, appLimited: boolean): void {
    this.#model.noteLoss(s.delivered);
    this.#lostTotal += s.lost;
    if (!this.#isProbeSample || !this.#isTooHigh(s)) return;
    this.#prevProbeTooHigh = true;
    this.#isProbeSample = false;
    if (!appLimited) this.#model.inflightLongterm = Math.max(this.#inflightAtLoss(s), this.#targetInflight() * BETA);
    if (this.#state !== 'ProbeBW_UP') return;
    this.#undoState = 'ProbeBW_UP';
    this.#startDown();
  }

  /**
   * Of what was in flight when the segment left that is acknowledged now, more is lost than the path may lose. One
   * segment alone never is too much, or a path of few segments would be too full with every loss (the draft has no such floor).
   */
  #isTooHigh(s: Readonly<AckSample>): boolean {
    const sent = this.#history.find(s.acked > 0 ? s.priorDelivered : s.delivered);
    return this.#lostTotal - sent.lost > Math.max(sent.inFlight * LOSS_THRESH, 2 * this.#smss);
  }

  /**
   * And so much more, two standard deviations, that a path which loses that share at random hardly shows it. The draft
   * slows down after any loss, which at 1 % halves the rate between two probes; with this it stays.
   */
  #isMoreThanChance(s: Readonly<AckSample>): boolean {
    const sent = this.#history.find(s.priorDelivered);
    const expected = sent.inFlight * LOSS_THRESH;
    return this.#lostTotal - sent.lost > expected + 2 * Math.sqrt(expected * this.#smss);
  }

  /** How much could have been in flight with no more lost than that. */
  #inflightAtLoss(s: Readonly<AckSample>): number {
    const before = Math.max(0, this.#history.inFlight - s.lost);
    const lostBefore = this.#lostTotal - this.#history.lost - s.lost;
    return before + Math.max(0, LOSS_THRESH * before - lostBefore) / (1 - LOSS_THRESH);
  }

  #adaptLowerBounds(s: Readonly<AckSample>): void {
    const m = this.#model;
    if (!m.lossRoundStart) return;
    const isProbing = this.#state === 'Startup' || this.#state === 'ProbeBW_REFILL' || this.#state === 'ProbeBW_UP';
    if (m.isLossInRound && !isProbing && this.#isMoreThanChance(s)) m.lowerBounds(this.cwnd);
    m.isLossInRound = false;
  }

  #saveStateUponLoss(): void {
    const m = this.#model;
    this.#saveCwnd();
    this.#undoState = 'none';
    this.#undoBwShortterm = m.bwShortterm;
    this.#undoInflightShortterm = m.inflightShortterm;
    this.#undoInflightLongterm = m.inflightLongterm;
  }

  #saveCwnd(): void {
    const isGood = !this.#inRecovery && this.#state !== 'ProbeRTT';
    this.#priorCwnd = isGood ? this.cwnd : Math.max(this.#priorCwnd, this.cwnd);
  }

  // ProbeRTT, §5.3.4.

  #checkProbeRtt(s: Readonly<AckSample>): void {
    if (this.#state !== 'ProbeRTT' && this.#model.probeRttExpired && !this.#idleRestart) {
      this.#saveCwnd();
      this.#state = 'ProbeRTT';
      this.#probeRttDoneAt = 0;
      this.#ackPhase = 'probe stopping';
      this.#model.startRound(this.#delivered);
    }
    if (this.#state === 'ProbeRTT') this.#handleProbeRtt(s);
    this.#idleRestart = false;
  }

  #handleProbeRtt(s: Readonly<AckSample>): void {
    this.#limitedUntil = s.delivered + s.inFlight;
    if (this.#probeRttDoneAt === 0) {
      if (s.inFlight > this.#probeRttCwnd()) return;
      this.#probeRttDoneAt = s.now + PROBE_RTT_DURATION;
      this.#probeRttRoundDone = false;
      this.#model.startRound(s.delivered);
      return;
    }
    if (this.#model.roundStart) this.#probeRttRoundDone = true;
    if (this.#probeRttRoundDone) this.#checkProbeRttDone();
  }

  #checkProbeRttDone(): void {
    if (this.#probeRttDoneAt === 0 || this.#now <= this.#probeRttDoneAt) return;
    this.#model.probeRttMinAt = this.#now;
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd);
    this.#model.resetShortterm();
    if (!this.#fullBwReached) {
      this.#state = 'Startup';
      return;
    }
    this.#startDown();
    this.#state = 'ProbeBW_CRUISE';
  }

  #probeRttCwnd(): number {
    return Math.max(this.#bdp(this.#model.bw, CWND_GAIN.ProbeRTT), this.#minPipe);
  }

  // Control parameters, §5.6.

  get #minPipe(): number {
    return MIN_PIPE_SEGMENTS * this.#smss;
  }

  get #sendQuantum(): number {
    return Math.max(Math.min(this.pacingRate / 1000, MAX_QUANTUM), 2 * this.#smss);
  }

  #bdp(bw: number, gain: number): number {
    const { minRtt } = this.#model;
    return minRtt === Number.POSITIVE_INFINITY ? this.#initial * this.#smss : (gain * bw * minRtt) / 1e6;
  }

  /** With room for what offload holds together: one batch being cut, one on its way, one not yet acknowledged (§5.5.8). */
  #quantized(inFlight: number): number {
    const most = Math.max(inFlight, 3 * this.#sendQuantum, this.#minPipe);
    return this.#state === 'ProbeBW_UP' ? most + 2 * this.#smss : most;
  }

  #inflight(bw: number, gain: number): number {
    return this.#quantized(this.#bdp(bw, gain));
  }

  #targetInflight(): number {
    return Math.min(this.#bdp(this.#model.bw, 1), this.cwnd);
  }

  #inflightWithHeadroom(): number {
    const { inflightLongterm } = this.#model;
    if (inflightLongterm === Number.POSITIVE_INFINITY) return inflightLongterm;
    return Math.max(inflightLongterm - Math.max(this.#smss, HEADROOM * inflightLongterm), this.#minPipe);
  }

  #setPacingRate(gain: number): void {
    const rate = gain * this.#model.bw * (1 - PACING_MARGIN);
    if (rate > 0 && (this.#fullBwReached || rate > this.pacingRate)) this.pacingRate = rate;
  }

  #setCwnd(acked: number): void {
    const m = this.#model;
    const max = this.#quantized(this.#bdp(m.bw, CWND_GAIN[this.#state]) + m.extraAcked);
    if (this.#fullBwReached) this.cwnd = Math.min(this.cwnd + acked, max);
    else if (this.cwnd < max || this.#delivered < this.#initial * this.#smss) this.cwnd += acked;
    this.cwnd = Math.max(this.cwnd, this.#minPipe);
    if (this.#state === 'ProbeRTT') this.cwnd = Math.min(this.cwnd, this.#probeRttCwnd());
    this.#boundCwndForModel();
  }

  #boundCwndForModel(): void {
    let cap = this.#model.inflightShortterm;
    if (this.#state === 'ProbeBW_CRUISE' || this.#state === 'ProbeRTT')
      cap = Math.min(cap, this.#inflightWithHeadroom());
    else if (this.#isInProbeBw()) cap = Math.min(cap, this.#model.inflightLongterm);
    this.cwnd = Math.floor(Math.min(this.cwnd, Math.max(cap, this.#minPipe)));
  }
}
