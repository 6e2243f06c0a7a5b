/**
 * A run once more, this time with a trace, each ACK looked at and nothing put away: the same must leave at the same
 * times. And the trace as a log, replayed: it must come to the same end, record for record.
 */
import type { TraceRecord } from '../../src/tcp/trace.ts';
import type { LogLine } from '../../src/tools/log-ndjson.ts';
import { replayLog } from '../../src/tools/replay.ts';
import { type Outcome, playAlone } from './alone.ts';
import type { EndOptions } from './end.ts';
import type { Rule } from './invariants.ts';
import { type Run, Violation } from './model.ts';

export interface Rerun {
  readonly violation: Violation | undefined;
}

export async function rerun(first: Outcome, o: EndOptions = {}): Promise<Rerun> {
  const records: TraceRecord[] = [];
  const { run } = first;
  const again = playAlone(run, {
    ...o,
    staysWhole: true,
    tracer: { enabled: true, record: (record) => records.push(record) },
  });
  return {
    violation: again.violation ?? differs(first, again) ?? (ownsNone(run) ? await replays(records) : undefined),
  };
}

/** Whose octets they were is not in the log, and in how many pieces they are read depends on it. */
const ownsNone = (run: Run): boolean => run.actions.every((a) => a.do !== 'segment' || a.owned === undefined);

const violated = (rule: Rule, message: string): Violation => new Violation(rule, message);

function differs(first: Outcome, again: Outcome): Violation | undefined {
  // Growth counts ACKs as well as octets.
  if (first.merged > 0) return undefined;
  if (first.digest === again.digest && first.segmentsOut === again.segmentsOut) return undefined;
  return violated(
    'the same run has the same outcome',
    `${first.segmentsOut} segments left, and with a trace and nothing put away ${again.segmentsOut}`,
  );
}

async function replays(records: readonly TraceRecord[]): Promise<Violation | undefined> {
  // A log begins with an OPEN: what was asked before is not in it.
  if (records[0]?.type !== 'call' || !records[0].call.endsWith('OPEN')) return undefined;
  try {
    // After each call of a run all that may leave has left, writes that follow each other closely not excepted.
    const { difference } = await replayLog(linesOf(records), 0);
    if (difference === undefined) return undefined;
    const { line, recorded, replayed } = difference;
    const text = (of: TraceRecord | undefined): string => JSON.stringify(of)?.slice(0, 300) ?? 'nothing';
    return violated(
      'the log replays to the same end',
      `record ${line} was ${text(recorded)}, and is ${text(replayed)}`,
    );
  } catch (error) {
    return violated('the log replays to the same end', String(error));
  }
}

async function* linesOf(records: readonly TraceRecord[]): AsyncIterable<LogLine> {
  for (let i = 0; i < records.length; i++) yield { line: i + 1, record: records[i]! };
}
