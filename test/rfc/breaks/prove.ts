/** Puts each break in force, in a copy of the project, and looks whether the requirement's check fails under it. */
import type { Row } from '../rows.ts';
import { Bench, checksOf } from './bench.ts';
import { type Break, type Breaks, mutantOf, staleness } from './breaks.ts';
import { keyOf } from './order.ts';

export interface Proof {
  readonly id: string;
  /** 'seen to fail', or what is wrong; 'failed before': without any break. */
  readonly verdict: 'seen to fail' | 'not seen to fail' | 'no break' | 'stale' | 'failed before';
  readonly break: Break | undefined;
}

/** Of rows that have checks. `tell` hears of each as it comes. */
export async function proveBreaks(
  rows: readonly Row[],
  breaks: Breaks,
  tell: (proof: Proof) => void,
): Promise<readonly Proof[]> {
  const proofs: Proof[] = [];
  const say = (proof: Proof): void => {
    proofs.push(proof);
    tell(proof);
  };
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const { id } = row.requirement;
    const its = breaks[id];
    if (its === undefined) say({ id, verdict: 'no break', break: its });
    else if (staleness(its) !== undefined) say({ id, verdict: 'stale', break: its });
    else groups.set(JSON.stringify(its), [...(groups.get(JSON.stringify(its)) ?? []), row]);
  }
  if (groups.size === 0) return proofs;
  const bench = new Bench();
  try {
    const failing = async (some: readonly Row[]): Promise<readonly Row[]> => {
      const outcome = await bench.run({ checks: some.flatMap(checksOf) });
      // What does not end, or can't be read, shows nothing.
      if (outcome === undefined || outcome.broken.length > 0) return [];
      const failed = new Set(outcome.results.filter((r) => r.state === 'failed').map((r) => r.check));
      return some.filter((row) => checksOf(row).some((check) => failed.has(keyOf(check))));
    };
    const before = await failing([...groups.values()].flat());
    for (const [key, some] of groups) {
      // Written by JSON.stringify above.
      const its = JSON.parse(key) as Break;
      bench.apply(mutantOf(its));
      const seen = await failing(some);
      for (const row of some) {
        const verdict = before.includes(row)
          ? 'failed before'
          : seen.includes(row)
            ? 'seen to fail'
            : 'not seen to fail';
        say({ id: row.requirement.id, verdict, break: its });
      }
    }
  } finally {
    bench.close();
  }
  return proofs;
}
