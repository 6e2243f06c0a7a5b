/**
 * Which octets of one direction the capture has: all up to the highest number, but for these gaps. A few, in order; of more
 * than MAX the oldest is taken for filled.
 */
import type { Micros } from '../../base/time.ts';

interface Gap {
  from: number;
  to: number;
  readonly openedAt: Micros;
}

const MAX = 512;

export class Gaps {
  #gaps: Gap[] = [];

  /** Where the first begins; undefined when there is none. */
  get first(): number | undefined {
    return this.#gaps[0]?.from;
  }

  /** `[from, to)`, beyond all others, was passed over. */
  open(from: number, to: number, t: Micros): void {
    this.#gaps.push({ from, to, openedAt: t });
    if (this.#gaps.length > MAX) this.#gaps.shift();
  }

  /** When the newest gap that `[from, to)` touches appeared; undefined when it touches none: all of it has been seen. */
  openedAt(from: number, to: number): Micros | undefined {
    let at: Micros | undefined;
    for (const gap of this.#gaps) if (before(from, gap.to) && before(gap.from, to)) at = gap.openedAt;
    return at;
  }

  /** `[from, to)` has been seen. */
  fill(from: number, to: number): void {
    if (this.#gaps.length === 0) return;
    const left: Gap[] = [];
    for (const gap of this.#gaps) {
      if (!before(from, gap.to) || !before(gap.from, to)) {
        left.push(gap);
        continue;
      }
      if (before(gap.from, from)) left.push({ from: gap.from, to: from, openedAt: gap.openedAt });
      if (before(to, gap.to)) left.push({ from: to, to: gap.to, openedAt: gap.openedAt });
    }
    this.#gaps = left;
  }

  /** `ack` says that nothing is missing before it; true when something was, here. */
  acknowledged(ack: number): boolean {
    const first = this.#gaps[0];
    if (first === undefined || !before(first.from, ack)) return false;
    this.fill(first.from, ack);
    return true;
  }
}

const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
