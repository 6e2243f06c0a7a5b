/**
 * Measurements of one stack, one after another, in a process of its own, pinned to its core: `main.ts JSON`. Says `ready` when
 * it could begin; measures at each line on its input, which is {warmSeconds, seconds}, and says `result`; leaves at its end.
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
input.once('close', () => {
  stack.close();
  process.exit();
});
say('ready', stack.about);
for (;;) {
  const [line] = await once(input, 'line');
  const times = JSON.parse(line) as Pick<ClientOptions, 'warmSeconds' | 'seconds'>;
  say('result', { ...(await WORK[o.work](stack, { ...o, ...times })), counters: stack.counters() });
}
