/** TcpSocket over two stacks in virtual time: what comes before a reset. */
import { expect, test, vi } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { ms } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { memoryLink } from '../../../src/link/memory.ts';
import { TcpSocket } from '../../../src/socket/tcp-socket.ts';
import { type Endpoint, Stack } from '../../../src/stack/index.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';

const US = parseIpv4('10.0.0.1')!;
const PEER = parseIpv4('10.0.0.2')!;

async function pair() {
  const time = new VirtualTime();
  const [near, far] = memoryLink(time, { delay: ms(1) });
  const ours = new Stack({ clock: time.clock(), random: seededRandom(1), link: near, address: US });
  const theirs = new Stack({ clock: time.clock(), random: seededRandom(2), link: far, address: PEER });
  const listener = ours.listen({ port: 7 });
  const peer = theirs.connect({ address: US, port: 7 });
  async function pass(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      time.runUntil((time.now + 1000) as typeof time.now);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await pass();
  const socket = new TcpSocket(listener.accept()!);
  const seen: string[] = [];
  socket.on('error', ({ message }) => seen.push(message)).on('end', () => seen.push('end'));
  /** The peer says so much, and resets. */
  const sayAndReset = async (...lens: readonly number[]): Promise<void> => {
    for (const len of lens) {
      peer.send(new Uint8Array(len));
      await pass();
    }
    peer.abort();
    await pass();
  };
  return { socket, seen, pass, sayAndReset, peer };
}

const read = (socket: TcpSocket, seen: string[]): TcpSocket =>
  socket.on('data', (octets: Uint8Array) => seen.push(`${octets.length} octets`));

test('a reader has what came before the reset, then its error', async () => {
  const { socket, seen, sayAndReset } = await pair();
  read(socket, seen);
  await sayAndReset(10, 20);
  expect(seen).toEqual(['10 octets', '20 octets', 'read ECONNRESET']);
});

test('data and reset in one batch: the data is first', async () => {
  const { socket, seen, pass, peer } = await pair();
  read(socket, seen);
  peer.send(new Uint8Array(10));
  peer.abort();
  await pass();
  expect(seen).toEqual(['10 octets', 'read ECONNRESET']);
});

test('a reader who pauses has it when it goes on, however much that is', async () => {
  for (const len of [10, 50_000]) {
    const { socket, seen, pass, sayAndReset } = await pair();
    read(socket, seen).pause();
    await pass();
    await sayAndReset(len, len, len);
    expect(seen).toEqual([]);
    socket.resume();
    await pass();
    const octets = seen.slice(0, -1).reduce((sum, text) => sum + Number.parseInt(text, 10), 0);
    expect([octets, seen.at(-1)]).toEqual([3 * len, 'read ECONNRESET']);
  }
});

test('who has no reader, or has something to write, hears of it at once', async () => {
  const silent = await pair();
  await silent.sayAndReset(10);
  expect(silent.seen).toEqual(['read ECONNRESET']);
  const writer = await pair();
  read(writer.socket, writer.seen).pause();
  writer.socket.write(new Uint8Array(10_000_000));
  await writer.sayAndReset(10);
  expect(writer.seen).toEqual(['write ECONNRESET']);
});

test('what came in several segments since the last turn is read as one', async () => {
  const { socket, seen, pass, peer } = await pair();
  read(socket, seen);
  for (let i = 0; i < 5; i++) peer.send(new Uint8Array(1448));
  await pass();
  expect(seen).toEqual(['7240 octets']);
});

/** It reads all that comes. */
function drink(peer: Endpoint): Endpoint {
  peer.onEvent = () => {
    while (typeof peer.receive() !== 'string');
  };
  return peer;
}

test('what a writer who waited writes then leaves together', async () => {
  const { socket, pass, peer } = await pair();
  drink(peer);
  const alone = vi.spyOn(socket, '_write');
  const together = vi.spyOn(socket, '_writev');
  socket.once('drain', () => {
    for (let i = 0; i < 3; i++) socket.write(new Uint8Array(10_000));
  });
  expect(socket.write(new Uint8Array(500_000))).toBe(false);
  for (let i = 0; i < 5; i++) await pass();
  expect(alone).toHaveBeenCalledTimes(1);
  expect(together.mock.calls.map(([chunks]) => chunks.length)).toEqual([3]);
  expect(peer.info().bytes_received).toBe(530_000);
});

test('a writer whose handler throws may write on', async () => {
  const { socket, pass, peer } = await pair();
  drink(peer);
  socket.once('drain', () => {
    throw new Error('in the handler');
  });
  socket.write(new Uint8Array(500_000));
  const passes = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await pass();
  };
  await expect(passes()).rejects.toThrow('in the handler');
  socket.write(new Uint8Array(1000));
  await passes();
  expect(peer.info().bytes_received).toBe(501_000);
});
