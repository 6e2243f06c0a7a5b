/** Clock and randomness of a Node process, for a stack that runs on a real link. */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { type Clock, type Micros, micros, NEVER } from '../base/time.ts';
import { loadAddon } from '../link/native.ts';

/** `zero`, of performance.now(): now when absent. Monotonic; alarms have the 1 ms grain of setTimeout and never ring early. */
export function nodeClock(zero = performance.now()): Clock {
  const now = (): Micros => micros((performance.now() - zero) * 1000);
  let timer: NodeJS.Timeout | undefined;
  return {
    now,
    wakeAt(at, wake) {
      clearTimeout(timer);
      timer = undefined;
      if (at !== NEVER) timer = setTimeout(ring, delay(at), at, wake);
    },
  };

  function ring(at: Micros, wake: () => void): void {
    // setTimeout may be up to a millisecond early.
    if (now() < at) timer = setTimeout(ring, delay(at), at, wake);
    else wake();
  }

  function delay(at: Micros): number {
    return Math.max(1, Math.min(Math.ceil((at - now()) / 1000), MAX_DELAY));
  }
}

/**
 * As nodeClock, with alarms good to some tens of microseconds (timerfd, through our addon). For what paces packets; holds
 * a descriptor for as long as the process lives. Throws LinkFailure ENOTBUILT.
 */
export function fineClock(zero = performance.now()): Clock {
  const addon = loadAddon();
  const now = (): Micros => micros((performance.now() - zero) * 1000);
  let wake = NOTHING;
  let dueAt: Micros = NEVER;
  const timer = addon.timerOpen(() => {
    const left = dueAt - now();
    if (left > 0) addon.timerSet(timer, left);
    else {
      dueAt = NEVER;
      wake();
    }
  });
  return {
    now,
    wakeAt(at, ring) {
      wake = ring;
      if (at === dueAt) return;
      dueAt = at;
      addon.timerSet(timer, at === NEVER ? -1 : Math.max(0, at - now()));
    },
  };
}

const NOTHING = (): void => {};

/** Beyond 2^31 ms setTimeout fires at once. */
const MAX_DELAY = 2 ** 31 - 1;

/** From the kernel's generator, drawn in blocks. */
export function nodeRandom(): Random {
  const block = new Uint32Array(256);
  let used = block.length;
  return {
    uint32() {
      if (used === block.length) {
        randomFillSync(block);
        used = 0;
      }
      return block[used++]!;
    },
  };
}
