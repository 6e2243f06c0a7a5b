/**
 * HyStart++, RFC 9406: slow start that ends when the round trip grows, before a queue overflows. Where the smallest RTT
 * of a round lies an eighth above that of the round before, the window grows at a quarter of the speed for some
 * rounds; if the RTT falls back below what it was then, the delay was chance and slow start goes on.
 *
 * The least growth that counts is 4 ms, so on paths of microseconds slow start ends by loss alone. Times are µs.
 */
import type { Keepable, Keeper } from '../../base/keeper.ts';

const MIN_RTT_THRESH = 4000;
const MAX_RTT_THRESH = 16_000;
const MIN_RTT_DIVISOR = 8;
const N_RTT_SAMPLE = 8;
const CSS_ROUNDS = 5;
/** The window grows by what is acknowledged, divided by this. */
export const CSS_GROWTH_DIVISOR = 4;

export type HyStartPhase = 'slow start' | 'conservative slow start' | 'done';

export class HyStart implements Keepable {
  #phase: HyStartPhase = 'slow start';
  /** The round is over when this place of the stream is acknowledged. */
  #windowEnd = -1;
  #lastRoundMinRtt = Number.POSITIVE_INFINITY;
  #currentRoundMinRtt = Number.POSITIVE_INFINITY;
  #rttSampleCount = 0;
  #cssBaselineMinRtt = Number.POSITIVE_INFINITY;
  #cssRounds = 0;

  get phase(): HyStartPhase {
    return this.#phase;
  }

  /** An ACK in the first slow start: SND.UNA and SND.NXT as places of the stream, and its RTT, 0 for none. */
  onAck(una: number, nxt: number, rtt: number): HyStartPhase {
    if (una >= this.#windowEnd) this.#startRound(nxt);
    if (rtt > 0) {
      this.#currentRoundMinRtt = Math.min(this.#currentRoundMinRtt, rtt);
      this.#rttSampleCount++;
    }
    if (this.#rttSampleCount < N_RTT_SAMPLE) return this.#phase;
    if (this.#phase === 'slow start') {
      const thresh = Math.min(Math.max(this.#lastRoundMinRtt / MIN_RTT_DIVISOR, MIN_RTT_THRESH), MAX_RTT_THRESH);
      if (this.#currentRoundMinRtt >= this.#lastRoundMinRtt + thresh) {
        this.#cssBaselineMinRtt = this.#currentRoundMinRtt;
        this.#cssRounds = 0;
        this.#phase = 'conservative slow start';
      }
    } else if (this.#phase === 'conservative slow start' && this.#currentRoundMinRtt < this.#cssBaselineMinRtt) {
      this.#cssBaselineMinRtt = Number.POSITIVE_INFINITY;
      this.#phase = 'slow start';
    }
    return this.#phase;
  }

  keep(k: Keeper): void {
    const phases: readonly HyStartPhase[] = ['slow start', 'conservative slow start', 'done'];
    this.#phase = phases[k.number(phases.indexOf(this.#phase))]!;
    this.#windowEnd = k.number(this.#windowEnd);
    this.#lastRoundMinRtt = k.number(this.#lastRoundMinRtt);
    this.#currentRoundMinRtt = k.number(this.#currentRoundMinRtt);
    this.#rttSampleCount = k.number(this.#rttSampleCount);
    this.#cssBaselineMinRtt = k.number(this.#cssBaselineMinRtt);
    this.#cssRounds = k.number(this.#cssRounds);
  }

  #startRound(nxt: number): void {
    const isFirst = this.#windowEnd < 0;
    this.#windowEnd = nxt;
    this.#lastRoundMinRtt = this.#currentRoundMinRtt;
    this.#currentRoundMinRtt = Number.POSITIVE_INFINITY;
    this.#rttSampleCount = 0;
    if (isFirst || this.#phase !== 'conservative slow start') return;
    if (++this.#cssRounds >= CSS_ROUNDS) this.#phase = 'done';
  }
}
