/** What connections do is what they did when it was last looked at. See recorded.ts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CONTROLLERS, controllerLines, GROUPS, groupLines, TRANSFER_GROUPS, transferLines } from './recorded.ts';

const DIR = new URL('../fixtures/recorded/', import.meta.url);
const HINT = 'if that is meant: TCPX_RECORD=1 npx vitest run --config test/vitest.config.ts test/fuzz/recorded.test.ts';

function expectRecorded(name: string, lines: readonly string[]): void {
  const text = `${lines.join('\n')}\n`;
  const file = new URL(name, DIR);
  if (process.env['TCPX_RECORD'] === '1') {
    mkdirSync(DIR, { recursive: true });
    writeFileSync(file, text);
  }
  const recorded = readFileSync(file, 'utf8').split('\n');
  const at = lines.findIndex((line, i) => line !== recorded[i]);
  if (at >= 0) expect.fail(`${lines[at]}\nwas recorded as\n${recorded[at]}\n${HINT}`);
  expect(recorded.length).toBe(lines.length + 1);
}

test.each(Array.from({ length: GROUPS }, (_, i) => i))(
  'drawn runs, group %i',
  (group) => {
    expectRecorded(`group-${String(group).padStart(2, '0')}.txt`, groupLines(group));
  },
  60_000,
);

test.each(Array.from({ length: TRANSFER_GROUPS }, (_, i) => i))(
  'long transfers, group %i',
  (group) => {
    expectRecorded(`transfers-${group}.txt`, transferLines(group));
  },
  60_000,
);

test.each(CONTROLLERS)(
  '%s alone on a path',
  (name) => {
    expectRecorded(`${name}.txt`, controllerLines(name));
  },
  60_000,
);
