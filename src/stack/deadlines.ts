/**
 * The next deadline among all endpoints: a binary heap whose members know their place, so that moving one is O(log n).
 *
 * Most deadlines move away before they come: each ACK puts off the retransmission timer of its connection. Such a one
 * stays where it is in the heap, and is moved when its old time has come.
 */
import { type Micros, NEVER } from '../base/time.ts';

/** All belong to the heap; `place` is -1 outside it. */
export interface Due {
  /** When it is due. */
  dueAt: Micros;
  /** What it is sorted by: `dueAt`, or before that. */
  sortedAt: Micros;
  place: number;
}

export class Deadlines<T extends Due> {
  readonly #heap: T[] = [];

  /** When to call `due`: at the soonest deadline, or before it. */
  get next(): Micros {
    return this.#heap[0]?.sortedAt ?? NEVER;
  }

  /** NEVER takes it out. */
  set(e: T, at: Micros): void {
    e.dueAt = at;
    if (e.place >= 0) {
      if (at === NEVER) this.#remove(e);
      else if (at < e.sortedAt) {
        e.sortedAt = at;
        this.#up(e, e.place);
      }
    } else if (at !== NEVER) {
      e.sortedAt = at;
      this.#heap.push(e);
      this.#up(e, this.#heap.length - 1);
    }
  }

  /** The endpoint whose deadline has come, soonest first; it stays until `set` again. */
  due(now: Micros): T | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.sortedAt > now) return undefined;
      if (first.dueAt === first.sortedAt) return first;
      first.sortedAt = first.dueAt;
      this.#down(first, 0);
    }
  }

  #remove(e: T): void {
    const at = e.place;
    e.place = -1;
    const last = this.#heap.pop()!;
    if (last === e) return;
    this.#up(last, at);
    this.#down(last, last.place);
  }

  #up(e: T, from: number): void {
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const p = this.#heap[parent]!;
      if (p.sortedAt <= e.sortedAt) break;
      this.#put(p, i);
      i = parent;
    }
    this.#put(e, i);
  }

  #down(e: T, from: number): void {
    const n = this.#heap.length;
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && this.#heap[child + 1]!.sortedAt < this.#heap[child]!.sortedAt) child++;
      const c = this.#heap[child]!;
      if (e.sortedAt <= c.sortedAt) break;
      this.#put(c, i);
      i = child;
    }
    this.#put(e, i);
  }

  #put(e: T, at: number): void {
    this.#heap[at] = e;
    e.place = at;
  }
}
