import { expect, test } from 'vitest';
import {
  type Endpoint,
  memoryLink,
  ms,
  parseIpv4,
  Stack,
  seconds,
  seededRandom,
  VirtualTime,
} from '../../../src/stack/index.ts';

const LIMIT = 200_000;
const LEAST_SHARE = 4096;
const SERVER = parseIpv4('10.0.0.2')!;

/** A server short of memory, and clients that send `len` octets each to readers who don't read. */
function crowd(count: number, len: number) {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time, { delay: ms(5) });
  const client = new Stack({ clock: time.clock(), random: seededRandom(1), link: a, address: parseIpv4('10.0.0.1')! });
  const server = new Stack({
    clock: time.clock(),
    random: seededRandom(2),
    link: b,
    address: SERVER,
    sysctl: { tcp_mem_octets: LIMIT },
  });
  const listener = server.listen({ port: 7 });
  const accepted: Endpoint[] = [];
  listener.onConnection = () => {
    for (let e = listener.accept(); e !== undefined; e = listener.accept()) accepted.push(e);
  };
  const pass = (s: number) => time.runUntil((time.now + seconds(s)) as typeof time.now);
  const open = (n: number) => {
    for (let i = 0; i < n; i++) {
      const data = new Uint8Array(len);
      let at = 0;
      const e = client.connect({ address: SERVER, port: 7 });
      const push = () => {
        for (let taken = 1; taken > 0 && at < len; at += taken) taken = e.send(data.subarray(at));
      };
      e.onEvent = push;
      push();
    }
  };
  open(count);
  pass(30);
  const held = () => accepted.reduce((sum, e) => sum + e.connection.memory, 0);
  return { server, accepted, pass, open, held };
}

test('what all connections hold stays near tcp_mem_octets, whatever their peers send', () => {
  const c = crowd(20, 300_000);
  expect(c.accepted).toHaveLength(20);
  // Beyond the limit each may hold its least share, and the segment that filled it.
  expect(c.held()).toBeLessThan(LIMIT + 20 * (LEAST_SHARE + 1460));
  c.pass(60);
  expect(c.held()).toBeLessThan(LIMIT + 20 * (LEAST_SHARE + 1460));
});

test('while it is short of memory a stack takes no SYN; when readers read, all goes on and every octet comes', () => {
  const c = crowd(10, 100_000);
  c.open(5);
  c.pass(5);
  expect(c.accepted).toHaveLength(10);
  expect(c.server.counters.memoryFull).toBeGreaterThan(0);

  let got = 0;
  const read = (e: Endpoint) => {
    for (let octets = e.receive(); typeof octets !== 'string'; octets = e.receive()) got += octets.length;
  };
  for (let second = 0; second < 300; second++) {
    for (const e of c.accepted) read(e);
    c.pass(1);
  }
  expect(c.accepted).toHaveLength(15);
  expect(got).toBe(15 * 100_000);
});
