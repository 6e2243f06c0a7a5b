/** What is said of a run that broke a rule: shrunk, as a scenario where it is one, and how to see it again. */
import { drawAlone, playAlone } from './alone.ts';
import type { EndOptions } from './end.ts';
import { kindOf, playNumber } from './kinds.ts';
import type { Run, Violation } from './model.ts';
import { drawOctets, playOctets, shrinkOctets } from './octets-run.ts';
import { PAIR_RULES, playPair } from './pair.ts';
import { drawPair } from './pair-setup.ts';
import { shrinkPair } from './pair-shrink.ts';
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
  /** How much is left. */
  readonly size: string;
  /** A scenario, where it is one. */
  readonly text: string;
  /** The whole run as JSON. */
  readonly json: string;
}

export interface ExplainedRun extends Explained {
  readonly run: Run;
}

/** Shrinks `run` to the least that breaks the same rule; undefined when it breaks none. */
export async function explain(run: Run, o: EndOptions = {}): Promise<ExplainedRun | undefined> {
  const violation = await violationIn(run, o);
  if (violation === undefined) return undefined;
  const least = await shrink(run, async (r) => (await violationIn(r, o))?.rule === violation.rule);
  const now = (await violationIn(least, o)) ?? violation;
  const { text, leftOut } = storyOf(least, now.rule, o);
  const note = leftOut.length === 0 ? '' : `// not in packetdrill's language: ${leftOut.join('; ')}\n`;
  const size = `${least.actions.length} actions`;
  return { violation: now, run: least, size, text: `${text}${note}`, json: JSON.stringify(least) };
}

export async function explainNumber(number: number): Promise<Explained | undefined> {
  if (kindOf(number) === 'alone') return explain(drawAlone(number).run);
  const { violation } = await playNumber(number, true);
  if (violation === undefined) return undefined;
  return kindOf(number) === 'pair' ? explainPair(number, violation) : explainOctets(number, violation);
}

/** What one end did is a run of its own; what the pair did is its setup. */
async function explainPair(number: number, violation: Violation): Promise<Explained | undefined> {
  const first = playPair(drawPair(number));
  if (!PAIR_RULES.some((rule) => rule === violation.rule)) {
    for (const run of first.runs) {
      const explained = await explain(run);
      if (explained?.violation.rule === violation.rule) return explained;
    }
  }
  const setup = shrinkPair(first.setup, violation.rule);
  const least = playPair(setup);
  const stories = least.runs.map((run, i) => storyOf(run, `${violation.rule}: end ${i + 1}`).text);
  const size = `${least.segmentsOut} segments`;
  return { violation: least.violation ?? violation, size, text: stories.join('\n'), json: JSON.stringify(setup) };
}

function explainOctets(number: number, violation: Violation): Explained {
  const run = shrinkOctets(drawOctets(number).run, violation.rule);
  const now = playOctets(run).violation ?? violation;
  return { violation: now, size: `${run.steps.length} steps`, text: '', json: JSON.stringify(run) };
}
