/** Plays scenarios one after another on one or more targets; what can't be played somewhere is skipped there, with the reason. */
import type { TargetName } from './model.ts';
import type { Plan } from './plan.ts';
import { type Played, playedOf, skipped } from './report.ts';
import { PEER, runScenario, SUT } from './run.ts';
import { NotPlayable, type Target } from './target.ts';
import { openVirtualTarget } from './virtual-target.ts';

export type OpenTarget = (plan: Plan) => Promise<Target>;

export const openTcpx: OpenTarget = async (plan) => openVirtualTarget({ plan, sut: SUT, peer: PEER });

/** On a real machine. */
const ATTEMPTS = 3;

/** Never throws for a scenario's sake; rejects when the target can't be had at all. */
export async function playOn(plan: Plan, target: TargetName, open: OpenTarget): Promise<Played> {
  const { scenario } = plan;
  const { on } = scenario.about;
  if (on !== undefined && !on.includes(target)) return skipped(scenario, target, `it is for ${on.join(' and ')} only`);
  try {
    // A busy machine is late now and then; what a stack does otherwise, it does again.
    for (let attempt = 1; ; attempt++) {
      const played = playedOf(scenario, await runScenario(plan, await open(plan)));
      if (played.verdict === 'pass' || target === 'tcpx' || attempt === ATTEMPTS) return played;
    }
  } catch (error) {
    if (error instanceof NotPlayable) return skipped(scenario, target, error.message);
    throw error;
  }
}
