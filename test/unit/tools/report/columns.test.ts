import { expect, test } from 'vitest';
import type { LadderRow, LadderSegment } from '../../../../src/tools/ladder.ts';
import { connectionColumns } from '../../../../src/tools/report/columns.ts';
import type { ReportConnection } from '../../../../src/tools/report/model.ts';
import { ROW_IN, ROW_NOTE, ROW_OUT, ROW_REMARK } from '../../../../src/tools/report/page-data.ts';

type Seg = Partial<LadderSegment['seg']>;

const row = (t: number, o: Partial<LadderRow>): LadderRow => ({
  t,
  ours: undefined,
  peer: undefined,
  segment: undefined,
  remark: undefined,
  ...o,
});
const rung = (dir: 'in' | 'out', t: number, seg: Seg, o: Partial<LadderRow> & { note?: string } = {}): LadderRow => {
  const { note, ...rest } = o;
  const whole = { seq: 0, ack: 0, flags: '.', wnd: 100, len: 0, ...seg };
  return row(t, { segment: { dir, seg: whole, note }, ...rest });
};
const out = (t: number, seg: Seg, o = {}): LadderRow => rung('out', t, seg, o);
const into = (t: number, seg: Seg, o = {}): LadderRow => rung('in', t, seg, o);
const columns = (rows: readonly LadderRow[], o: Partial<ReportConnection> = {}) =>
  connectionColumns({
    title: 'c1',
    ladder: {
      open: { local: '10.0.0.1', localPort: 40_000, remote: 'fe80::1', remotePort: 7 },
      ourStart: 'CLOSED',
      peerStart: 'LISTEN',
      rows,
    },
    ...o,
  });

const SYNS = [out(0, { flags: 'S', wscale: 7 }), into(1, { flags: 'S.', ack: 1, wscale: 2, wnd: 1000 })];

test('numbers go on past 2^32, there and back', () => {
  const top = 0xffff_ff00;
  const { rows } = columns([
    out(0, { seq: 0x7000_0000, len: 0x10 }),
    out(1, { seq: 0xe000_0000, len: 0x10 }),
    out(2, { seq: top, len: 0x200 }),
    into(3, { ack: 0x100 }),
    out(4, { seq: 0x100, len: 1 }),
    out(5, { seq: top, len: 0x200 }, { note: 'retransmission' }),
  ]);
  expect(rows.seq).toEqual([0x7000_0000, 0xe000_0000, top, 0, 0x1_0000_0100, top]);
  expect(rows.ack[3]).toBe(0x1_0000_0100);
});

test('what was sent and not acknowledged is in flight, SYN and FIN counted, each way', () => {
  const { rows } = columns([
    ...SYNS,
    out(2, { seq: 1, len: 10, ack: 1 }),
    out(3, { seq: 11, len: 10, ack: 1 }),
    into(4, { seq: 1, ack: 11, len: 4 }),
    out(5, { seq: 21, flags: 'F.', ack: 5 }),
    into(6, { seq: 5, ack: 22 }),
  ]);
  expect(rows.flightOut).toEqual([1, 0, 10, 20, 10, 11, 0]);
  expect(rows.flightIn).toEqual([0, 1, 0, 0, 4, 0, 0]);
});

test('the window ends where its sender says, scaled as both SYNs ask for, a SYN’s own not', () => {
  const { rows } = columns([...SYNS, into(2, { seq: 1, ack: 1, wnd: 10 }), out(3, { seq: 1, ack: 1, wnd: 10 })]);
  expect(rows.edge).toEqual([null, 1001, 1 + 10 * 4, 1 + 10 * 128]);
});

test('a window whose scale was not seen ends nobody knows where; without the option in both SYNs it is not scaled', () => {
  expect(columns([into(0, { ack: 5, wnd: 10 })]).rows.edge).toEqual([null]);
  const plain = [out(0, { flags: 'S' }), into(1, { flags: 'S.', ack: 1, wscale: 2 }), into(2, { ack: 1, wnd: 10 })];
  expect(columns(plain).rows.edge[2]).toBe(11);
});

test('a RST moves nothing, whatever its numbers', () => {
  const { rows } = columns([...SYNS, into(2, { flags: 'R.', seq: 4_000_000_000, ack: 3_000_000_000 })]);
  expect(rows.flightOut[2]).toBe(0);
  expect(rows.flightIn[2]).toBe(1);
  expect(rows.edge[2]).toBeNull();
  expect(rows.trouble[2]).toBe(1);
});

test('notes come before the first row that is later, and moves stay with their rows', () => {
  const { rows, moves, words } = columns(
    [out(10, { flags: 'S' }, { ours: 'SYN-SENT' }), row(20, { remark: 'timer' })],
    {
      notes: [
        { t: 5, text: 'first' },
        { t: 10, text: 'second' },
        { t: 30, text: 'last' },
      ],
    },
  );
  expect(rows.kind).toEqual([ROW_NOTE, ROW_NOTE, ROW_OUT, ROW_REMARK, ROW_NOTE]);
  expect(rows.note.map((i) => words[i])).toEqual(['first', 'second', '', 'timer', 'last']);
  expect(moves.row).toEqual([2]);
  expect(words[moves.event[0]!]).toBe('active OPEN');
});

test('each word is kept once; options are words, timestamps numbers', () => {
  const { rows, words } = columns([
    out(0, { flags: 'S', mss: 1460, wscale: 7, sackOk: true, ts: [1, 0] }),
    into(1, { sack: [[5, 9]], ts: [3, 1] }),
    into(2, { sack: [[5, 9]] }),
  ]);
  expect(rows.options.map((i) => words[i])).toEqual(['mss 1460 wscale 7 sackOK', 'sack 5:9', 'sack 5:9']);
  expect(rows.kind).toEqual([ROW_OUT, ROW_IN, ROW_IN]);
  expect([rows.tsVal, rows.tsEcr]).toEqual([
    [1, 3, null],
    [0, 1, null],
  ]);
  expect(new Set(words).size).toBe(words.length);
});

test('ends are named and placed; an IPv6 address is in brackets', () => {
  const made = columns(SYNS);
  expect(made.names).toEqual(['us', 'peer']);
  expect(made.ends).toEqual(['10.0.0.1:40000', '[fe80::1]:7']);
  expect(made.start.map((i) => made.words[i])).toEqual(['CLOSED', 'LISTEN']);
  expect(made.inferred).toBe(false);
});
