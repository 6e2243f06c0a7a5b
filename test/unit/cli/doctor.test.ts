/** `tcpx doctor`: what each check makes of what it reads, and how it is shown. What it tries for real is in test/interop. */
import { describe, expect, test } from 'vitest';
import { type Diagnosis, doctorWith } from '../../../src/cli/doctor.ts';
import { runProgram } from '../../../src/cli/program.ts';
import type { Interface } from '../../../src/link/route.ts';
import { capabilitySets } from '../../../src/tools/capabilities.ts';
import { type Check, failure, failureOf, ok, warning } from '../../../src/tools/doctor/check.ts';
import { troublesInIptables, troublesInNft } from '../../../src/tools/doctor/firewall.ts';
import {
  capabilityCheck,
  fileLimitCheck,
  interfaceCheck,
  mtuCheck,
  nodeCheck,
  offloadCheck,
  rpFilterCheck,
} from '../../../src/tools/doctor/system.ts';
import { fakeIo } from '../../support/cli-io.ts';

const ETH0: Interface = {
  name: 'eth0',
  ifindex: 2,
  mtu: 1500,
  up: true,
  loopback: false,
  hardware: 1,
  mac: '02:00:00:00:00:01',
  kind: undefined,
};

const diagnosis = (checks: readonly Check[]): Diagnosis => ({
  tcpx: '0.1.0',
  node: '20.0.0',
  kernel: '6.1.0',
  interface: 'eth0',
  address: '10.0.0.1',
  checks,
});

async function run(
  checks: readonly Check[],
  ...args: string[]
): Promise<{ exitCode: number; out: string; err: string }> {
  const io = fakeIo();
  const exitCode = await runProgram(['doctor', ...args], io, [doctorWith(async () => diagnosis(checks))]);
  return { exitCode, out: io.out(), err: io.err() };
}

const FINE = ok('guard', 'md5: the kernel stays silent');
const ODD = warning('firewall', 'a rule rejects', 'let it through');
const UNBUILT = failure('cap', 'not built', 'npm rebuild cap');
const FORBIDDEN = failure('capabilities', 'CAP_NET_RAW is missing', 'run it as root', 'not permitted');

test.each([
  [[FINE], 0, 'Everything that tcpx needs is here.'],
  [[FINE, ODD], 0, 'Nothing that tcpx needs is missing; 1 warning.'],
  [[FINE, UNBUILT, ODD, ODD], 69, '1 failure, 2 warnings.'],
  [[FORBIDDEN, UNBUILT], 77, '2 failures.'],
] as const)('exit code and last line: %#', async (checks, exitCode, last) => {
  const done = await run(checks);
  expect(done.exitCode).toBe(exitCode);
  expect(done.out.trimEnd().split('\n').at(-1)).toBe(last);
  expect(done.err).toBe('');
});

test('the table has a line for each check, and the remedy below it', async () => {
  expect((await run([FINE, ODD])).out).toBe(`tcpx 0.1.0, Node 20.0.0, Linux 6.1.0

  ok       guard          md5: the kernel stays silent
  warning  firewall       a rule rejects
                          → let it through

Nothing that tcpx needs is missing; 1 warning.
`);
});

test('--json has a shape to rely on', async () => {
  const { out, exitCode } = await run([FINE, UNBUILT], '--json');
  expect(exitCode).toBe(69);
  expect(JSON.parse(out)).toEqual({
    schema: 'tcpx.doctor/1',
    tcpx: '0.1.0',
    node: '20.0.0',
    kernel: '6.1.0',
    interface: 'eth0',
    address: '10.0.0.1',
    ok: false,
    checks: [
      { name: 'guard', status: 'ok', detail: 'md5: the kernel stays silent', remedy: null },
      { name: 'cap', status: 'failure', detail: 'not built', remedy: 'npm rebuild cap' },
    ],
  });
});

test('Node 20.11 is the oldest', () => {
  for (const version of ['20.11.0', '20.20.2', '22.0.0', '26.1.0']) expect(nodeCheck(version).status).toBe('ok');
  for (const version of ['20.10.9', '18.20.0']) expect(nodeCheck(version)).toMatchObject({ status: 'failure' });
});

describe('capabilities', () => {
  const sets = (effective: string, bounding: string): ReturnType<typeof capabilitySets> =>
    capabilitySets(`Name:\tnode\nCapPrm:\t${effective}\nCapEff:\t${effective}\nCapBnd:\t${bounding}\n`);

  test.each([
    ['root', '000001ffffffffff', '000001ffffffffff', 'ok', /NET_RAW, and CAP_NET_ADMIN/],
    ["Docker's default", '00000000a80425fb', '00000000a80425fb', 'ok', /not CAP_NET_ADMIN/],
    ['an ordinary user', '0000000000000000', '000001ffffffffff', 'failure', /is missing/],
    ['without NET_RAW for anybody', '0000000000000000', '00000000a80405fb', 'failure', /bounding set/],
  ])('%s', (_, effective, bounding, status, detail) => {
    const check = capabilityCheck(sets(effective, bounding));
    expect(check.status).toBe(status);
    expect(check.detail).toMatch(detail);
    if (status === 'failure')
      expect(check).toMatchObject({ why: 'not permitted', remedy: expect.stringMatching(/\S/) });
  });

  test("this process's own are read", () => {
    expect(capabilitySets().bounding).toBeGreaterThan(0n);
  });
});

