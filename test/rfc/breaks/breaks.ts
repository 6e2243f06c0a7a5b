/**
 * How each requirement's check was seen to fail: a change to one place of the sources that breaks the rule, under which the
 * check fails. breaks.json holds them by requirement, written by hand; `npm run rfc -- --breaks` proves them anew (prove.ts).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** `from` stands once in the file, and becomes `to`; how its white space is laid out doesn't matter. */
export interface Break {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export type Breaks = Readonly<Record<string, Break>>;

/** By requirement. */
export function readBreaks(): Breaks {
  // This project's own; breaks.test.ts looks at what it holds.
  return JSON.parse(readFileSync(new URL('breaks.json', import.meta.url), 'utf8')) as Breaks;
}

/** `text` with the break in force. Throws when it can't be applied. */
export function brokenText(text: string, { from, to }: Pick<Break, 'from' | 'to'>): string {
  const words = from.trim().split(/\s+/);
  const pattern = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('\\s+');
  const [first, second] = text.matchAll(new RegExp(pattern, 'g'));
  if (first === undefined) throw new Error(`does not have '${from}'`);
  if (second !== undefined) throw new Error(`has '${from}' more than once`);
  return text.slice(0, first.index) + to + text.slice(first.index + first[0].length);
}

/** Why a break can't be applied to the sources as they are; undefined when it can. */
export function staleness(b: Break): string | undefined {
  try {
    brokenText(readFileSync(join(ROOT, b.file), 'utf8'), b);
    return undefined;
  } catch (error) {
    return `${b.file} ${error instanceof Error ? error.message : String(error)}`;
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
