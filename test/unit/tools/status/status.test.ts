/** A stack in memory that offers its connections, and whoever asks. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { seededRandom } from '../../../../src/base/random.ts';
import { VirtualTime } from '../../../../src/base/virtual-time.ts';
import { runProgram } from '../../../../src/cli/program.ts';
import { ss } from '../../../../src/cli/ss.ts';
import { memoryLink } from '../../../../src/link/memory.ts';
import { Stack } from '../../../../src/stack/stack.ts';
import { askAll } from '../../../../src/tools/status/ask.ts';
import type { StatusHost } from '../../../../src/tools/status/collect.ts';
import { isOwn, statusDirectory } from '../../../../src/tools/status/directory.ts';
import { parseFilter } from '../../../../src/tools/status/filter.ts';
import type { ConnectionStatus } from '../../../../src/tools/status/model.ts';
import { offerStatus } from '../../../../src/tools/status/offer.ts';
import { parseIpv4 } from '../../../../src/wire/ipv4.ts';
import { fakeIo } from '../../../support/cli-io.ts';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const take of undo.splice(0).reverse()) take();
});

function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), 'tcpx-status-'));
  undo.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A connection from 10.0.0.1 to port 7 of 10.0.0.2 with unread octets, and a listener on port 80. */
function stackWithOne(): StatusHost {
  const time = new VirtualTime();
  const [a, b] = memoryLink(time, {});
  const source = parseIpv4('10.0.0.1')!;
  const stack = new Stack({ clock: time.clock(), random: seededRandom(1), link: a, address: source });
  const peer = new Stack({
    clock: time.clock(),
    random: seededRandom(2),
    link: b,
    address: parseIpv4('10.0.0.2')!,
  });
  const listener = peer.listen({ port: 7 });
  stack.listen({ port: 80 });
  stack.connect({ address: peer.address, port: 7, localPort: 40_000 });
  for (let i = 0; i < 20; i++) time.step();
  listener.accept()!.send(new Uint8Array(1234));
  for (let i = 0; i < 2; i++) time.step();
  const route = { interface: 'mem0', ifindex: 1, source, gateway: undefined, mtu: 1500, loopback: false };
  return { stack, route };
}

async function offered(directory: string): Promise<void> {
  const host = stackWithOne();
  const offer = offerStatus({ command: 'connect 10.0.0.2:7', hosts: () => [host], directory });
  undo.push(() => offer.close());
  await vi.waitFor(() => expect(existsSync(offer.path!)).toBe(true));
}

test('whoever may enter the directory sees connections with queues, timers and variables', async () => {
  const directory = scratch();
  await offered(directory);
  const { answers, troubles } = await askAll([directory], { filter: 'state all', info: true });
  expect(troubles).toEqual([]);
  expect(answers[0]!.process).toMatchObject({ pid: process.pid, command: 'connect 10.0.0.2:7' });
  expect(answers[0]!.connections).toMatchObject([
    { state: 'LISTEN', localPort: 80, sendQueue: 511 },
    {
      state: 'ESTABLISHED',
      receiveQueue: 1234,
      sendQueue: 0,
      localAddress: '10.0.0.1',
      remoteAddress: '10.0.0.2',
      remotePort: 7,
      info: { bytes_received: 1234, congestion: 'cubic' },
    },
  ]);
});

test('`tcpx ss` shows them in the columns of ss', async () => {
  const base = scratch();
  const io = fakeIo({ env: { XDG_RUNTIME_DIR: base, TMPDIR: base } });
  const directory = join(base, `tcpx-${process.geteuid?.()}`);
  mkdirSync(directory, { mode: 0o700 });
  await offered(directory);
  expect(await runProgram(['ss', '-tip', '--pid', String(process.pid)], io, [ss])).toBe(0);
  const [head, row, info] = io.out().split('\n');
  expect(head).toMatch(/^State +Recv-Q +Send-Q +Local Address:Port +Peer Address:Port +Process$/);
  expect(row).toMatch(
    /^ESTAB +1234 +0 +10\.0\.0\.1:40000 +10\.0\.0\.2:7 +users:\(\("tcpx connect 10\.0\.0\.2:7",pid=\d+\)\)$/,
  );
  expect(info).toMatch(/^\t ts sack cubic wscale:\d+,\d+ rto:[\d.]+ .*mss:1448 .*cwnd:10 .*bytes_received:1234 /);
  const json = fakeIo({ env: io.env });
  expect(await runProgram(['ss', '--json', '-l', '--pid', String(process.pid)], json, [ss])).toBe(0);
  expect(JSON.parse(json.out())).toMatchObject({
    schema: 'tcpx.ss/1',
    processes: [{ pid: process.pid, connections: [{ state: 'LISTEN', localPort: 80 }] }],
  });
});

