/**
 * Several attempts at one scenario. What an RFC forbids or nothing explains counts when every attempt shows it; what one
 * of them doesn't show came by chance, and is set apart.
 */
import { verdictsOf } from './differences.ts';
import { type Comparison, comparisonWord, type Difference, isSound, type VerdictWord, wordOf } from './model.ts';
import { readRun } from './reading.ts';

/** What one attempt came to. */
export interface Tried {
  readonly comparison: Comparison;
}

export interface Settled<T extends Tried> {
  /** The attempt that differs least. */
  readonly shown: T;
  /** Its comparison, without what another attempt doesn't show. */
  readonly comparison: Comparison;
}

/**
 * Tries until an attempt shows nothing different, or of two one shows nothing forbidden or unexplained, or `most` were made;
 * `isEnded` ends it early.
 */
export async function inAttempts<T extends Tried>(
  attempt: () => Promise<T>,
  most: number,
  isEnded: () => boolean = () => false,
): Promise<Settled<T>> {
  const tried: T[] = [];
  for (;;) {
    tried.push(await attempt());
    const settled = settle(tried);
    const { comparison } = settled.shown;
    const word = comparisonWord(comparison);
    const enough = comparison.complaint === undefined && (word === 'same' || (isSound(word) && tried.length > 1));
    if (enough || tried.length >= most || isEnded()) return settled;
  }
}

/** `tried`: one attempt or more. Where the scenario did not come about, nothing is learned of what is chance. */
export function settle<T extends Tried>(tried: readonly T[]): Settled<T> {
  const shown = tried.reduce((best, t) => (weightOf(t.comparison) < weightOf(best.comparison) ? t : best));
  const usable = tried.map((t) => t.comparison).filter((c) => c.complaint === undefined);
  const bad = usable.map(badOf);
  const always = (meaning: string): boolean => bad.every((of) => of.has(meaning));
  const chance = new Map<string, Difference>();
  for (const of of [badOf(shown.comparison), ...bad]) {
    for (const [meaning, d] of of) {
      if (always(meaning) || chance.has(meaning)) continue;
      // Rows are those of the attempt that is shown.
      chance.set(meaning, shown.comparison.differences.includes(d) ? d : { ...d, row: undefined });
    }
  }
  const c = shown.comparison;
  const differences = c.differences.filter((d) => !isBad(d) || always(meaningOf(d, c)));
  const verdicts =
    differences.length === c.differences.length
      ? c.verdicts
      : verdictsOf({ kernel: readRun(c.kernel), tcpx: readRun(c.tcpx) }, differences);
  return {
    shown,
    comparison: { ...c, differences, verdicts, attempts: tried.length, chance: [...chance.values()] },
  };
}

function isBad(d: Difference): boolean {
  const word = wordOf(d);
  return word !== undefined && !isSound(word);
}

/** What is forbidden or unexplained, the first of each meaning. */
function badOf(c: Comparison): ReadonlyMap<string, Difference> {
  const found = new Map<string, Difference>();
  for (const d of c.differences.filter(isBad)) {
    const meaning = meaningOf(d, c);
    if (!found.has(meaning)) found.set(meaning, d);
  }
  return found;
}

/**
 * What a difference is about, the same in each attempt: rows move and milliseconds vary. Wide rather than narrow, for what is
 * not recognized is taken for chance.
 */
function meaningOf(d: Difference, c: Comparison): string {
  const row = d.row === undefined || d.field === 'schedule' ? undefined : c.rows[d.row];
  const own = `${d.property}, ${d.field}`;
  if (row === undefined) return own;
  const run = row.kernel === undefined ? c.tcpx : c.kernel;
  const i = (row.kernel ?? row.tcpx)!;
  const kind = readRun(run).kinds[i]!.replace(/^duplicate /, '');
  const side = d.field === 'segment' ? `, only ${run.side}` : '';
  return `${own}, ${run.shots[i]!.dir} ${kind}${side}`;
}

const WEIGHTS: Readonly<Record<VerdictWord, number>> = {
  forbidden: 10_000,
  unexplained: 10_000,
  required: 100,
  allowed: 1,
  same: 0,
};
/** Of two attempts the lighter one shows less that is different. */
const weightOf = (c: Comparison): number =>
  c.complaint === undefined ? c.verdicts.reduce((sum, v) => sum + WEIGHTS[v.word], 0) : Number.POSITIVE_INFINITY;
