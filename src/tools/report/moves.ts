/** Which rows of the transition table a ladder's states stand for: all that a report knows where nobody wrote it down. */
import { allRows, type Event, type Row, ruleText, type State, TRANSITIONS } from '../../tcp/machine.ts';
import type { Ladder, LadderRow } from '../ladder.ts';
import type { ReportEnd, ReportMove } from './model.ts';

/** In the order of the rows; of one row, ours first. */
export function movesOf(ladder: Ladder): readonly ReportMove[] {
  const moves: ReportMove[] = [];
  const at = { ours: ladder.ourStart, peer: ladder.peerStart ?? '?' };
  ladder.rows.forEach((row, i) => {
    for (const end of ['ours', 'peer'] as const) {
      const to = row[end];
      if (to === undefined) continue;
      for (const step of wayTo(at[end], to, row, end)) moves.push({ row: i, end, ...step });
      at[end] = to;
    }
  });
  return moves;
}

type Step = Omit<ReportMove, 'row' | 'end'>;

/** As the ladder shows the last state of a row, it may stand for two rows of the table. */
function wayTo(from: string, to: string, row: LadderRow, end: ReportEnd): readonly Step[] {
  const direct = stepOf(from, to, row, end);
  if (direct !== undefined) return [direct];
  for (const first of allRows()) {
    if (first.from !== from || first.to === 'CLOSED') continue;
    const second = stepOf(first.to, to, row, end);
    if (second !== undefined) return [step(first.from, first.event, first.to), second];
  }
  return [{ from, to, event: undefined, rule: undefined }];
}

/** The one row of the table between two states; of several, the one that the segment shows. */
function stepOf(from: string, to: string, row: LadderRow, end: ReportEnd): Step | undefined {
  const all = allRows().filter((r) => r.from === from && r.to === to);
  const named = all.find((r) => r.event === row.remark) ?? all.find((r) => r.event === resetOf(row, end));
  const found = named ?? (all.length === 1 ? all[0] : undefined);
  if (found !== undefined) return step(found.from, found.event, found.to);
  return all.length === 0 ? undefined : { from, to, event: undefined, rule: undefined };
}

function resetOf({ segment }: LadderRow, end: ReportEnd): Event | undefined {
  if (segment?.seg.flags.includes('R') !== true) return undefined;
  return (segment.dir === 'out') === (end === 'ours') ? 'ABORT' : 'rcv RST';
}

function step(from: State, event: Event, to: State): Step {
  const rows: Readonly<Partial<Record<Event, Row>>> = TRANSITIONS[from];
  const rule = rows[event]?.[1];
  return { from, to, event, rule: rule === undefined ? undefined : ruleText(rule) };
}
