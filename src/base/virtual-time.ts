/**
 * Time that passes only when told to: events in order of their instants, those of the same instant in the order in
 * which they were scheduled. Whatever runs on it alone runs the same way every time.
 *
 * A binary heap whose events know their place in it, so that an alarm that is moved or cancelled leaves nothing behind.
 */
import { type Clock, type Micros, micros, NEVER } from './time.ts';

interface Scheduled {
  at: Micros;
  /** Breaks ties: counts everything ever scheduled. */
  order: number;
  /** Index in the heap; OUT when not scheduled. */
  place: number;
  run: () => void;
  /** Belongs to a clock, which goes on using it; the others are reused by whoever schedules next. */
  readonly alarm: boolean;
}

const OUT = -1;
const NOTHING = (): void => {};
/** Spent records kept for reuse; more than that were a burst. */
const MAX_SPARE = 1024;

export class VirtualTime {
  #now: Micros;
  #order = 0;
  readonly #heap: Scheduled[] = [];
  readonly #spare: Scheduled[] = [];

  constructor(start: Micros = micros(0)) {
    this.#now = start;
  }

  get now(): Micros {
    return this.#now;
  }

  /** Events that are still to come. */
  get pending(): number {
    return this.#heap.length;
  }

  /** When the next event is due; NEVER when there is none. */
  get nextAt(): Micros {
    return this.#heap.length === 0 ? NEVER : this.#heap[0]!.at;
  }

  /** A clock with an alarm of its own. An alarm for the past rings in this instant, after what is already due in it. */
  clock(): Clock {
    const alarm: Scheduled = { at: NEVER, order: 0, place: OUT, run: NOTHING, alarm: true };
    return {
      now: () => this.#now,
      wakeAt: (at, wake) => {
        alarm.run = wake;
        if (at === NEVER) this.#remove(alarm);
        else this.#put(alarm, at);
      },
    };
  }

  /** Runs `run` once, at `at`, or in this instant if that is past. NEVER schedules nothing. */
  schedule(at: Micros, run: () => void): void {
    if (at === NEVER) return;
    const event = this.#spare.pop() ?? { at, order: 0, place: OUT, run, alarm: false };
    event.run = run;
    this.#put(event, at);
  }

  /** Runs the next event, and time moves to its instant; false when there is none. */
  step(): boolean {
    const event = this.#heap[0];
    if (event === undefined) return false;
    this.#remove(event);
    this.#now = event.at;
    const run = event.run;
    if (!event.alarm) {
      event.run = NOTHING;
      if (this.#spare.length < MAX_SPARE) this.#spare.push(event);
    }
    run();
    return true;
  }

  /** Runs all that is due up to and including `at`, which it then is. */
  runUntil(at: Micros): void {
    while (this.#heap.length > 0 && this.nextAt <= at) this.step();
    this.#passTo(at);
  }

  /**
   * Runs events while `condition` holds, no later than `limit`. True when it ceased to hold; false when nothing up to
   * the limit made it, and then it is `limit` (unless that is NEVER).
   */
  runWhile(condition: () => boolean, limit: Micros): boolean {
    while (condition()) {
      if (this.#heap.length === 0 || this.nextAt > limit) {
        this.#passTo(limit);
        return false;
      }
      this.step();
    }
    return true;
  }

  #passTo(at: Micros): void {
    if (at !== NEVER && at > this.#now) this.#now = at;
  }

  /** Schedules `event`, or moves it when it is scheduled already; either way it comes after its equals. */
  #put(event: Scheduled, at: Micros): void {
    event.at = at > this.#now ? at : this.#now;
    event.order = this.#order++;
    if (event.place === OUT) {
      event.place = this.#heap.length;
      this.#heap.push(event);
      this.#rise(event);
    } else {
      this.#rise(event);
      this.#sink(event);
    }
  }

  #remove(event: Scheduled): void {
    const place = event.place;
    if (place === OUT) return;
    event.place = OUT;
    const last = this.#heap.pop()!;
    if (last === event) return;
    last.place = place;
    this.#heap[place] = last;
    this.#rise(last);
    this.#sink(last);
  }

  #rise(event: Scheduled): void {
    const heap = this.#heap;
    let i = event.place;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const above = heap[up]!;
      if (!before(event, above)) break;
      heap[i] = above;
      above.place = i;
      i = up;
    }
    heap[i] = event;
    event.place = i;
  }

  #sink(event: Scheduled): void {
    const heap = this.#heap;
    const count = heap.length;
    let i = event.place;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= count) break;
      if (down + 1 < count && before(heap[down + 1]!, heap[down]!)) down++;
      const below = heap[down]!;
      if (!before(below, event)) break;
      heap[i] = below;
      below.place = i;
      i = down;
    }
    heap[i] = event;
    event.place = i;
  }
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
