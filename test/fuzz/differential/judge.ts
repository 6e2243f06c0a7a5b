/** How far two plays of one script can be compared, and what is found until then. */
import { type Difference, differences } from './compare.ts';
import { type Known, knownAs } from './known.ts';
import type { Played } from './play.ts';
import type { Script } from './script.ts';

export interface Judged {
  /** In their order; after the last one nothing can be compared, unless that is the end. */
  readonly known: readonly Known[];
  /** What ended the comparison, where that is not known. */
  readonly unknown: Difference | undefined;
  readonly isToTheEnd: boolean;
  /** Steps, and segments of the kernel's, that were compared. */
  readonly steps: number;
  readonly segments: number;
}

export function judge(ours: Played, theirs: Played, script: Script): Judged {
  const known: Known[] = [];
  for (const d of differences(ours, theirs)) {
    const why = knownAs(d, script);
    if (why !== undefined) known.push(why);
    if (why?.isAlone && d.silent === undefined) continue;
    const unknown = why === undefined ? d : undefined;
    return { known, unknown, isToTheEnd: false, steps: d.step, segments: d.before.length };
  }
  const all = { steps: script.steps.length, segments: theirs.sent.length };
  return { known, unknown: undefined, isToTheEnd: true, ...all };
}

/** The same for two differences that look alike but for their numbers, and come after a step of the same kind. */
export function kindOf(d: Difference, script: Script): string {
  const step = script.steps[d.step];
  const after = step?.do === 'user' ? step.user.call : step?.do;
  return `${d.what} after ${after}: ${d.tcpx} / ${d.kernel}`.replace(/[1-9][0-9]*/g, '#');
}