test('an interface: down, without an address, with an MTU too small', () => {
  expect(interfaceCheck(ETH0, '10.0.0.1')).toEqual(ok('interface', 'eth0 is up, 10.0.0.1'));
  expect(interfaceCheck({ ...ETH0, up: false }, '10.0.0.1')).toMatchObject({
    status: 'failure',
    remedy: 'ip link set eth0 up',
  });
  expect(interfaceCheck(ETH0, undefined)).toMatchObject({ status: 'warning', detail: 'eth0 has no IPv4 address' });
  expect(mtuCheck(ETH0).status).toBe('ok');
  expect(mtuCheck({ ...ETH0, mtu: 500 }).status).toBe('warning');
});

test('offloads: only LRO is worth a warning; without ethtool it is not known', () => {
  const features = (lro: string): string =>
    `Features for eth0:\ntcp-segmentation-offload: on\n\ttx-tcp-segmentation: on\ngeneric-receive-offload: on\nlarge-receive-offload: ${lro}\n`;
  expect(offloadCheck(ETH0, features('off [fixed]'))).toMatchObject({
    status: 'ok',
    detail: expect.stringMatching(/^GRO on, TSO on, LRO off/),
  });
  expect(offloadCheck(ETH0, features('on'))).toMatchObject({
    status: 'warning',
    remedy: expect.stringContaining('ethtool -K eth0 lro off'),
  });
});

test('rp_filter is the stricter of both, as the kernel takes it', () => {
  const read = (values: Readonly<Record<string, number>>) => (path: string) => values[path];
  expect(rpFilterCheck(ETH0, read({ 'conf/all/rp_filter': 2, 'conf/eth0/rp_filter': 1 })).detail).toMatch(/^loose/);
  expect(rpFilterCheck(ETH0, read({ 'conf/all/rp_filter': 0, 'conf/eth0/rp_filter': 1 })).detail).toMatch(/^strict/);
  expect(rpFilterCheck(ETH0, read({})).detail).toBe('off');
});

test('few open files are a warning', () => {
  const limits = (soft: string): string =>
    `Limit   Soft Limit  Hard Limit  Units\nMax open files  ${soft}  4096  files\n`;
  expect(fileLimitCheck(limits('100'))).toMatchObject({ status: 'warning', detail: '100 open files' });
  expect(fileLimitCheck(limits('1024')).status).toBe('ok');
  expect(fileLimitCheck(limits('unlimited')).status).toBe('ok');
});

test('a failure takes its remedy, and whether leave is missing, from what was thrown', () => {
  const error = Object.assign(new Error('cannot open\nat x'), { code: 'EPERM', hint: 'run it as root' });
  expect(failureOf('driver', error)).toEqual(failure('driver', 'cannot open', 'run it as root', 'not permitted'));
  expect(failureOf('driver', Object.assign(error, { code: 'ENOTBUILT' })).why).toBe('not available');
});

describe('firewall rules', () => {
  const table = (...objects: readonly object[]): string => JSON.stringify({ nftables: [{ metainfo: {} }, ...objects] });
  const chain = (name: string, hook?: string, policy = 'accept', family = 'inet'): object => ({
    chain: {
      family,
      table: 't',
      name,
      handle: 1,
      ...(hook !== undefined && { type: 'filter', hook, prio: 0, policy }),
    },
  });
  const rule = (where: string, ...expr: readonly object[]): object => ({
    rule: { family: 'inet', table: 't', chain: where, handle: 7, expr },
  });
  const DROP = { drop: null };
  const REJECT = { reject: { type: 'tcp reset' } };
  const UDP = { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 'udp' } };
  const RST = { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'flags' } }, right: 'rst' } };

  test.each([
    ['none', [], 0],
    ['a drop in input, which packets are seen before', [chain('i', 'input'), rule('i', DROP)], 0],
    ['a policy of drop in input', [chain('i', 'input', 'drop')], 0],
    ['a rejection in input, which the peer gets', [chain('i', 'input'), rule('i', REJECT)], 1],
    ['a drop in output', [chain('o', 'output'), rule('o', RST, DROP)], 1],
    ['a policy of drop in output', [chain('o', 'output', 'drop')], 1],
    ['a drop of UDP in output', [chain('o', 'output'), rule('o', UDP, DROP)], 0],
    [
      'a drop in a chain that output jumps to',
      [chain('o', 'output'), chain('x'), rule('o', { jump: { target: 'x' } }), rule('x', DROP)],
      1,
    ],
    ['a drop in a chain that nothing jumps to', [chain('o', 'output'), chain('x'), rule('x', DROP)], 0],
    ['a drop in forward', [chain('f', 'forward'), rule('f', DROP)], 0],
    ['a drop of IPv6', [chain('o', 'output', 'drop', 'ip6')], 0],
  ] as const)('nft: %s', (_, objects, count) => {
    expect(troublesInNft(table(...objects))).toHaveLength(count);
  });

  test('nft: our own guard is no trouble', () => {
    const own = { family: 'ip', table: 'tcpx-10.0.0.1-80' };
    const json = table(
      { chain: { ...own, name: 'input', hook: 'input', policy: 'accept' } },
      { rule: { ...own, chain: 'input', handle: 3, expr: [REJECT] } },
    );
    expect(troublesInNft(json)).toEqual([]);
  });

  test('iptables: drops in OUTPUT and rejections in INPUT', () => {
    const text = `*nat
:OUTPUT DROP [0:0]
COMMIT
*filter
:INPUT DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -j DROP
-A INPUT -p udp -j REJECT
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A OUTPUT -p tcp --tcp-flags RST RST -j DROP
COMMIT
`;
    expect(troublesInIptables(text)).toEqual([
      'iptables: -A INPUT -p tcp -j REJECT --reject-with tcp-reset',
      'iptables: -A OUTPUT -p tcp --tcp-flags RST RST -j DROP',
    ]);
    expect(troublesInIptables('*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n')).toHaveLength(1);
  });
});
