/** `tcpx probe` as a command: its table and its document, wrong use, and who has to be asked. The peer is tcpx in virtual time. */
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { type ProbeNetwork, probeThrough } from '../../../src/cli/probe.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { LinkFailure } from '../../../src/link/failure.ts';
import { paintFor } from '../../../src/tools/log-style.ts';
import { PROBES } from '../../../src/tools/probe/battery.ts';
import { runOnTcpx } from '../../../src/tools/probe/columns.ts';
import type { Path } from '../../../src/tools/probe/path.ts';
import { type Column, renderReport } from '../../../src/tools/probe/render.ts';
import { VirtualPath } from '../../../src/tools/probe/virtual-path.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';
import { fakeIo } from '../../support/cli-io.ts';

interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  /** Paths to the peer that were opened. */
  readonly opened: number;
}

async function run(args: readonly string[], o: { readonly network?: Partial<ProbeNetwork> } = {}): Promise<Ran> {
  const io = fakeIo();
  let opened = 0;
  const command = probeThrough({
    route: () => ({
      interface: 'mem0',
      ifindex: 1,
      source: parseIpv4('10.0.0.1')!,
      gateway: undefined,
      mtu: 1500,
      loopback: false,
    }),
    openPath: async () => {
      opened++;
      return new VirtualPath({ random: seededRandom(1), sysctl: {} });
    },
    isForFree: () => true,
    onKernel: (options) => runOnTcpx(options, { tcp_sack: false }),
    ...o.network,
  });
  const exitCode = await runProgram(args, io, [command]);
  return { exitCode, out: io.out(), err: io.err(), opened };
}

test('peer, kernel and tcpx stand beside one another, with the rule behind each row', async () => {
  const { exitCode, out, err } = await run(['probe', '10.0.0.2:7', 'sack', 'options', 'dsack']);
  expect(err).toBe('');
  expect(exitCode).toBe(0);
  // Columns are two spaces apart or more.
  const rows = out.split('\n').map((line) => line.split(/ {2,}/));
  expect(rows).toEqual([
    ['probe 10.0.0.2:7 on mem0'],
    [''],
    ['', '10.0.0.2:7', expect.stringMatching(/^Linux \d+\.\d+ here$/), 'tcpx', 'rule'],
    [''],
    ['Opening'],
    [
      'options of a SYN-ACK',
      'mss sackOK TS nop wscale',
      'mss nop nop TS nop wscale',
      'mss sackOK TS nop wscale',
      'RFC 9293 §3.1',
    ],
    ['selective acknowledgment', 'agreed', 'declined', 'agreed', 'RFC 2018 §2'],
    [''],
    ['Receiving'],
    ['data that came twice', 'ACK with DSACK', 'ACK without DSACK', 'ACK with DSACK', 'RFC 2883 §4'],
    [''],
  ]);
});

test('the table fits whatever width there is', async () => {
  const findings = await runOnTcpx({ probes: PROBES, patience: 5e6 });
  const columns: Column[] = (['peer', 'kernel', 'tcpx'] as const).map((key) => ({ key, title: key, findings }));
  const report = { probes: PROBES, columns, expected: new Map() };
  for (const width of [80, 100, 160]) {
    const lines = renderReport(report, { paint: paintFor(false), width, showSettings: false });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
  }
});

test('--json has all of it in one line', async () => {
  const { out } = await run(['probe', '--json', '10.0.0.2', '7', 'sack']);
  expect(out.split('\n')).toHaveLength(2);
  expect(JSON.parse(out)).toMatchObject({
    schema: 'tcpx.probe/1',
    target: '10.0.0.2:7',
    address: '10.0.0.2',
    probes: [
      {
        name: 'sack',
        rule: 'RFC 2018 §2',
        settings: ['tcp_sack'],
        peer: { value: 'agreed', data: { agreed: true } },
        kernel: { value: 'declined', data: { agreed: false } },
        tcpx: { value: 'agreed', data: { agreed: true } },
      },
    ],
  });
});

test('what needs a request says so, and a request answers it', async () => {
  const without = await run(['probe', '--alone', '10.0.0.2:7', 'initial-window', 'time-wait-syn']);
  expect(without.out).toContain('needs data: --request TEXT');
  expect(without.out).toContain('needs a peer that closes: --request TEXT');
  const source = await run(['probe', '--alone', '--request', 's', '10.0.0.2:7', 'initial-window']);
  expect(source.out).toContain('10 segments, 14480 octets');
  const close = await run(['probe', '--alone', '--request', 'c', '10.0.0.2:7', 'time-wait-syn']);
  expect(close.out).toContain('taken');
});

test('in the laboratory each finding stands beside what the settings say, and a difference is an exit code', async () => {
  const { exitCode, out, err, opened } = await run(['probe', '--set', 'tcp_sack=0', 'sack', 'dsack']);
  expect(exitCode).toBe(0);
  expect(opened).toBe(0);
  expect(out).toMatch(/selective acknowledgment +declined +tcp_sack=0 +agreed/);
  expect(err).toBe('');
  const differs = await run(['probe', '--lab', '--set', 'net.ipv4.tcp_sack=1', 'sack', 'dsack']);
  expect(differs.exitCode).toBe(1);
  expect(differs.out).toMatch(/selective acknowledgment +declined +not as set: tcp_sack=1/);
  expect(differs.err).toContain('not as the settings say: sack, dsack');
});

