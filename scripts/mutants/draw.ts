/** Which mutants are tried: places at random, and one of the changes at each. */
import { intBelow, type Random } from '../../src/base/random.ts';
import type { Mutant } from './mutant.ts';

export interface Drawn {
  /** To be tried, in the order of the files. */
  readonly made: readonly Mutant[];
  /** Drawn as well, and left: nobody could notice them. */
  readonly explained: readonly Mutant[];
  /** Of both, the first as many as were asked for, in the order of the draw. */
  readonly first: readonly Mutant[];
}

/** Draws until `count` are made, or no place is left; every change at every place when `count` is that of the places or more. */
export function draw(
  mutants: readonly Mutant[],
  count: number,
  random: Random,
  isExplained: (mutant: Mutant) => boolean = () => false,
): Drawn {
  const places = byPlace(mutants);
  if (count >= places.length) return split(mutants, isExplained);
  const drawn = new Set<Mutant>();
  let made = 0;
  // Fisher and Yates's shuffle, as far as it is needed.
  for (let i = 0; i < places.length && made < count; i++) {
    const k = i + intBelow(random, places.length - i);
    [places[i], places[k]] = [places[k]!, places[i]!];
    const changes = places[i]!;
    const one = changes[intBelow(random, changes.length)]!;
    drawn.add(one);
    if (!isExplained(one)) made++;
  }
  const inOrder = mutants.filter((mutant) => drawn.has(mutant));
  return { ...split(inOrder, isExplained), first: [...drawn].slice(0, count) };
}

/** All of them, as if they had been drawn. */
export function split(mutants: readonly Mutant[], isExplained: (mutant: Mutant) => boolean): Drawn {
  return {
    made: mutants.filter((mutant) => !isExplained(mutant)),
    explained: mutants.filter((mutant) => isExplained(mutant)),
    first: mutants,
  };
}

/** What became of the first: how many were caught, had a reason, or neither. */
export function fateOf(
  { first, explained }: Drawn,
  isCaught: (mutant: Mutant) => boolean,
): { readonly drawn: number; readonly caught: number; readonly explained: number; readonly neither: number } {
  const caught = first.filter(isCaught).length;
  const withReason = first.filter((mutant) => explained.includes(mutant)).length;
  return { drawn: first.length, caught, explained: withReason, neither: first.length - caught - withReason };
}

function byPlace(mutants: readonly Mutant[]): Mutant[][] {
  const places = new Map<string, Mutant[]>();
  for (const mutant of mutants) {
    const key = `${mutant.file}:${mutant.start}-${mutant.end}`;
    const changes = places.get(key);
    if (changes === undefined) places.set(key, [mutant]);
    else changes.push(mutant);
  }
  return [...places.values()];
}
