/** `tcpx ping`, `connect -z` and options from the environment, over a host in memory. */
import { expect, test } from 'vitest';
import { connectThrough } from '../../../src/cli/connect.ts';
import { pingThrough } from '../../../src/cli/ping.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { PingStatistics, summaryText } from '../../../src/tools/ping/statistics.ts';
import { fakeIo, fakeNet } from '../../support/cli-io.ts';

interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], env: Record<string, string> = {}, frozen = false): Promise<Ran> {
  const io = fakeIo({ env });
  const net = fakeNet({ frozen });
  const commands = [pingThrough(net.openHost), connectThrough(net.openHost)];
  const exitCode = await runProgram(args, io, commands);
  expect(net.open).toBe(0);
  return { exitCode, out: io.out(), err: io.err() };
}

test('each SYN-ACK is timed, and the summary is as ping has it', async () => {
  const { exitCode, out } = await run(['ping', '-c', '3', '-i', '0.01', '10.0.0.2:7']);
  expect(exitCode).toBe(0);
  expect(out).toMatch(/^PING 10\.0\.0\.2:7 from 10\.0\.0\.1 on mem0: SYN, SYN-ACK, then RST\n/);
  expect(out.match(/SYN-ACK from 10\.0\.0\.2:7: seq=\d time=10\.000 ms\n/g)).toHaveLength(3);
  expect(out).toMatch(
    /\n--- 10\.0\.0\.2:7 tcp ping statistics ---\n3 SYNs transmitted, 3 answered, 0% loss, time \d+ms\nrtt min\/avg\/max\/mdev = 10\.000\/10\.000\/10\.000\/0\.000 ms\n$/,
  );
});

test('a RST is an answer, silence is none', async () => {
  const refused = await run(['ping', '-c', '2', '-i', '0.01', '10.0.0.2:8']);
  expect(refused.exitCode).toBe(0);
  expect(refused.out).toContain('RST from 10.0.0.2:8: seq=2 time=10.000 ms (refused)\n');
  expect(refused.out).toContain('2 SYNs transmitted, 2 answered (2 refused), 0% loss');
  const silent = await run(['ping', '-c', '2', '-i', '0.01', '-W', '0.05', '10.0.0.2:7'], {}, true);
  expect(silent.exitCode).toBe(1);
  expect(silent.out).toContain('no answer from 10.0.0.2:7: seq=1\n');
  expect(silent.out).toMatch(/2 SYNs transmitted, 0 answered, 100% loss, time \d+ms\n$/);
});

test('--json says the same, a line each', async () => {
  const { out } = await run(['ping', '--json', '--close', '-c', '1', '10.0.0.2:7']);
  const lines = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(lines).toMatchObject([
    { type: 'start', schema: 'tcpx.ping/1', leaving: 'close' },
    { type: 'probe', seq: 1, kind: 'open', rtt: 10_000 },
    { type: 'summary', transmitted: 1, received: 1, lossPercent: 0 },
  ]);
});

test('the deviation is that of all times', () => {
  const statistics = new PingStatistics();
  for (const rtt of [1000, 2000, 3000, 6000]) statistics.add({ kind: 'open', rtt });
  statistics.add({ kind: 'lost' });
  statistics.add({ kind: 'unreachable', code: 'EHOSTUNREACH' });
  expect(summaryText('h:1', statistics.summary, 1.5)).toBe(
    '--- h:1 tcp ping statistics ---\n6 SYNs transmitted, 4 answered, 1 errors, 33.3333% loss, time 1500ms\nrtt min/avg/max/mdev = 1.000/3.000/6.000/1.871 ms',
  );
});

test('connect -z connects, closes and leaves, without a word to the peer or to stdout', async () => {
  const { exitCode, out, err } = await run(['connect', '-z', '10.0.0.2:7']);
  expect([exitCode, out]).toEqual([0, '']);
  expect(err).toMatch(/ESTABLISHED +-> FIN-WAIT-1/);
  expect(err).toMatch(/sent 0 octets/);
  expect((await run(['connect', '-z', '-q', '10.0.0.2:8'])).exitCode).toBe(3);
});

test('options come from the environment too, and it is said which', async () => {
  const env = { TCPX_COUNT: '2', TCPX_INTERVAL: '0.01', TCPX_NO_SACK: '1', TCPX_CLOSE: '0', TCPX_QUIET: '' };
  const { exitCode, out, err } = await run(['ping', '10.0.0.2:7'], env);
  expect([exitCode, err]).toEqual([0, 'tcpx: from the environment: TCPX_COUNT, TCPX_INTERVAL, TCPX_NO_SACK\n']);
  expect(out).toContain('2 SYNs transmitted');
  expect(out).toContain('then RST');
});

test('the command line wins, also over what it excludes', async () => {
  const { out, err } = await run(['ping', '-c', '1', '10.0.0.2:7'], { TCPX_COUNT: '5' });
  expect([err, out.includes('1 SYNs transmitted')]).toEqual(['', true]);
  const verbose = await run(['connect', '-z', '-v', '10.0.0.2:7'], { TCPX_QUIET: '1' });
  expect(verbose.exitCode).toBe(0);
  expect(verbose.err).toContain('ESTABLISHED');
});

test.each([
  [{ TCPX_WAIT: 'long' }, /^tcpx: TCPX_WAIT: --wait 'long' is not a number of seconds/],
  [{ TCPX_CC: 'vegas' }, /TCPX_CC='vegas' is not one of cubic, reno, bbr/],
  [{ TCPX_CLOSE: 'maybe' }, /TCPX_CLOSE='maybe' is neither on nor off/],
  [{ TCPX_ECN: '1', TCPX_NO_ECN: '1' }, /TCPX_NO_ECN and TCPX_ECN exclude each other/],
])('a variable that is none is wrong use: %j', async (env, message) => {
  const { exitCode, err } = await run(['ping', '-c', '1', '10.0.0.2:7'], env);
  expect(exitCode).toBe(2);
  expect(err).toMatch(message);
  expect(err).toContain('\n  hint: ');
});
