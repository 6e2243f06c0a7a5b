import { expect, test } from 'vitest';
import {
  ComparisonFormatError,
  documentComparisons,
  documentConnections,
} from '../../../../src/tools/report/from-compare.ts';

const segment = (dir: 'in' | 'out', flags: string, o: object = {}) => ({
  t: 5,
  dir,
  flags,
  seq: 0,
  wnd: 100,
  len: 0,
  options: [],
  ...o,
});
const run = (o: object = {}) => ({
  local: '10.0.0.1:40000',
  remote: '10.0.0.2:7',
  segments: [
    segment('out', 'S', { options: ['mss 1460', 'nop', 'wscale 7'] }),
    segment('in', 'S.', { ack: 1 }),
    segment('out', '.', { seq: 1, ack: 1 }),
  ],
  states: [
    { state: 'SYN-SENT', shot: 0, source: 'log' },
    { state: 'ESTABLISHED', shot: 1, source: 'inferred' },
  ],
  notes: [],
  ...o,
});
const scenario = (o: object = {}) => ({
  name: 'request',
  summary: 'a request',
  verdict: 'allowed',
  verdicts: [
    { property: 'SYN options', word: 'allowed', kernel: 'a', tcpx: 'b', clauses: ['RFC 9293 §3.7.1'] },
    { property: 'ISN', word: 'same', kernel: 'c', tcpx: 'c', clauses: [] },
    { property: 'RST form', word: 'forbidden', kernel: 'd', tcpx: 'e', clauses: [] },
  ],
  differences: [
    {
      property: 'SYN options',
      field: 'options',
      row: 0,
      kernel: 'a',
      tcpx: 'b',
      ruling: { word: 'allowed', clause: 'RFC 9293 §3.7.1', why: 'any order' },
    },
    { property: 'data', field: 'segment', row: 2, kernel: 'x', tcpx: '' },
  ],
  rows: [{ kernel: 0, tcpx: 0 }, { kernel: 1, tcpx: 1 }, { kernel: 2 }],
  kernel: run(),
  tcpx: run({ notes: ['by itself'] }),
  ...o,
});
const document = (o: object = {}) => ({ schema: 'tcpx.compare/2', scenarios: [scenario(o)] });

test('a difference marks its row by what is said of it, and one that no rule covers counts', () => {
  const [c] = documentComparisons(document());
  expect(c!.rows.map((row) => row.mark)).toEqual(['excused', 'same', 'differs']);
  expect(c!.rows[0]!.remarks).toEqual(['SYN options: options: a | b (allowed, RFC 9293 §3.7.1: any order)']);
  expect(c!.rows[2]!.right).toBeUndefined();
  expect(c!.rows[2]!.remarks).toEqual(['data: segment (unexplained)']);
});

test('each property has its verdict, with the clause', () => {
  const [c] = documentComparisons(document());
  expect(c!.findings.map((f) => [f.property, f.verdict, f.mark])).toEqual([
    ['SYN options', 'allowed', 'excused'],
    ['ISN', 'same', 'same'],
    ['RST form', 'forbidden', 'differs'],
  ]);
  expect(c!.findings[0]!.why).toBe('RFC 9293 §3.7.1');
  expect([c!.verdict, c!.mark, c!.summary]).toEqual(['allowed', 'excused', 'a request']);
  expect(c!.notes).toEqual(['tcpx: by itself']);
});

test('segments are one line each, with the state entered and a mark where it is inferred', () => {
  const [c] = documentComparisons(document());
  expect(c!.rows[0]!.left).toEqual({
    t: 5,
    dir: 'out',
    text: '[S] seq 0 win 100 [mss 1460,nop,wscale 7]',
    state: 'SYN-SENT',
  });
  expect(c!.rows[1]!.left!.state).toBe('~ESTABLISHED');
});

test('a scenario that did not come about says why, and is none that is the same', () => {
  const [c] = documentComparisons(document({ complaint: 'nobody answered', verdict: 'trouble' }));
  expect([c!.summary, c!.mark, c!.verdict]).toEqual(['nobody answered', 'differs', 'trouble']);
});

test('what came by chance marks its row, and is told apart with what it would have been', () => {
  const by = { property: 'data', field: 'window', row: 1, kernel: '5', tcpx: '6' };
  const ruling = { word: 'forbidden', clause: 'RFC 9293 §3.8.6', why: 'no' };
  const [c] = documentComparisons(document({ attempts: 3, chance: [by, { ...by, row: undefined, ruling }] }));
  expect(c!.attempts).toBe(3);
  expect(c!.rows[1]).toMatchObject({
    mark: 'excused',
    remarks: ['data: window: 5 | 6 (unexplained), not in each attempt'],
  });
  expect(c!.chance!.map((f) => [f.property, f.verdict, f.mark, f.why])).toEqual([
    ['data: window', 'chance', 'excused', 'unexplained'],
    ['data: window', 'chance', 'excused', 'forbidden, RFC 9293 §3.8.6: no'],
  ]);
  expect(c!.mark).toBe('excused');
  expect(documentComparisons(document())[0]!.chance).toEqual([]);
});

test('each run is a connection with the states of the document, and the peer’s inferred', () => {
  const made = documentConnections(document());
  expect(made.map((c) => [c.title, c.inferred])).toEqual([
    ['request: kernel', true],
    ['request: tcpx', true],
  ]);
  const { ladder } = made[0]!;
  expect(ladder.rows.map((row) => row.ours)).toEqual(['SYN-SENT', 'ESTABLISHED', undefined]);
  expect(ladder.rows.some((row) => row.peer === 'SYN-RECEIVED')).toBe(true);
  expect(ladder.rows[0]!.segment!.seg).toMatchObject({ mss: 1460, wscale: 7 });
  expect(ladder.names).toEqual(['kernel', 'peer']);
});

test.each([
  ['no object', 7],
  ['no list', { scenarios: {} }],
  ['no object', { scenarios: [{ name: 'x', kernel: 1, tcpx: 2 }] }],
])('%s where there should be: it is named', (what, value) => {
  expect(() => documentComparisons(value)).toThrow(ComparisonFormatError);
  expect(() => documentComparisons(value)).toThrow(what);
});
