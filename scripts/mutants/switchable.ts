/**
 * Many mutants in one text, all of them asleep: a number chooses the one in force, and each place notes that it was passed.
 * So one process tries thousands, and none is tried on a test that never comes by.
 *
 *   a < b   becomes   (M === 7 ? (a <= b) : M === 8 ? (a >= b) : (P[7] = 1, a < b))
 *
 * What a module computes while it is read can't be switched so; such places are passed before any test begins.
 */
import type { Mutant } from './mutant.ts';

/** The global with the number of the mutant in force; 0 for none. */
export const IN_FORCE = '__tcpxMutant';
/** The global where a place that is passed sets a 1, at the number of its first mutant. */
export const PLACES = '__tcpxPlaces';

export interface Numbered {
  /** From 1. */
  readonly id: number;
  /** Of the first at the same place. */
  readonly place: number;
  readonly mutant: Mutant;
}

/** Mutants of the same place get numbers one after another. */
export function numbered(mutants: readonly Mutant[]): readonly Numbered[] {
  const places = new Map<string, number>();
  return mutants.map((mutant, i) => {
    const key = `${mutant.file}:${mutant.start}-${mutant.end}`;
    const place = places.get(key) ?? i + 1;
    places.set(key, place);
    return { id: i + 1, place, mutant };
  });
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly all: Numbered[];
  readonly inner: Place[];
}

/** `mutants` are those of this text; nothing else of it is changed, and lines stay where they are. */
export function switchable(text: string, mutants: readonly Numbered[]): string {
  return rewritten(text, { start: 0, end: text.length, all: [], inner: nested(mutants) });
}

/** Expressions lie in one another or apart. */
function nested(mutants: readonly Numbered[]): Place[] {
  const top: Place[] = [];
  const open: Place[] = [];
  const sorted = mutants.toSorted((a, b) => a.mutant.start - b.mutant.start || b.mutant.end - a.mutant.end);
  for (const one of sorted) {
    const { start, end } = one.mutant;
    while (open.length > 0 && open.at(-1)!.end <= start) open.pop();
    const around = open.at(-1);
    if (around !== undefined && around.start === start && around.end === end) {
      around.all.push(one);
      continue;
    }
    const place = { start, end, all: [one], inner: [] };
    (around?.inner ?? top).push(place);
    open.push(place);
  }
  return top;
}

function rewritten(text: string, { start, end, all, inner }: Place): string {
  let out = '';
  let at = start;
  for (const place of inner) {
    out += text.slice(at, place.start) + rewritten(text, place);
    at = place.end;
  }
  out += text.slice(at, end);
  const first = all[0];
  if (first === undefined) return out;
  const note = `${PLACES}[${first.place}] = 1`;
  if (first.mutant.kind === 'return') return `{ ${note}; if (${IN_FORCE} !== ${first.id}) ${out} }`;
  const others = all.map(({ id, mutant }) => `${IN_FORCE} === ${id} ? (${mutant.replacement}) : `).join('');
  return `(${others}(${note}, ${out}))`;
}
