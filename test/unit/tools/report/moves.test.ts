import { expect, test } from 'vitest';
import { buildLadder, type Ladder, type LadderRow } from '../../../../src/tools/ladder.ts';
import { movesOf } from '../../../../src/tools/report/moves.ts';
import { recordedRun } from '../../../support/recorded.ts';

const ladder = (ourStart: string, rows: readonly Partial<LadderRow>[], peerStart = 'LISTEN'): Ladder => ({
  open: { local: '10.0.0.1', localPort: 1, remote: '10.0.0.2', remotePort: 2 },
  ourStart,
  peerStart,
  rows: rows.map((row, t) => ({ t, ours: undefined, peer: undefined, segment: undefined, remark: undefined, ...row })),
});
const reset = (dir: 'in' | 'out'): LadderRow['segment'] => ({
  dir,
  seg: { seq: 1, ack: 0, flags: 'R', wnd: 0, len: 0 },
  note: undefined,
});

test('states in a ladder are rows of the table, with their rules', () => {
  const moves = movesOf(buildLadder(recordedRun().log())!).filter((move) => move.end === 'ours');
  expect(moves.map(({ from, to, event }) => `${from} ${event} ${to}`)).toEqual([
    'CLOSED active OPEN SYN-SENT',
    'SYN-SENT rcv SYN,ACK ESTABLISHED',
    'ESTABLISHED CLOSE FIN-WAIT-1',
    'FIN-WAIT-1 rcv ACK of FIN FIN-WAIT-2',
    'FIN-WAIT-2 rcv FIN TIME-WAIT',
    'TIME-WAIT 2MSL CLOSED',
  ]);
  expect(moves[2]?.rule).toBe('RFC 9293 §3.10.4');
});

test('a segment that acknowledges our FIN and brings the peer’s takes two rows, by way of FIN-WAIT-2', () => {
  const moves = movesOf(ladder('FIN-WAIT-1', [{ ours: 'TIME-WAIT' }]));
  expect(moves.map((move) => move.to)).toEqual(['FIN-WAIT-2', 'TIME-WAIT']);
  expect(moves.map((move) => move.row)).toEqual([0, 0]);
});

test.each([
  ['in', 'ours', 'rcv RST'],
  ['out', 'ours', 'ABORT'],
  ['in', 'peer', 'ABORT'],
  ['out', 'peer', 'rcv RST'],
] as const)('a RST that goes %s ends %s by %s', (dir, end, event) => {
  const moves = movesOf(ladder('ESTABLISHED', [{ [end]: 'CLOSED', segment: reset(dir) }], 'ESTABLISHED'));
  expect(moves).toEqual([expect.objectContaining({ end, from: 'ESTABLISHED', to: 'CLOSED', event })]);
});

test('what the table has no row for is told without one', () => {
  const [move] = movesOf(ladder('TIME-WAIT', [{ ours: 'LAST-ACK' }]));
  expect(move).toEqual({ row: 0, end: 'ours', from: 'TIME-WAIT', to: 'LAST-ACK', event: undefined, rule: undefined });
});
