import { expect, test } from 'vitest';
import { buildLadder, type Ladder } from '../../../src/tools/ladder.ts';
import { ladderText } from '../../../src/tools/ladder-text.ts';
import { paintFor } from '../../../src/tools/log-style.ts';
import { recordedPair, recordedRun } from '../../support/recorded.ts';

const plain = { paint: paintFor(false), width: 100, ascii: false, all: false };
const ladderOf = (o: Parameters<typeof recordedRun>[0] = {}): Ladder => buildLadder(recordedRun(o).log())!;

test('both columns go through the states of an orderly connection', () => {
  const { ourStart, peerStart, rows } = ladderOf();
  expect([ourStart, ...rows.flatMap((r) => r.ours ?? [])]).toEqual([
    'CLOSED',
    'SYN-SENT',
    'ESTABLISHED',
    'FIN-WAIT-1',
    'FIN-WAIT-2',
    'TIME-WAIT',
    'CLOSED',
  ]);
  expect([peerStart, ...rows.flatMap((r) => r.peer ?? [])]).toEqual([
    'LISTEN',
    'SYN-RECEIVED',
    'ESTABLISHED',
    'CLOSE-WAIT',
    'LAST-ACK',
    'CLOSED',
  ]);
});

test('a SYN that was lost does not move the peer; the one sent again does', () => {
  const { rows } = ladderOf({ lose: [1] });
  const syns = rows.filter((r) => r.segment?.dir === 'out' && r.segment.seg.flags === 'S');
  expect(syns.map((r) => r.peer)).toEqual([undefined, 'SYN-RECEIVED']);
});

test('a FIN of the peer that crosses ours was sent before ours came: it goes by way of CLOSING, too', () => {
  const pair = recordedPair();
  const { time, ours, peer } = pair;
  while (peer.connection.state !== 'ESTABLISHED') time.step();
  ours.close();
  peer.close();
  while (ours.connection.state !== 'CLOSED') time.step();
  const { rows } = buildLadder(pair.log())!;
  expect(rows.flatMap((r) => r.ours ?? [])).toEqual([
    'SYN-SENT',
    'ESTABLISHED',
    'FIN-WAIT-1',
    'CLOSING',
    'TIME-WAIT',
    'CLOSED',
  ]);
  expect(rows.flatMap((r) => r.peer ?? [])).toEqual([
    'SYN-RECEIVED',
    'ESTABLISHED',
    'FIN-WAIT-1',
    'CLOSING',
    'TIME-WAIT',
  ]);
});

test('a peer that has gone silent is not said to have taken what it never acknowledged', () => {
  const pair = recordedPair({ lose: [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22] });
  const { time, ours } = pair;
  while (ours.connection.state !== 'ESTABLISHED') time.step();
  ours.close();
  while (Number.isFinite(ours.connection.nextTimeout())) time.step();
  const { rows } = buildLadder(pair.log())!;
  expect(rows.filter((r) => r.segment?.note === 'retransmission').length).toBeGreaterThan(5);
  expect(rows.flatMap((r) => r.peer ?? [])).toEqual(['SYN-RECEIVED', 'ESTABLISHED']);
});

test('of a peer that never said anything no state is claimed', () => {
  const pair = recordedPair({ lose: [1, 2, 3, 4, 5, 6, 7] });
  while (pair.time.step());
  const ladder = buildLadder(pair.log())!;
  expect(ladder.peerStart).toBeUndefined();
  expect(ladder.rows.every((r) => r.peer === undefined)).toBe(true);
  expect(ladderText(ladder, plain)[1]).toMatch(/CLOSED .*│ \?$/);
});

test.each([80, 100, 132])('no line is wider than %i columns, and rails line up', (width) => {
  const lines = ladderText(ladderOf({ lose: [4] }), { ...plain, width });
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(width);
  const rails = new Set(lines.slice(1, -2).map((l) => `${l.indexOf('│')},${l.lastIndexOf('│')}`));
  expect(rails.size).toBe(1);
});

test('rungs point the way the segment went', () => {
  const lines = ladderText(ladderOf(), plain);
  expect(lines[2]).toMatch(/^ {2}0\.000000 {2}SYN-SENT {5}│─── \[S\] seq 0 win \d+ mss 1460 .*─▶│ ~SYN-RECEIVED$/);
  expect(lines[3]).toMatch(/^ {2}0\.010000 {2}ESTABLISHED {2}│◀─+ \[S\.\] seq 0 ack 1 .* ───│$/);
});

test('in ASCII there is nothing but ASCII', () => {
  const text = ladderText(ladderOf(), { ...plain, ascii: true }).join('\n');
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  expect(text).toContain('->|');
});

test('a long run of segments without a transition is shown by its ends, unless all are wanted', () => {
  const pair = recordedPair();
  const { time, ours, peer } = pair;
  while (ours.connection.state !== 'ESTABLISHED') time.step();
  ours.send('x'.repeat(60_000));
  while (peer.received.length < 60_000) time.step();
  const ladder = buildLadder(pair.log())!;
  const some = ladderText(ladder, plain);
  const all = ladderText(ladder, { ...plain, all: true });
  expect(some.length).toBeLessThan(all.length - 20);
  expect(some.join('\n')).toMatch(/\.\.\. \d+ segments out \(\d+ octets\), \d+ in \(0\) \.\.\./);
});

test('a log without the connection asked for has no ladder', () => {
  expect(buildLadder(recordedRun().log(), 2)).toBeUndefined();
});
