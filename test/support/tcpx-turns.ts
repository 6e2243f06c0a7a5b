/**
 * One process that transfers and connects in turn for --seconds N, against the three ports of turn-server.mjs at --server
 * ADDR: an echo compared octet by octet, octets to the discard, octets from the source and then a RST, and many short
 * connections. After each round it says what it holds, garbage collected:
 *   {"event":"sample", seconds, heapUsed, external, rss, descriptors, endpoints, connections, octets}
 * and the same as "begin" and "end" before and after them, when all TIME-WAITs are over; some rounds go before.
 *
 *   --echo PORT --discard PORT --source PORT, --driver NAME, --transfer OCTETS, --connections N of each round
 */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openHost } from '../../src/socket/host.ts';
import { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { patternBuffer } from '../../src/tools/perf/stream.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

const string = { type: 'string' } as const;
const { values: o } = parseArgs({
  options: {
    server: string,
    echo: string,
    discard: string,
    source: string,
    driver: string,
    seconds: string,
    transfer: string,
    connections: string,
  },
});

const address = parseIpv4(o.server ?? '')!;
const transfer = Number(o.transfer);
const host = await openHost({
  remote: address,
  ports: 'many',
  // As a test wrote it.
  ...(o.driver !== undefined && { driver: o.driver as 'packet' | 'raw' }),
  // TIME-WAIT of two seconds: what waits there is not growth.
  sysctl: { tcp_msl: 1 },
});
/** Rounds. */
const WARM_UP = 8;
const startedAt = performance.now();
const elapsed = (): number => (performance.now() - startedAt) / 1000;
const pattern = patternBuffer(100_003);
let connections = 0;
let octets = 0;

async function connect(port: string | undefined): Promise<TcpSocket> {
  const socket = new TcpSocket(host.stack.connect({ address, port: Number(port) }));
  connections++;
  await once(socket, 'connect');
  return socket;
}

/** Resolves when the peer has closed its side; the rest is TIME-WAIT's. */
async function ended(socket: TcpSocket): Promise<void> {
  if (!socket.readableEnded) await once(socket, 'end');
  socket.destroy();
}

async function write(socket: TcpSocket, len: number): Promise<void> {
  for (let left = len; left > 0; left -= Math.min(left, pattern.length)) {
    if (!socket.write(left < pattern.length ? pattern.subarray(0, left) : pattern)) await once(socket, 'drain');
  }
  socket.end();
}

async function echo(len: number): Promise<void> {
  const socket = await connect(o.echo);
  let at = 0;
  socket.on('data', (chunk: Buffer) => {
    for (let done = 0; done < chunk.length; ) {
      const place = (at + done) % pattern.length;
      const piece = Math.min(chunk.length - done, pattern.length - place);
      if (chunk.compare(pattern, place, place + piece, done, done + piece) !== 0)
        throw new Error(`the echo differs behind octet ${at + done}`);
      done += piece;
    }
    at += chunk.length;
  });
  await Promise.all([write(socket, len), ended(socket)]);
  if (at !== len) throw new Error(`${at} octets of ${len} came back`);
  octets += 2 * len;
}

async function discard(len: number): Promise<void> {
  const socket = await connect(o.discard);
  socket.resume();
  await Promise.all([write(socket, len), ended(socket)]);
  octets += len;
}

async function source(len: number): Promise<void> {
  const socket = await connect(o.source);
  let at = 0;
  for await (const chunk of socket) {
    at += (chunk as Buffer).length;
    if (at >= len) break;
  }
  socket.resetAndDestroy();
  octets += at;
}

async function short(count: number): Promise<void> {
  const AT_ONCE = 20;
  for (let i = 0; i < count; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, () => echo(1000)));
}

function sample(event = 'sample'): void {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const facts = {
    seconds: elapsed(),
    heapUsed,
    external,
    rss,
    descriptors: readdirSync('/proc/self/fd').length,
    endpoints: [...host.stack.endpoints()].length,
    connections,
    octets,
  };
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}

async function round(): Promise<void> {
  await echo(transfer);
  await discard(transfer);
  await source(transfer);
  await short(Number(o.connections));
}

/** TIME-WAIT passes, and ports go back. */
async function rest(): Promise<void> {
  for (const end = elapsed() + 15; elapsed() < end && [...host.stack.endpoints()].length > 0; ) await after(100);
  await after(1000);
}

// Code is compiled and pools fill up in the beginning.
for (let i = 0; i < WARM_UP; i++) await round();
await rest();
sample('begin');
for (const end = elapsed() + Number(o.seconds); elapsed() < end; ) {
  await round();
  // What is in TIME-WAIT now has gone by the next sample.
  await after(100);
  sample();
}
await rest();
sample('end');
host.close();
