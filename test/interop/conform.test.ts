import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openAgainstTarget } from '../../src/tools/scenario/against-target.ts';
import { openKernelTarget } from '../../src/tools/scenario/kernel-target.ts';
import { loadScenarios } from '../../src/tools/scenario/library.ts';
import { parseScenario } from '../../src/tools/scenario/parse.ts';
import { type Plan, planScenario } from '../../src/tools/scenario/plan.ts';
import { playOn } from '../../src/tools/scenario/play.ts';
import { failureLines } from '../../src/tools/scenario/report.ts';
import type { Target } from '../../src/tools/scenario/target.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

const support = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const TS_LOADER = support('../support/ts-loader.mjs');
const MAIN = support('../../src/cli/main.ts');

const { plans } = loadScenarios([
  'open/active-open',
  'open/passive-open',
  'open/closed-ack',
  'close/active-close',
  'close/half-close',
  'reset/in-window',
  'data/nagle',
  'options/mss-with-timestamps',
  'window/shut-and-probe',
  'header/sequence-wraps',
]);

test.each(plans.map((plan) => [`${plan.scenario.file}: ${plan.scenario.about.title}`, plan] as const))(
  'the kernel plays %s',
  async (_, plan) => {
    const { failure } = await playOn(plan, 'kernel', openKernelTarget);
    expect(failure === undefined ? '' : failureLines(plan.scenario, failure).join('\n')).toBe('');
  },
);

test('what the kernel does otherwise is shown with both sides', async () => {
  const plan = planScenario(parseScenario('+.1 < S 0:0(0) win 5\n+0 > R. 0:0(0) ack 2\n', 'a.pkt'));
  const { failure } = await playOn(plan, 'kernel', openKernelTarget);
  expect(failure).toMatchObject({
    message: 'another segment left',
    details: ['ack: expected 2, was 1'],
    was: expect.stringContaining('Flags [R.], seq 0, ack 1, win 0, length 0'),
  });
});

test('the namespace goes with the run', async () => {
  const children = (): number =>
    Number(spawnSync('pgrep', ['-c', '-P', String(process.pid), 'tcpx-calls']).stdout.toString());
  const target = await openKernelTarget(plans[0]!);
  expect(children()).toBe(1);
  await target.close();
  expect(children()).toBe(0);
});

test('tcpx plays scenarios live, over its packet driver, in a namespace of its own', () => {
  const done = spawnSync(
    process.execPath,
    [
      '--import',
      TS_LOADER,
      MAIN,
      'conform',
      '--on',
      'live',
      '--json',
      'open/passive-open',
      'open/active-open',
      'close/active-close',
      'reset/exact',
    ],
    { encoding: 'utf8' },
  );
  expect(done.stderr).toBe('');
  expect(JSON.parse(done.stdout)).toMatchObject({ pass: 4, fail: 0 });
  expect(done.status).toBe(0);
});

test('a host that listens is played against from outside; what needs its user is left out', async () => {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const open = (plan: Plan): Promise<Target> => openAgainstTarget(plan, { address: parseIpv4('127.0.0.1')!, port });
  const verdicts: Record<string, string> = {};
  for (const plan of loadScenarios(['open/listen-ack', 'header/bad-checksum-syn', 'data/no-ack-bit', 'data/nagle'])
    .plans) {
    const { verdict, note } = await playOn(plan, 'against', open);
    verdicts[plan.scenario.name] = note ?? verdict;
  }
  server.close();
  expect(verdicts).toEqual({
    'listen-ack': 'pass',
    'bad-checksum-syn': 'pass',
    'no-ack-bit': 'pass',
    nagle: "line 15: the host's user would have to write",
  });
});
