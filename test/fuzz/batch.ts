/** Many runs one after another, and what they came to: what a worker does. */
import { playNumber } from './kinds.ts';
import { countRows, takeRows } from './rows.ts';

/** Every so many runs one is played again with a trace, and the trace replayed. */
const RERUN_EACH = 16;

export interface Found {
  readonly number: number;
  readonly rule: string;
  readonly message: string;
}

export interface BatchResult {
  readonly runs: number;
  readonly segmentsIn: number;
  readonly segmentsOut: number;
  readonly rows: ReadonlyMap<string, number>;
  readonly found: readonly Found[];
}

export interface BatchOptions {
  /** Numbers of runs: from, then every `step`th, as long as `goesOn`. */
  readonly from: number;
  readonly step: number;
  readonly goesOn: (segmentsIn: number) => boolean;
}

/** Stops at the tenth violation: more say no more. */
export async function playBatch({ from, step, goesOn }: BatchOptions): Promise<BatchResult> {
  countRows();
  takeRows();
  const found: Found[] = [];
  let runs = 0;
  let segmentsIn = 0;
  let segmentsOut = 0;
  for (let number = from; goesOn(segmentsIn) && found.length < 10; number += step) {
    const outcome = await playNumber(number, runs % RERUN_EACH === 0);
    runs++;
    segmentsIn += outcome.segmentsIn;
    segmentsOut += outcome.segmentsOut;
    const { violation } = outcome;
    if (violation !== undefined) found.push({ number, rule: violation.rule, message: violation.message });
  }
  return { runs, segmentsIn, segmentsOut, rows: takeRows(), found };
}
