/**
 * The requirements of RFC 9293 and others (requirements.json), and what checks each: scenarios that name it in their
 * `//! covers:`, tests named in tests.json, or a reason why there is nothing to check.
 */
import { readFileSync } from 'node:fs';
import type { Plan } from '../../src/tools/scenario/plan.ts';

export interface Requirement {
  readonly id: string;
  readonly rfc: string;
  readonly section: string;
  readonly level: string;
  readonly statement: string;
  readonly test: string;
}

/** A test by its file, under test/, and a part of its full name. */
export interface NamedTest {
  readonly file: string;
  readonly name: string;
}

/** Why there is nothing to check; `kind` is one of few. */
export interface NotApplicable {
  readonly kind: 'feature not there' | 'duplicate' | 'untestable from outside';
  readonly why: string;
}

/** What tests.json says of a requirement. */
export interface Answer {
  readonly tests?: readonly NamedTest[];
  /** The profile or option with which its tests run, where it is not the usual one. */
  readonly under?: string;
  readonly notApplicable?: NotApplicable;
}

export interface Row {
  readonly requirement: Requirement;
  readonly scenarios: readonly Plan[];
  readonly tests: readonly NamedTest[];
  readonly notApplicable: NotApplicable | undefined;
  /** Profile and settings without which tcpx does otherwise, or the check would show nothing. */
  readonly under: readonly string[];
}

/** Where requirements.json did not say what the RFC says: the fields that were changed, before and after. */
export interface Correction {
  readonly id: string;
  readonly was: Partial<Requirement>;
  readonly is: Partial<Requirement>;
  readonly why: string;
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));

/** Throws when a scenario or tests.json names a requirement that there is not. */
export function requirementRows(plans: readonly Plan[]): readonly Row[] {
  // Both files are this project's own; test/rfc/rows.test.ts looks at what they hold.
  const requirements = read('requirements.json') as readonly Requirement[];
  const answers = read('tests.json') as Readonly<Record<string, Answer>>;
  const known = new Set(requirements.map((r) => r.id));
  for (const id of Object.keys(answers)) if (!known.has(id)) throw new Error(`tests.json: there is no ${id}`);
  return requirements.map((requirement) => ({
    requirement,
    scenarios: plans.filter((plan) => plan.scenario.about.covers.includes(requirement.id)),
    tests: answers[requirement.id]?.tests ?? [],
    notApplicable: answers[requirement.id]?.notApplicable,
    under: underOf(
      plans.filter((plan) => plan.scenario.about.covers.includes(requirement.id)),
      answers[requirement.id],
    ),
  }));
}

/** Sorted by identifier; test/rfc/rows.test.ts compares them with the rows. */
export const readCorrections = (): readonly Correction[] => read('corrections.json') as readonly Correction[];

/** What every one of the scenarios sets before it begins, and what tests.json says of the tests. */
function underOf(scenarios: readonly Plan[], answer: Answer | undefined): readonly string[] {
  const [first, ...rest] = scenarios.map(({ scenario, before }) => [
    ...(scenario.about.profile === 'rfc' ? ['profile rfc'] : []),
    ...before.flatMap((effect) => (effect.kind === 'sysctl' ? [`${effect.name}=${effect.value}`] : [])),
  ]);
  const common = (first ?? []).filter((one) => rest.every((other) => other.includes(one)));
  return [...new Set([...common, ...(answer?.under === undefined ? [] : [answer.under])])];
}

/** Names of claims that scenarios show beside requirements: they are no identifiers of those. */
export const isClaim = (covered: string): boolean => /^[a-z][a-z0-9-]*$/.test(covered);
