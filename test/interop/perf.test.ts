/** `tcpx perf` against a kernel's discard, source and echo, by either driver, and through the kernel itself. No speed is asserted. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { PerfDocument } from '../../src/tools/perf/json.ts';
import { openPair, type PairLab } from '../support/lab.ts';
import { cliProgram, expectNoResets } from '../support/tcpx.ts';

vi.setConfig({ testTimeout: 60_000 });

let lab: PairLab;
beforeAll(() => {
  lab = openPair();
});
afterAll(() => lab.close());

const LEN = 3_000_000;

async function perf(port: number, ...args: string[]): Promise<PerfDocument> {
  const child = lab.client.node(cliProgram(), ['perf', '--json', ...args, `${lab.serverAddress}:${port}`]);
  const { code } = await child.exit(30_000);
  // Boundary: JSON of our own command.
  const document = JSON.parse(child.stdout) as PerfDocument;
  expect([code, child.stderr, document.failure]).toEqual([0, '', null]);
  return document;
}

const WAYS: readonly (readonly [string, readonly string[]])[] = [
  ['packet', ['--driver', 'packet']],
  ['raw', ['--driver', 'raw']],
  ['the kernel', ['--net']],
];

describe.each(WAYS)('through %s', (name, way) => {
  test('what is sent is what the peer gets', async () => {
    const server = await lab.server.kernelPeer('0');
    const { start, end } = await perf(server.port, ...way, '--bytes', String(LEN));
    expect(start).toMatchObject({ mode: 'send', driver: name === 'the kernel' ? null : name });
    expect(end).toMatchObject({ written: { octets: LEN }, arrived: { octets: LEN } });
    expect(await server.child.event('close')).toMatchObject({ received: LEN, hadError: false });
  });

  test('four connections at once share what is to be sent, and their rows add up', async () => {
    const server = await lab.server.kernelPeer('0', '--keep');
    const { start, intervals, end } = await perf(server.port, ...way, '--bytes', String(LEN), '-P', '4');
    expect(new Set(start?.local).size).toBe(4);
    expect(end?.streams.reduce((sum, s) => sum + s.arrived, 0)).toBe(LEN);
    if (name !== 'the kernel') expect(intervals.reduce((sum, row) => sum + row.sum.octets, 0)).toBe(LEN);
    server.child.kill('SIGKILL');
  });

  test('an echo gives back every octet', async () => {
    const server = await lab.server.kernelPeer('0', '--echo');
    const { end } = await perf(server.port, ...way, '--echo', '--bytes', String(LEN));
    expect(end?.arrived.octets).toBe(LEN);
    expect(await server.child.event('close')).toMatchObject({ received: LEN, sent: LEN, hadError: false });
  });

  test('a source is read to its end', async () => {
    const server = await lab.server.kernelPeer('0', '--send', String(LEN), '--close-first');
    const { end } = await perf(server.port, ...way, '--receive', '--time', '20s');
    expect(end).toMatchObject({ written: null, arrived: { octets: LEN } });
    expect(end?.seconds).toBeLessThan(20);
  });
});

describe('by the clock', () => {
  expectNoResets(() => lab.client);

  // Timers have their turn however busy the link is.
  test.each(['packet', 'raw'])('it lasts as long as it is to, with a row for each interval, on %s', async (driver) => {
    const server = await lab.server.kernelPeer('0');
    const { intervals, end } = await perf(server.port, '--driver', driver, '--time', '1s', '--interval', '200ms');
    expect(end?.seconds).toBeGreaterThanOrEqual(0.999);
    expect(end?.seconds).toBeLessThan(5);
    expect(intervals.length).toBeGreaterThanOrEqual(1);
    expect(intervals.length).toBeLessThanOrEqual(6);
    const closed = await server.child.event('close');
    expect(end?.arrived.octets).toBe(closed['received']);
    expect(intervals.at(-1)?.sum.rtt).toBeGreaterThan(0);
  });
});
