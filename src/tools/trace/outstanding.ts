/**
 * What one direction has sent and the other has not acknowledged, as far as round trips need it: where each segment begins
 * and ends, when it was seen, and whether any of it was sent twice. A ring of numbers, made when first used and given back
 * when empty; of more than MAX the oldest are forgotten, for an end whose ACKs the capture doesn't have.
 */
import { type Micros, micros } from '../../base/time.ts';

const FIRST = 8;
const MAX = 4096;

/** No round trip can be told. */
export const NO_SAMPLE = micros(-1);

export class Outstanding {
  #starts = NOTHING;
  #ends = NOTHING;
  #times = NOTHING;
  #again = NOTHING;
  #head = 0;
  #count = 0;
  #hasGaps = false;

  get count(): number {
    return this.#count;
  }

  add(start: number, end: number, t: Micros, again: boolean): void {
    if (this.#count === this.#starts.length) {
      if (this.#count < MAX) this.#grow();
      else {
        this.#head = (this.#head + 1) & (MAX - 1);
        this.#count--;
      }
    }
    const i = (this.#head + this.#count) & (this.#starts.length - 1);
    this.#starts[i] = start;
    this.#ends[i] = end;
    this.#times[i] = t;
    this.#again[i] = again ? 1 : 0;
    this.#count++;
  }

  /** `[start, end)` was sent once more: an ACK of it can't tell which of them it answers (RFC 6298 §3). */
  sentAgain(start: number, end: number): void {
    for (let n = 0; n < this.#count; n++) {
      const i = (this.#head + n) & (this.#starts.length - 1);
      if (((start - this.#ends[i]!) | 0) < 0 && ((this.#starts[i]! - end) | 0) < 0) this.#again[i] = 1;
    }
  }

  /** Everything before `ack` has arrived. Returns the time since the last sent of it, or NO_SAMPLE. */
  acknowledged(ack: number, t: Micros): Micros {
    let newest = -1;
    let again = false;
    let kept = 0;
    const mask = this.#starts.length - 1;
    // In order of sending: those that fill gaps stand behind what was sent after the gap.
    let n = 0;
    for (; n < this.#count; n++) {
      const i = (this.#head + n) & mask;
      if (((this.#ends[i]! - ack) | 0) <= 0) {
        if (this.#times[i]! >= newest) {
          newest = this.#times[i]!;
          again = this.#again[i] === 1;
        }
        continue;
      }
      // Nothing sent later ends earlier, unless there was a gap: then all are looked at.
      if (kept === 0 && !this.#hasGaps) break;
      this.#move(i, (this.#head + kept) & mask);
      kept++;
    }
    if (kept === 0) {
      this.#head = (this.#head + n) & mask;
      this.#count -= n;
    } else this.#count = kept;
    if (this.#count === 0) this.#release();
    // In the same microsecond is no measurement.
    return newest < 0 || again || newest === t ? NO_SAMPLE : micros(t - newest);
  }

  /** What is added next fills a gap: it ends before what was added earlier. */
  outOfOrder(): void {
    this.#hasGaps = true;
  }

  #move(from: number, to: number): void {
    if (from === to) return;
    this.#starts[to] = this.#starts[from]!;
    this.#ends[to] = this.#ends[from]!;
    this.#times[to] = this.#times[from]!;
    this.#again[to] = this.#again[from]!;
  }

  #grow(): void {
    const size = Math.max(FIRST, this.#starts.length * 2);
    const starts = zeros(size);
    const ends = zeros(size);
    const times = zeros(size);
    const again = zeros(size);
    for (let n = 0; n < this.#count; n++) {
      const i = (this.#head + n) & (this.#starts.length - 1);
      starts[n] = this.#starts[i]!;
      ends[n] = this.#ends[i]!;
      times[n] = this.#times[i]!;
      again[n] = this.#again[i]!;
    }
    this.#starts = starts;
    this.#ends = ends;
    this.#times = times;
    this.#again = again;
    this.#head = 0;
  }

  #release(): void {
    this.#head = 0;
    this.#hasGaps = false;
    if (this.#starts.length <= 8 * FIRST) return;
    this.#starts = NOTHING;
    this.#ends = NOTHING;
    this.#times = NOTHING;
    this.#again = NOTHING;
  }
}

const NOTHING: number[] = [];
/** Plain arrays: a typed one costs a hundred times as much to make, and most connections are short. */
const zeros = (size: number): number[] => new Array<number>(size).fill(0);
