/**
 * Transfers while the way to the wire is in trouble: queues that are full, a socket without room, an interface that goes
 * down, loses its carrier or vanishes. A transfer goes on, or ends with an error that says what it was; what has
 * arrived is right in any case.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openPair, openRouted, type PairLab } from '../support/lab.ts';
import { flood, startMany } from '../support/many.ts';
import { patternDigest } from '../support/pattern.ts';
import { report } from '../support/scale.ts';
import { until } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let lab: PairLab;
afterEach(() => lab.close());

const DRIVERS = ['packet', 'raw'] as const;
/** TIME-WAIT is not what is tested. */
const SHORT = ['--sysctl', '{"tcp_msl":1}'];
const LEN = 10_000_000;
const DIGEST = patternDigest(LEN);
/** The kernel's buffers hold less than the connection's: to be sent, some forty segments, which any window soon exceeds. */
const TIGHT = [
  '--buffers',
  '{"send":50000,"receive":200000}',
  '--options',
  '{"SO_SNDBUF":3000000,"SO_RCVBUF":3000000}',
];
const pause = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** What leaves by our interface waits in a queue of `limit` octets for a wire of that `rate`. */
function queue(rate: string, limit: number): void {
  lab.client.exec(
    ...(['tc', 'qdisc', 'replace', 'dev', lab.clientInterface, 'root', 'tbf'] as const),
    ...['rate', rate, 'burst', '30000', 'limit', String(limit)],
  );
}