test('a filter that is none is told before anybody is asked', async () => {
  const io = fakeIo({ env: { TMPDIR: scratch() } });
  expect(await runProgram(['ss', 'state', 'foo'], io, [ss])).toBe(2);
  expect(io.err()).toMatch(/^tcpx: filter 'state foo': 'foo' is no state: .*\n {2}hint: /);
});

test('a socket that nobody answers at is removed, what is no socket of ours is left alone', async () => {
  const directory = scratch();
  const path = join(directory, '4711.sock');
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(path, resolve));
  // A process that dies leaves the file behind.
  rmSync(path);
  writeFileSync(path, '');
  writeFileSync(join(directory, 'notes.txt'), '');
  gone.close();
  expect(await askAll([directory], { filter: '', info: false })).toEqual({ answers: [], troubles: [] });
  expect([existsSync(path), existsSync(join(directory, 'notes.txt'))]).toEqual([false, true]);
});

test('who asks for one process asks no other', async () => {
  const directory = scratch();
  await offered(directory);
  // Another one that will not answer.
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(join(directory, '1.sock'), resolve));
  const { answers, troubles } = await askAll([directory], { filter: '', info: false }, process.pid);
  silent.close();
  expect([answers.map(({ process: { pid } }) => pid), troubles]).toEqual([[process.pid], []]);
});

test('an offer takes its socket away with it', async () => {
  const directory = scratch();
  await offered(directory);
  for (const take of undo.splice(1)) take();
  await vi.waitFor(() => expect(existsSync(join(directory, `${process.pid}.sock`))).toBe(false));
});

describe('the directory', () => {
  const uid = process.geteuid?.() ?? 0;

  test('is made for its owner alone', () => {
    const base = scratch();
    const path = statusDirectory({ XDG_RUNTIME_DIR: base, TMPDIR: base }, uid);
    expect(path).toBeDefined();
    expect(isOwn(path!, uid)).toBe(true);
  });

  test('that others may enter, that is a link, or that is another’s is not used', () => {
    const base = scratch();
    const open = join(base, 'open');
    mkdirSync(open);
    chmodSync(open, 0o755);
    const own = join(base, 'own');
    mkdirSync(own, { mode: 0o700 });
    symlinkSync(own, join(base, 'link'));
    expect([open, own, join(base, 'link')].map((path) => isOwn(path, uid))).toEqual([false, true, false]);
    expect(isOwn(own, uid + 1)).toBe(false);
  });
});

describe('filters', () => {
  const some = (o: Partial<ConnectionStatus> = {}): ConnectionStatus => ({
    id: 1,
    state: 'ESTABLISHED',
    receiveQueue: 0,
    sendQueue: 0,
    localAddress: '10.0.0.1',
    localPort: 40_000,
    remoteAddress: '192.0.2.7',
    remotePort: 443,
    interface: 'v0',
    ...o,
  });

  test.each([
    ['', true],
    ['state established', true],
    ['state connected exclude established', false],
    ['dport = :443', true],
    ['dport :443', true],
    ['dport 80', false],
    ['sport >= 40000 and sport < 40001', true],
    ['dst 192.0.2.0/24', true],
    ['dst != 192.0.2.0/24', false],
    ['dst 192.0.2.7:443', true],
    ['dst 192.0.2.7:80', false],
    ['src :40000', true],
    ['not dport = :443', false],
    ['! ( dport = 80 or dport=81 )', true],
    ['dport = 80 || dport = 443 && sport != 40000', false],
    ['(dport = 80 || dport = 443) && sport = 40000', true],
    ['state time-wait dport = :443', false],
  ])('%j: %s', (text, wanted) => {
    expect(parseFilter(text)(some())).toBe(wanted);
  });

  test('without a word on states those that wait and those that listen are left out', () => {
    const wanted = parseFilter('');
    expect(
      (['LISTEN', 'TIME-WAIT', 'SYN-RECEIVED', 'SYN-SENT'] as const).map((state) => wanted(some({ state }))),
    ).toEqual([false, false, false, true]);
  });

  test.each([
    'state',
    'dport',
    'dport = x',
    'dst example.com',
    'colour = red',
    '( dport = 1',
    'dport = 1 )',
    'dst > 10.0.0.1',
  ])('%j is none', (text) => {
    expect(() => parseFilter(text)).toThrow();
  });
});
