/**
 * Time without that in which this process did not get to run, or was at something else: tcpx and the user of both sockets live
 * in it, and a machine that is busy elsewhere must not look like a stack that waits.
 */
import { type Micros, micros } from '../../base/time.ts';

/** Milliseconds between two ticks; one that comes this much later, microseconds, is late. */
const TICK_MS = 4;
const LATE_FROM = 10_000;

export class OwnPace {
  readonly #now: () => Micros;
  readonly #timer: NodeJS.Timeout;
  /** Instants, and what of the time until then was lost. */
  readonly #at: number[];
  readonly #lost: number[] = [0];

  constructor(now: () => Micros) {
    this.#now = now;
    this.#at = [now()];
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  tick(): void {
    const now = this.#now();
    const passed = now - this.#at.at(-1)!;
    this.#at.push(now);
    this.#lost.push(this.#lost.at(-1)! + Math.max(0, passed - LATE_FROM));
  }

  /** The pace at `t`, which is past. */
  of(t: Micros): Micros {
    const after = this.#at.findIndex((at) => at >= t);
    const before = (after < 0 ? this.#at.length : after) - 1;
    if (before < 0) return t;
    const most = this.#lost[before + 1] === undefined ? Number.POSITIVE_INFINITY : LATE_FROM;
    return micros(this.#at[before]! - this.#lost[before]! + Math.min(t - this.#at[before]!, most));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
