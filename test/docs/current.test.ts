/** What is printed in docs/ says what holds now. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DOCUMENTS, textNow } from '../../scripts/docs/documents.ts';
import { arrows, STATES } from '../../scripts/state-machine/arrows.ts';
import { diagramSvg } from '../../scripts/state-machine/diagram.ts';
import { allRows } from '../../src/tcp/machine.ts';

test.each(DOCUMENTS.map((document) => [document.file, document] as const))(
  'docs/%s is current',
  async (file, { renewedBy, text }) => {
    const wanted = (await text()).split('\n');
    const lines = textNow(file).split('\n');
    const stale = wanted.findIndex((line, i) => line !== lines[i]);
    const at = stale < 0 && lines.length > wanted.length ? wanted.length : stale;
    expect(
      at < 0 ? '' : `docs/${file}:${at + 1} is out of date: ${renewedBy}\n  should be: ${wanted[at] ?? '(nothing)'}`,
    ).toBe('');
  },
  120_000,
);

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
