/** Transfers over a path that loses, repeats, reorders and corrupts, in both directions, against the kernel. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openImpairedPair } from '../support/impaired-pair.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import { ACTIVE_OPEN } from '../support/log.ts';
import { pattern, sha256 } from '../support/pattern.ts';
import { expectNoResets, startClient } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const LEN = 2_000_000;
const DIGEST = sha256(pattern(LEN));

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());
expectNoResets(() => lab.client);

/** What the tap said it did in one direction. */
type Counts = Readonly<Record<'packets' | 'lost' | 'duplicated' | 'reordered' | 'corrupted', number>>;

test('two megabytes each way arrive unchanged through 1 % of everything that can go wrong', async () => {
  const server = await lab.server.kernelPeer('0', '--send', String(LEN));
  const each = { loss: 0.01, duplicate: 0.01, reorder: 0.01, corrupt: 0.01 };
  // A copy of our last ACK may find that the peer has closed, and bring a RST: RFC 1337 has TIME-WAIT pass over it.
  const sysctl = '{"tcp_msl":1,"tcp_rfc1337":true}';
  const tcpx = startClient(
    lab.client,
    ...['--connect', `${lab.serverAddress}:${server.port}`, '--send', String(LEN), '--sysctl', sysctl],
    ...['--faults', JSON.stringify({ in: each, out: each }), '--seed', '20261121'],
  );
  const { log } = await tcpx.ended(110_000);
  expect(await tcpx.child.event('close')).toMatchObject({ received: LEN, sha256: DIGEST });
  expect(await server.child.event('close')).toMatchObject({ received: LEN, sha256: DIGEST, hadError: false });
  const { faults, stack } = (await tcpx.child.event('counters')) as {
    faults: { in: Counts; out: Counts };
    stack: { badChecksum: number; malformed: number };
  };
  // A merged frame counts as one packet: few come in, many go out.
  for (const kind of ['lost', 'duplicated', 'reordered', 'corrupted'] as const)
    expect(faults.out[kind], kind).toBeGreaterThan(0);
  expect(faults.in.lost + faults.in.corrupted).toBeGreaterThan(0);
  // A corrupted one may have come twice, and one whose header no longer adds up is found out before its checksum.
  expect(stack.badChecksum + stack.malformed).toBeGreaterThanOrEqual(faults.in.corrupted);
  const again = log.segments('out', (_seg, line) => line.note === 'retransmission' || line.note === 'fast retransmit');
  expect(again.length).toBeGreaterThan(0);
  expect(again.length).toBeLessThan(5 * (faults.out.lost + faults.out.corrupted + faults.out.reordered));
  expect(log.transitions().slice(0, 2)).toEqual(ACTIVE_OPEN);
  expect(log.transitions().at(-1)).toBe('TIME-WAIT --2MSL--> CLOSED (timer)');
});

for (const [path, delay] of [
  ['a short path', {}],
  ['a long path', { delay: '15ms' }],
] as const)
  for (const driver of ['packet', 'raw'])
    test(`${driver}: buffers overwritten in the callback of their write arrive as they were, through ${path}`, async () => {
      const faults = { loss: '1%', dup: '1%', reorder: '2%', ...delay };
      const impaired = await openImpairedPair({ toServer: faults, toClient: faults, seed: 7 });
      try {
        const server = await impaired.server.kernelPeer('0', '--send', String(LEN));
        const tcpx = startClient(
          impaired.client,
          ...['--connect', `${impaired.serverAddress}:${server.port}`, '--send', String(LEN), '--driver', driver],
          ...['--sysctl', '{"tcp_msl":1}'],
        );
        await tcpx.ended(110_000);
        expect(await tcpx.child.event('close')).toMatchObject({ received: LEN, sha256: DIGEST });
        expect(await server.child.event('close')).toMatchObject({ received: LEN, sha256: DIGEST, hadError: false });
        const { toServer } = await impaired.impaired();
        expect(toServer.lost).toBeGreaterThan(0);
      } finally {
        impaired.close();
      }
    });
