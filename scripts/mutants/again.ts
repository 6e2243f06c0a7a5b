/** Mutants that survived before: what the JSON of an earlier run names, found in the sources as they are now. */
import type { Mutant } from './mutant.ts';

interface Survivor {
  readonly file: string;
  readonly line: number;
  readonly original: string;
  readonly replacement: string;
}

/** Of `every`, the survivors in `text`, the output of a run with --json; each that is still there, at the nearest line. */
export function survivorsOf(text: string, every: readonly Mutant[]): readonly Mutant[] {
  const found = new Set<Mutant>();
  for (const survivor of survivorsIn(text)) {
    const alike = every.filter(
      ({ file, original, replacement }) =>
        file === survivor.file && original === survivor.original && replacement === survivor.replacement,
    );
    const away = ({ line }: Mutant): number => Math.abs(line - survivor.line);
    for (const mutant of alike) if (alike.every((other) => away(mutant) <= away(other))) found.add(mutant);
  }
  return every.filter((mutant) => found.has(mutant));
}

function survivorsIn(text: string): readonly Survivor[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Survivor & { readonly verdict?: string })
    .filter(({ verdict }) => verdict === 'survived');
}
