import { expect, test } from 'vitest';
import { toSeq } from '../../../src/base/seq.ts';
import { type Micros, ms } from '../../../src/base/time.ts';
import { DEFAULT_SOCKET_OPTIONS, DEFAULT_SYSCTL } from '../../../src/tcp/config.ts';
import { Connection } from '../../../src/tcp/connection.ts';
import type { TraceRecord } from '../../../src/tcp/trace.ts';
import { LogFormatError, readLog } from '../../../src/tools/log-ndjson.ts';
import type { LogRecord } from '../../../src/tools/log-record.ts';
import { ReplayError, type ReplayResult, replayLog } from '../../../src/tools/replay.ts';
import { TcpFlag, TcpSegment } from '../../../src/wire/tcp.ts';
import { recordedPair, recordedRun } from '../../support/recorded.ts';

const PATH = { receiveMss: 1460, sendMss: 1460, defaultMss: 536, maxGsoPayload: 0 };

const octets = (records: readonly unknown[]): Uint8Array[] => [
  new TextEncoder().encode(records.map((r) => `${JSON.stringify(r)}\n`).join('')),
];
const replayed = (records: readonly unknown[]): Promise<ReplayResult> => replayLog(readLog(octets(records)));

/** The log with one record changed, found by `which`. */
function tampered(
  records: readonly LogRecord[],
  which: (r: LogRecord) => boolean,
  change: (r: never) => unknown,
): unknown[] {
  const at = records.findIndex(which);
  expect(at).toBeGreaterThan(0);
  return records.map((r, i) => (i === at ? change(r as never) : r));
}

test('a connection from handshake to CLOSED replays to the same outcome', async () => {
  const result = await replayed(recordedRun().log());
  expect(result.difference).toBeUndefined();
  expect(result.transitions).toBe(6);
  expect(result.segmentsOut).toBeGreaterThan(5);
});

test.each([1, 2, 3, 4, 5, 6])(
  'with our segment number %i lost, retransmissions and timers replay as well',
  async (n) => {
    const pair = recordedRun({ lose: [n] });
    expect(pair.ours.connection.state).toBe('CLOSED');
    expect((await replayed(pair.log())).difference).toBeUndefined();
  },
);

test('a user who reads some time after the segments have come, before their ACK leaves, replays as well', async () => {
  const records: TraceRecord[] = [];
  const recorder = { enabled: true, record: (r: TraceRecord) => void records.push(structuredClone(r)) };
  const core = new Connection(
    1,
    { profile: 'linux', sysctl: DEFAULT_SYSCTL, options: DEFAULT_SOCKET_OPTIONS, path: PATH },
    recorder,
  );
  const out = new TcpSegment();
  const seg = (seq: number, flags: number, len: number): TcpSegment => {
    const s = new TcpSegment();
    s.seq = toSeq(seq);
    s.ack = toSeq(1001);
    s.flags = flags;
    s.wnd = 60_000;
    if (len > 0) s.payload.push(new Uint8Array(len), 0, len);
    return s;
  };
  core.open('active', { iss: 1000, tsOffset: 0 }, ms(1));
  core.emit(ms(1), out);
  core.onSegment(seg(5000, TcpFlag.SYN | TcpFlag.ACK, 0), ms(2));
  core.emit(ms(2), out);
  for (let i = 0; i < 4; i++) core.onSegment(seg(5001 + 1000 * i, TcpFlag.ACK, 1000), ms(3));
  while (typeof core.receive(ms(9)) !== 'string');
  expect(core.emit(ms(9), out)).toBe(true);
  const log = recordedRun().log();
  expect((await replayed([log[0], ...records, log.at(-1)])).difference).toBeUndefined();
});

