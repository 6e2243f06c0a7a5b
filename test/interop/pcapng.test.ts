/** `-w FILE.pcapng` against the kernel through faults, as tshark and capinfos read it. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openPair, type PairLab, run } from '../support/lab.ts';
import { pattern } from '../support/pattern.ts';
import { scratch, startCli } from '../support/tcpx.ts';

// Namespaces, children and real time, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const LEN = 200_000;
let lab: PairLab;
let file: string;

interface Row {
  readonly outgoing: boolean;
  readonly checksum: string;
  readonly comment: string;
  readonly len: number;
}

/** The packets as tshark reads them. */
function tshark(path: string): Row[] {
  const fields = ['ip.src', 'tcp.checksum.status', 'ip.checksum.status', 'frame.comment', 'tcp.len'];
  const text = run('tshark', [
    ...['-r', path, '-n', '-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE'],
    ...['-T', 'fields', '-E', 'separator=|', ...fields.flatMap((f) => ['-e', f])],
  ]);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [src = '', tcp = '', ip = '', comment = '', len = ''] = line.split('|');
      return { outgoing: src === lab.clientAddress, checksum: `${tcp}${ip}`, comment, len: Number(len) };
    });
}

beforeAll(async () => {
  lab = openPair();
  file = scratch('run.pcapng');
  const server = await lab.server.kernelPeer('0', '--send', String(LEN));
  const tcpx = startCli(
    lab.client,
    ...['connect', `${lab.serverAddress}:${server.port}`, '-w', file, '--loss', '2%', '--corrupt', '4%:out'],
    ...['--delay', '2ms', '--seed', '4'],
  );
  tcpx.child.end(pattern(LEN));
  const { exit } = await tcpx.ended(90_000);
  expect(exit.code).toBe(0);
});
afterAll(() => lab.close());

test('capinfos sees a whole pcapng with its interface, its writer and its statistics', () => {
  const text = run('capinfos', [file]);
  expect(text).toContain('pcapng');
  expect(text).toMatch(/Capture application: +tcpx \d/);
  expect(text).toContain(`Name = ${lab.clientInterface}`);
  expect(text).toContain('Number of stat entries = 1');
});

test('tshark reads a comment on every packet: transitions with their rules, retransmissions, where it stood', () => {
  const rows = tshark(file);
  expect(rows.length).toBeGreaterThan(100);
  const bare = rows.filter((r) => !/; cwnd \d+(, ssthresh \d+)?, RTO [\d.]+ ms, SND\.UNA \d+/.test(r.comment));
  // Lost by a fault after it was captured, or corrupted by one before.
  for (const row of bare) expect(row.outgoing ? row.checksum[0] === '0' : /no connection/.test(row.comment)).toBe(true);
  const told = rows.map((r) => `${r.outgoing ? '>' : '<'} ${r.comment}`);
  for (const moved of [
    '> CLOSED -> SYN-SENT on active OPEN (RFC 9293 §3.10.1)',
    'SYN-SENT -> ESTABLISHED on rcv SYN,ACK (RFC 9293 §3.10.7.3 fourth)',
    'ESTABLISHED -> FIN-WAIT-1 on CLOSE (RFC 9293 §3.10.4)',
    'retransmi',
  ])
    expect(
      told.some((t) => t.includes(moved)),
      moved,
    ).toBe(true);
});

test('its checksums are good, but for those that were corrupted on purpose', () => {
  const rows = tshark(file);
  const bad = rows.filter((r) => r.checksum !== '11');
  expect(bad.length).toBeGreaterThan(0);
  expect(bad.length).toBeLessThan(rows.length / 5);
  for (const row of bad) expect(row.outgoing).toBe(true);
});
