/** Puts each break in force and looks whether the requirement's check fails under it. */
import type { Row } from '../rows.ts';
import { type Break, type Breaks, staleness } from './breaks.ts';
import type { Check, Trial, TrialOutcome } from './order.ts';
import { runTrials } from './trials.ts';

export interface Proof {
  readonly id: string;
  /**
   * 'seen to fail', or what is wrong. 'failed before': without any break. 'does not end': there is more wrong than a rule, or the
   * sources can't be loaded.
   */
  readonly verdict: 'seen to fail' | 'not seen to fail' | 'no break' | 'stale' | 'failed before' | 'does not end';
  readonly break: Break | undefined;
  /** What the check that failed said first, or what is wrong. */
  readonly why: string;
}

/** Of those in tests.json that name a scenario, the scenario. Checks on a live kernel, or of hours, are left out: see README. */
export function checksOf({ scenarios, tests }: Row): readonly Check[] {
  return [
    ...scenarios.map(({ scenario }) => ({ scenario: scenario.file })),
    ...tests
      .filter(({ file }) => !/^(interop|sim)\//.test(file))
      .map(({ file, name }) => (file === 'rfc/scenarios.test.ts' ? { scenario: `${name}.pkt` } : { file, name })),
  ];
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
  const groups = new Map<string, { readonly broken: Break; readonly rows: Row[] }>();
  for (const row of rows) {
    const { id } = row.requirement;
    const its = breaks[id];
    const stale = its === undefined ? undefined : staleness(its);
    if (its === undefined) say({ id, verdict: 'no break', break: its, why: '' });
    else if (stale !== undefined) say({ id, verdict: 'stale', break: its, why: stale });
    else {
      const key = JSON.stringify(its);
      groups.set(key, { broken: its, rows: [...(groups.get(key)?.rows ?? []), row] });
    }
  }
  const failedBefore = new Set<Row>();
  const trials = [...groups.values()];
  await runTrials(
    trials.map((t) => trialOf(undefined, t.rows)),
    (index, outcome) => {
      const some = trials[index]!.rows;
      for (const row of some) if (failureOf(row, some, outcome) !== undefined) failedBefore.add(row);
    },
  );
  await runTrials(
    trials.map((t) => trialOf(t.broken, t.rows)),
    (index, outcome) => {
      const { broken, rows: some } = trials[index]!;
      for (const row of some) {
        const why = failureOf(row, some, outcome);
        const verdict = failedBefore.has(row)
          ? 'failed before'
          : outcome === 'endless' || 'unloadable' in outcome
            ? 'does not end'
            : why === undefined
              ? 'not seen to fail'
              : 'seen to fail';
        const wrong = outcome !== 'endless' && 'unloadable' in outcome ? outcome.unloadable : '';
        say({ id: row.requirement.id, verdict, break: broken, why: why ?? wrong });
      }
    },
  );
  return proofs;
}

function trialOf(broken: Break | undefined, rows: readonly Row[]): Trial {
  return { broken, checks: rows.flatMap(checksOf) };
}

/** What the first of a row's checks that failed says; undefined when none did. */
function failureOf(row: Row, rows: readonly Row[], outcome: TrialOutcome | 'endless'): string | undefined {
  if (outcome === 'endless' || 'unloadable' in outcome) return undefined;
  const before = rows.slice(0, rows.indexOf(row)).flatMap(checksOf).length;
  return outcome.outcomes.slice(before, before + checksOf(row).length).find((o) => o.verdict !== 'pass')?.why;
}
