import { expect, test } from 'vitest';
import { textNow } from '../../scripts/docs/documents.ts';
import { CELLS, placesOf, SITUATIONS } from '../../scripts/sweep/cells.ts';
import { kernelOutcomes, parseOutcome, type SweepDocument, sweepResult } from '../../scripts/sweep/document.ts';
import { EXPLANATIONS } from '../../scripts/sweep/explain.ts';
import { outcomeText } from '../../scripts/sweep/play.ts';
import { TRANSITIONS } from '../../src/tcp/machine.ts';

const document = JSON.parse(textNow('state-sweep.json')) as SweepDocument;
const kernel = kernelOutcomes(document);
const tcpx = new Map(Object.entries(document.cells).map(([id, cell]) => [id, parseOutcome(cell.tcpx)]));

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
  expect(sweepResult(tcpx, kernel, document.kernel).complaints).toEqual([]);
  expect(new Set(EXPLANATIONS.map((e) => e.key)).size).toBe(EXPLANATIONS.length);
});

test('a difference without a reason is told, and so is a reason without a difference', () => {
  const id = 'ESTABLISHED: FIN, ACK; at RCV.NXT; ack SND.NXT';
  const otherwise = new Map([...kernel, [id, parseOutcome('RST; CLOSED; ECONNRESET')]]);
  expect(sweepResult(tcpx, otherwise, '0').complaints).toEqual([
    `not explained: ${id}: tcpx ${document.cells[id]?.tcpx} | kernel RST; CLOSED; ECONNRESET`,
  ]);
  const same = sweepResult(tcpx, tcpx, '0').complaints;
  expect(same).toEqual(EXPLANATIONS.map(({ key }) => `explains nothing any more: ${key}`));
});

test('nothing that comes in any state makes tcpx fail of itself', () => {
  for (const [id, outcome] of tcpx) expect(outcome.user, id).not.toContain('EPROTO');
});
