/** Clock and randomness of a Node process, for a stack that runs on a real link. */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { type Clock, type Micros, micros, NEVER } from '../base/time.ts';
import { loadAddon } from '../link/native.ts';

/**
 * `zero`, of performance.now(): now when absent. Monotonic; alarms have the 1 ms grain of setTimeout and never ring early.
 * An alarm that is put off leaves the timer as it is, to be looked at when it rings: deadlines mostly move away.
 * `background`: no alarm keeps the process alive.
 */
export function nodeClock(zero = performance.now(), background = false): Clock {
  const now = (): Micros => micros((performance.now() - zero) * 1000);
  let timer: NodeJS.Timeout | undefined;
  let ringsAt: Micros = NEVER;
  let dueAt: Micros = NEVER;
  let wake = NOTHING;
  return {
    now,
    wakeAt(at, ring) {
      wake = ring;
      // One that is not wanted any more doesn't keep the process.
      if (timer !== undefined && !background && (at === NEVER) !== (dueAt === NEVER))
        at === NEVER ? timer.unref() : timer.ref();
      dueAt = at;
      if (at >= ringsAt) return;
      clearTimeout(timer);
      arm();
    },
    soon: process.nextTick,
  };

  function ring(): void {
    ringsAt = NEVER;
    timer = undefined;
    // setTimeout may be up to a millisecond early.
    if (now() < dueAt) {
      if (dueAt !== NEVER) arm();
      return;
    }
    dueAt = NEVER;
    wake();
  }

  function arm(): void {
    ringsAt = dueAt;
    timer = setTimeout(ring, Math.max(1, Math.min(Math.ceil((dueAt - now()) / 1000), MAX_DELAY)));
    if (background) timer.unref();
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
  let ringsAt: Micros = NEVER;
  const timer = addon.timerOpen(() => {
    ringsAt = NEVER;
    if (now() < dueAt) arm();
    else {
      dueAt = NEVER;
      wake();
    }
  });
  return {
    now,
    wakeAt(at, ring) {
      wake = ring;
      dueAt = at;
      if (at < ringsAt) arm();
    },
  };

  function arm(): void {
    if (dueAt === NEVER) return;
    ringsAt = dueAt;
    addon.timerSet(timer, Math.max(0, dueAt - now()));
  }
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
