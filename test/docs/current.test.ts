/** What is printed in docs/ says what holds now. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DOCUMENTS, textNow } from '../../scripts/docs/documents.ts';
import { allRows } from '../../src/tcp/machine.ts';
import { arrows, STATES } from '../../src/tools/state-machine/arrows.ts';
import { diagramSvg } from '../../src/tools/state-machine/diagram.ts';

test.each(DOCUMENTS.map((document) => [document.file, document] as const))(
  'docs/%s is current',
  async (file, { renewedBy, text }) => {
    expect(staleness(file, textNow(file), await text(), renewedBy)).toBe('');
  },
  300_000,
);

/** The first line that says otherwise, and what to do; '' when none does. */
function staleness(file: string, is: string, shouldBe: string, renewedBy: string): string {
  const [lines, wanted] = [is.split('\n'), shouldBe.split('\n')];
  const at = Array.from({ length: Math.max(lines.length, wanted.length) }).findIndex((_, i) => lines[i] !== wanted[i]);
  if (at < 0) return '';
  const [says, holds] = [lines[at] ?? '(nothing)', wanted[at] ?? '(nothing)'];
  return `docs/${file}:${at + 1} is not what holds now\n  says  ${says}\n  holds ${holds}\n  if that is as it should be: ${renewedBy}`;
}

test('what is out of date is told with its line and the command', () => {
  expect(staleness('a.md', 'x\ny\n', 'x\nz\n', 'npm run docs')).toBe(
    'docs/a.md:2 is not what holds now\n  says  y\n  holds z\n  if that is as it should be: npm run docs',
  );
  expect(staleness('a.md', 'x\n', 'x\n\n', 'npm run docs')).toContain('holds ');
  expect(staleness('a.md', 'x\n', 'x\n', 'npm run docs')).toBe('');
});

test('each of them is there', () => {
  expect(readdirSync(new URL('../../docs', import.meta.url))).toEqual(
    expect.arrayContaining(DOCUMENTS.map(({ file }) => file)),
  );
});

test('the diagram shows every state and every row, drawn or in words', () => {
  const svg = diagramSvg();
  const words = svg.replaceAll(/<tspan[^>]*>|<\/tspan>/g, '');
  for (const state of STATES) expect(svg).toContain(`>${state}</text>`);
  for (const { event } of allRows()) expect(words).toMatch(new RegExp(`>${event}( in |</text>)`));
  expect(arrows().length).toBe(21);
});
