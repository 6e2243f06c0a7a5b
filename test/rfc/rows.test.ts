import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadScenarios } from '../../src/tools/scenario/library.ts';
import { isClaim, readCorrections, requirementRows } from './rows.ts';

const { plans } = loadScenarios([]);
const rows = requirementRows(plans);
const ids = new Set(rows.map((row) => row.requirement.id));

test('there are 528 requirements, 204 of them of RFC 9293, each once', () => {
  expect(rows.length).toBe(528);
  expect(ids.size).toBe(528);
  expect(rows.filter((row) => row.requirement.rfc === '9293').length).toBe(204);
});

test('every requirement that a scenario covers exists', () => {
  const unknown = plans.flatMap(({ scenario: { file, about } }) =>
    about.covers.filter((id) => !ids.has(id) && !isClaim(id)).map((id) => `${file}: ${id}`),
  );
  expect(unknown).toEqual([]);
});

test('every test that is named exists', () => {
  const missing = rows.flatMap((row) =>
    row.tests
      .filter(({ file }) => !file.startsWith('rfc/'))
      .filter(({ file, name }) => {
        const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
        // Full names begin with their group's.
        return !text.includes(name) && !text.includes(name.replace(/^\S+ /, ''));
      })
      .map(({ file, name }) => `${row.requirement.id}: ${file}: ${name}`),
  );
  expect(missing).toEqual([]);
});

test('what does not apply has a reason, is at most 60, and nothing else checks it', () => {
  const without = rows.filter((row) => row.notApplicable !== undefined);
  expect(without.length).toBeLessThanOrEqual(60);
  for (const row of without) {
    expect(['feature not there', 'duplicate', 'untestable from outside']).toContain(row.notApplicable?.kind);
    expect(row.notApplicable?.why, row.requirement.id).toMatch(/\w{3}/);
    expect([...row.scenarios, ...row.tests], row.requirement.id).toEqual([]);
  }
});

test('what was corrected is as the list says, and was something else before', () => {
  const corrections = readCorrections();
  const byId = new Map(rows.map(({ requirement }) => [requirement.id, requirement]));
  expect(corrections.map(({ id }) => id)).toEqual([...new Set(corrections.map(({ id }) => id))].sort());
  for (const { id, was, is, why } of corrections) {
    expect(byId.get(id), id).toMatchObject(is);
    expect(Object.keys(was), id).toEqual(Object.keys(is));
    for (const [field, value] of Object.entries(was)) expect(byId.get(id), id).not.toHaveProperty(field, value);
    expect(why, id).toMatch(/RFC \d|§|Appendix/);
  }
});