test('strangers are probed only with --yes, and nothing is sent before', async () => {
  const network = { isForFree: () => false };
  const refused = await run(['probe', '10.0.0.2:7', 'sack'], { network });
  expect(refused).toMatchObject({ exitCode: 2, opened: 0, out: '' });
  expect(refused.err).toBe(
    'tcpx: 10.0.0.2:7 is neither this machine nor a private laboratory\n' +
      '  hint: probe only what is yours, or whose owner has agreed; then add --yes\n',
  );
  expect((await run(['probe', '--yes', '10.0.0.2:7', 'sack'], { network })).exitCode).toBe(0);
});

test('where the kernel can not be had, the table has a column less', async () => {
  const onKernel = async () => {
    throw new LinkFailure('EPERM', 'cannot make a network namespace', 'run it as root (sudo)');
  };
  const { exitCode, out, err } = await run(['probe', '10.0.0.2:7', 'sack'], { network: { onKernel } });
  expect(exitCode).toBe(0);
  expect(out).not.toContain('Linux');
  expect(err).toContain(
    "this machine's kernel is not beside it: cannot make a network namespace\n  hint: run it as root",
  );
  const lab = await run(['probe', '--lab', 'sack'], { network: { onKernel } });
  expect(lab).toMatchObject({ exitCode: 77, out: '' });
});

test('a value that the kernel does not take for a setting is wrong use', async () => {
  const onKernel = async () => {
    throw new LinkFailure('EINVAL', 'this kernel does not take tcp_sack=banana: EINVAL', 'see sysctl');
  };
  const lab = await run(['probe', '--set', 'tcp_sack=banana', 'sack'], { network: { onKernel } });
  expect(lab).toMatchObject({ exitCode: 2, out: '', err: expect.stringContaining('does not take tcp_sack=banana') });
  // Without a wish, what is not as it should be is no fault of the user's.
  expect((await run(['probe', '--lab', 'sack'], { network: { onKernel } })).exitCode).toBe(1);
});

test.each([
  [['10.0.0.2:7', 'sakc'], "unknown probe 'sakc'", "did you mean 'sack'?"],
  [['10.0.0.2:7', 'bandwidth'], "unknown probe 'bandwidth'", '`tcpx probe --list` lists them'],
  [['--lab', 'synack'], "unknown probe 'synack'", "did you mean 'synack-retries'?"],
  [[], 'no target given', '--lab'],
  [['sack'], "'sack' is a probe, and no target", 'tcpx probe HOST:PORT sack'],
  [['10.0.0.2'], "'10.0.0.2' names no port", 'HOST:PORT'],
  [['--set', 'tcp_sak=0', '--lab'], "this kernel has no setting 'tcp_sak'", "did you mean 'tcp_sack'"],
  [['--set', 'tcp_sack', '--lab'], "--set 'tcp_sack' is no NAME=VALUE", 'tcp_synack_retries=2'],
  [['--quick', '--patience', '3', '10.0.0.2:7'], 'cannot be used with', '--help'],
  [['--rate', '0', '10.0.0.2:7'], "--rate '0' is not a whole number", '--rate 100'],
])('wrong use %j ends with 2, and nothing is sent', async (args, message, hint) => {
  const { exitCode, out, err, opened } = await run(['probe', ...args]);
  expect({ exitCode, out, opened }).toEqual({ exitCode: 2, out: '', opened: 0 });
  expect(err).toContain(message);
  expect(err).toContain(hint);
});

test('nobody listening ends with 3, silence with 4', async () => {
  const elsewhere = async (): Promise<Path> => {
    const path = new VirtualPath({ random: seededRandom(1), sysctl: {} });
    return Object.assign(path, { remotePort: 9999 });
  };
  const refused = await run(['probe', '10.0.0.2:9999'], { network: { openPath: elsewhere } });
  expect(refused.exitCode).toBe(3);
  expect(refused.err).toContain('probe 10.0.0.2:9999: connection refused\n  hint: nothing listens');
  const silent = async (): Promise<Path> =>
    Object.assign(new VirtualPath({ random: seededRandom(1), sysctl: {} }), { send() {} });
  const timedOut = await run(['probe', '10.0.0.2:7'], { network: { openPath: silent } });
  expect(timedOut.exitCode).toBe(4);
  expect(timedOut.err).toContain('no answer to two SYNs');
});

test('--list has every probe with its rule and how it asks', async () => {
  const { exitCode, out } = await run(['probe', '--list']);
  expect(exitCode).toBe(0);
  expect(out).toMatch(/^Opening\n {2}options +RFC 9293 §3\.1\n {20}a SYN offers/);
  expect(out.match(/^ {2}\S+ +RFC \d+ §/gm)).toHaveLength(46);
});
