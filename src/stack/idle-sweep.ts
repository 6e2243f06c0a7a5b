/**
 * Finds the connections in which nothing has happened for a while, so that they can be put away (tcp/idle-record.ts). Every
 * SWEEP each that was touched is looked at: once to begin counting, and if nothing has touched it until the next time, it
 * goes. Whatever touches it again brings it back; one that can't be put away is not looked at again until then.
 */
import { type Micros, ms, NEVER, seconds } from '../base/time.ts';

/** `sweepPlace` and `stirred` belong to the sweep; `sweepPlace` is -1 outside it. */
export interface Sweepable {
  sweepPlace: number;
  stirred: boolean;
}

const SWEEP = seconds(2);
/** Most that are put away at once, and how soon the others follow: some milliseconds each, so that nobody waits long. */
const AT_ONCE = 500;
const SOON = ms(20);

export class IdleSweep<T extends Sweepable> {
  readonly #awake: T[] = [];
  readonly #putAway: (e: T) => void;
  /** Those below it are still to be looked at in this round; 0 between rounds. */
  #hand = 0;
  /** When `run` is wanted; NEVER when nothing is awake. */
  next: Micros = NEVER;

  constructor(putAway: (e: T) => void) {
    this.#putAway = putAway;
  }

  /** Something has happened to it, or to one that was not known. */
  stir(e: T, now: Micros): void {
    e.stirred = true;
    if (e.sweepPlace >= 0) return;
    e.sweepPlace = this.#awake.length;
    this.#awake.push(e);
    if (this.next === NEVER) this.next = (now + SWEEP) as Micros;
  }

  /** It is no more. */
  forget(e: T): void {
    const place = e.sweepPlace;
    if (place < 0) return;
    e.sweepPlace = -1;
    const last = this.#awake.pop()!;
    if (this.#awake.length === 0) this.next = NEVER;
    if (last === e) return;
    this.#awake[place] = last;
    last.sweepPlace = place;
  }

  run(now: Micros): void {
    if (now < this.next) return;
    this.#hand = this.#hand === 0 ? this.#awake.length : Math.min(this.#hand, this.#awake.length);
    let count = 0;
    // From the end, since one that goes is replaced by the last.
    while (this.#hand > 0 && count < AT_ONCE) {
      const e = this.#awake[--this.#hand]!;
      if (e.stirred) {
        e.stirred = false;
        continue;
      }
      this.forget(e);
      this.#putAway(e);
      count++;
    }
    if (this.#hand > 0) this.next = (now + SOON) as Micros;
    else this.next = this.#awake.length === 0 ? NEVER : ((now + SWEEP) as Micros);
  }
}
