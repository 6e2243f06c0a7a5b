/** Which mutants are tried: places at random, and one of the changes at each. */
import { intBelow, type Random } from '../../src/base/random.ts';
import type { Mutant } from './mutant.ts';

/** All of them when `count` is as large as the number of places; otherwise in the order of the files. */
export function draw(mutants: readonly Mutant[], count: number, random: Random): readonly Mutant[] {
  const places = byPlace(mutants);
  if (count >= places.length) return mutants;
  // The first `count` of Fisher and Yates's shuffle.
  for (let i = 0; i < count; i++) {
    const k = i + intBelow(random, places.length - i);
    [places[i], places[k]] = [places[k]!, places[i]!];
  }
  const drawn = new Set(places.slice(0, count).map((changes) => changes[intBelow(random, changes.length)]!));
  return mutants.filter((mutant) => drawn.has(mutant));
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
