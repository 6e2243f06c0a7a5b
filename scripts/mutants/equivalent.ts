/** Mutants that no test can notice, and why. A line is known by its text, so it may move; when it changes, so may the reason. */
import { readFileSync } from 'node:fs';
import type { Mutant } from './mutant.ts';

export interface Equivalent {
  readonly file: string;
  /** The line, without its indentation. */
  readonly line: string;
  /** And the one before it, where several read alike. */
  readonly after?: string;
  /** `original → replacement`; several with the same reason. */
  readonly changes: readonly string[];
  /** Which of the places on the line that read `original`, from 1; all of them when left out. */
  readonly nth?: number;
  readonly why: string;
}

export const EQUIVALENT = JSON.parse(
  readFileSync(new URL('equivalent.json', import.meta.url), 'utf8'),
) as readonly Equivalent[];

/** `source`: the text that the mutant was found in. */
export function equivalentOf(mutant: Mutant, source: string): Equivalent | undefined {
  const change = `${mutant.original} → ${mutant.replacement}`;
  const from = source.lastIndexOf('\n', mutant.start - 1) + 1;
  const line = source.slice(from).split('\n', 1)[0]!.trim();
  const before = source
    .slice(0, Math.max(0, from - 1))
    .split('\n')
    .at(-1)!
    .trim();
  return EQUIVALENT.find(
    (e) =>
      e.file === mutant.file &&
      e.line === line &&
      (e.after === undefined || e.after === before) &&
      e.changes.includes(change) &&
      (e.nth === undefined || e.nth === nthOn(source.slice(from, mutant.start), mutant.original)),
  );
}

/** How many times the line has said so when it says so once more: whole numbers and words, no parts of them. */
function nthOn(before: string, original: string): number {
  const text = original.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return [...before.matchAll(new RegExp(`(?<![\\w.])${text}(?![\\w.])`, 'g'))].length + 1;
}
