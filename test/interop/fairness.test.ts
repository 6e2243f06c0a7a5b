/**
 * One CUBIC of ours beside one of the kernel's, to the same peer through the same bottleneck: 100 Mbit/s, 20 ms, a queue of
 * one bandwidth-delay product. Neither may starve the other. In `npm run soak` for a minute, whoever begins, and with the
 * bounds that are claimed; a busy machine delays the bridge, and then the path is another.
 */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { PerfLine } from '../../src/tools/perf/json.ts';
import type { Child } from '../support/child.ts';
import { type ImpairedPair, openImpairedPair } from '../support/impaired-pair.ts';
import { report, scaled } from '../support/scale.ts';
import { cliProgram } from '../support/tcpx.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

/** Octets per second. */
const RATE = 12_500_000;
const BDP = (RATE * 20) / 1000;
const SECONDS = scaled(14, 64);
/** Left out of the shares: both in slow start. */
const BEGINNING = 4;
const LEAST_USE = scaled(0.4, 0.8);
const LEAST_SHARE = scaled(0.2, 0.35);

let path: ImpairedPair;
let target: string;

beforeAll(async () => {
  path = await openImpairedPair({
    toServer: { rate: '100mbit', queue: `${BDP / 1000}KB`, delay: '10ms' },
    toClient: { delay: '10ms' },
  });
  // At its end each side says what came; until then it reads, as a discard server does.
  const server = await path.server.kernelPeer('0', '--keep');
  target = `${path.serverAddress}:${server.port}`;
});
afterAll(() => path?.close());

const start = (seconds: number, ...args: string[]): Child =>
  path.client.node(cliProgram(), ['perf', '--json-stream', '--time', `${seconds}s`, ...args, target]);

/** Octets of each second, when it is over. */
async function seconds(child: Child): Promise<readonly number[]> {
  await child.exit(120_000);
  expect(child.stderr).toBe('');
  // Boundary: NDJSON of our own command.
  const lines = child.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as PerfLine);
  return lines.flatMap((line) => (line.type === 'interval' ? [line.sum.octets] : []));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((n, each) => n + each, 0);
const mbit = (octets: number, time: number): string => ((octets * 8) / time / 1e6).toFixed(1);

const ORDERS = ['at the same time', 'ours first', "the kernel's first"];

test.each(scaled(ORDERS.slice(0, 1), ORDERS))('begun %s, each gets its share', async (order) => {
  const ahead = order === 'at the same time' ? 0 : 6;
  const first = order === "the kernel's first" ? ['--net'] : [];
  const second = first.length === 0 ? ['--net'] : [];
  const early = start(SECONDS + ahead, ...first);
  if (ahead > 0) await early.output(new RegExp(`"to":${ahead}\\.`), 60_000);
  const late = start(SECONDS, ...second);
  const [all, lateOnes] = await Promise.all([seconds(early), seconds(late)]);
  const earlyOnes = all.slice(ahead);
  const [ours, theirs] = first.length === 0 ? [earlyOnes, lateOnes] : [lateOnes, earlyOnes];
  const [a, b] = [sum(ours.slice(BEGINNING)), sum(theirs.slice(BEGINNING))];
  const time = SECONDS - BEGINNING;
  report(
    `begun ${order}: tcpx ${mbit(a, time)} Mbit/s, kernel ${mbit(b, time)}; tcpx has ${((100 * a) / (a + b)).toFixed(0)} %, each second: ${ours.map((n, i) => Math.round((100 * n) / (n + (theirs[i] ?? 0)))).join(' ')}`,
  );
  expect(a / (a + b)).toBeGreaterThan(LEAST_SHARE);
  expect(b / (a + b)).toBeGreaterThan(LEAST_SHARE);
  expect((a + b) / time).toBeGreaterThan(RATE * LEAST_USE);
});
