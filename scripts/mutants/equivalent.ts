/** Mutants that no test can notice, and why. A line is known by its text, so it may move; when it changes, so may the reason. */
import { readFileSync } from 'node:fs';
import type { Mutant } from './mutant.ts';

interface Equivalent {
  readonly file: string;
  /** The line, without its indentation. */
  readonly line: string;
  /** `original → replacement`; several with the same reason. */
  readonly changes: readonly string[];
  readonly why: string;
}

const KNOWN = JSON.parse(readFileSync(new URL('equivalent.json', import.meta.url), 'utf8')) as readonly Equivalent[];

/** `line`: the source's, where the mutant begins. */
export function reasonFor(mutant: Mutant, line: string): string | undefined {
  const change = `${mutant.original} → ${mutant.replacement}`;
  const known = KNOWN.find((e) => e.file === mutant.file && e.line === line.trim() && e.changes.includes(change));
  return known?.why;
}
