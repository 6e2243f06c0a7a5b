/**
 * One measurement of one stack, in a process of its own, pinned to its core: `main.ts JSON`. Says `ready` when it could begin,
 * begins at a line on its input, says `result`, and leaves.
 */
import { once } from 'node:events';
import type { Said } from '../program.ts';
import { bulk } from './bulk.ts';
import { type ClientOptions, input, say, type Work } from './measure.ts';
import { connectAndClose, handshakes, roundTrips } from './small.ts';
import { type Opened, openStack } from './stacks.ts';
import { idle, requests } from './thousands.ts';

const WORK: Readonly<Record<Work, (stack: Opened, o: ClientOptions) => Promise<Said>>> = {
  send: bulk,
  receive: bulk,
  both: bulk,
  rtt: roundTrips,
  handshake: handshakes,
  'connect-close': connectAndClose,
  rpc: requests,
  idle,
};

// The caller is this folder's own.
const o = JSON.parse(process.argv[2]!) as ClientOptions;
const stack = await openStack(o);
say('ready', stack.about);
await once(input, 'line');
const result = await WORK[o.work](stack, o);
say('result', { ...result, counters: stack.counters() });
stack.close();
process.stdout.write('', () => process.exit());
