import { describe, expect, test } from 'vitest';
import { type Claim, type LabRun, text } from '../../../src/tools/lab/claim.ts';
import { type Play, runMany } from '../../../src/tools/lab/many.ts';
import { runLine } from '../../../src/tools/lab/text.ts';
import { paintFor } from '../../../src/tools/log-style.ts';

const claimed = (name: string, o: Partial<Claim> = {}): Claim => ({
  name,
  group: 'opening',
  title: text('a title', '标题'),
  claim: text('a claim', '命题'),
  written: ['RFC 9293 §3.5'],
  sabotage: {},
  run: () => Promise.resolve(),
  ...o,
});

/** `shownAt`: the run of a claim that shows it; one that isn't there is shown at once. */
async function played(
  claims: readonly Claim[],
  shownAt: Readonly<Record<string, number>>,
): Promise<{ readonly runs: readonly LabRun[]; readonly told: readonly string[]; readonly played: readonly string[] }> {
  const order: string[] = [];
  const told: string[] = [];
  const play: Play = ({ name, group, title, claim, written }, _, nth) => {
    order.push(`${name} ${nth}`);
    const ok = nth >= (shownAt[name] ?? 1);
    const run = { ...{ name, group, title, claim, written, ok }, shown: [text('seen', '看到')], steps: [] };
    return Promise.resolve({ ...run, failure: text('not seen', '没看到'), seconds: 1, tries: 1 });
  };
  const runs = await runMany(
    claims,
    {
      argv: () => [],
      onStep: () => {},
      onRun: (run) => told.push(`${run.name} ${run.tries}`),
      signal: new AbortController().signal,
    },
    play,
  );
  return { runs, told, played: order };
}

const lineOf = (run: LabRun, lang: 'en' | 'zh'): string => runLine(run, lang, paintFor(false)).join('\n');

describe('claims side by side', () => {
  test('what was not shown beside others runs again alone, and says at which try it was shown', async () => {
    const { runs, told, played: order } = await played([claimed('a'), claimed('b')], { a: 2 });
    expect(order).toEqual(['a 1', 'b 1', 'a 2']);
    expect(told).toEqual(['b 1', 'a 2']);
    expect(runs.map(({ name, ok, tries }) => [name, ok, tries])).toEqual([
      ['a', true, 2],
      ['b', true, 1],
    ]);
    expect(lineOf(runs[0]!, 'en')).toMatch(/ seen \(second try\)$/);
    expect(lineOf(runs[0]!, 'zh')).toMatch(/ 看到（第二次）$/);
    expect(lineOf(runs[1]!, 'en')).toMatch(/ seen$/);
  });

  test('alone up to three times: one that failed beside others has four tries', async () => {
    const { runs, played: order } = await played([claimed('a')], { a: 9 });
    expect(order).toEqual(['a 1', 'a 2', 'a 3', 'a 4']);
    expect([runs[0]!.ok, runs[0]!.tries]).toEqual([false, 4]);
    expect(lineOf(runs[0]!, 'en')).toMatch(/ not seen \(fourth try\)$/);
  });

  test('one that measures time runs alone from the first, three times at most', async () => {
    const { runs, played: order } = await played([claimed('timed', { timed: true }), claimed('b')], { timed: 9 });
    expect(order).toEqual(['b 1', 'timed 1', 'timed 2', 'timed 3']);
    expect(runs.map(({ tries }) => tries)).toEqual([3, 1]);
    expect(lineOf(runs[0]!, 'zh')).toMatch(/ 没看到（第三次）$/);
  });
});
