/** Many runs one after another, and what they came to: what a worker does. */
import { drawAlone } from './alone.ts';
import { rerun } from './rerun.ts';

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
  const rows = new Map<string, number>();
  const found: Found[] = [];
  let runs = 0;
  let segmentsIn = 0;
  let segmentsOut = 0;
  for (let number = from; goesOn(segmentsIn) && found.length < 10; number += step) {
    const outcome = drawAlone(number);
    runs++;
    segmentsIn += outcome.segmentsIn;
    segmentsOut += outcome.segmentsOut;
    let { violation } = outcome;
    if (violation === undefined && runs % RERUN_EACH === 1) {
      const again = await rerun(outcome);
      violation = again.violation;
      for (const [row, count] of again.rows) rows.set(row, (rows.get(row) ?? 0) + count);
    }
    if (violation !== undefined) found.push({ number, rule: violation.rule, message: violation.message });
  }
  return { runs, segmentsIn, segmentsOut, rows, found };
}
