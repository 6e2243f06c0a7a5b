/**
 * The battery on real kernels: each of Linux's settings changes the rows that it should, and what is found over a driver is
 * what is found in a namespace or in virtual time.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Findings, PROBES } from '../../src/tools/probe/battery.ts';
import { runOnKernel, runOnTcpx, settingsWith } from '../../src/tools/probe/columns.ts';
import type { KernelSetting } from '../../src/tools/probe/kernel-path.ts';
import type { Finding, Probe } from '../../src/tools/probe/model.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import { cliProgram, until } from '../support/tcpx.ts';

const SOAK = process.env['TCPX_SOAK'] === '1';
/** Too much a matter of the moment on a machine that is busy. */
const TIMED: ReadonlySet<string> = new Set(['ack-every', 'quick-ack', 'out-of-order', 'delayed-ack', 'synack-retries']);

type Row = string | RegExp;

/** A setting, and what the rows that it has a say in come to. */
const CASES: readonly (readonly [name: string, value: string, rows: Readonly<Record<string, Row>>])[] = [
  ['tcp_synack_retries', '1', { 'synack-retries': /^1: (0\.9\d|1(\.1)?) s$/, 'half-open': '2 to 5 s' }],
  [
    'tcp_sack',
    '0',
    {
      options: 'mss nop nop TS nop wscale',
      sack: 'declined',
      'sack-blocks': 'none',
      dsack: 'ACK without DSACK',
      'tail-probe': /^no: RTO/,
    },
  ],
  ['tcp_dsack', '0', { dsack: 'ACK without DSACK' }],
  [
    'tcp_timestamps',
    '0',
    {
      options: 'mss nop nop sackOK nop wscale',
      window: '64240 octets',
      timestamps: 'declined',
      paws: 'no timestamps',
      'timestamp-clock': 'no timestamps',
      'sack-blocks': '4, latest first',
      'initial-window': '10 segments, 14600 octets',
    },
  ],
  ['tcp_window_scaling', '0', { options: 'mss sackOK TS', 'window-scale': 'none' }],
  ['tcp_ecn', '0', { ecn: 'declined', accecn: 'declined' }],
  ['tcp_fastopen', '3', { 'fast-open': 'cookie of 8, data taken' }],
  ['tcp_rto_min_us', '500000', { rto: /^0\.[56]\d? /, 'zero-window': /^0\.[56]\d? / }],
  ['tcp_rto_max_ms', '1000', { rto: / 1 1( |$)/, 'zero-window': / 1 1( |$)/ }],
  ['tcp_fin_timeout', '3', { 'fin-wait-2': '2.5 to 5 s' }],
  [
    'tcp_challenge_ack_limit',
    '1',
    {
      'rst-window': /^(ACK|silence), connection stays$/,
      'ack-future': /^(ACK|silence), connection stays$/,
      'ack-past': /^(ACK|silence), data dropped$/,
      'challenge-ack': /^ACK/,
      'challenge-limit': '1 of 10 connections',
    },
  ],
  ['tcp_invalid_ratelimit', '100', { 'challenge-ack': /^ACK, one in 1[0-4]\d ms$/ }],
  ['tcp_min_snd_mss', '200', { 'mss-floor': '200 octets' }],
  ['tcp_early_retrans', '0', { 'tail-probe': /^no: RTO/ }],
  ['tcp_reordering', '6', { 'dupack-threshold': '6' }],
  ['tcp_rfc1337', '1', { 'time-wait-rst': 'ignored' }],
  [
    'tcp_rmem',
    '4096 30000 6291456',
    { window: '14480 octets', 'window-scale': 'shift 7', 'quick-ack': /^the first 1\d$/ },
  ],
  ['ip_default_ttl', '200', { ip: 'TTL 200, DF, id 0' }],
];

const probesOf = (names: readonly string[]): readonly Probe[] => PROBES.filter((probe) => names.includes(probe.name));

