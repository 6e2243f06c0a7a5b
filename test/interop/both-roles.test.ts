/**
 * Long transfers in both roles, each way at once, over both drivers and over an impaired path: 100 MB in the soak, less
 * here. Equal digests, and what is on the wire is as it should be.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { expectClean } from '../support/clean-capture.ts';
import { type ImpairedPair, openImpairedPair } from '../support/impaired-pair.ts';
import { KERNEL_PEER, openPair, type PairLab } from '../support/lab.ts';
import { readRunLog } from '../support/log.ts';
import { type Many, startMany } from '../support/many.ts';
import { patternDigest } from '../support/pattern.ts';
import { report, scaled } from '../support/scale.ts';
import { scratch, until } from '../support/tcpx.ts';

const WITHIN = scaled(150_000, 1_200_000);
// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: WITHIN, hookTimeout: 60_000 });

const DRIVERS = ['raw', 'packet'] as const;
/** TIME-WAIT is not what is tested. */
const SHORT = ['--sysctl', '{"tcp_msl":1}'];

interface Ends {
  readonly client: PairLab['client'];
  readonly server: PairLab['server'];
  readonly clientAddress: string;
  readonly serverAddress: string;
}

/** tcpx opens; `ours` and `theirs` are switches of tcpx-many.ts and kernel-peer.mjs. */
async function asClient(lab: Ends, driver: string, ours: readonly string[], theirs: readonly string[]) {
  const peer = await lab.server.kernelPeer('0', ...theirs);
  const address = `${lab.serverAddress}:${peer.port}`;
  const tcpx = await startMany(lab.client, '--connect', address, '--driver', driver, ...SHORT, ...ours);
  return { tcpx, peer: peer.child };
}

let ports = 7100;

/** tcpx listens. */
async function asServer(lab: Ends, driver: string, ours: readonly string[], theirs: readonly string[]) {
  const port = String(ports++);
  const where = ['--listen', port, '--from', lab.serverAddress, '--driver', driver];
  const tcpx = await startMany(lab.client, ...where, ...SHORT, ...ours);
  const peer = lab.server.spawn(process.execPath, [
    KERNEL_PEER,
    ...['--connect', `${lab.clientAddress}:${port}`],
    ...theirs,
  ]);
  return { tcpx, peer };
}

const ROLES = { client: asClient, server: asServer } as const;

async function bothClosed(tcpx: Many, peer: { event(name: string, withinMs?: number): Promise<unknown> }) {
  // the shapes of what the two programs say
  const theirs = (await peer.event('close', WITHIN)) as { received: number; sha256: string; hadError: boolean };
  const ours = (await tcpx.child.event('close', WITHIN)) as {
    received: number;
    sha256: string;
    info: { total_retrans: number };
  };
  return { ours, theirs };
}

describe('on a clean path', () => {
  const LEN = scaled(20_000_000, 100_000_000);
  const digest = patternDigest(LEN);
  let lab: PairLab;
  beforeAll(() => {
    lab = openPair();
  });
  afterAll(() => lab.close());

  test.each(DRIVERS.flatMap((driver) => (['client', 'server'] as const).map((role) => [driver, role] as const)))(
    'on driver %s, as %s, each way at once',
    async (driver, role) => {
      const began = performance.now();
      const send = ['--send', String(LEN)];
      const { tcpx, peer } = await ROLES[role](lab, driver, send, send);
      const { ours, theirs } = await bothClosed(tcpx, peer);
      expect(ours).toMatchObject({ received: LEN, sent: LEN, sha256: digest });
      expect(theirs).toMatchObject({ received: LEN, sent: LEN, sha256: digest, hadError: false });
      report(`${driver}, ${role}: ${LEN / 1e6} MB each way in ${((performance.now() - began) / 1000).toFixed(1)} s`);
      await tcpx.end();
    },
  );

  test.each(['client', 'server'] as const)('as %s, a megabyte arrives after our FIN', async (role) => {
    const { tcpx, peer } = await ROLES[role](lab, 'packet', ['--send', '1000'], ['--send-late', '1000000']);
    const { ours, theirs } = await bothClosed(tcpx, peer);
    expect(theirs).toMatchObject({ received: 1000, sha256: patternDigest(1000), hadError: false });
    expect(ours).toMatchObject({ received: 1_000_000, sha256: patternDigest(1_000_000), finReceived: true });
    await tcpx.end();
  });

  test.each(['client', 'server'] as const)('as %s, a megabyte goes out after the peer has closed', async (role) => {
    const { tcpx, peer } = await ROLES[role](
      lab,
      'packet',
      ['--send-late', '1000000'],
      ['--send', '1000', '--close-first'],
    );
    const { ours, theirs } = await bothClosed(tcpx, peer);
    expect(theirs).toMatchObject({ received: 1_000_000, sha256: patternDigest(1_000_000), hadError: false });
    expect(ours).toMatchObject({ received: 1000, sha256: patternDigest(1000) });
    await tcpx.end();
  });
});