async function transfer(driver: string, ours: readonly string[], theirs: readonly string[] = []) {
  const peer = await lab.server.kernelPeer('0', ...theirs);
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`, '--driver', driver];
  return { peer: peer.child, tcpx: await startMany(lab.client, ...target, ...SHORT, ...ours) };
}

describe.each(DRIVERS)('on driver %s', (driver) => {
  /** Sends at 40 Mbit/s, so that there is a middle in which something can happen. */
  async function inTheMiddle(trouble: () => Promise<void>): Promise<void> {
    queue('40mbit', 1_000_000);
    const { peer, tcpx } = await transfer(driver, ['--send', String(LEN)]);
    await tcpx.child.event('connect');
    await trouble();
    expect(await peer.event('close', 60_000)).toMatchObject({ received: LEN, sha256: DIGEST, hadError: false });
    await tcpx.child.event('close');
    await tcpx.end();
  }

  test("a cable that is pulled, the other side's interface down and up again, is outlived", async () => {
    lab = openPair();
    await inTheMiddle(async () => {
      lab.server.ip('link', 'set', lab.serverInterface, 'down');
      await pause(1);
      lab.server.ip('link', 'set', lab.serverInterface, 'up');
    });
  });

  test('a router is gone through', async () => {
    lab = openRouted();
    await inTheMiddle(async () => {});
  });

  test('loopback goes both ways', async () => {
    lab = openPair();
    const peer = await lab.client.kernelPeer('127.0.0.1:0', '--send', String(LEN));
    const target = ['--connect', `127.0.0.1:${peer.port}`, '--driver', driver];
    const tcpx = await startMany(lab.client, ...target, ...SHORT, '--send', String(LEN));
    const all = { received: LEN, sha256: DIGEST };
    expect(await peer.child.event('close', 60_000)).toMatchObject(all);
    expect(await tcpx.child.event('close')).toMatchObject(all);
    expect(lab.client.counters()['TcpOutRsts']).toBe(0);
    await tcpx.end();
  });

  /** Segments are as large as a wire takes them. */
  function withoutOffloads(): void {
    for (const [namespace, name] of [
      [lab.client, lab.clientInterface],
      [lab.server, lab.serverInterface],
    ] as const)
      namespace.exec('ethtool', '-K', name, ...['tso', 'off', 'gso', 'off', 'gro', 'off', 'tx', 'off']);
  }

  test.each([
    ['merged segments both ways', 1500, () => {}, []],
    ['with the offloads of both interfaces off', 1500, withoutOffloads, []],
    ['with ours unused', 1500, () => {}, ['--no-offload']],
    ['in jumbo frames', 9000, () => {}, []],
  ] as const)('%s, every octet is right', async (_how, mtu, prepare, switches) => {
    lab = openPair({ mtu });
    prepare();
    const send = ['--send', String(LEN)];
    const { peer, tcpx } = await transfer(driver, [...send, ...switches], send);
    const all = { received: LEN, sha256: DIGEST };
    expect(await peer.event('close', 60_000)).toMatchObject({ ...all, hadError: false });
    expect(await tcpx.child.event('close')).toMatchObject(all);
    const { link } = await tcpx.metrics();
    const mean = (way: 'In' | 'Out'): number => link[`octets${way}`]! / link[`packets${way}`]!;
    report(`${driver}, ${_how}: ${mean('In').toFixed(0)} octets in a packet in, ${mean('Out').toFixed(0)} out`);
    if (switches.length > 0 || driver === 'raw') expect(mean('Out')).toBeLessThanOrEqual(mtu);
    if (prepare === withoutOffloads) expect(mean('In')).toBeLessThanOrEqual(mtu);
    await tcpx.end();
  });

  test('a transmit queue that is full loses packets, which are sent again', async () => {
    lab = openPair();
    queue('100mbit', 100_000);
    const { peer, tcpx } = await transfer(driver, ['--send', String(LEN), '--hold']);
    await tcpx.until(({ sent }) => sent === LEN, 60_000);
    const { link, retransmitted } = await tcpx.metrics();
    tcpx.child.write('close\n');
    expect(await peer.event('close', 60_000)).toMatchObject({ received: LEN, sha256: DIGEST, hadError: false });
    report(`${driver}: ${link['errorsOut']} packets refused, ${retransmitted} segments sent again`);
    expect(retransmitted).toBeGreaterThan(0);
    // The kernel tells a raw IP socket nothing of it.
    if (driver === 'packet') {
      expect(link['errorsOut']).toBeGreaterThan(0);
      await tcpx.child.output(/"event":"link-error","code":"ENOBUFS".*"fatal":false/);
    }
    await tcpx.end();
  });

  test('a socket that has no room for what is to be sent is waited for', async () => {
    lab = openPair();
    queue('200mbit', 50_000_000);
    // Merged segments would all find room in one batch.
    const send = ['--send', String(3 * LEN), '--hold', '--no-offload'];
    const { peer, tcpx } = await transfer(driver, [...send, ...TIGHT]);
    const { counters, link } = await tcpx.until(({ sent }) => sent === 3 * LEN, 60_000);
    tcpx.child.write('close\n');
    const digest = patternDigest(3 * LEN);
    expect(await peer.event('close', 60_000)).toMatchObject({ received: 3 * LEN, sha256: digest });
    report(`${driver}: ${counters['sendFailures']} times full`);
    expect(link['errorsOut']).toBe(0);
    expect(counters['sendFailures']).toBeGreaterThan(0);
    await tcpx.end();
  });

  test('frames that are not taken in time are dropped, counted where that is known, and sent again', async () => {
    lab = openPair();
    const { tcpx } = await transfer(driver, ['--hold', ...TIGHT], ['--send', String(10 * LEN)]);
    for (let i = 1; i <= 5; i++) {
      await tcpx.until(({ received }) => received > i * LEN, 60_000);
      tcpx.child.kill('SIGSTOP');
      await pause(0.2);
      tcpx.child.kill('SIGCONT');
    }
    const { drops } = await tcpx.until(({ received }) => received === 10 * LEN, 60_000);
    tcpx.child.write('close\n');
    expect(await tcpx.child.event('close')).toMatchObject({ received: 10 * LEN, sha256: patternDigest(10 * LEN) });
    report(`${driver}: ${drops} frames dropped`);
    if (driver === 'packet') expect(drops).toBeGreaterThan(0);
    await tcpx.end();
  });
});

test('SYNs that fill their buffer leave the segments of a connection theirs', async () => {
  lab = openPair();
  lab.client.ip('route', 'add', 'default', 'via', lab.serverAddress);
  const [address, mac] = ['10.77.0.9', '02:00:00:00:00:09'];
  const own = ['--own', `${address}/24`, '--mac', mac, '--interface', lab.clientInterface];
  const where = ['--listen', '7000', '--from', lab.serverAddress, '--echo'];
  const tcpx = await startMany(lab.client, ...where, ...own, '--buffers', '{"receive":200000}');
  const script = `const s=require('net').connect(7000,'${address}',()=>console.log('connected'));s.on('data',()=>console.log('back'));process.stdin.pipe(s)`;
  const peer = lab.server.spawn(process.execPath, ['-e', script]);
  await peer.output(/connected/);
  peer.write('warm\n');
  await peer.output(/back/);

  tcpx.child.kill('SIGSTOP');
  const target = { interface: lab.serverInterface, to: mac, target: `${address}:7000` };
  const { done } = await flood(lab.server, { ...target, kind: 'syn', rate: 20_000, seconds: 0.5 });
  await done;
  const sent = (): number => lab.server.counters()['TcpOutSegs']!;
  const before = sent();
  peer.write('now\n');
  await until(() => sent() > before);
  // The peer has tried again after 0.2, 0.6 and 1.4 s, and will after 3.
  await pause(2);
  const repeated = (): number => lab.server.counters()['TcpRetransSegs']!;
  const repeatedBefore = repeated();
  tcpx.child.kill('SIGCONT');
  await peer.output(/back\n(.*\n)*back/);
  // It was there, and did not have to be sent again.
  expect(repeated() - repeatedBefore).toBe(0);
  expect((await tcpx.metrics()).drops).toBeGreaterThan(1000);
  await tcpx.end();
});

// With driver raw the process ends when its interface goes down: libpcap's wrapper aborts it.
describe('on driver packet', () => {
  test('an interface that goes down and comes up is outlived, both ways at once', async () => {
    lab = openPair();
    queue('40mbit', 1_000_000);
    const { peer, tcpx } = await transfer('packet', ['--send', String(LEN)], ['--send', String(LEN)]);
    await tcpx.until(({ sent }) => sent > 1_000_000, 20_000);
    lab.client.ip('link', 'set', lab.clientInterface, 'down');
    await pause(1);
    lab.client.ip('link', 'set', lab.clientInterface, 'up');
    expect(await peer.event('close', 60_000)).toMatchObject({ received: LEN, sha256: DIGEST, hadError: false });
    expect(await tcpx.child.event('close')).toMatchObject({ received: LEN, sha256: DIGEST });
    await tcpx.end();
  });

  test('one that vanishes in the middle ends the connection at once, saying so; what has arrived is right', async () => {
    lab = openPair();
    queue('40mbit', 1_000_000);
    const send = ['--send', String(10 * LEN)];
    const { tcpx } = await transfer('packet', send, send);
    await tcpx.until(({ sent }) => sent > 5_000_000, 20_000);
    lab.client.ip('link', 'del', lab.clientInterface);
    await tcpx.child.output(/"event":"link-error","code":"ENODEV".*"fatal":true/);
    expect(await tcpx.child.event('error')).toMatchObject({ code: 'ENETUNREACH' });
    // the shape of what tcpx-many.ts says
    const ours = (await tcpx.child.event('close')) as { received: number; sha256: string };
    expect(ours.sha256).toBe(patternDigest(ours.received));
    await tcpx.end();
  });
});
