/** A comparison as one JSON document: the model with its addresses spelt out. */
import { ipv4Text } from '../../wire/ipv4.ts';
import { type Comparison, comparisonWord, isSound, type Run, type VerdictWord } from './model.ts';
import { verdictText } from './render.ts';

export const COMPARE_SCHEMA = 'tcpx.compare/2';

export type Judgement = VerdictWord | 'trouble';

export const judgementOf = (c: Comparison): Judgement => (c.complaint === undefined ? comparisonWord(c) : 'trouble');

/** No trouble, nothing forbidden, nothing unexplained. */
export const isGood = (c: Comparison): boolean => c.complaint === undefined && isSound(comparisonWord(c));

/** What the document says beside the scenarios. */
export interface CompareFacts {
  readonly target: string;
  readonly interface: string;
  readonly gateway: string | undefined;
  readonly kernel: string;
  readonly node: string;
  readonly tcpx: string;
  readonly driver: string;
  readonly guard: string;
  /** Settings of our stack: names and units of Linux's sysctls. */
  readonly sysctl: Readonly<Record<string, unknown>>;
}

export function compareDocument(
  facts: CompareFacts,
  comparisons: readonly Comparison[],
  scenarios: readonly { readonly name: string; readonly summary: string }[],
): Readonly<Record<string, unknown>> {
  return {
    schema: COMPARE_SCHEMA,
    ...facts,
    scenarios: comparisons.map((c) => ({
      name: c.scenario,
      summary: scenarios.find((s) => s.name === c.scenario)?.summary,
      verdict: judgementOf(c),
      text: verdictText(c),
      complaint: c.complaint,
      attempts: c.attempts,
      verdicts: c.verdicts,
      differences: c.differences,
      chance: c.chance,
      rows: c.rows,
      kernel: runDocument(c.kernel),
      tcpx: runDocument(c.tcpx),
    })),
    good: comparisons.every(isGood),
  };
}

const runDocument = (run: Run): Readonly<Record<string, unknown>> => ({
  local: `${ipv4Text(run.local.address)}:${run.local.port}`,
  remote: `${ipv4Text(run.remote.address)}:${run.remote.port}`,
  segments: run.shots,
  states: run.states,
  outcome: run.outcome,
  ...(run.again !== undefined && { again: run.again }),
  notes: run.notes,
});
