/** A comparison as one JSON document: the model with its addresses spelt out. */
import { ipv4Text } from '../../wire/ipv4.ts';
import type { Comparison, Run } from './model.ts';
import { verdictText } from './render.ts';

export const COMPARE_SCHEMA = 'tcpx.compare/1';

export type Verdict = 'same' | 'different' | 'trouble';

export function verdictOf(c: Comparison): Verdict {
  if (c.complaint !== undefined) return 'trouble';
  return c.same ? 'same' : 'different';
}

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
): Readonly<Record<string, unknown>> {
  return {
    schema: COMPARE_SCHEMA,
    ...facts,
    scenarios: comparisons.map((c) => ({
      name: c.scenario,
      verdict: verdictOf(c),
      text: verdictText(c),
      differences: c.differences,
      rows: c.rows,
      kernel: runDocument(c.kernel),
      tcpx: runDocument(c.tcpx),
    })),
    same: comparisons.every((c) => c.same),
  };
}

const runDocument = (run: Run): Readonly<Record<string, unknown>> => ({
  local: `${ipv4Text(run.local.address)}:${run.local.port}`,
  remote: `${ipv4Text(run.remote.address)}:${run.remote.port}`,
  segments: run.shots,
  states: run.states,
  outcome: run.outcome,
  notes: run.notes,
});
