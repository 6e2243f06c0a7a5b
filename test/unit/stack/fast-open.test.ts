import { expect, test } from 'vitest';
import {
  type Endpoint,
  memoryLink,
  ms,
  parseIpv4,
  Stack,
  seconds,
  seededRandom,
  type TraceRecord,
  VirtualTime,
} from '../../../src/stack/index.ts';

const CLIENT = parseIpv4('10.0.0.1')!;
const SERVER = parseIpv4('10.0.0.2')!;
const DELAY = ms(10);

function pair(serverFastOpen: number) {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time, { delay: DELAY });
  const records: TraceRecord[] = [];
  const client = new Stack({
    clock: time.clock(),
    random: seededRandom(1),
    link: a,
    address: CLIENT,
    sysctl: { tcp_fastopen: 3 },
    tracer: { enabled: true, open: () => {}, record: (r) => records.push(r) },
  });
  const server = new Stack({
    clock: time.clock(),
    random: seededRandom(2),
    link: b,
    address: SERVER,
    sysctl: { tcp_fastopen: 3 },
  });
  const listener = server.listen({ port: 80, options: { TCP_FASTOPEN: serverFastOpen } });
  const got: string[] = [];
  listener.onConnection = () => {
    const endpoint = listener.accept()!;
    const answer = () => {
      const octets = endpoint.receive();
      if (typeof octets === 'string') return;
      got.push(`${time.now} ${text(octets)}`);
      endpoint.send(bytes(`to ${text(octets)}`));
    };
    endpoint.onEvent = answer;
    answer();
  };
  return { time, client, server, listener, got, records };
}

const bytes = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
const text = (b: Uint8Array): string => String.fromCharCode(...b);

function ask(p: ReturnType<typeof pair>, request: string): { endpoint: Endpoint; answeredAfter: number } {
  const began = p.time.now;
  const endpoint = p.client.connect({ address: SERVER, port: 80, data: bytes(request), fastOpen: true });
  let answer: Uint8Array | string = 'empty';
  p.time.runWhile(
    () => {
      answer = endpoint.receive();
      return answer === 'empty';
    },
    (began + seconds(2)) as typeof began,
  );
  expect(typeof answer === 'string' ? answer : text(answer)).toBe(`to ${request}`);
  return { endpoint, answeredAfter: p.time.now - began };
}

test('the first connection asks for a cookie and takes two round trips to the answer, the second takes one', () => {
  const p = pair(10);
  expect(ask(p, 'one').answeredAfter).toBe(4 * DELAY);
  expect(ask(p, 'two').answeredAfter).toBe(2 * DELAY);
  const syns = p.records.flatMap((r) =>
    r.type === 'segment' && r.dir === 'out' && r.seg.flags === 'S' ? [r.seg] : [],
  );
  expect(syns.map((s) => [s.tfo === '' ? 'asks' : s.tfo?.length, s.len])).toEqual([
    ['asks', 0],
    [16, 3],
  ]);
});

test('a server that no longer takes Fast Open gets the data after the handshake, once', () => {
  const p = pair(10);
  ask(p, 'one');
  p.listener.close();
  const plain = p.server.listen({ port: 80 });
  const got: string[] = [];
  plain.onConnection = () => {
    const endpoint = plain.accept()!;
    endpoint.onEvent = () => {
      const octets = endpoint.receive();
      if (typeof octets !== 'string') got.push(text(octets));
    };
  };
  p.client.connect({ address: SERVER, port: 80, data: bytes('two'), fastOpen: true });
  p.time.runUntil((p.time.now + seconds(1)) as typeof p.time.now);
  expect(got).toEqual(['two']);
});

test('a server that no longer answers is asked without Fast Open next time', () => {
  const p = pair(10);
  ask(p, 'one');
  p.server.close();
  for (const request of ['two', 'three']) {
    p.client.connect({ address: SERVER, port: 80, data: bytes(request), fastOpen: true });
    p.time.runUntil((p.time.now + seconds(200)) as typeof p.time.now);
  }
  // Octets on the first SYN of each.
  const lens = new Map<number, number>();
  for (const r of p.records)
    if (r.type === 'segment' && r.dir === 'out' && r.seg.flags === 'S' && !lens.has(r.conn))
      lens.set(r.conn, r.seg.len);
  expect([...lens.values()]).toEqual([0, 3, 0]);
});

test('without TCP_FASTOPEN on the listener no cookie is given', () => {
  const p = pair(0);
  expect(ask(p, 'one').answeredAfter).toBe(4 * DELAY);
  expect(ask(p, 'two').answeredAfter).toBe(4 * DELAY);
});