/** Of times only that there is one: the machine is busy with other tests. */
const untimed = (value: string): string =>
  value.replace(/[\d.]+ ms/g, 'n ms').replace(/^(at least )?(\d+: )?([\d.]+ )+s$/, '$2n s');

/** In the suite: long enough for what the cases say. */
const PATIENCE = SOAK ? 54e6 : 6e6;

type Case = (typeof CASES)[number];

/** What is late beside two dozen others is asked again beside few, so often. */
const ROUNDS_AGAIN = 3;
const FEW = 4;

const run = (probes: readonly Probe[], changed?: Case): Promise<Findings> =>
  runOnKernel({ probes, patience: PATIENCE }, changed === undefined ? [] : [{ name: changed[0], value: changed[1] }]);

/** Which probes are wrong under which setting; undefined stands for the machine's own. */
interface Wrong {
  readonly changed: Case | undefined;
  readonly probes: readonly Probe[];
  readonly why: readonly string[];
}

function judged(changed: Case | undefined, found: Findings, before: Findings): Wrong | undefined {
  const wrong = PROBES.flatMap((probe) => {
    const [its, was] = [found.get(probe.name), before.get(probe.name)];
    if (its === undefined || was === undefined) return [];
    const why = changed === undefined ? notAsSet(probe, its) : wrongOf(changed, probe, its, was);
    return why === undefined ? [] : [{ probe, why }];
  });
  return wrong.length === 0 ? undefined : { changed, probes: wrong.map((w) => w.probe), why: wrong.map((w) => w.why) };
}

async function askedAgain(all: readonly Wrong[]): Promise<readonly Wrong[]> {
  const before = await run(PROBES.filter((probe) => all.some((wrong) => wrong.probes.includes(probe))));
  const left: Wrong[] = [];
  const waiting = [...all];
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const found = next.changed === undefined ? before : await run(next.probes, next.changed);
      const wrong = judged(next.changed, found, before);
      if (wrong !== undefined) left.push(wrong);
    }
  };
  await Promise.all(Array.from({ length: FEW }, lane));
  return left;
}

/** What is not as it should be under a setting, where without it there is `before`. */
function wrongOf([name, value, rows]: Case, probe: Probe, found: Finding, before: Finding): string | undefined {
  const where = `${name}: ${probe.name}: ${found.value}`;
  const row = rows[probe.name];
  if (row === undefined)
    return untimed(found.value) === untimed(before.value) ? undefined : `${where}, which was ${before.value}`;
  if (!probe.settings.includes(name)) return `${where}: the probe knows nothing of the setting`;
  if (row instanceof RegExp ? !row.test(found.value) : row !== found.value) return `${where}, and not ${row}`;
  if (typeof row === 'string' && before.value === found.value) return `${where}, as without it`;
  return notAsSet(probe, found, [{ name, value }]);
}

function notAsSet(probe: Probe, found: Finding, wanted: readonly KernelSetting[] = []): string | undefined {
  const as = probe.expected?.(settingsWith(wanted), PATIENCE);
  const agrees = as === undefined || (found.unknown !== true && as.agrees(found.data));
  return agrees ? undefined : `${probe.name}: ${found.value} is not as set`;
}

test(
  'each setting changes the rows that it should, and they are as Linux documents it',
  async () => {
    const [usual, ...ran] = await Promise.all([
      run(PROBES),
      ...CASES.map((changed) => run(SOAK ? PROBES : probesOf(Object.keys(changed[2])), changed)),
    ]);
    const first = [judged(undefined, usual, usual), ...CASES.map((changed, i) => judged(changed, ran[i]!, usual))];
    let wrong: readonly Wrong[] = first.filter((each) => each !== undefined);
    for (let round = 0; wrong.length > 0 && round < ROUNDS_AGAIN; round++) wrong = await askedAgain(wrong);
    expect(wrong.flatMap(({ why }) => why)).toEqual([]);
  },
  SOAK ? 1_200_000 : 90_000,
);

