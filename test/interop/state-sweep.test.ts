/** A sample of the sweep on this kernel: what docs/state-sweep.json says of it holds. */
import { release } from 'node:os';
import { expect, test } from 'vitest';
import { textNow } from '../../scripts/docs/documents.ts';
import { CELLS } from '../../scripts/sweep/cells.ts';
import type { SweepDocument } from '../../scripts/sweep/document.ts';
import { outcomeText } from '../../scripts/sweep/play.ts';
import { playOnKernel } from '../../scripts/sweep/run.ts';

const document = JSON.parse(textNow('state-sweep.json')) as SweepDocument;
/** No factor of how many cases a row of the page has, so that they come from all over it. */
const STEP = 23;
/** A busy machine is late now and then; what a stack does otherwise, it does again. */
const ATTEMPTS = 3;

test(`this kernel does what docs/state-sweep.json has of Linux ${document.kernel}`, async () => {
  let open = CELLS.filter((_, i) => i % STEP === 0);
  expect(new Set(open.map((cell) => cell.situation.name)).size).toBeGreaterThan(11);
  const otherwise = new Map<string, string>();
  for (let attempt = 0; attempt < ATTEMPTS && open.length > 0; attempt++) {
    const outcomes = await playOnKernel(open);
    open = open.filter(({ id }) => {
      const was = outcomeText(outcomes.get(id)!);
      otherwise.set(id, was);
      return was !== document.cells[id]?.kernel;
    });
  }
  const told = open.map(({ id }) => `${id}: ${otherwise.get(id)}, in the page ${document.cells[id]?.kernel}`);
  expect(told, `on ${release()}; npm run sweep prints the page anew`).toEqual([]);
});
