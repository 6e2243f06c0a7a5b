/** Many connections at once: `rpc` on all of them, `idle` on none. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
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
  // Some first: what the first of them bring in, the collector's spaces above all, is no connection's.
  const first = await openIdle(stack, FIRST_COUNT);
  await settle();
  const before = privateOctets();
  say('before');
  await once(input, 'line');
  const sockets = await openIdle(stack, o.count);
  await settle();
  const processGrowth = privateOctets() - before;
  say('open');
  await once(input, 'line');
  for (const socket of [...first, ...sockets]) socket.resetAndDestroy();
  await delay(0.5);
  return { processGrowth };
}

const FIRST_COUNT = 2000;
/** Idle is who has been so for a while. */
const IDLE_SECONDS = 5;

async function openIdle(stack: Opened, count: number): Promise<readonly Socket[]> {
  const sockets = await openAll(stack, count);
  for (let i = 0; i < count; i += AT_ONCE) await Promise.all(sockets.slice(i, i + AT_ONCE).map(exchange));
  return sockets;
}

async function exchange(socket: Socket): Promise<void> {
  socket.write('x');
  await once(socket, 'data');
}

/**
 * Garbage is collected, and what was kept for more of it given back, for every stack alike. Through the inspector, which
 * asks V8 for all it can do: `gc` with options is a scavenge in Node 20, and without them compacts little.
 */
async function settle(): Promise<void> {
  await delay(IDLE_SECONDS);
  const session = new Session();
  session.connect();
  try {
    for (let i = 0; i < 3; i++) {
      await session.post('HeapProfiler.collectGarbage');
      await delay(0.2);
    }
  } finally {
    session.disconnect();
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
