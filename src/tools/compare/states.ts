/** The states of our end in one run: where the segments put them, and which of them were really seen. */
import type { Micros } from '../../base/time.ts';
import type { State } from '../../tcp/machine.ts';
import { StateFollower } from '../infer-states.ts';
import type { Shot, StateMark, StateSource } from './model.ts';

/** A state that our end was seen in, and since when. */
export interface SeenState {
  readonly state: State;
  readonly at: Micros;
}

/** The states an end that connects goes through by its segments alone. */
export function inferredMarks(shots: readonly Shot[]): readonly StateMark[] {
  const follower = new StateFollower('CLOSED');
  return shots.flatMap((shot, i) => {
    const entered = shot.dir === 'out' ? follower.sent(shot) : follower.received(shot);
    return entered.map((state): StateMark => ({ state, shot: i, source: 'inferred' }));
  });
}

/**
 * Both together: what was seen is marked so and keeps the place the segments give it; a state that was seen and can't be
 * inferred has no segment. `whole`: nothing happens unseen (our own log), so that what was only inferred is dropped.
 */
export function mergeMarks(
  inferred: readonly StateMark[],
  seen: readonly SeenState[],
  source: StateSource,
  whole: boolean,
): readonly StateMark[] {
  const merged: StateMark[] = [];
  let next = 0;
  for (const { state, at: since } of seen) {
    const at = inferred.findIndex((mark, i) => i >= next && mark.state === state);
    if (at < 0) {
      merged.push({ state, shot: undefined, source, at: since });
      continue;
    }
    if (!whole) merged.push(...inferred.slice(next, at));
    merged.push({ state, shot: inferred[at]!.shot, source, at: since });
    next = at + 1;
  }
  if (!whole) merged.push(...inferred.slice(next));
  return merged;
}
