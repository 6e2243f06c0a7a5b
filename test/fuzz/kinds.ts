/** Which kind of run a number stands for, and what is found wrong with it. */
import { drawAlone } from './alone.ts';
import type { Violation } from './model.ts';
import { drawOctets } from './octets-run.ts';
import { playPair } from './pair.ts';
import { drawPair } from './pair-setup.ts';
import { rerun } from './rerun.ts';

export type Kind = 'alone' | 'pair' | 'octets';

/** One of so many runs is of two connections, and one of octets into a whole stack: they take longer. */
const EACH = 32;

export function kindOf(number: number): Kind {
  if (number % EACH === 0) return 'pair';
  return number % EACH === 17 ? 'octets' : 'alone';
}

export interface NumberedOutcome {
  readonly violation: Violation | undefined;
  readonly segmentsIn: number;
  readonly segmentsOut: number;
}

/** `twice`: played again with a trace, which is replayed as a log. */
export async function playNumber(number: number, twice: boolean): Promise<NumberedOutcome> {
  switch (kindOf(number)) {
    case 'octets':
      return drawOctets(number);
    case 'pair': {
      const pair = playPair(drawPair(number));
      let { violation } = pair;
      for (const end of [0, 1] as const) {
        if (violation !== undefined || !twice) break;
        const outcome = {
          run: pair.runs[end],
          violation: undefined,
          segmentsIn: 0,
          segmentsOut: pair.sent[end],
          digest: pair.digests[end],
          merged: pair.merged[end],
        };
        violation = (await rerun(outcome)).violation;
      }
      return { ...pair, violation };
    }
    default: {
      const alone = drawAlone(number);
      return { ...alone, violation: alone.violation ?? (twice ? (await rerun(alone)).violation : undefined) };
    }
  }
}
