/** A pair that breaks a rule, made plainer as long as it breaks the same. */
import { playPair } from './pair.ts';
import type { PairSetup, PathPlan, UserPlan } from './pair-setup.ts';

/** Seeds that each plainer setup is tried with: another path loses other segments. */
const SEEDS = 3;

export function shrinkPair(setup: PairSetup, rule: string): PairSetup {
  let best = setup;
  const better = (candidate: PairSetup): boolean => {
    for (let i = 0; i < SEEDS; i++) {
      const seeded = { ...candidate, seed: candidate.seed + i };
      if (playPair(seeded).violation?.rule !== rule) continue;
      best = seeded;
      return true;
    }
    return false;
  };
  for (let before = ''; before !== JSON.stringify(best); ) {
    before = JSON.stringify(best);
    for (const [name, value] of PLAIN_PATH) better({ ...best, path: { ...best.path, [name]: value } });
    for (const i of [0, 1] as const) {
      withoutSettings(() => best, i, better);
      for (const [name, values] of PLAIN_USER)
        for (const value of values) {
          const user = best.users[i];
          if (user[name] !== value) better(withUser(best, i, { ...user, [name]: value }));
        }
    }
  }
  return best;
}

const PLAIN_PATH: readonly (readonly [keyof PathPlan, unknown])[] = [
  ['loss', 0],
  ['duplicate', 0],
  ['reorder', 0],
  ['jitter', 0],
  ['mark', 0],
  ['outage', [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]],
  ['mss', 65_535],
  ['batch', -1],
  ['maxGsoPayload', 0],
  ['delay', 1000],
];

const PLAIN_USER: readonly (readonly [keyof UserPlan, readonly (number | boolean)[]])[] = [
  ['octets', [0, 1, 100, 3000]],
  ['lends', [0]],
  ['putsAway', [0]],
  ['closesLast', [false]],
  ['reads', [1000]],
  ['period', [1000]],
  ['most', [60_000]],
];

function withUser(setup: PairSetup, i: 0 | 1, user: UserPlan): PairSetup {
  return { ...setup, users: i === 0 ? [user, setup.users[1]] : [setup.users[0], user] };
}

function withoutSettings(best: () => PairSetup, i: 0 | 1, better: (setup: PairSetup) => boolean): void {
  for (const kind of ['sysctl', 'options'] as const)
    for (const name of Object.keys(best().ends[i][kind])) {
      const { ends } = best();
      const rest = Object.fromEntries(Object.entries(ends[i][kind]).filter(([n]) => n !== name));
      const end = { ...ends[i], [kind]: rest };
      better({ ...best(), ends: i === 0 ? [end, ends[1]] : [ends[0], end] });
    }
}
