import { expect, test } from 'vitest';
import { loadScenarios } from '../../src/tools/scenario/library.ts';
import { breakOf, breakText, mutantOf, readBreaks, staleness } from './breaks/breaks.ts';
import { requirementRows } from './rows.ts';

const breaks = readBreaks();

test('every break is of a requirement that has a check', () => {
  const checked = requirementRows(loadScenarios([]).plans).filter((row) => row.scenarios.length + row.tests.length > 0);
  const ids = new Set(checked.map((row) => row.requirement.id));
  expect(Object.keys(breaks).filter((id) => !ids.has(id))).toEqual([]);
});

// `npm run rfc -- --find-breaks` looks for others where the sources have changed.
test('nine in ten apply to the sources as they are', () => {
  const all = Object.values(breaks);
  const stale = all.flatMap((b) => staleness(b) ?? []);
  expect(stale.length, stale.join('\n')).toBeLessThanOrEqual(all.length / 10);
});

test('a break is whole lines, as few as stand once in the file, and the change of it', () => {
  const text = 'a();\n  if (x) b();\nc();\n  if (x) b();\n';
  const start = text.lastIndexOf('x');
  const mutant = {
    file: 'f.ts',
    kind: 'logic',
    start,
    end: start + 1,
    line: 4,
    original: 'x',
    replacement: 'false',
  } as const;
  expect(breakOf(text, mutant)).toEqual({ file: 'f.ts', from: 'c();\n  if (x) b();', to: 'c();\n  if (false) b();' });
});

test('is told in short by what differs', () => {
  const b = { file: 'src/tcp/rtt.ts', from: 'if (a < b) return;', to: 'if (a <= b) return;' };
  expect(breakText(b)).toBe('tcp/rtt.ts: < → <=');
  expect(breakText({ ...b, from: 'reportAll(tcb);', to: '' })).toBe('tcp/rtt.ts: without reportAll(tcb);');
  expect(() => mutantOf({ ...b, from: 'not in there' })).toThrow('not in there');
});