describe('over a driver, in another namespace', () => {
  let lab: PairLab;
  beforeAll(() => {
    lab = openPair();
  });
  afterAll(() => lab.close());

  /** What the table says of a peer, by name. No --yes: an address of such a network needs none. */
  async function probed(port: number, names: readonly string[], ...args: string[]): Promise<Record<string, string>> {
    const command = [
      'probe',
      '--alone',
      '--json',
      '--patience',
      '4',
      ...args,
      `${lab.serverAddress}:${port}`,
      ...names,
    ];
    const child = lab.client.node(cliProgram(), command);
    const { code } = await child.exit(60_000);
    expect({ code, stderr: child.stderr }).toEqual({ code: 0, stderr: '' });
    const { probes } = JSON.parse(child.stdout) as { probes: { name: string; peer: { value: string } }[] };
    return Object.fromEntries(probes.map(({ name, peer }) => [name, peer.value]));
  }

  /** tcpx listening over there. */
  async function tcpxServer(port: number, ...args: string[]): Promise<number> {
    const child = lab.server.node(cliProgram(), ['listen', '-k', ...args, `${lab.serverAddress}:${port}`]);
    await until(() => child.stderr.includes('listening on'), 30_000);
    return port;
  }

  const withoutTimes = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, untimed(value)]));
  const valuesOf = (findings: Findings): Record<string, string> =>
    Object.fromEntries([...findings].map(([name, { value }]) => [name, value]));

  /** More than a second each: for the soak. */
  const SLOW: ReadonlySet<string> = new Set(
    SOAK ? [] : ['challenge-ack', 'challenge-limit', 'timestamp-clock', 'half-open'],
  );
  const QUIET = PROBES.filter((p) => p.needs === undefined && !TIMED.has(p.name) && !SLOW.has(p.name)).map(
    (p) => p.name,
  );
  const ASKING = ['initial-window', 'dupack-threshold', 'zero-window-form', 'mss-floor', 'mss-default'];

  test.concurrent('a kernel is found to be what it is in a namespace of its own, tcpx to be what it is in virtual time', async () => {
    const sink = await lab.server.kernelPeer('0', '--keep');
    const source = await lab.server.kernelPeer('0', '--keep', '--send', '262144');
    const ports = [
      await tcpxServer(5001, '--discard'),
      await tcpxServer(5002, '--source', '--bytes', '262144'),
    ] as const;
    const [kernel, kernelSending, tcpx, tcpxSending] = await Promise.all([
      probed(sink.port, QUIET),
      probed(source.port, ASKING, '--request', 'x'),
      probed(ports[0], QUIET),
      probed(ports[1], ASKING, '--request', 'x'),
    ]);
    const probes = probesOf([...QUIET, ...ASKING]);
    const [ofKernel, ofTcpx] = await Promise.all([
      runOnKernel({ probes, patience: 4e6 }, [
        { name: 'tcp_rmem', value: lab.server.exec('sysctl', '-n', 'net.ipv4.tcp_rmem').trim() },
      ]),
      runOnTcpx({ probes, patience: 4e6 }),
    ]);
    expect(withoutTimes({ ...kernel, ...kernelSending })).toEqual(withoutTimes(valuesOf(ofKernel)));
    expect(withoutTimes({ ...tcpx, ...tcpxSending })).toEqual(withoutTimes(valuesOf(ofTcpx)));
  }, 90_000);

  test.concurrent('nobody there is told from silence, and both from a peer', async () => {
    const run = async (...args: string[]): Promise<{ code: number | null; stderr: string }> => {
      const child = lab.client.node(cliProgram(), ['probe', '--alone', ...args]);
      const { code } = await child.exit(60_000);
      return { code, stderr: child.stderr };
    };
    lab.server.nft('input', 'tcp dport 81 drop');
    const [refused, silent] = await Promise.all([
      run(`${lab.serverAddress}:82`, 'sack'),
      run(`${lab.serverAddress}:81`, 'sack'),
    ]);
    expect(refused).toEqual({ code: 3, stderr: expect.stringContaining('connection refused') });
    expect(silent).toEqual({ code: 4, stderr: expect.stringContaining('no answer to two SYNs') });
  }, 90_000);
});
