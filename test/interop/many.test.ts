/** Many connections against the kernel, in both roles: at once, one after another, and peers that only take up room. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KERNEL_PEER, openPair, type PairLab } from '../support/lab.ts';
import { clientsDone, kernelClients, type Many, startMany } from '../support/many.ts';
import { report, scaled } from '../support/scale.ts';

const WITHIN = scaled(120_000, 900_000);
// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: WITHIN, hookTimeout: 60_000 });

const OWN = '10.77.0.9';
/** Of a second host of ours. */
const SECOND = '10.77.0.10';
const MB = 1_000_000;
const SEQUENCE = scaled(1000, 20_000);

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());

const own = (address: string): readonly string[] => ['--own', `${address}/24`, '--interface', lab.clientInterface];
const listening = (address: string, port: number, ...args: string[]): Promise<Many> =>
  startMany(lab.client, '--listen', String(port), '--from', lab.serverAddress, ...own(address), ...args);

describe.each([
  ['200 connections at once', ['--count', '200'], 200],
  [`${SEQUENCE} connections one after another`, ['--count', String(SEQUENCE), '--parallel', '1'], SEQUENCE],
] as const)('%s', (_name, how, count) => {
  test('as client', async () => {
    const peer = await lab.server.kernelPeer('0', '--echo', '--keep');
    const target = ['--connect', `${lab.serverAddress}:${peer.port}`];
    const tcpx = await startMany(lab.client, ...target, ...own(OWN), '--send', '2000', ...how);
    const done = await tcpx.child.event('done', WITHIN);
    expect(done).toMatchObject({ connected: count, intact: count, failures: {}, received: count * 2000 });
    const { heapUsed } = await tcpx.metrics();
    report(
      `client: ${count} in ${Number(done['seconds']).toFixed(1)} s, ${(heapUsed / MB).toFixed(1)} MB of heap after`,
    );
    await tcpx.end();
    peer.child.kill();
  });

  test('as server', async () => {
    const tcpx = await listening(OWN, 7000, '--echo');
    const clients = kernelClients(lab.server, '--connect', `${OWN}:7000`, '--send', '2000', ...how);
    const done = await clientsDone(clients, WITHIN);
    expect(done).toMatchObject({ connected: count, intact: count, failures: {} });
    const m = await tcpx.until(({ over }) => over === count, 20_000);
    expect(m).toMatchObject({ opened: count, intact: count, open: 0, failures: {} });
    report(`server: ${count} in ${done.seconds.toFixed(1)} s, ${(m.heapUsed / MB).toFixed(1)} MB of heap after`);
    await tcpx.end();
  });
});

describe('a thousand peers that take up room', () => {
  const PEERS = 1000;
  const LEN = scaled(10, 100) * MB;

  /** Seconds that a peer of its own takes to read LEN octets of an endless source. */
  async function timed(port: number): Promise<number> {
    const began = performance.now();
    const reading = ['--connect', `${OWN}:${port}`, '--close-after', String(LEN)];
    const peer = lab.server.spawn(process.execPath, [KERNEL_PEER, ...reading]);
    await peer.output(/"event":"close"/, 60_000);
    return (performance.now() - began) / 1000;
  }

  test('that never read: what is held for them is bounded, and others go on', async () => {
    const tcpx = await listening(OWN, 7001, '--source', '--backlog', String(PEERS));
    const alone = await timed(7001);
    const before = await tcpx.metrics();
    const peers = kernelClients(lab.server, '--connect', `${OWN}:7001`, '--count', String(PEERS), '--no-read');
    await peers.event('connected', 60_000);
    // Each is sent to until its window is shut and our buffer is full.
    let last = 0;
    const full = await tcpx.until(({ sent, open }) => {
      const stands = sent === last && open === PEERS;
      last = sent;
      return stands;
    }, 60_000);
    const beside = await timed(7001);
    const after = await tcpx.metrics();
    const held = (after.external + after.heapUsed - before.external - before.heapUsed) / MB;
    report(
      `${PEERS} that never read: ${held.toFixed(0)} MB held (${((after.rss - before.rss) / MB).toFixed(0)} MB of process); ` +
        `${LEN / MB} MB to another took ${beside.toFixed(1)} s, ${alone.toFixed(1)} s before`,
    );
    expect(full.open).toBe(PEERS);
    // tcp_mem_octets is 512 MB for the stack; the sockets' own buffers are beside it.
    expect(after.rss - before.rss).toBeLessThan(700 * MB);
    expect(beside).toBeLessThan(3 * alone + 3);
    peers.kill();
    await tcpx.end();
  });

  test('that send an octet a minute: what is held for them is little, and others go on', async () => {
    const tcpx = await listening(OWN, 7002, '--source', '--backlog', String(PEERS));
    const alone = await timed(7002);
    const quiet = await listening(SECOND, 7003, '--backlog', String(PEERS), '--hold');
    const before = await quiet.metrics();
    const slow = ['--connect', `${SECOND}:7003`, '--count', String(PEERS), '--octet'];
    const peers = kernelClients(lab.server, ...slow);
    await peers.event('connected', 60_000);
    const octets = scaled(1, 3);
    const after = await quiet.until(({ received }) => received === PEERS * octets, 30_000 + 60_000 * octets);
    const beside = await timed(7002);
    const each = (after.heapUsed + after.external - before.heapUsed - before.external) / PEERS;
    report(
      `${PEERS} that send an octet: ${(each / 1000).toFixed(1)} KB each after ${octets} (${((after.rss - before.rss) / MB).toFixed(0)} MB of process); ` +
        `${LEN / MB} MB to another took ${beside.toFixed(1)} s, ${alone.toFixed(1)} s before`,
    );
    expect(after.open).toBe(PEERS);
    expect(each).toBeLessThan(50_000);
    expect(beside).toBeLessThan(3 * alone + 3);
    peers.kill();
    await quiet.end();
    await tcpx.end();
  });
});
