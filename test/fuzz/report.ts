/** What is said of a run that broke a rule: shrunk, as a scenario, and how to see it again. */
import { drawAlone, playAlone } from './alone.ts';
import type { EndOptions } from './end.ts';
import type { Run, Violation } from './model.ts';
import { rerun } from './rerun.ts';
import { shrink } from './shrink.ts';
import { storyOf } from './story.ts';

/** The violation of a run, seen when it is played or played again. */
export async function violationIn(run: Run, o: EndOptions = {}): Promise<Violation | undefined> {
  const first = playAlone(run, o);
  return first.violation ?? (await rerun(first, o)).violation;
}

export interface Explained {
  readonly violation: Violation;
  readonly run: Run;
  readonly text: string;
}

/** Shrinks `run` to the least that breaks the same rule; undefined when it breaks none. */
export async function explain(run: Run, o: EndOptions = {}): Promise<Explained | undefined> {
  const violation = await violationIn(run, o);
  if (violation === undefined) return undefined;
  const least = await shrink(run, async (r) => (await violationIn(r, o))?.rule === violation.rule);
  const now = (await violationIn(least, o)) ?? violation;
  const { text, leftOut } = storyOf(least, now.rule, o);
  const note = leftOut.length === 0 ? '' : `// not in packetdrill's language: ${leftOut.join('; ')}\n`;
  return { violation: now, run: least, text: `${text}${note}` };
}

export async function explainNumber(number: number): Promise<Explained | undefined> {
  return explain(drawAlone(number).run);
}