describe('on a path that loses, doubles, reorders and corrupts', () => {
  const LEN = scaled(2_000_000, 100_000_000);
  const digest = patternDigest(LEN);
  const faults = { loss: '2%', dup: '2%', reorder: '2%', corrupt: '2%' };

  test.each([
    ['raw', 'client'],
    ['packet', 'server'],
  ] as const)('on driver %s, as %s, each way at once', async (driver, role) => {
    const lab: ImpairedPair = await openImpairedPair({ toServer: faults, toClient: faults, seed: 3 });
    try {
      const capture = scratch('impaired.pcap');
      const send = ['--send', String(LEN)];
      // The long one would make a capture that tshark takes longer for than the transfer took.
      const captured = scaled(['--capture', capture], []);
      const { tcpx, peer } = await ROLES[role](lab, driver, [...send, ...captured], send);
      const { ours, theirs } = await bothClosed(tcpx, peer);
      expect(ours).toMatchObject({ received: LEN, sent: LEN, sha256: digest });
      expect(theirs).toMatchObject({ received: LEN, sent: LEN, sha256: digest, hadError: false });
      const again = { toServer: ours.info.total_retrans, toClient: lab.server.counters()['TcpRetransSegs']! };
      await tcpx.end();
      const did = await lab.impaired();
      for (const way of ['toServer', 'toClient'] as const) {
        const { packets, lost, duplicated, reordered, corrupted } = did[way];
        report(
          `${driver}, ${role}, ${way}: ${packets} packets, ${lost} lost, ${duplicated} doubled, ` +
            `${reordered} reordered, ${corrupted} corrupted; ${again[way]} retransmissions`,
        );
        for (const count of [lost, duplicated, reordered, corrupted, again[way]]) expect(count).toBeGreaterThan(0);
      }
      if (captured.length > 0) report(`tshark: ${expectClean(capture, lab.clientAddress)} packets, none of ours bad`);
    } finally {
      lab.close();
    }
  });
});

test('both ends close at once', async () => {
  // Long enough for the other end's FIN to be on its way while this one closes.
  const lab = await openImpairedPair({ toServer: { delay: '800ms' }, toClient: { delay: '800ms' } });
  try {
    const log = scratch('states.ndjson');
    const hold = ['--send', '10', '--hold', '--log', log];
    const { tcpx, peer } = await asServer(lab, 'packet', hold, ['--close-after', '10']);
    await until(() => lab.server.sockets().some((row) => row.state === 'FIN-WAIT-1'));
    tcpx.child.write('close\n');
    await tcpx.child.output(/"from":"CLOSING","to":"TIME-WAIT"/);
    expect(await peer.event('close')).toMatchObject({ finReceived: true, hadError: false });
    await tcpx.end();
    expect(readRunLog(log).transitions().slice(3, 6)).toEqual([
      'ESTABLISHED --CLOSE--> FIN-WAIT-1 (call)',
      'FIN-WAIT-1 --rcv FIN--> CLOSING (segment)',
      'CLOSING --rcv ACK of FIN--> TIME-WAIT (segment)',
    ]);
  } finally {
    lab.close();
  }
});
