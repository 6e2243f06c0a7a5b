/**
 * A writer may reuse its buffer as soon as its callback has come, and here it does so at once: it overwrites it. What is
 * sent, and sent again, must be what was written all the same. In the other direction octets are handed on in the
 * buffers they came in, and the reader overwrites those.
 */
import { describe, expect, test } from 'vitest';
import { intBelow, type Random, seededRandom } from '../../src/base/random.ts';
import { type Micros, micros, ms, seconds } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import type { Faults } from '../../src/link/faults.ts';
import type { Link } from '../../src/link/link.ts';
import { memoryLink } from '../../src/link/memory.ts';
import { faultTap } from '../../src/link/taps/fault.ts';
import { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { Stack } from '../../src/stack/stack.ts';
import { octetAt } from '../support/harness.ts';
import { A, B } from '../support/sim.ts';

const LEN = 1_500_000;
const BUFFERS = 4;
const BUFFER_LEN = 100_000;

interface Path {
  readonly name: string;
  readonly delay: Micros;
  readonly faults?: Faults;
  readonly gso?: number;
}

const EVERYTHING: Faults = { loss: 0.02, duplicate: 0.02, reorder: 0.05 };
const PATHS: readonly Path[] = [
  { name: 'a short path', delay: micros(50) },
  { name: 'a short path, super-segments', delay: micros(50), gso: 60_000 },
  { name: 'a short path where everything goes wrong', delay: micros(50), faults: EVERYTHING },
  { name: 'a long path', delay: ms(20) },
  { name: 'a long path, super-segments', delay: ms(20), gso: 60_000 },
  { name: 'a long path where everything goes wrong', delay: ms(20), faults: EVERYTHING },
];

interface Run {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly client: TcpSocket;
  readonly server: Promise<TcpSocket>;
}

function connect(path: Path, seed: number): Run {
  const time = new VirtualTime(seconds(1));
  const random = seededRandom(seed);
  const gso = path.gso ?? 0;
  const links = memoryLink(time, { delay: path.delay, maxGsoPayload: gso, completesChecksum: gso > 0, gives: true });
  const [a, b] = links.map((link: Link, i) => {
    const faults = path.faults ?? {};
    const tapped = gso > 0 ? link : faultTap(link, { clock: time.clock(), random, out: faults });
    return new Stack({ clock: time.clock(), random, link: tapped, address: i === 0 ? A : B });
  }) as [Stack, Stack];
  const listener = b.listen({ port: 80 });
  const server = new Promise<TcpSocket>((resolve) => {
    listener.onConnection = () => resolve(new TcpSocket(listener.accept()!));
  });
  return { time, random, client: new TcpSocket(a.connect({ address: B, port: 80 })), server };
}

/** Writes the pattern from a few buffers, each filled with something else the moment it is free. */
function write(socket: TcpSocket, random: Random): void {
  const free = Array.from({ length: BUFFERS }, () => new Uint8Array(BUFFER_LEN));
  let written = 0;
  const next = (): void => {
    for (let buffer = free.pop(); buffer !== undefined && written < LEN; buffer = free.pop()) {
      const mine = buffer;
      const len = Math.min(1 + intBelow(random, intBelow(random, 2) === 0 ? 3000 : BUFFER_LEN), LEN - written);
      for (let i = 0; i < len; i++) mine[i] = octetAt(written + i);
      written += len;
      socket.write(mine.subarray(0, len), () => {
        mine.fill(0xee);
        free.push(mine);
        next();
      });
      if (written === LEN) socket.end();
    }
  };
  next();
}

/** Checks what comes, and overwrites it. */
function read(socket: TcpSocket): { received: number; wrongAt: number } {
  const seen = { received: 0, wrongAt: -1 };
  socket.on('data', (octets: Uint8Array) => {
    for (let i = 0; i < octets.length && seen.wrongAt < 0; i++)
      if (octets[i] !== octetAt(seen.received + i)) seen.wrongAt = seen.received + i;
    seen.received += octets.length;
    octets.fill(0xdd);
  });
  return seen;
}

async function transfer(path: Path, seed: number): Promise<object> {
  const run = connect(path, seed);
  const errors: string[] = [];
  let server: TcpSocket | undefined;
  void run.server.then((s) => {
    server = s;
  });
  run.client.on('error', (e) => errors.push(e.message));
  write(run.client, run.random);
  const back = read(run.client);
  let there: ReturnType<typeof read> | undefined;
  for (let steps = 0; steps < 2_000_000 && !(there?.received === LEN && back.received === LEN); steps++) {
    if (!run.time.step()) break;
    await new Promise<void>((resolve) => process.nextTick(resolve));
    if (server !== undefined && there === undefined) {
      server.on('error', (e) => errors.push(e.message));
      there = read(server);
      write(server, run.random);
    }
  }
  const result = { errors, there: { ...there }, back: { ...back } };
  run.client.resetAndDestroy();
  server?.resetAndDestroy();
  return result;
}

const RIGHT = { errors: [], there: { received: LEN, wrongAt: -1 }, back: { received: LEN, wrongAt: -1 } };

describe('buffers that are overwritten as soon as they are free, both ways', () => {
  for (const path of PATHS) {
    for (const seed of [1, 2]) {
      test(`${path.name} (seed ${seed})`, { timeout: 60_000 }, async () => {
        expect(await transfer(path, seed)).toEqual(RIGHT);
      });
    }
  }
});
