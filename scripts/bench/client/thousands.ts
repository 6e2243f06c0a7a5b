/** Many connections at once: `rpc` on all of them, `idle` on none. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { PORTS } from '../ports.ts';
import type { Said } from '../program.ts';
import { type ClientOptions, delay, input, nowUs, say } from './measure.ts';
import type { Opened, Socket } from './stacks.ts';

const REQUEST_LEN = 1024;

/** So many connections begin at a time. */
const AT_ONCE = 64;

/** On each connection a request, and when its answer is whole the next. */
export async function requests(stack: Opened, o: ClientOptions): Promise<Said> {
  const sockets = await openAll(stack, o.count);
  const request = Buffer.alloc(REQUEST_LEN, 'x');
  let answers = 0;
  for (const socket of sockets) {
    let missing = REQUEST_LEN;
    socket.on('data', (octets: Uint8Array) => {
      missing -= octets.length;
      if (missing > 0) return;
      missing = REQUEST_LEN;
      answers++;
      socket.write(request);
    });
    socket.write(request);
  }
  await delay(o.warmSeconds);
  const [t0, answers0] = [nowUs(), answers];
  await delay(o.seconds);
  const [t1, answers1] = [nowUs(), answers];
  for (const socket of sockets) socket.resetAndDestroy();
  return { perSecond: ((answers1 - answers0) * 1e6) / (t1 - t0) };
}

/** Opens them, an octet each way on each; then says `open`, and waits to be told that all was counted. */
export async function idle(stack: Opened, o: ClientOptions): Promise<Said> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('wants --expose-gc');
  // One first: what the first connection brings in is there already.
  const [first] = await openAll(stack, 1);
  await exchange(first!);
  await settle(gc);
  const before = privateOctets();
  say('before');
  await once(input, 'line');
  const sockets = await openAll(stack, o.count);
  for (let i = 0; i < sockets.length; i += AT_ONCE) await Promise.all(sockets.slice(i, i + AT_ONCE).map(exchange));
  // Idle is who has been so for a while.
  await delay(IDLE_SECONDS);
  await settle(gc);
  const processGrowth = privateOctets() - before;
  say('open');
  await once(input, 'line');
  for (const socket of sockets) socket.resetAndDestroy();
  first!.resetAndDestroy();
  await delay(0.5);
  return { processGrowth };
}

const IDLE_SECONDS = 5;

async function exchange(socket: Socket): Promise<void> {
  socket.write('x');
  await once(socket, 'data');
}

async function settle(gc: NodeJS.GCFunction): Promise<void> {
  for (let i = 0; i < 4; i++) {
    gc();
    await delay(0.2);
  }
}

/** Of this process alone, in memory or swapped out. */
function privateOctets(): number {
  let sum = 0;
  for (const [, kilobytes] of readFileSync('/proc/self/smaps_rollup', 'utf8').matchAll(
    /^(?:Private_Clean|Private_Dirty|Swap):\s+(\d+) kB/gm,
  ))
    sum += Number(kilobytes) * 1024;
  return sum;
}

async function openAll(stack: Opened, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () => stack.connect(PORTS.many));
    await Promise.all(some.map((socket) => connected(socket)));
    sockets.push(...some);
  }
  return sockets;
}

/** Reads from then on; an error ends the process. */
async function connected(socket: Socket): Promise<void> {
  await once(socket, 'connect');
  socket.on('error', (error) => {
    throw error;
  });
  socket.resume();
}
