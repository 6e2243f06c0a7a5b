/** The fuzzer for a few seconds, always the same runs; `npm run fuzz` has as many as one likes. */
import { expect, test } from 'vitest';
import { allRows } from '../../src/tcp/machine.ts';
import { playBatch } from './batch.ts';
import { rowText } from './model.ts';
import { fuzzOptions } from './options.ts';
import { explainNumber } from './report.ts';

const SEED = 42;
const RUNS = 1500;

test(`${RUNS} runs break no rule, and take the rows of the transition table`, async () => {
  let left = RUNS;
  const result = await playBatch({ from: SEED * 1e9, step: 1, goesOn: () => left-- > 0 });
  for (const { number } of result.found) {
    const explained = await explainNumber(number);
    expect.fail(`run ${number}: ${explained?.violation.message}\n${explained?.text}${explained?.json}`);
  }
  expect(result.segmentsIn).toBeGreaterThan(50 * RUNS);
  const taken = allRows().filter((r) => result.rows.has(rowText(r.from, r.event, r.to)));
  expect(taken.length).toBeGreaterThan(40);
}, 120_000);

test('the options say what they do not understand', () => {
  const of = (...args: string[]) => fuzzOptions(args, 2, 7);
  expect(of()).toMatchObject({ seconds: 60, seed: 7, workers: 2, json: false });
  expect(of('--seconds', '5', '--seed=3', '--segments', '1e8')).toMatchObject({ seconds: 5, seed: 3, segments: 1e8 });
  expect(of('--segments', '10').seconds).toBe(Number.POSITIVE_INFINITY);
  expect(() => of('--seconds', 'x')).toThrow("--seconds takes a whole number, not 'x'");
  expect(of('--differential', '1', '--skip', '7')).toMatchObject({ differential: 1, skip: 7 });
  expect(() => of('--differential', '1', '--only', '7')).toThrow('--only says nothing to --differential');
  expect(() => of('--second')).toThrow("there is no option '--second'");
});
