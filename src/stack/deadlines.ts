/** The next deadline among all endpoints: a binary heap whose members know their place, so that moving one is O(log n). */
import { type Micros, NEVER } from '../base/time.ts';

/** Both belong to the heap; `place` is -1 outside it. */
export interface Due {
  dueAt: Micros;
  place: number;
}

export class Deadlines<T extends Due> {
  readonly #heap: T[] = [];

  get next(): Micros {
    return this.#heap[0]?.dueAt ?? NEVER;
  }

  /** NEVER takes it out. */
  set(e: T, at: Micros): void {
    if (e.dueAt === at && (e.place >= 0 || at === NEVER)) return;
    const before = e.dueAt;
    e.dueAt = at;
    if (at === NEVER) this.#remove(e);
    else if (e.place < 0) {
      this.#heap.push(e);
      this.#up(e, this.#heap.length - 1);
    } else if (at < before) this.#up(e, e.place);
    else this.#down(e, e.place);
  }

  /** The endpoint whose deadline has come, soonest first; it stays until `set` again. */
  due(now: Micros): T | undefined {
    const first = this.#heap[0];
    return first !== undefined && first.dueAt <= now ? first : undefined;
  }

  #remove(e: T): void {
    if (e.place < 0) return;
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
      if (p.dueAt <= e.dueAt) break;
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
      if (child + 1 < n && this.#heap[child + 1]!.dueAt < this.#heap[child]!.dueAt) child++;
      const c = this.#heap[child]!;
      if (e.dueAt <= c.dueAt) break;
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
