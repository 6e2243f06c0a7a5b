/**
 * Finds the connections in which nothing has happened for a while, so that they can be put away (tcp/idle-record.ts). In
 * rounds, ROUND apart, each that something has touched is looked at; one that nothing touches for as many rounds as its
 * patience goes. Whatever touches it again brings it back; one that can't be put away is not looked at again until then.
 *
 * The first time comes soon: what lives for less than a second costs the collector little. Each time that a connection
 * has to be brought back its patience doubles, so that one which talks every few seconds is soon left alone.
 */
import { type Micros, ms, NEVER } from '../base/time.ts';

/** All belong to the sweep; `sweepPlace` is -1 outside it. */
export interface Sweepable {
  sweepPlace: number;
  /** Rounds it has left. */
  roundsLeft: number;
  /** Rounds it gets; 0 before the first time. */
  patience: number;
}

const ROUND = ms(200);
const MOST_PATIENCE = 64;
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
    e.roundsLeft = e.patience;
    if (e.sweepPlace >= 0) return;
    e.patience = Math.min(MOST_PATIENCE, Math.max(1, 2 * e.patience));
    e.roundsLeft = e.patience;
    e.sweepPlace = this.#awake.length;
    this.#awake.push(e);
    if (this.next === NEVER) this.next = (now + ROUND) as Micros;
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
      if (e.roundsLeft-- > 0) continue;
      this.forget(e);
      this.#putAway(e);
      count++;
    }
    if (this.#hand > 0) this.next = (now + SOON) as Micros;
    else this.next = this.#awake.length === 0 ? NEVER : ((now + ROUND) as Micros);
  }
}
