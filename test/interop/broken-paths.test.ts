/**
 * Paths that change under a transfer: the cable is pulled and put back, the MTU goes down somewhere on the way, with and
 * without word of it, an address goes. The transfer goes on, or ends with an error that says what it was.
 */
import { afterEach, expect, test, vi } from 'vitest';
import { type ImpairedPair, openImpairedPair } from '../support/impaired-pair.ts';
import { openPair, openRouted, type PairLab, type RoutedLab } from '../support/lab.ts';
import { type Many, startMany } from '../support/many.ts';
import { patternDigest } from '../support/pattern.ts';
import { report, scaled } from '../support/scale.ts';

/** Seconds for which the cable is out. */
const OUTAGE = scaled(4, 30);
// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 + 4000 * OUTAGE });

const open: PairLab[] = [];
afterEach(() => {
  for (const lab of open.splice(0)) lab.close();
});
function opened<T extends PairLab>(lab: T): T {
  open.push(lab);
  return lab;
}

const pause = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const SHORT = ['--sysctl', '{"tcp_msl":1}'];

/** Slow enough that the cable is pulled in the middle. */
const slowPair = async (): Promise<ImpairedPair> =>
  opened(await openImpairedPair({ toServer: { rate: '30mbit' }, toClient: { rate: '30mbit' } }));

test.each([
  ['ours', (lab: ImpairedPair) => [lab.client, lab.clientInterface] as const],
  ["the peer's", (lab: ImpairedPair) => [lab.server, lab.serverInterface] as const],
])(`the cable at %s interface is out for ${OUTAGE} s`, async (_whose, where) => {
  const LEN = 6_000_000;
  const lab = await slowPair();
  const peer = await lab.server.kernelPeer('0', '--send', String(LEN));
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`, '--driver', 'packet'];
  const tcpx = await startMany(lab.client, ...target, ...SHORT, '--send', String(LEN));
  await tcpx.until(({ received }) => received > 1_000_000, 20_000);
  const [namespace, name] = where(lab);
  namespace.ip('link', 'set', name, 'down');
  const stopped = await tcpx.metrics();
  expect(stopped.received).toBeLessThan(LEN);
  await pause(OUTAGE);
  namespace.ip('link', 'set', name, 'up');
  const began = performance.now();
  const digest = patternDigest(LEN);
  const within = 30_000 + 2000 * OUTAGE;
  expect(await tcpx.child.event('close', within)).toMatchObject({ received: LEN, sent: LEN, sha256: digest });
  expect(await peer.child.event('close', within)).toMatchObject({ received: LEN, sha256: digest, hadError: false });
  report(
    `${_whose}: ${stopped.received} octets before; done ${((performance.now() - began) / 1000).toFixed(1)} s after`,
  );
  await tcpx.end();
});

/** A connection through a gateway that has already carried octets both ways. */
async function throughGateway(...args: string[]): Promise<{ lab: RoutedLab; tcpx: Many }> {
  const lab = opened(openRouted());
  const peer = await lab.server.kernelPeer('0', '--echo');
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`];
  const tcpx = await startMany(lab.client, ...target, ...SHORT, '--hold', '--send', '100000', ...args);
  await tcpx.until(({ received }) => received === 100_000, 20_000);
  return { lab, tcpx };
}

/** Both ends of the far wire, so that only the router learns what fits. */
function narrow(lab: RoutedLab): void {
  lab.router.ip('link', 'set', lab.serverInterface, 'mtu', '1200');
  lab.server.ip('link', 'set', lab.serverInterface, 'mtu', '1200');
}

async function sendsOn(tcpx: Many, within: number): Promise<void> {
  const { mss } = await tcpx.metrics();
  tcpx.child.write('send 500000\n');
  const after = await tcpx.until(({ received }) => received === 600_000, within);
  report(`MSS ${mss} before, ${after.mss} after, ${after.retransmitted} retransmissions`);
  expect(mss).toBeGreaterThan(1400);
  expect(after.mss).toBeLessThanOrEqual(1200 - 52);
  tcpx.child.write('close\n');
  const digest = patternDigest(600_000);
  expect(await tcpx.child.event('close')).toMatchObject({ received: 600_000, sha256: digest, sentSha256: digest });
  await tcpx.end();
}

test.each(['raw', 'packet'])('the MTU is lowered on the way, and the router says so (driver %s)', async (driver) => {
  const { lab, tcpx } = await throughGateway('--driver', driver);
  narrow(lab);
  await sendsOn(tcpx, 20_000);
  expect(lab.router.counters()['IpFragFails']).toBeGreaterThan(0);
});

test('the MTU is lowered on the way, and nobody says so', async () => {
  const { lab, tcpx } = await throughGateway('--driver', 'packet');
  lab.router.nft('output', 'icmp type destination-unreachable drop');
  narrow(lab);
  await sendsOn(tcpx, 45_000);
  expect(lab.router.counters()['IpFragFails']).toBeGreaterThan(0);
});

const IMPATIENT = ['--options', '{"TCP_USER_TIMEOUT":4000}'];

test.each([
  ['raw', "the peer's"],
  ['packet', "the peer's"],
  ['raw', 'our'],
  ['packet', 'our'],
])('on driver %s, %s address is changed', async (driver, whose) => {
  const lab = opened(openPair());
  const peer = await lab.server.kernelPeer('0', '--echo');
  const target = ['--connect', `${lab.serverAddress}:${peer.port}`, '--driver', driver];
  const tcpx = await startMany(lab.client, ...target, ...SHORT, ...IMPATIENT, '--hold', '--send', '1000');
  await tcpx.until(({ received }) => received === 1000, 20_000);
  const [namespace, name, address] =
    whose === 'our'
      ? ([lab.client, lab.clientInterface, lab.clientAddress] as const)
      : ([lab.server, lab.serverInterface, lab.serverAddress] as const);
  namespace.ip('address', 'del', `${address}/24`, 'dev', name);
  namespace.ip('address', 'add', '10.77.0.99/24', 'dev', name);
  // What both had learnt of each other is learnt again.
  for (const each of [lab.client, lab.server]) each.ip('neigh', 'flush', 'all');
  tcpx.child.write('send 1000\n');
  const ended = await tcpx.child.output(/"received":2000|"event":"error"[^\n]*"code":"(\w+)"/, 30_000).catch(() => {
    throw new Error('neither an end nor progress');
  });
  report(`${driver}, ${whose}: ${ended[1] === undefined ? 'goes on' : ended[1]}`);
  expect(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', undefined]).toContain(ended[1]);
  await tcpx.end();
});
