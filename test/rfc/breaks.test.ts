import { expect, test } from 'vitest';
import { intBelow, seededRandom } from '../../src/base/random.ts';
import { loadScenarios } from '../../src/tools/scenario/library.ts';
import { breakText, brokenText, readBreaks, staleness } from './breaks/breaks.ts';
import { checksOf, proveBreaks } from './breaks/prove.ts';
import { requirementRows } from './rows.ts';

const breaks = readBreaks();
const checked = requirementRows(loadScenarios([]).plans).filter((row) => row.scenarios.length + row.tests.length > 0);

test('every requirement that has a check has a break, and no other', () => {
  const ids = checked.map((row) => row.requirement.id);
  expect(Object.keys(breaks).sort()).toEqual([...ids].sort());
});

test('every requirement has a check in virtual time, under which its break can be tried', () => {
  expect(checked.filter((row) => checksOf(row).length === 0).map((row) => row.requirement.id)).toEqual([]);
});

// Where the sources have changed: write in breaks.json what breaks the rule now, and `npm run rfc -- --breaks ID` tries it.
test('every break can be applied to the sources as they are', () => {
  const stale = Object.entries(breaks).flatMap(([id, b]) => {
    const why = staleness(b);
    return why === undefined ? [] : [`${id}: ${why}`];
  });
  expect(stale).toEqual([]);
});

test('under each of ten breaks the check of its requirement fails', async () => {
  const seed = Number(process.env['RFC_SEED'] ?? Date.now() % 1_000_000);
  const random = seededRandom(seed);
  const applicable = checked.filter(({ requirement: { id } }) => {
    const its = breaks[id];
    return its !== undefined && staleness(its) === undefined;
  });
  const drawn = new Set(Array.from({ length: 10 }, () => applicable[intBelow(random, applicable.length)]!));
  const proofs = await proveBreaks([...drawn], breaks, () => {});
  const not = proofs.filter((p) => p.verdict !== 'seen to fail').map((p) => `${p.id}: ${p.verdict} ${p.why}`);
  expect(not, `RFC_SEED=${seed}`).toEqual([]);
}, 120_000);

test('a break is put in place of what it breaks, wherever the lines end', () => {
  const text = 'a();\n  if (x)\n    b();\nc();\n';
  expect(brokenText(text, { from: 'if (x) b();', to: '' })).toBe('a();\n  \nc();\n');
  expect(() => brokenText(text, { from: 'd();', to: '' })).toThrow("does not have 'd();'");
  expect(() => brokenText(text + text, { from: 'a();', to: '' })).toThrow("has 'a();' more than once");
});

test('a break is told in short by what differs', () => {
  const b = { file: 'src/tcp/rtt.ts', from: 'if (a < b) return;', to: 'if (a <= b) return;' };
  expect(breakText(b)).toBe('tcp/rtt.ts: < → <=');
  expect(breakText({ ...b, from: 'reportAll(tcb);', to: '' })).toBe('tcp/rtt.ts: without reportAll(tcb);');
});
