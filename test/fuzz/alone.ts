/** A run with one connection whose peer is drawn: a number in, what happened out. */
import { intBelow, seededRandom } from '../../src/base/random.ts';
import { End, type EndOptions } from './end.ts';
import { Generator } from './generate.ts';
import { type Action, type Run, Violation } from './model.ts';
import { drawSetup, pick } from './setup.ts';

export interface Outcome {
  readonly run: Run;
  readonly violation: Violation | undefined;
  readonly segmentsIn: number;
  readonly segmentsOut: number;
  readonly digest: number;
  /** ACKs that were not looked at: with a trace each is. */
  readonly merged: number;
}

/** After CLOSED a few more actions: nothing may come of them. */
const AFTERWARDS = 4;

/** Draws run `number` and plays it. */
export function drawAlone(number: number, o: EndOptions = {}): Outcome {
  const random = seededRandom(number);
  const setup = drawSetup(random);
  const length = pick(random, [30, 100, 300, 1000, 3000]) + intBelow(random, 30);
  const end = new End(setup, o);
  const generator = new Generator(random, setup);
  const actions: Action[] = [];
  let afterwards = 0;
  let violation: Violation | undefined;
  try {
    while (actions.length < length && afterwards < AFTERWARDS) {
      const action = generator.next(end);
      actions.push(action);
      end.apply(action);
      if (end.state === 'CLOSED' && end.segmentsIn + end.segmentsOut > 0) afterwards++;
    }
    end.finish();
  } catch (error) {
    violation = violationOf(error);
  }
  return outcomeOf(end, { setup, actions }, violation);
}

/** Plays a run that is known. */
export function playAlone(run: Run, o: EndOptions = {}): Outcome {
  const end = new End(run.setup, o);
  let violation: Violation | undefined;
  try {
    for (const action of run.actions) end.apply(action);
    end.finish();
  } catch (error) {
    violation = violationOf(error);
  }
  return outcomeOf(end, run, violation);
}

function outcomeOf(end: End, run: Run, violation: Violation | undefined): Outcome {
  const { segmentsIn, segmentsOut, digest, merged } = end;
  return { run, violation, segmentsIn, segmentsOut, digest, merged };
}

export function violationOf(error: unknown): Violation {
  if (error instanceof Violation) return error;
  throw error;
}
