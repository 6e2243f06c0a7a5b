import { expect, test } from 'vitest';
import type { Micros } from '../../../src/base/time.ts';
import type { SegmentRecord, TraceRecord } from '../../../src/tcp/trace.ts';
import type { LogRecord } from '../../../src/tools/log-record.ts';
import { paintFor } from '../../../src/tools/log-style.ts';
import { TextLog, type TextLogOptions } from '../../../src/tools/log-text.ts';
import { HEADER } from '../../support/recorded.ts';

type Body<R> = R extends unknown ? Omit<R, 't' | 'conn'> : never;
const at = (t: number, body: Body<TraceRecord>): TraceRecord => ({ t: t as Micros, conn: 1, ...body }) as TraceRecord;
const seg = (flags: string, seq: number, ack: number, more: Partial<SegmentRecord> = {}): SegmentRecord => ({
  seq,
  ack,
  flags,
  wnd: 502,
  len: 0,
  ...more,
});
const state = (t: number, from: string, event: string, to: string, cause: string, rule: string): TraceRecord =>
  at(t, { type: 'state', from, event, to, cause, rule } as Body<TraceRecord>);

function show(records: readonly LogRecord[], o: Partial<TextLogOptions> = {}): string[] {
  const lines: string[] = [];
  const log = new TextLog(
    { paint: paintFor(false), verbosity: 'normal', absolute: false, layout: 'line', ...o },
    (line) => lines.push(line),
  );
  for (const record of records) log.write(record);
  log.flush();
  return lines;
}

const ISS = 4_294_967_290;
const HANDSHAKE: readonly LogRecord[] = [
  at(0, { type: 'call', call: 'open' }),
  state(0, 'CLOSED', 'active OPEN', 'SYN-SENT', 'call', '§3.10.1'),
  at(12, {
    type: 'segment',
    dir: 'out',
    seg: seg('S', ISS, 0, { wnd: 64_240, mss: 1460, sackOk: true, ts: [700, 0], wscale: 7 }),
  }),
  at(412, {
    type: 'segment',
    dir: 'in',
    seg: seg('S.', 99, ISS + 1, { wnd: 65_160, mss: 1460, sackOk: true, ts: [900, 700], wscale: 10 }),
  }),
  at(412, { type: 'rtt', rtt: 400, srtt: 400, rttvar: 200, rto: 200_000 }),
  state(412, 'SYN-SENT', 'rcv SYN,ACK', 'ESTABLISHED', 'segment', '§3.10.7.3 fourth'),
  at(420, { type: 'segment', dir: 'out', seg: seg('.', ISS + 1, 100, { ts: [701, 900] }) }),
];

test('a transition made by a call shares its line with the segment that carries it out', () => {
  expect(show(HANDSHAKE)[0]).toBe(
    '  0.000000  CLOSED       -> SYN-SENT      active OPEN     RFC 9293 §3.10.1           > Flags [S], seq 0, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0',
  );
});

test('a transition made by a segment shows the segment, though its RTT was recorded in between', () => {
  expect(show(HANDSHAKE)[1]).toBe(
    '  0.000412  SYN-SENT     -> ESTABLISHED   rcv SYN,ACK     RFC 9293 §3.10.7.3 fourth  < Flags [S.], seq 0, ack 1, win 65160, options [mss 1460,sackOK,TS val 1 ecr 1,nop,wscale 10], length 0',
  );
  expect(show(HANDSHAKE)).toHaveLength(2);
});

test('in verbose mode every segment and RTT sample has a line, in order', () => {
  const lines = show(HANDSHAKE, { verbosity: 'verbose' });
  expect(lines.map((l) => l.slice(0, 10).trim())).toEqual(['0.000000', '0.000412', '0.000412', '0.000420']);
  expect(lines[2]).toContain('RTT 0.400 ms');
  expect(lines[3]).toBe('  0.000420  > Flags [.], ack 1, win 502, options [nop,nop,TS val 2 ecr 1], length 0');
});

