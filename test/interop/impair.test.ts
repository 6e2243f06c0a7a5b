/** `tcpx impair` between two kernels: what it is told to do is what they see of each other. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type ImpairedPair, type ImpairedPairOptions, openImpairedPair } from '../support/impaired-pair.ts';
import { openLab } from '../support/lab.ts';
import { pattern, sha256 } from '../support/pattern.ts';
import { cliProgram } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

let lab: ImpairedPair | undefined;
afterEach(() => lab?.close());

async function pair(o: ImpairedPairOptions): Promise<ImpairedPair> {
  lab = await openImpairedPair(o);
  return lab;
}

/** UDP echoes across the path: round trips in ms, answers in their order, and how many datagrams came. */
const ECHO = `
  const [, mode, address, count, gap, len] = process.argv;
  const { createSocket } = require('node:dgram');
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
  if (mode === 'serve') {
    let seen = 0;
    socket.on('message', (m, from) => { seen++; socket.send(m, from.port, from.address); });
    process.stdin.on('end', () => { console.log(JSON.stringify({ event: 'seen', seen })); process.exit(); }).resume();
    socket.bind(7007, () => console.log(JSON.stringify({ event: 'ready' })));
  } else {
    const at = [], rtts = [], order = [];
    let sent = 0;
    socket.on('message', (m) => { const n = m.readUInt32BE(0); rtts.push(performance.now() - at[n]); order.push(n); });
    const timer = setInterval(() => {
      if (sent === +count) { clearInterval(timer); setTimeout(done, 500); return; }
      const m = Buffer.alloc(+len);
      m.writeUInt32BE(sent);
      at[sent++] = performance.now();
      socket.send(m, 7007, address);
      if (sent === +count) console.log(JSON.stringify({ event: 'sent' }));
    }, +gap);
    const done = () => { console.log(JSON.stringify({ event: 'done', rtts, order })); process.exit(); };
  }`;

async function echo(
  { client, server, serverAddress }: ImpairedPair,
  count: number,
  o: { gap?: number; len?: number; onSent?: () => void } = {},
): Promise<{ rtts: number[]; order: number[]; seen: number }> {
  const peer = server.spawn(process.execPath, ['-e', ECHO, 'serve']);
  await peer.event('ready');
  const asks = client.spawn(process.execPath, [
    ...['-e', ECHO, 'ask', serverAddress, String(count), String(o.gap ?? 2), String(o.len ?? 200)],
  ]);
  await asks.event('sent', 60_000);
  o.onSent?.();
  const done = (await asks.event('done', 60_000)) as unknown as { rtts: number[]; order: number[] };
  peer.end();
  const { seen } = (await peer.event('seen')) as unknown as { seen: number };
  return { ...done, seen };
}

test('without faults everything passes as it was, and is counted', async () => {
  const lab = await pair({});
  const { order, seen } = await echo(lab, 50);
  expect(seen).toBe(50);
  expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
  const { toServer, toClient } = await lab.impaired();
  // ARP goes both ways as well.
  expect(toServer.packets).toBeGreaterThanOrEqual(50);
  expect(toServer).toMatchObject({ lost: 0, duplicated: 0, corrupted: 0, delayed: 0 });
  expect(toClient.frames).toBe(toClient.packets);
});

test('a delay of 10 ms each way is a round trip of 20 ms and little more', async () => {
  const lab = await pair({ toServer: { delay: '10ms' }, toClient: { delay: '10ms' } });
  const { rtts } = await echo(lab, 100, { gap: 5 });
  expect(Math.min(...rtts)).toBeGreaterThan(20);
  expect(Math.min(...rtts)).toBeLessThan(25);
});

test('a bridge that is kept from its work makes nothing later than the path does', async () => {
  const lab = await pair({ toServer: { delay: '400ms' } });
  // Their addresses are known afterwards.
  await echo(lab, 1);
  lab.bridge.kill('SIGSTOP');
  const { rtts } = await echo(lab, 20, { gap: 15, onSent: () => lab.bridge.kill('SIGCONT') });
  // The first of them waited for 285 ms before it was taken.
  expect(rtts[0]).toBeGreaterThan(400);
  expect(rtts[0]).toBeLessThan(600);
});

test('2 % lost towards the server: what it says it lost is what never came', async () => {
  const lab = await pair({ toServer: { loss: '2%' }, seed: 5 });
  const { seen, order } = await echo(lab, 2000, { gap: 1 });
  const { toServer, toClient } = await lab.impaired();
  expect(seen).toBe(2000 - toServer.lost);
  expect(order).toHaveLength(seen);
  expect(Math.abs(toServer.lost - 40)).toBeLessThan(25);
  expect(toClient.lost).toBe(0);
});

