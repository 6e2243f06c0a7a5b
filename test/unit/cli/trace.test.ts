import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { writtenCapture } from '../../../scripts/trace/written.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { ProgressLine, progressText } from '../../../src/cli/progress-line.ts';
import { pcapHeader, pcapRecord } from '../../../src/pcap/pcap-writer.ts';
import { fakeIo } from '../../support/cli-io.ts';

const folder = mkdtempSync(join(tmpdir(), 'tcpx-trace-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STORY = `
  0.000 > S  seq 0 win 64240 mss 1460 sackOK wscale 7
  0.020 < S. seq 0 ack 1 win 65160 mss 1460 sackOK wscale 7
  0.021 > . seq 1 ack 1
  0.022 > . seq 1 ack 1 len 1000
  0.300 > . seq 1 ack 1 len 1000
  0.320 < . seq 1 ack 1001
  0.400 > F. seq 1001 ack 1
  0.420 < F. seq 1 ack 1002
  0.440 > . seq 1002 ack 2
`;
const octetsOf = (text: string): Buffer =>
  Buffer.concat([pcapHeader(), ...writtenCapture(text).map((p) => pcapRecord(p.t, p.octets))]);

function file(name: string, octets: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, octets);
  return path;
}

const one = file('one.pcap', octetsOf(STORY));
const two = file(
  'two.pcap',
  octetsOf(`${STORY}\n1.0 > S seq 0 isn 9 win 100 port 41000\n1.1 < R. seq 0 ack 1 port 41000`),
);

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = fakeIo({ env: { LANG: 'C.UTF-8' } });
  const code = await runProgram(['trace', ...args], io);
  return { code, out: io.out(), err: io.err() };
}

describe('what it shows', () => {
  test('one connection in full', async () => {
    const { code, out, err } = await run(one);
    expect(code).toBe(0);
    expect(out).toContain('connection 1: 10.0.0.1:40000 -> 10.0.0.2:80');
    expect(out).toMatch(/handshake +21 ms/);
    expect(out).toMatch(/how it ended +closed, client first/);
    expect(out).toMatch(/state at the end, inferred +TIME-WAIT +CLOSED/);
    expect(out).toMatch(/octets of data +2000 +0/);
    expect(out).toMatch(/retransmission +1 +0/);
    expect(err).toContain('pcap, raw IP; 9 packets in 440 ms, 9 TCP segments, 1 connection\n');
  });

  test('several as a table, and one of them by its number', async () => {
    const { code, out } = await run(two);
    expect(code).toBe(0);
    const rows = out.trimEnd().split('\n');
    expect(rows).toHaveLength(3);
    expect(rows[1]).toMatch(/^ +1 +10\.0\.0\.1:40000 .* 1\/0 +closed, client first$/);
    expect(rows[2]).toMatch(/^ +2 +10\.0\.0\.1:41000 .* refused$/);
    expect((await run(two, '-c', '2')).out).toMatch(/how it ended +refused/);
    expect((await run(two, '-f', 'client port 41000')).out).toContain('connection 2:');
  });

  test('segments, all or of some kinds, with what they moved', async () => {
    const all = await run(one, '--segments');
    expect(all.out).toContain('client CLOSED -> SYN-SENT (active OPEN)');
    expect(all.out).toMatch(/0\.300000 +5 .*seq 1:1001.*\n +\[retransmission\]/);
    const some = await run(one, '--only', 'trouble');
    expect(some.out.match(/Flags/g)).toHaveLength(1);
  });

  test('a ladder with both ends’ states', async () => {
    const { code, out } = await run(one, '--ladder');
    expect(code).toBe(0);
    expect(out).toMatch(/client 10\.0\.0\.1:40000 +server 10\.0\.0\.2:80/);
    expect(out).toMatch(/SYN-SENT +│─── \[S\] seq 0/);
    expect(out).toMatch(/\(retransmission\) len 1000/);
    expect(out).toMatch(/│ ~LAST-ACK/);
    expect(await run(two, '--ladder')).toMatchObject({ code: 2, err: expect.stringContaining('a ladder is of one') });
  });

  test('JSON, a document a line', async () => {
    const { code, out } = await run(two, '--json', '--segments');
    expect(code).toBe(0);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toEqual({ type: 'file', schema: 'tcpx.trace/1', file: two });
    expect(lines.filter((l) => l.type === 'segment')).toHaveLength(11);
    expect(lines.find((l) => l.record === 5)).toMatchObject({
      connection: 1,
      from: 'client',
      kinds: ['retransmission'],
    });
    expect(lines.find((l) => l.record === 2)).toMatchObject({ rtt: 20_000, seg: { flags: 'S.', seq: 0, ack: 1 } });
    expect(lines.filter((l) => l.type === 'connection')).toMatchObject([
      { number: 1, ending: 'closed', by: 'client', handshakeRtt: 21_000, client: { octets: 2000, state: 'TIME-WAIT' } },
      { number: 2, ending: 'refused', by: 'server' },
    ]);
    expect(lines.at(-1)).toMatchObject({ type: 'end', packets: 11, segments: 11, connections: 2 });
  });
});

test('- is stdin', async () => {
  const io = fakeIo();
  io.stdin.end(gzipSync(octetsOf(STORY)));
  expect(await runProgram(['trace', '-'], io)).toBe(0);
  expect(io.out()).toBe((await run(one)).out);
});

describe('what is not right with the file', () => {
  test('one that is cut off is used up to there, and the place is told', async () => {
    const octets = octetsOf(STORY);
    const { code, out, err } = await run(file('cut.pcap', octets.subarray(0, octets.length - 5)));
    expect(code).toBe(2);
    expect(out).toMatch(/segments +5 +3/);
    expect(err).toMatch(/stopped at record 9: .*cut off.* at octet \d+; the 8 whole packets before it are used/);
  });

  test('one with a record that is damaged, likewise', async () => {
    const octets = octetsOf(STORY);
    octets.writeUInt32LE(0x7fffffff, 24 + 8);
    const { code, err } = await run(file('damaged.pcap', octets));
    expect(code).toBe(2);
    expect(err).toContain('stopped at record 1: a record of 2147483647 octets');
  });

  test.each([
    ['no capture', 'hello, tcp', 'not a capture file: unknown magic number 68656c6c'],
    ['an empty file', '', 'it is empty'],
  ])('%s is refused with exit code 2', async (name, content, message) => {
    const { code, out, err } = await run(file(name, content));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).toContain('hint: give a capture');
  });

  test('one that gzip packed is read as it is, and of another packer the way out is told', async () => {
    const octets = octetsOf(STORY);
    const packed = gzipSync(octets);
    expect((await run(file('one.pcap.gz', packed))).out).toBe((await run(one)).out);
    const cut = await run(file('cut.pcap.gz', packed.subarray(0, packed.length - 12)));
    expect(cut.code).toBe(2);
    expect(cut.err).toMatch(/stopped at record \d: the gzip file is cut off/);
    const xz = await run(file('one.pcap.xz', Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)));
    expect(xz).toMatchObject({ code: 2, out: '', err: expect.stringContaining('hint: unpack it first') });
    const log = await run(file('run.ndjson', '{"schema":"tcpx.log/1"}\n'));
    expect(log).toMatchObject({ code: 2, out: '', err: expect.stringContaining('`tcpx report FILE`') });
  });

  test('one without TCP, or without the connection that was asked for, ends with 1', async () => {
    expect(await run(file('none.pcap', pcapHeader()))).toMatchObject({
      code: 1,
      err: expect.stringContaining('no TCP in it'),
    });
    const udp = octetsOf('0 > S seq 0 win 1');
    udp[24 + 16 + 9] = 17;
    expect((await run(file('udp.pcap', udp))).err).toContain('no TCP in it (1 packets: 1 of other kinds)');
    expect(await run(two, '-c', '7')).toMatchObject({ code: 1, err: expect.stringContaining('no connection 7') });
    expect(await run(two, '-f', 'port 9')).toMatchObject({ code: 1, err: expect.stringContaining('filter holds') });
  });

  test('one that isn’t there', async () => {
    expect(await run(join(folder, 'nope'))).toMatchObject({ code: 2, err: expect.stringContaining('no such file') });
    expect(await run(folder)).toMatchObject({ code: 2, err: expect.stringContaining('it is a directory') });
  });
});

test('wrong options are refused with what would be right', async () => {
  expect(await run(one, '--only', 'retransmision')).toMatchObject({
    code: 2,
    err: expect.stringContaining("did you mean 'retransmission'?"),
  });
  expect(await run(one, '--filter', 'port')).toMatchObject({ code: 2, err: expect.stringContaining('at character 5') });
  expect(await run(one, '-c', '0')).toMatchObject({ code: 2, err: expect.stringContaining('--connection') });
  expect(await run()).toMatchObject({ code: 2 });
});

describe('the progress line', () => {
  test('tells share, speed and what is left', () => {
    expect(progressText(250e6, 1000e6, 2)).toBe('tcpx: [########----------------------]  25 %  125 MB/s  6 s left');
    expect(progressText(250e6, undefined, 2)).toBe('tcpx: 250 MB  125 MB/s');
  });

  test('is for terminals only', () => {
    const io = fakeIo();
    const line = new ProgressLine(io, true);
    line.update(1, 2);
    line.clear();
    expect(io.err()).toBe('');
  });
});