test('a segment that comes in the microsecond in which the pace let one go replays as well', async () => {
  const records: TraceRecord[] = [];
  const sysctl = { ...DEFAULT_SYSCTL, tcp_pacing: true };
  const core = new Connection(
    1,
    { profile: 'linux', sysctl, options: DEFAULT_SOCKET_OPTIONS, path: PATH },
    { enabled: true, record: (r) => void records.push(structuredClone(r)) },
  );
  const out = new TcpSegment();
  const arrives = (ack: number, flags: number, t: Micros): void => {
    const s = new TcpSegment();
    s.seq = toSeq(flags === TcpFlag.ACK ? 5001 : 5000);
    s.ack = toSeq(1001 + ack);
    s.flags = flags;
    // In the end nothing more may leave, though the pace's timer has begun.
    s.wnd = ack === 3 * 536 ? 0 : 60_000;
    core.onSegment(s, t);
    while (core.emit(t, out));
  };
  core.open('active', { iss: 1000, tsOffset: 0 }, ms(1));
  core.emit(ms(1), out);
  arrives(0, TcpFlag.SYN | TcpFlag.ACK, ms(41));
  core.lend(new Uint8Array(60_000), ms(41));
  while (core.emit(ms(41), out));
  arrives(536, TcpFlag.ACK, ms(81));
  for (let n = 2; n < 5; n++) {
    const t = core.nextTimeout();
    core.onTimeout(t);
    while (core.emit(t, out));
    if (n < 4) arrives(536 * n, TcpFlag.ACK, t);
  }
  const timers = records.flatMap((r) => (r.type === 'timer' ? [r.timer] : []));
  expect(timers).toEqual(['pacing', 'pacing', 'pacing']);
  const log = recordedRun().log();
  const lines = readLog(octets([log[0], ...records, log.at(-1)]));
  expect((await replayLog(lines, 0)).difference).toBeUndefined();
});

test('a silent peer replays up to ETIMEDOUT', async () => {
  const pair = recordedPair({ lose: [1, 2, 3, 4, 5, 6, 7] });
  while (pair.time.step());
  const result = await replayed(pair.log());
  expect(pair.ours.connection.error).toBe('ETIMEDOUT');
  expect(result).toMatchObject({ difference: undefined, segmentsOut: 7, transitions: 2 });
});

test('a changed window in a segment of ours is found, with both sides', async () => {
  const log = recordedRun().log();
  const changed = tampered(
    log,
    (r) => r.type === 'segment' && r.dir === 'out' && r.seg.len > 0,
    (r: { seg: object }) => ({ ...r, seg: { ...r.seg, wnd: 1 } }),
  );
  const { difference } = await replayed(changed);
  expect(difference?.recorded).toMatchObject({ type: 'segment', seg: { wnd: 1 } });
  expect(difference?.replayed).toMatchObject({ type: 'segment', dir: 'out' });
  expect(JSON.stringify(changed[difference!.line - 1])).toBe(JSON.stringify(difference?.recorded));
});

test('a transition that the core would not take is found', async () => {
  const changed = tampered(
    recordedRun().log(),
    (r) => r.type === 'state' && r.to === 'FIN-WAIT-2',
    (r: object) => ({ ...r, to: 'CLOSING' }),
  );
  expect((await replayed(changed)).difference?.replayed).toMatchObject({ type: 'state', to: 'FIN-WAIT-2' });
});

test('a segment that is left out of the log is missed', async () => {
  const log = recordedRun().log();
  const at = log.findIndex((r) => r.type === 'segment' && r.dir === 'out' && r.seg.len > 0);
  expect((await replayed(log.toSpliced(at, 1))).difference).toBeDefined();
});

test('a last segment that is left out of the log is missed too', async () => {
  const pair = recordedPair();
  const log = pair.log();
  const at = log.findLastIndex((r) => r.type === 'segment');
  const { difference } = await replayed(log.toSpliced(at, 1));
  expect(difference).toMatchObject({
    recorded: undefined,
    replayed: { type: 'segment', dir: 'out', seg: { flags: 'S' } },
  });
});

test('an unknown call and a connection without its OPEN are trouble, not a difference', async () => {
  const log = recordedRun().log();
  const unknown = tampered(
    log,
    (r) => r.type === 'call' && r.call === 'SEND',
    (r: object) => ({ ...r, call: 'SING' }),
  );
  await expect(replayed(unknown)).rejects.toThrow(ReplayError);
  const headless = log.filter((r) => r.type !== 'call');
  await expect(replayed(headless)).rejects.toThrow('line 3: connection 1 begins without an OPEN');
});

test('a log that ends without a summary is cut off, and says at which line', async () => {
  const log = recordedRun().log();
  const failure = await replayed(log.slice(0, -1)).catch((e: unknown) => e);
  expect(failure).toBeInstanceOf(LogFormatError);
  expect(failure).toMatchObject({ line: log.length - 1, cutOff: true });
});
