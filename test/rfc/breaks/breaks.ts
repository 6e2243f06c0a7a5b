/**
 * How each requirement's check was seen to fail: a change to one place of the sources that breaks the rule, under which the
 * check fails. breaks.json holds them by requirement; `npm run rfc -- --breaks` proves them anew (prove.ts), and
 * `npm run rfc -- --find-breaks` looks for those that are missing (find.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Mutant, mutantAt } from '../../../scripts/mutants/mutant.ts';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const FILE = new URL('breaks.json', import.meta.url);

/** `from` stands once in the file, and becomes `to`. Whole lines, without the white space around them. */
export interface Break {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export type Breaks = Readonly<Record<string, Break>>;

/** By requirement. */
export function readBreaks(): Breaks {
  // This project's own; breaks.test.ts looks at what it holds.
  return JSON.parse(readFileSync(FILE, 'utf8')) as Breaks;
}

export function writeBreaks(breaks: Breaks): void {
  writeFileSync(FILE, `${JSON.stringify(breaks, null, 2)}\n`);
}

/** Throws when the sources have changed, and it does not apply any more. */
export function mutantOf({ file, from, to }: Break): Mutant {
  return mutantAt(file, readFileSync(join(ROOT, file), 'utf8'), from, to);
}

/** Why a break can't be applied to the sources as they are; undefined when it can. */
export function staleness(b: Break): string | undefined {
  try {
    mutantOf(b);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A mutant as whole lines: as few as stand once in the file. */
export function breakOf(text: string, { file, start, end, replacement }: Mutant): Break {
  let from = text.lastIndexOf('\n', start - 1) + 1;
  let to = text.indexOf('\n', end);
  if (to < 0) to = text.length;
  for (let isBelow = false; ; isBelow = !isBelow) {
    const original = text.slice(from, to).trim();
    if (text.indexOf(original) === text.lastIndexOf(original)) {
      const head = text.slice(from, start).trimStart();
      return { file, from: original, to: `${head}${replacement}${text.slice(end, to).trimEnd()}`.trimEnd() };
    }
    if (isBelow) to = text.indexOf('\n', to + 1);
    else from = text.lastIndexOf('\n', from - 2) + 1;
  }
}

/** `file.ts: what → what`, no longer than a cell of a table should be: what both have in common is left out. */
export function breakText({ file, from, to }: Break): string {
  const [a, b] = [from, to].map((text) => text.replace(/\s+/g, ' ').trim()) as [string, string];
  const name = file.replace(/^src\//, '');
  let head = 0;
  while (head < Math.min(a.length, b.length) && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < Math.min(a.length, b.length) - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const words = (text: string): string => {
    // From the beginning of the word in which they part to the end of the one in which they meet again.
    const from = text.slice(0, head).search(/[^\s(]*$/);
    const rest = text.slice(text.length - tail).search(/[\s);,]|$/);
    return text.slice(Math.max(0, from), text.length - tail + Math.max(0, rest));
  };
  const short = (text: string): string => (text.length > 70 ? `${text.slice(0, 68)}…` : text);
  const was = short(words(a));
  const is = short(words(b));
  return /^(undefined)?;?$/.test(is) ? `${name}: without ${was}` : `${name}: ${was} → ${is}`;
}
