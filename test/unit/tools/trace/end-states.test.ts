import { expect, test } from 'vitest';
import { endingText, summaryOf } from '../../../../src/tools/trace/summary.ts';
import { OPEN, traced } from './support.ts';

const endOf = (text: string): string => {
  const { retired } = traced(text);
  const s = summaryOf(retired.at(-1)!, 0);
  return `${endingText(s)}; ${s.client.state ?? '?'}, ${s.server.state ?? '?'}`;
};

test('an orderly connection takes both ends from CLOSED and LISTEN to TIME-WAIT and CLOSED', () => {
  const { moves } = traced(`${OPEN}
    1.0 > F. seq 1 ack 1
    1.1 < . seq 1 ack 2
    1.2 < F. seq 1 ack 2
    1.3 > . seq 2 ack 2`);
  expect(moves).toEqual([
    ['client CLOSED -> SYN-SENT (active OPEN)'],
    ['server LISTEN -> SYN-RECEIVED (rcv SYN)'],
    ['client SYN-SENT -> ESTABLISHED (rcv SYN,ACK)', 'server SYN-RECEIVED -> ESTABLISHED (rcv ACK of SYN)'],
    ['client ESTABLISHED -> FIN-WAIT-1 (CLOSE)'],
    ['server ESTABLISHED -> CLOSE-WAIT (rcv FIN)', 'client FIN-WAIT-1 -> FIN-WAIT-2 (rcv ACK of FIN)'],
    ['server CLOSE-WAIT -> LAST-ACK (CLOSE)'],
    ['client FIN-WAIT-2 -> TIME-WAIT (rcv FIN)', 'server LAST-ACK -> CLOSED (rcv ACK of FIN)'],
  ]);
});

test('FINs that cross take both ends through CLOSING', () => {
  const story = `${OPEN}
    1.0 > F. seq 1 ack 1
    1.001 < F. seq 1 ack 1
    1.02 > . seq 2 ack 2
    1.021 < . seq 2 ack 2`;
  const { moves } = traced(story);
  expect(moves.flat().filter((move) => move.includes('CLOSING'))).toEqual([
    'client FIN-WAIT-1 -> CLOSING (rcv FIN)',
    'server FIN-WAIT-1 -> CLOSING (rcv FIN)',
    'server CLOSING -> TIME-WAIT (rcv ACK of FIN)',
    'client CLOSING -> TIME-WAIT (rcv ACK of FIN)',
  ]);
  expect(endOf(story)).toBe('closed, both at once; TIME-WAIT, TIME-WAIT');
});

test('SYNs that cross open it from both ends', () => {
  const { moves } = traced(`
    0.000 > S seq 0 win 1000
    0.001 < S seq 0 win 1000
    0.020 > S. seq 0 ack 1 win 1000
    0.021 < S. seq 0 ack 1 win 1000
    0.040 > . seq 1 ack 1`);
  expect(moves.flat()).toEqual([
    'client CLOSED -> SYN-SENT (active OPEN)',
    'server CLOSED -> SYN-SENT (active OPEN)',
    'client SYN-SENT -> SYN-RECEIVED (rcv SYN)',
    'server SYN-SENT -> SYN-RECEIVED (rcv SYN)',
    'client SYN-RECEIVED -> ESTABLISHED (rcv ACK of SYN)',
    'server SYN-RECEIVED -> ESTABLISHED (rcv ACK of SYN)',
  ]);
});

test('a FIN that comes again takes back what its ACK had shown', () => {
  const { moves } = traced(`${OPEN}
    1.0 > F. seq 1 ack 1
    1.1 < F. seq 1 ack 2
    1.2 > . seq 2 ack 2
    1.4 < F. seq 1 ack 2
    1.5 > . seq 2 ack 2`);
  expect(moves.slice(5)).toEqual([
    [
      'client FIN-WAIT-1 -> FIN-WAIT-2 (rcv ACK of FIN)',
      'client FIN-WAIT-2 -> TIME-WAIT (rcv FIN)',
      'server LAST-ACK -> CLOSED (rcv ACK of FIN)',
    ],
    ['server back in LAST-ACK: its ACK was lost'],
    ['server LAST-ACK -> CLOSED (rcv ACK of FIN)'],
  ]);
});

test('how it ended is told with who was first', () => {
  expect(endOf('0 > S seq 0 win 1000\n0.1 < R. seq 0 ack 1')).toBe('refused; CLOSED, CLOSED');
  expect(endOf('0 > S seq 0 win 1000\n1 > S seq 0 win 1000')).toBe('no answer; SYN-SENT, ?');
  expect(endOf('0 > S seq 0 win 1000\n1 < S. seq 0 ack 1 win 1000')).toBe('opening; SYN-SENT, SYN-RECEIVED');
  expect(endOf(`${OPEN}0.1 < R. seq 1 ack 1`)).toBe('reset by the server; CLOSED, CLOSED');
  expect(endOf(`${OPEN}0.1 > . seq 1 ack 1 len 10`)).toBe('open; ESTABLISHED, ESTABLISHED');
  expect(endOf(`${OPEN}0.1 < F. seq 1 ack 1\n0.2 > . seq 1 ack 2`)).toBe(
    'closing, server first; CLOSE-WAIT, FIN-WAIT-2',
  );
  expect(endOf('0 > . seq 1 ack 1 len 5\n1 > F. seq 6 ack 1\n2 < F. seq 1 ack 7\n3 > . seq 7 ack 2')).toBe(
    'closed, client first; TIME-WAIT, CLOSED',
  );
});

test('a RST outside the window resets nobody', () => {
  expect(endOf(`${OPEN}0.1 > . seq 1 ack 1 len 10\n0.2 < . seq 1 ack 11\n0.3 > R seq 900000`)).toContain(
    'CLOSED, ESTABLISHED',
  );
});
