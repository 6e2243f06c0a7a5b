/** Where a stack's secrets come from on a Node process. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { nodeRandom } from '../../../src/socket/node-clock.ts';
import { Stack } from '../../../src/stack/stack.ts';
import { THEM, US, Wire } from '../stack/wire.ts';

/** Of a stack that has just begun, at the same time, for the same addresses and ports. */
function firstIsn(): number {
  const link = new Wire();
  const stack = new Stack({ clock: new VirtualTime().clock(), random: nodeRandom(), link, address: US });
  stack.connect({ address: THEM, port: 80, localPort: 1000 });
  return link.take()[0]!.seq;
}

/** `run` with numbers of this test's instead of the system's generator. */
function withGenerator<T>(seed: number, run: () => T): T {
  const { randomFillSync } = crypto;
  const { uint32 } = seededRandom(seed);
  // every overload fills what it is given and returns it
  crypto.randomFillSync = ((block: Uint32Array) => {
    for (let i = 0; i < block.length; i++) block[i] = uint32();
    return block;
  }) as typeof randomFillSync;
  syncBuiltinESMExports();
  try {
    return run();
  } finally {
    crypto.randomFillSync = randomFillSync;
    syncBuiltinESMExports();
  }
}

test('the secret of initial sequence numbers is the system’s cryptographic generator’s, and another for each stack', () => {
  expect(new Set(Array.from({ length: 20 }, firstIsn)).size).toBe(20);
  // All of it: the same generator makes the same secret.
  expect(withGenerator(1, firstIsn)).toBe(withGenerator(1, firstIsn));
  expect(withGenerator(1, firstIsn)).not.toBe(withGenerator(2, firstIsn));
});
