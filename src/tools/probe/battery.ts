/** All probes in the order in which they are shown, and a run of them. */
import { type Bench, Stopped } from './bench.ts';
import { CannotTell, type Finding, type Probe } from './model.ts';
import { CLOSING } from './probes/closing.ts';
import { OPENING } from './probes/opening.ts';
import { RECEIVING } from './probes/receiving.ts';
import { RESETS } from './probes/resets.ts';
import { SENDING } from './probes/sending.ts';

export const PROBES: readonly Probe[] = [...OPENING, ...RESETS, ...RECEIVING, ...SENDING, ...CLOSING];

export type Findings = ReadonlyMap<string, Finding>;

/** Those that wait all beside one another, the others one by one. Rejects with Stopped when the bench's signal says so. */
export async function runProbes(
  bench: Bench,
  probes: readonly Probe[],
  onFinding: (probe: Probe, finding: Finding) => void = () => {},
): Promise<Findings> {
  const found = new Map<string, Finding>();
  const one = async (probe: Probe): Promise<void> => {
    const finding = await findingOf(bench, probe);
    found.set(probe.name, finding);
    onFinding(probe, finding);
  };
  const moments = async (): Promise<void> => {
    for (const probe of probes.filter((p) => p.lane === 'moment')) await one(probe);
  };
  await Promise.all([moments(), ...probes.filter((p) => p.lane === 'wait').map(one)]);
  return found;
}

async function findingOf(bench: Bench, probe: Probe): Promise<Finding> {
  try {
    return await probe.run(bench);
  } catch (error) {
    if (error instanceof Stopped || !(error instanceof CannotTell)) throw error;
    return { value: error.message, data: null, unknown: true };
  }
}