test('duplicates, late ones and corrupted ones are seen as such', async () => {
  const lab = await pair({ toServer: { dup: '10%', reorder: '10%', corrupt: '10%' } });
  const before = lab.server.counters()['UdpInErrors']!;
  const { seen, order } = await echo(lab, 500, { gap: 1 });
  const { toServer } = await lab.impaired();
  const late = order.filter((n, i) => order.slice(0, i).some((m) => m > n)).length;
  expect(toServer.duplicated).toBeGreaterThan(20);
  expect(toServer.corrupted).toBeGreaterThan(20);
  expect(late).toBeGreaterThan(10);
  // A kernel that checks its checksums throws away each that was corrupted (twice where it was doubled).
  const bad = lab.server.counters()['UdpInErrors']! - before;
  expect(seen + bad).toBe(500 + toServer.duplicated);
  expect(bad).toBeGreaterThanOrEqual(toServer.corrupted);
});

test('a wire of 1 Mbit/s with room for ten packets: the eleventh that waits is dropped', async () => {
  const lab = await pair({ toServer: { rate: '1mbit', queue: '10' } });
  // 30 at once of 1042 octets: one on the wire, ten behind it.
  const { seen, rtts } = await echo(lab, 30, { gap: 0, len: 1000 });
  const { toServer } = await lab.impaired();
  expect(toServer.overflowed).toBe(30 - seen);
  expect(toServer.overflowed).toBeGreaterThan(0);
  expect(Math.max(...rtts)).toBeGreaterThan((8 * 1042) / 1000);
});

describe('a kernel that sends 64 KiB at a time', () => {
  const LEN = 4_000_000;

  async function transfer(lab: ImpairedPair): Promise<void> {
    const server = await lab.server.kernelPeer('7008', '--send', String(LEN));
    const client = lab.client.node(new URL('../support/kernel-peer.mjs', import.meta.url).pathname, [
      ...['--connect', `${lab.serverAddress}:${server.port}`, '--send', String(LEN), '--close-first'],
    ]);
    const digest = sha256(pattern(LEN));
    for (const child of [client, server.child])
      expect(await child.event('close', 90_000)).toMatchObject({ received: LEN, sha256: digest, hadError: false });
  }

  test('is counted in packets as a wire carries them, and the peer gets every octet', async () => {
    const lab = await pair({});
    await transfer(lab);
    const { toServer } = await lab.impaired();
    expect(toServer.packets).toBeGreaterThan(LEN / 1500);
    expect(toServer.frames).toBeLessThan(toServer.packets / 2);
  });

  test('repairs 2 % lost, 1 % doubled, late and corrupted in both directions', async () => {
    const faults = { loss: '2%', dup: '1%', reorder: '1%', corrupt: '1%', delay: '1ms' };
    const lab = await pair({ toServer: faults, toClient: faults });
    const before = lab.client.counters()['TcpRetransSegs']!;
    await transfer(lab);
    expect(lab.client.counters()['TcpRetransSegs']! - before).toBeGreaterThan(10);
    const { toServer, toClient } = await lab.impaired();
    for (const counts of [toServer, toClient])
      for (const kind of ['lost', 'duplicated', 'reordered', 'corrupted'] as const)
        expect(counts[kind], kind).toBeGreaterThan(0);
  });
});

test('an interface that goes down and up again interrupts the path; one that is removed ends it', async () => {
  const lab = await pair({});
  expect((await echo(lab, 5)).seen).toBe(5);
  lab.middle.ip('link', 'set', 'dev', lab.serverInterface, 'down');
  await lab.bridge.output(/is down; going on/);
  lab.middle.ip('link', 'set', 'dev', lab.serverInterface, 'up');
  // The interface is looked at a few times a second.
  for (let tries = 0; (await echo(lab, 5)).order.length === 0; tries++) expect(tries).toBeLessThan(10);
  lab.middle.ip('link', 'delete', lab.serverInterface);
  expect((await lab.bridge.exit()).code).toBe(1);
  expect(lab.bridge.stderr).toContain(`${lab.serverInterface} is no longer there\n  hint: `);
});

test('it refuses what it should not bridge, and says how to', () => {
  const lab = openLab();
  try {
    const ns = lab.namespace();
    ns.ip('link', 'add', 'dum0', 'type', 'bridge');
    ns.ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    const impair = (...args: string[]) => {
      const { status, stderr } = ns.tryExec(process.execPath, '--import', TS_LOADER, cliProgram(), 'impair', ...args);
      return [status, stderr.split('\n')[0]];
    };
    expect(impair('v0', 'v0')).toEqual([2, 'tcpx: v0 and v0 are the same interface']);
    expect(impair('v0', 'lo')).toEqual([2, 'tcpx: loopback has one end only']);
    expect(impair('v0', 'dum0')).toEqual([2, 'tcpx: dum0 is neither veth nor tap (it is a bridge)']);
    expect(impair('v0', 'none')).toEqual([1, 'tcpx: no interface none']);
    expect(impair('v0', 'v1')).toEqual([6, 'tcpx: interface v0 is down']);
  } finally {
    lab.close();
  }
});

const TS_LOADER = new URL('../support/ts-loader.mjs', import.meta.url).pathname;
