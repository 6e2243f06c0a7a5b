/** Differences of one kind taken together: a transfer shows the same one in a hundred rows. */
import { type Comparison, comparisonWord, type Difference, wordOf, worst } from './model.ts';

export interface DifferenceGroup {
  readonly first: Difference;
  readonly count: number;
  /** Where it shows. */
  readonly scenarios: readonly string[];
}

/** By property, what of it, and what is said about it; worst first, the peer's own doing last. */
export function groupDifferences(comparisons: readonly Comparison[]): readonly DifferenceGroup[] {
  const groups = new Map<string, { first: Difference; count: number; scenarios: Set<string> }>();
  for (const { scenario, differences } of comparisons) {
    for (const d of differences) {
      // Nobody has looked at what is unexplained: each is told by itself.
      const own = d.ruling === undefined ? `${d.kernel} ${d.tcpx}` : d.ruling.why;
      const key = `${d.ruling?.word} ${d.ruling?.clause} ${d.property} ${d.field} ${own}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { first: d, count: 1, scenarios: new Set([scenario]) });
      else {
        group.count++;
        group.scenarios.add(scenario);
      }
    }
  }
  const rank = (d: Difference): number => {
    const word = wordOf(d);
    return word === undefined ? RANKS.length : RANKS.indexOf(word);
  };
  return [...groups.values()]
    .map((g): DifferenceGroup => ({ ...g, scenarios: [...g.scenarios] }))
    .toSorted((a, b) => rank(a.first) - rank(b.first));
}
const RANKS: readonly string[] = ['forbidden', 'unexplained', 'required', 'allowed'];

/** `same: 6 segments, 5 states`; `allowed: 2 differences`. */
export function comparisonTexts(c: Comparison): string {
  const counted = c.differences.filter((d) => wordOf(d) !== undefined);
  const peers = c.differences.length - counted.length;
  const aside = peers === 0 ? '' : `; ${peers} of the peer's own`;
  if (counted.length === 0) return `same: ${c.tcpx.shots.length} segments, ${c.tcpx.states.length} states${aside}`;
  const word = worst(counted.map((d) => wordOf(d)!));
  const kinds = groupDifferences([c]).filter((g) => wordOf(g.first) !== undefined).length;
  return `${word === comparisonWord(c) ? word : comparisonWord(c)}: ${kinds} ${kinds === 1 ? 'kind' : 'kinds'} of difference in ${counted.length} ${counted.length === 1 ? 'place' : 'places'}${aside}`;
}
