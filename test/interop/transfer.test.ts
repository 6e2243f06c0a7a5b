/** Ten megabytes each way at once between tcpx and the kernel, over every kind of path, closed by either side. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Lab, type Namespace, openLab, openPair, openRouted } from '../support/lab.ts';
import { ACTIVE_CLOSE, ACTIVE_OPEN, PASSIVE_CLOSE } from '../support/log.ts';
import { pattern, sha256 } from '../support/pattern.ts';
import { expectNoResets, startClient } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

const LEN = 10_000_000;
const DIGEST = sha256(pattern(LEN));

interface Path extends Lab {
  readonly client: Namespace;
  readonly server: Namespace;
  readonly serverAddress: string;
}

const PATHS: Readonly<Record<string, () => Path>> = {
  'to another namespace': openPair,
  'through a gateway': openRouted,
  'on loopback': () => {
    const lab = openLab();
    const both = lab.namespace();
    return { ...lab, client: both, server: both, serverAddress: '127.0.0.1' };
  },
};

describe.each(Object.keys(PATHS))('%s', (name) => {
  let path: Path;
  beforeAll(() => {
    path = PATHS[name]!();
  });
  afterAll(() => path.close());
  expectNoResets(() => path.client);

  test('10 MB each way arrive unchanged, and we close first', async () => {
    const server = await path.server.kernelPeer('0', '--send', String(LEN));
    const tcpx = startClient(
      path.client,
      '--connect',
      `${path.serverAddress}:${server.port}`,
      '--send',
      String(LEN),
      '--sysctl',
      '{"tcp_msl":1}',
    );
    const { exit, log } = await tcpx.ended(60_000);
    expect(exit.code).toBe(0);
    expect(await tcpx.child.event('close')).toMatchObject({ received: LEN, sent: LEN, sha256: DIGEST });
    expect(await server.child.event('close')).toMatchObject({
      received: LEN,
      sent: LEN,
      sha256: DIGEST,
      hadError: false,
    });
    expect(log.errors()).toEqual([]);
    expect(log.transitions().slice(0, 3)).toEqual([...ACTIVE_OPEN, ACTIVE_CLOSE[0]]);
    // Who is ready first hangs on the machine: the peer's FIN comes after ours is acknowledged, or with what it still had to send.
    expect([ACTIVE_CLOSE.slice(1), SIMULTANEOUS]).toContainEqual(log.transitions().slice(3));
    expect(log.segments('in', (seg) => seg.flags.includes('R'))).toEqual([]);
  });

  test('10 MB each way arrive unchanged, and the peer closes first', async () => {
    const server = await path.server.kernelPeer('0', '--send', String(LEN), '--close-first');
    const tcpx = startClient(
      path.client,
      '--connect',
      `${path.serverAddress}:${server.port}`,
      '--send',
      String(LEN),
      '--close',
      'fin',
    );
    const { exit, log } = await tcpx.ended(60_000);
    expect(exit.code).toBe(0);
    expect(await tcpx.child.event('close')).toMatchObject({ received: LEN, sent: LEN, sha256: DIGEST });
    expect(await server.child.event('close')).toMatchObject({
      received: LEN,
      sent: LEN,
      sha256: DIGEST,
      hadError: false,
    });
    expect(log.errors()).toEqual([]);
    expect(log.transitions()).toEqual([...ACTIVE_OPEN, ...PASSIVE_CLOSE]);
    expect(path.server.sockets(server.port).map((row) => row.state)).toEqual(['TIME-WAIT']);
  });
});

const SIMULTANEOUS = [
  'FIN-WAIT-1 --rcv FIN--> CLOSING (segment)',
  'CLOSING --rcv ACK of FIN--> TIME-WAIT (segment)',
  'TIME-WAIT --2MSL--> CLOSED (timer)',
];