test('absolute numbers are those on the wire', () => {
  const lines = show(HANDSHAKE, { absolute: true });
  expect(lines[0]).toContain(`seq ${ISS}, win`);
  expect(lines[0]).toContain('TS val 700 ecr 0');
  expect(lines[1]).toContain(`seq 99, ack ${ISS + 1}`);
});

test('stacked, the segment stands below its transition', () => {
  expect(show(HANDSHAKE, { layout: 'stacked' }).slice(0, 2)).toEqual([
    '  0.000000  CLOSED       -> SYN-SENT      active OPEN     RFC 9293 §3.10.1',
    '            > Flags [S], seq 0, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0',
  ]);
});

test('the FIN of a CLOSE that waits for queued data is shown when it leaves', () => {
  const lines = show([
    ...HANDSHAKE,
    state(1000, 'ESTABLISHED', 'CLOSE', 'FIN-WAIT-1', 'call', '§3.10.4'),
    at(1001, { type: 'segment', dir: 'out', seg: seg('P.', ISS + 1, 100, { len: 10 }) }),
    at(1100, { type: 'segment', dir: 'out', seg: seg('F.', ISS + 11, 100) }),
  ]);
  expect(lines.slice(2)).toEqual([
    '  0.001000  ESTABLISHED  -> FIN-WAIT-1    CLOSE           RFC 9293 §3.10.4',
    '  0.001100  > Flags [F.], seq 11, ack 1, win 502, length 0',
  ]);
});

test('two transitions by one segment show it once', () => {
  const lines = show([
    ...HANDSHAKE,
    state(1000, 'ESTABLISHED', 'CLOSE', 'FIN-WAIT-1', 'call', '§3.10.4'),
    at(1100, { type: 'segment', dir: 'out', seg: seg('F.', ISS + 1, 100) }),
    at(1300, { type: 'segment', dir: 'in', seg: seg('F.', 100, ISS + 2) }),
    state(1300, 'FIN-WAIT-1', 'rcv ACK of FIN', 'FIN-WAIT-2', 'segment', '§3.10.7.4 fifth'),
    state(1300, 'FIN-WAIT-2', 'rcv FIN', 'TIME-WAIT', 'segment', '§3.10.7.4 eighth'),
  ]);
  expect(lines[2]).toContain('CLOSE           RFC 9293 §3.10.4           > Flags [F.], seq 1, ack 1');
  expect(lines[3]).toContain('< Flags [F.], seq 1, ack 2');
  expect(lines[4]).toBe('  0.001300  FIN-WAIT-2   -> TIME-WAIT     rcv FIN         RFC 9293 §3.10.7.4 eighth');
});

test('a SYN that is sent again is shown, or a silent peer would look like a hang', () => {
  const lines = show([
    ...HANDSHAKE.slice(0, 3),
    at(1_000_000, { type: 'timer', timer: 'retransmit', rto: 1_000_000, count: 0 }),
    at(1_000_010, { type: 'segment', dir: 'out', seg: seg('S', ISS, 0), note: 'retransmission' }),
  ]);
  expect(lines.slice(1)).toEqual([
    '  1.000000  retransmit timer expired after 1 s',
    '  1.000010  > Flags [S], seq 0, win 502, length 0  (retransmission)',
  ]);
});

test('quiet shows failures and nothing else', () => {
  const lines = show(
    [
      ...HANDSHAKE,
      { type: 'failure', t: 9, message: 'connect 10.0.0.2:81: refused', hint: 'another port', exitCode: 3 },
    ],
    { verbosity: 'quiet' },
  );
  expect(lines).toEqual(['tcpx: connect 10.0.0.2:81: refused', '  hint: another port']);
});

const LISTEN: LogRecord = {
  type: 'listen',
  t: 5,
  local: '10.0.0.1',
  localPort: 7,
  interface: 'eth0',
  mtu: 1500,
  driver: 'raw',
  guard: { kind: 'md5', note: 'a listener' },
  backlog: 511,
};
const open = (conn: number): LogRecord => ({
  type: 'open',
  t: 9,
  conn,
  local: '10.0.0.1',
  localPort: 7,
  remote: '10.0.0.2',
  remotePort: 40_000 + conn,
});

