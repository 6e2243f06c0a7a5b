/** Waiting in real time, to a fraction of a millisecond, for scenarios that are played on a real machine. */
import { monotonicMicros } from './kernel-process.ts';

/** Closer than that timers are too coarse: the loop turns until it is time. */
const SPIN_US = 2500;

/** Turns of the loop in which everything that has come is read. */
const TURNS = 2;

export class RealClock {
  #zero = monotonicMicros();
  #wake: (() => void) | undefined;

  /** It is 0 now. */
  restart(): void {
    this.#zero = monotonicMicros();
  }

  /** Microseconds since it was made, or restarted. */
  now(): number {
    return monotonicMicros() - this.#zero;
  }

  /** An instant of the monotonic clock, in microseconds, on this one. */
  of(monotonic: number): number {
    return monotonic - this.#zero;
  }

  /** Something has happened: whoever waits looks again. */
  wake(): void {
    this.#wake?.();
  }

  async pass(at: number, ready: () => boolean): Promise<boolean> {
    for (;;) {
      if (ready()) return true;
      const left = at - this.now();
      if (left <= 0) break;
      await this.#wait(left);
    }
    // This process may have slept past the deadline: what came before it waits to be read, and the loop's timers go first.
    for (let turn = 0; turn < TURNS; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (ready()) return true;
    }
    return false;
  }

  #wait(left: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = done;
      if (left > SPIN_US) timer = setTimeout(done, Math.min((left - SPIN_US / 2) / 1000, 60_000));
      else setImmediate(done);
    });
  }
}
