/** The addon's alarm, by which packets are paced: it rings in time, once, and holds nothing up. */
import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { type Micros, micros, NEVER } from '../../src/base/time.ts';
import { loadAddon } from '../../src/link/native.ts';
import { fineClock, nodeClock } from '../../src/socket/node-clock.ts';

const BINARY = new URL('../../src/link/native/build/Release/tcpx.node', import.meta.url).pathname;

/** How late an alarm is, microseconds; below 0 is early. */
const lateness = (clock: ReturnType<typeof fineClock>, after: number): Promise<number> =>
  new Promise((resolve) => {
    const at = micros(clock.now() + after);
    clock.wakeAt(at, () => resolve(clock.now() - at));
  });

async function best(clock: ReturnType<typeof fineClock>, after: number): Promise<number> {
  const late: number[] = [];
  for (let i = 0; i < 100; i++) late.push(await lateness(clock, after));
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  return Math.min(...late);
}

test('an alarm rings when it is due, never before, and finer than a millisecond', async () => {
  const clock = fineClock();
  expect(await best(clock, 300)).toBeLessThan(400);
  expect(await best(clock, 2500)).toBeLessThan(400);
  // What it is for: setTimeout does not do better than this.
  expect(await best(nodeClock(), 300)).toBeGreaterThan(600);
});

test('one for the past rings at once, a new one replaces the old, NEVER takes it back', async () => {
  const clock = fineClock();
  expect(await lateness(clock, -1000)).toBeGreaterThan(999);
  const rung: string[] = [];
  clock.wakeAt(micros(clock.now() + 500), () => rung.push('old'));
  clock.wakeAt(micros(clock.now() + 1000), () => rung.push('new'));
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(rung).toEqual(['new']);
  clock.wakeAt(micros(clock.now() + 500), () => rung.push('never'));
  clock.wakeAt(NEVER, () => rung.push('never'));
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(rung).toEqual(['new']);
});

test('an alarm may set the next one, and several clocks do not disturb each other', async () => {
  const [a, b] = [fineClock(), fineClock()];
  const rung: string[] = [];
  await new Promise<void>((resolve) => {
    let left = 50;
    const ring = (): void => {
      rung.push('a');
      if (--left === 0) resolve();
      else a.wakeAt((a.now() + 100) as Micros, ring);
    };
    a.wakeAt(micros(a.now() + 100), ring);
    b.wakeAt(micros(b.now() + 1), () => rung.push('b'));
  });
  expect(rung.filter((who) => who === 'b')).toHaveLength(1);
  expect(rung.filter((who) => who === 'a')).toHaveLength(50);
});

test('a timer that is closed does not ring; what it is given must make sense', () => {
  const addon = loadAddon();
  const timer = addon.timerOpen(() => {
    throw new Error('rang');
  });
  expect(() => addon.timerSet(timer, Number.NaN)).toThrow(TypeError);
  addon.timerSet(timer, 0);
  addon.close(timer);
  addon.close(timer);
  expect(() => addon.timerSet(timer, 1)).toThrow(/EBADF|descriptor/);
  expect(() => addon.timerOpen(undefined as never)).toThrow(TypeError);
});

test('it does not keep the process alive, and what the callback throws is the process’s to hear of', () => {
  const node = (text: string) =>
    spawnSync(process.execPath, ['-e', `const addon = require(${JSON.stringify(BINARY)}); ${text}`], {
      encoding: 'utf8',
      timeout: 20_000,
    });
  expect(node('addon.timerSet(addon.timerOpen(() => {}), 1e12)').status).toBe(0);
  const thrown = node(
    'setTimeout(() => {}, 10000); addon.timerSet(addon.timerOpen(() => { throw new Error("heard") }), 1)',
  );
  expect(thrown.status).toBe(1);
  expect(thrown.stderr).toContain('heard');
});

test('a thread that ends closes what it held', async () => {
  const worker = new Worker(
    `const addon = require(${JSON.stringify(BINARY)}); let n = 0;
     const timer = addon.timerOpen(() => { if (++n === 3) process.exit(); else addon.timerSet(timer, 100); });
     addon.timerSet(timer, 100); setTimeout(() => {}, 20000);`,
    { eval: true },
  );
  expect(await new Promise((resolve) => worker.once('exit', resolve))).toBe(0);
});
