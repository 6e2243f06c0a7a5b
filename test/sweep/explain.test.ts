import { expect, test } from 'vitest';
import { textNow } from '../../scripts/docs/documents.ts';
import { CELLS, placesOf, SITUATIONS } from '../../scripts/sweep/cells.ts';
import {
  type CellDocument,
  kernelOutcomes,
  type Outcomes,
  type Played,
  parseOutcome,
  type SweepDocument,
  sweepResult,
} from '../../scripts/sweep/document.ts';
import { EXPLANATIONS } from '../../scripts/sweep/explain.ts';
import { outcomeText } from '../../scripts/sweep/play.ts';
import { TRANSITIONS } from '../../src/tcp/machine.ts';

const document = JSON.parse(textNow('state-sweep.json')) as SweepDocument;
const outcomesOf = (side: (cell: CellDocument) => string): Outcomes =>
  new Map(Object.entries(document.cells).map(([id, cell]) => [id, parseOutcome(side(cell))]));
const kernel = kernelOutcomes(document);
const tcpx = outcomesOf((cell) => cell.tcpx);
const rfc = outcomesOf((cell) => cell.rfc ?? cell.tcpx);
const complaints = (o: Partial<Played>): readonly string[] =>
  sweepResult({ tcpx, rfc, kernel, release: '0', ...o }).complaints;

test('every state is swept, and every case has a name of its own', () => {
  expect(new Set(SITUATIONS.map((s) => s.state))).toEqual(new Set(Object.keys(TRANSITIONS)));
  expect(new Set(CELLS.map((cell) => cell.id)).size).toBe(CELLS.length);
  expect(CELLS.map((cell) => cell.id)).toEqual(Object.keys(document.cells));
});

test('where a peer’s SYN is known every place of the window is taken, edges included', () => {
  for (const situation of SITUATIONS.filter((s) => !['CLOSED', 'LISTEN', 'SYN-SENT'].includes(s.state)))
    expect(placesOf(situation).length).toBe(situation.isShut ? 5 : situation.state === 'SYN-RECEIVED' ? 10 : 9);
});

test('what is kept of an outcome is read again as it was', () => {
  for (const { tcpx: ours, kernel: theirs } of Object.values(document.cells))
    for (const text of [ours, theirs]) expect(outcomeText(parseOutcome(text))).toBe(text);
});

test('every difference has one reason, and every reason a difference', () => {
  expect(complaints({})).toEqual([]);
  expect(new Set(EXPLANATIONS.map((e) => e.key)).size).toBe(EXPLANATIONS.length);
});

test('a difference without a reason is told, and so is a reason without a difference', () => {
  const id = 'ESTABLISHED: FIN, ACK; at RCV.NXT; ack SND.NXT';
  const ours = document.cells[id]?.tcpx;
  const reset = parseOutcome('RST; CLOSED; ECONNRESET');
  expect(complaints({ kernel: new Map([...kernel, [id, reset]]) })).toEqual([
    `not explained: ${id}: tcpx ${ours} | kernel RST; CLOSED; ECONNRESET`,
  ]);
  expect(complaints({ rfc: new Map([...rfc, [id, reset]]) })).toEqual([
    `not explained: ${id}: tcpx ${ours} | with --profile rfc RST; CLOSED; ECONNRESET`,
  ]);
  expect(complaints({ kernel: tcpx })).toEqual(EXPLANATIONS.map(({ key }) => `explains nothing any more: ${key}`));
});

test('nothing that comes in any state makes tcpx fail of itself', () => {
  for (const [id, outcome] of tcpx) expect(outcome.user, id).not.toContain('EPROTO');
});
