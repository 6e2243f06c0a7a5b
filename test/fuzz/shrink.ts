/** A run that breaks a rule, made smaller as long as it breaks the same: actions left out, settings left out, numbers made plain. */
import type { Action, FuzzSegment, Run, Setup } from './model.ts';

/** True when the run still shows what is to be shown. */
export type Shows = (run: Run) => boolean | Promise<boolean>;

/** Runs that are tried at most: each takes less than a millisecond or a few. */
const MOST_TRIES = 4000;

export async function shrink(run: Run, shows: Shows): Promise<Run> {
  let tries = 0;
  let best = run;
  const better = async (candidate: Run): Promise<boolean> => {
    if (tries >= MOST_TRIES || !(await safely(shows, candidate))) {
      tries++;
      return false;
    }
    tries++;
    best = candidate;
    return true;
  };
  for (let before = -1; before !== sizeOf(best) && tries < MOST_TRIES; ) {
    before = sizeOf(best);
    await withoutActions(() => best, better);
    await withoutSettings(() => best, better);
    await plainer(() => best, better);
  }
  return best;
}

async function safely(shows: Shows, run: Run): Promise<boolean> {
  try {
    return await shows(run);
  } catch {
    return false;
  }
}

const sizeOf = (run: Run): number => JSON.stringify(run).length;

type Better = (run: Run) => Promise<boolean>;

/** Halves, quarters and so on down to single ones are left out, the last first: what follows the breach is of no use. */
async function withoutActions(best: () => Run, better: Better): Promise<void> {
  for (let size = Math.max(1, best().actions.length >> 1); ; size >>= 1) {
    for (let at = best().actions.length - size; at > -size; at -= size) {
      const { setup, actions } = best();
      const from = Math.max(0, at);
      await better({ setup, actions: [...actions.slice(0, from), ...actions.slice(at + size)] });
    }
    if (size === 1) return;
  }
}

async function withoutSettings(best: () => Run, better: Better): Promise<void> {
  const tryWith = (change: (setup: Setup) => Setup): Promise<boolean> =>
    better({ setup: change(best().setup), actions: best().actions });
  for (const kind of ['sysctl', 'options'] as const)
    for (const name of Object.keys(best().setup[kind]))
      await tryWith((s) => ({ ...s, [kind]: Object.fromEntries(Object.entries(s[kind]).filter(([n]) => n !== name)) }));
  await tryWith((s) => ({ ...s, profile: 'linux' }));
  await tryWith((s) => ({ ...s, iss: 0 }));
  await tryWith((s) => ({ ...s, irs: 0 }));
  await tryWith((s) => ({ ...s, tsOffset: 0 }));
  await tryWith((s) => ({ ...s, path: { receiveMss: 1460, sendMss: 1460, defaultMss: 536, maxGsoPayload: 0 } }));
  await tryWith((s) => ({ ...s, path: { ...s.path, maxGsoPayload: 0 } }));
  await tryWith(({ tfo: _, ...s }) => s);
  await tryWith(({ tfoAccept: _, ...s }) => s);
}

/** Segment by segment: without its options and extras, of fewer octets; several reads into one. */
async function plainer(best: () => Run, better: Better): Promise<void> {
  for (let i = best().actions.length - 1; i >= 0; i--) {
    for (const simpler of simplerThan(best().actions[i]!)) {
      const { setup, actions } = best();
      await better({ setup, actions: actions.with(i, simpler(actions[i]!)) });
    }
  }
}

const EXTRAS = ['sack', 'ts', 'urg', 'ecn', 'tfo', 'mss', 'wscale', 'sackOk'] as const satisfies (keyof FuzzSegment)[];

function simplerThan(action: Action): readonly ((action: Action) => Action)[] {
  if (action.do === 'segment') {
    const withSeg = (change: (seg: FuzzSegment) => FuzzSegment) => (a: Action) =>
      a.do === 'segment' ? { ...a, seg: change(a.seg) } : a;
    return [
      ...EXTRAS.filter((name) => action.seg[name] !== undefined).map((name) =>
        withSeg(({ [name]: _, ...rest }) => rest as FuzzSegment),
      ),
      (a) => (a.do === 'segment' ? { do: 'segment', seg: a.seg } : a),
      ...(action.seg.len > 1
        ? [0, 1, 10, 100].filter((n) => n < action.seg.len).map((len) => withSeg((s) => ({ ...s, len })))
        : []),
      withSeg((s) => ({ ...s, wnd: 65_535 })),
      withSeg((s) => ({ ...s, flags: s.flags & 0x17 })),
    ];
  }
  if ((action.do === 'send' || action.do === 'lend' || action.do === 'send urgent') && action.len > 1) {
    return [1, 10, 100, 1000].filter((n) => n < action.len).map((len) => (a) => ({ ...a, do: 'send', len }) as Action);
  }
  if (action.do === 'wait' && action.us > 1)
    return [0, 1, 1000, 1_000_000].filter((n) => n < action.us).map((us) => () => ({ do: 'wait', us }));
  return [];
}
