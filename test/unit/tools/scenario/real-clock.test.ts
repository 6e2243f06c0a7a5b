import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { RealClock } from '../../../../src/tools/scenario/real-clock.ts';

test('what came in time is seen though this process slept past the deadline', async () => {
  const clock = new RealClock();
  const { port1, port2 } = new MessageChannel();
  let hasCome = false;
  port2.on('message', () => {
    hasCome = true;
    clock.wake();
  });
  const seen = clock.pass(clock.now() + 5000, () => hasCome);
  port1.postMessage('a segment');
  for (const until = clock.now() + 20_000; clock.now() < until; );
  expect(await seen).toBe(true);
  port1.close();
});

test('what never comes is given up at the deadline', async () => {
  const clock = new RealClock();
  const until = clock.now() + 3000;
  expect(await clock.pass(until, () => false)).toBe(false);
  expect(clock.now()).toBeGreaterThanOrEqual(until);
});