test('where it listens comes with the settings, and connections then come from the right', () => {
  const lines = show([{ ...HEADER, profile: 'rfc' }, LISTEN, { ...LISTEN, local: '127.0.0.1' }, open(1)]);
  expect(lines).toEqual([
    'tcpx: profile=rfc  tcp_msl=1',
    'tcpx: listening on 10.0.0.1:7  on eth0  driver raw  guard md5',
    'tcpx: listening on 127.0.0.1:7  on eth0  driver raw  guard md5',
    'tcpx: 10.0.0.1:7 <- 10.0.0.2:40001',
  ]);
});

test('a driver that is not as it would be by itself says why', () => {
  const why = 'tun0 is no Ethernet';
  const lines = show([
    { ...LISTEN, fallBack: why },
    { ...LISTEN, driver: 'packet', offload: false },
  ]);
  expect(lines).toEqual([
    'tcpx: listening on 10.0.0.1:7  on eth0  driver raw (tun0 is no Ethernet)  guard md5',
    'tcpx: listening on 10.0.0.1:7  on eth0  driver packet (no offload)  guard md5',
  ]);
});

test('packets that the kernel dropped are told with the summary, and nothing is when there were none', () => {
  const summary = (drops: number): LogRecord => ({
    ...{ type: 'summary', t: 9, state: 'CLOSED', segmentsOut: 1, segmentsIn: 1, octetsOut: 0, octetsIn: 0 },
    ...{ retransmissions: 0, counters: { drops } },
  });
  const said = (drops: number): readonly string[] =>
    show([open(1), ...HANDSHAKE, summary(drops)]).filter((line) => line.includes('dropped'));
  expect(said(0)).toEqual([]);
  expect(said(1)).toEqual(['tcpx: 1 packet dropped by the kernel, whose buffer for us was full']);
  expect(said(44)).toEqual(['tcpx: 44 packets dropped by the kernel, whose buffer for us was full']);
});

test('with several connections each line says whose it is, and nothing is held up by another', () => {
  const lines = show(
    [
      LISTEN,
      open(1),
      { ...state(10, 'ESTABLISHED', 'CLOSE', 'FIN-WAIT-1', 'call', '§3.10.4'), conn: 1 },
      open(12),
      { ...state(11, 'ESTABLISHED', 'CLOSE', 'FIN-WAIT-1', 'call', '§3.10.4'), conn: 12 },
      { ...at(12, { type: 'segment', dir: 'out', seg: seg('F.', 5, 5) }), conn: 12 } as LogRecord,
    ] as readonly LogRecord[],
    { numbered: true, layout: 'stacked' },
  );
  expect(lines.slice(1)).toEqual([
    'tcpx: c1   10.0.0.1:7 <- 10.0.0.2:40001',
    '  0.000010  c1   ESTABLISHED  -> FIN-WAIT-1    CLOSE           RFC 9293 §3.10.4',
    'tcpx: c12  10.0.0.1:7 <- 10.0.0.2:40012',
    '  0.000011  c12  ESTABLISHED  -> FIN-WAIT-1    CLOSE           RFC 9293 §3.10.4',
    '                 > Flags [F.], seq 0, ack 5, win 502, length 0',
  ]);
});

test('of a thousand connections that are closed each still has its last segment', () => {
  const records = Array.from({ length: 1000 }, (_, i) => i + 1).flatMap((conn) => [
    open(conn),
    { ...at(10, { type: 'segment', dir: 'out', seg: seg('S.', 1000, 7) }), conn } as LogRecord,
    { ...state(11, 'ESTABLISHED', 'ABORT', 'CLOSED', 'call', '§3.10.5'), conn } as LogRecord,
    open(conn + 5000),
    { ...at(12, { type: 'segment', dir: 'out', seg: seg('R.', 1001, 8) }), conn } as LogRecord,
  ]);
  const lines = show([LISTEN, ...records], { numbered: true, verbosity: 'verbose' });
  expect(lines.filter((l) => l.includes('> Flags [R.], seq 1,'))).toHaveLength(1000);
});
