/** Faults and captures of `tcpx connect`, in virtual time. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { connectThrough } from '../../../src/cli/connect.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { type CapturedPacket, readCaptureFile } from '../../../src/pcap/read-capture.ts';
import { fakeIo, fakeNet } from '../../support/cli-io.ts';
import { wrongWith } from '../../support/log-schema.ts';

const directory = mkdtempSync(join(tmpdir(), 'tcpx-faults-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function connect(input: string | Buffer, ...args: string[]) {
  const io = fakeIo();
  const ended = runProgram(['connect', '10.0.0.2:7', ...args], io, [connectThrough(fakeNet().openHost)]);
  io.stdin.end(input);
  return { exitCode: await ended, out: io.out(), err: io.err() };
}

async function packets(file: string): Promise<CapturedPacket[]> {
  const all: CapturedPacket[] = [];
  for await (const packet of readCaptureFile(file)) all.push(packet);
  return all;
}

const TEXT = 'all good things '.repeat(20_000);

test('faults and seed are in the header, what they did in the summary, and every octet still arrives', async () => {
  const faults = ['--loss', '3%', '--dup', '2%:out', '--corrupt', '1%:in', '--delay', '1ms:out', '--seed', '11'];
  const { exitCode, out, err } = await connect(TEXT, ...faults);
  expect(exitCode).toBe(0);
  expect(out === TEXT).toBe(true);
  expect(err).toContain('tcpx: faults  in: 3% lost, 1% corrupted  out: 3% lost, 2% doubled, 1 ms later  seed 11\n');
  expect(err).toMatch(/\ntcpx: faults in: [1-9]\d* lost, [1-9]\d* corrupted, of \d+ packets\n/);
  expect(err).toMatch(/\ntcpx: faults out: [1-9]\d* lost, [1-9]\d* doubled, \d+ delayed, of \d+ packets\ntcpx: sent /);
  const again = await connect(TEXT, ...faults);
  expect(again.err).toBe(err);
});

test('they are in the log for machines as well', async () => {
  const { err } = await connect('x', '--loss', '1%:in', '--seed', '1', '--json');
  const log = err.split('\n').filter((line) => line !== '');
  for (const line of log) expect(wrongWith(JSON.parse(line)), line).toBeUndefined();
  expect(JSON.parse(log[0]!).faults).toEqual({ seed: 1, in: { loss: 0.01 }, out: {} });
  expect(JSON.parse(log.at(-1)!).faults.out).toMatchObject({ lost: 0, packets: expect.any(Number) });
});

test('-w FILE.pcapng holds every packet with a comment: transition, cause, rule, cwnd, RTO, SND.UNA', async () => {
  const file = join(directory, 'run.pcapng');
  expect((await connect('hello', '-w', file)).exitCode).toBe(0);
  const all = await packets(file);
  expect(all.every((p) => p.interface === 'mem0' && p.comments?.length === 1)).toBe(true);
  const comments = all.map((p) => `${p.dir} ${p.comments![0]}`);
  for (const moved of [
    'out CLOSED -> SYN-SENT on active OPEN (RFC 9293 §3.10.1)',
    'in RTT 10 ms, SRTT 10 ms (RFC 6298 §2); SYN-SENT -> ESTABLISHED on rcv SYN,ACK (RFC 9293 §3.10.7.3 fourth)',
    'out ESTABLISHED -> FIN-WAIT-1 on CLOSE (RFC 9293 §3.10.4)',
    'in FIN-WAIT-2 -> TIME-WAIT on rcv FIN (RFC 9293 §3.10.7.4 eighth)',
  ])
    expect(
      comments.some((c) => c.startsWith(moved)),
      moved,
    ).toBe(true);
  for (const comment of comments) expect(comment).toMatch(/; cwnd \d+, RTO [\d.]+ ms, SND\.UNA \d+$/);
  expect(comments.at(-1)).toContain('SND.UNA 7');
  expect(all.map((p) => p.t)).toEqual([...all.map((p) => p.t)].sort((x, y) => x - y));
});

test('any other name is a classic pcap with the same packets', async () => {
  const [classic, modern] = [join(directory, 'a.pcap'), join(directory, 'b.pcapng')];
  await connect('hello', '-w', classic);
  await connect('hello', '-w', modern);
  expect(readFileSync(classic).readUInt32LE(0)).toBe(0xa1b2c3d4);
  const octets = async (file: string) => (await packets(file)).map((p) => [p.t, Buffer.from(p.octets).toString('hex')]);
  expect(await octets(classic)).toEqual(await octets(modern));
});
