import { expect, test } from 'vitest';
import { allRows } from '../../../src/tcp/machine.ts';
import { wrongWith } from '../../support/log-schema.ts';
import { HEADER, recordedPair, recordedRun } from '../../support/recorded.ts';

const RECORDS = recordedRun({ lose: [4] }).log();

test('every line of a recorded run with a loss fits the schema', () => {
  const types = new Set(RECORDS.map((r) => r.type));
  expect([...types]).toEqual(
    expect.arrayContaining(['header', 'open', 'call', 'state', 'segment', 'timer', 'rtt', 'congestion', 'summary']),
  );
  for (const record of RECORDS) expect(wrongWith(record), JSON.stringify(record)).toBeUndefined();
});

test('every line of a run that ends in ETIMEDOUT fits the schema', () => {
  const pair = recordedPair({ lose: [1, 2, 3, 4, 5, 6, 7] });
  while (pair.time.step());
  expect(pair.records.map((r) => r.type)).toContain('error');
  for (const record of pair.log()) expect(wrongWith(record), JSON.stringify(record)).toBeUndefined();
});

test('every row of the transition table fits the schema', () => {
  for (const { from, event, to } of allRows()) {
    expect(
      wrongWith({ t: 0, conn: 1, type: 'state', from, event, to, cause: 'segment', rule: '§3.10' }),
    ).toBeUndefined();
  }
});

test('the records around the trace fit the schema', () => {
  expect(wrongWith({ type: 'note', t: 5, text: 'closing' })).toBeUndefined();
  expect(wrongWith({ type: 'failure', t: 5, message: 'refused', hint: 'another port', exitCode: 3 })).toBeUndefined();
  expect(wrongWith({ type: 'link', t: 5, code: 'ENETDOWN', message: 'down', fatal: true })).toBeUndefined();
  expect(wrongWith({ ...HEADER, gateway: '10.0.0.254' })).toBeUndefined();
});

const SEGMENT = RECORDS.find((r) => r.type === 'segment')!;
const STATE = RECORDS.find((r) => r.type === 'state')!;
test.each([
  ['no object', 'hello'],
  ['an unknown type', { type: 'rumour', t: 0, conn: 1 }],
  ['a header of another schema', { ...HEADER, schema: 'tcpx.log/2' }],
  ['a header without a wall clock', { ...HEADER, wall: undefined }],
  ['a time in seconds', { ...STATE, t: 0.5 }],
  ['a negative time', { ...STATE, t: -1 }],
  ['a state nobody knows', { ...STATE, to: 'ESTAB' }],
  ['an event nobody knows', { ...STATE, event: 'rcv PING' }],
  ['a transition without its rule', { ...STATE, rule: '' }],
  ['a connection 0', { ...STATE, conn: 0 }],
  ['a segment with a relative, negative number', { ...SEGMENT, seg: { ...seg(), seq: -1 } }],
  ['a window of 17 bits', { ...SEGMENT, seg: { ...seg(), wnd: 65_536 } }],
  ['flags in another order', { ...SEGMENT, seg: { ...seg(), flags: '.S' } }],
  ['half a timestamp', { ...SEGMENT, seg: { ...seg(), ts: [1] } }],
  ['a field nobody knows', { ...SEGMENT, colour: 'blue' }],
  ['a failure that is none', { type: 'failure', t: 0, message: 'fine', exitCode: 0 }],
])('%s is refused', (_, record) => {
  expect(wrongWith(JSON.parse(JSON.stringify(record)))).toBeDefined();
});

function seg(): object {
  return SEGMENT.type === 'segment' ? SEGMENT.seg : {};
}
