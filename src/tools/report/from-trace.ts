/** A capture's connections for the report, as `tcpx trace` finds them. */
import { ruleText, type State, TRANSITIONS } from '../../tcp/machine.ts';
import { paintFor } from '../log-style.ts';
import type { Note, TracedConnection } from '../trace/connection.ts';
import { otherSide, type Side, type Transition } from '../trace/end-states.ts';
import { Kind } from '../trace/kinds.ts';
import { LadderCollector } from '../trace/ladder.ts';
import type { SeenSegment } from '../trace/seen-segment.ts';
import { summaryOf } from '../trace/summary.ts';
import { detailLines } from '../trace/text.ts';
import type { TraceSink } from '../trace/trace.ts';
import type { ReportConnection, ReportEnd, ReportMove, ReportSamples } from './model.ts';

export interface CaptureReportOptions {
  /** In front of each title: which capture it is, where there are several. */
  readonly name?: string;
  /** When the capture began; asked with each segment. */
  readonly zero: () => number;
}

interface Collected {
  readonly ladder: LadderCollector;
  readonly moves: ReportMove[];
  readonly rtt: ReportSamples['rtt'][number][];
  rows: number;
  remarks: readonly string[];
}

/** For a Trace; keeps all that it is given. */
export class CaptureCollector implements TraceSink {
  readonly #o: CaptureReportOptions;
  readonly #connections = new Map<TracedConnection, Collected>();

  constructor(o: CaptureReportOptions) {
    this.#o = o;
  }

  segment(c: TracedConnection, seg: SeenSegment, note: Note, at: number): void {
    const t = at - this.#o.zero();
    const of = this.#connections.get(c) ?? { ladder: new LadderCollector(), moves: [], rtt: [], rows: 0, remarks: [] };
    this.#connections.set(c, of);
    of.ladder.segment(c, seg, note, t);
    if (of.ladder.leftOut > 0) return;
    for (const move of note.transitions) of.moves.push(moveOf(move, of.rows));
    of.rows++;
    if (note.kinds & Kind.RTT_SAMPLE)
      of.rtt.push({ t, end: endOf(otherSide(note.side)), rtt: note.rtt, srtt: undefined, rto: undefined });
  }

  retired(c: TracedConnection): void {
    const of = this.#connections.get(c);
    if (of === undefined) return;
    of.remarks = detailLines(summaryOf(c, this.#o.zero()), paintFor(false)).slice(1);
  }

  /** In the order in which they began. */
  connections(): readonly ReportConnection[] {
    const { name } = this.#o;
    return [...this.#connections].flatMap(([c, { ladder, moves, rtt, remarks }]) => {
      const drawn = ladder.finish();
      if (drawn === undefined) return [];
      const title = `${name === undefined ? '' : `${name} `}c${c.number} ${c.endText(0)} – ${c.endText(1)}`;
      const { leftOut } = ladder;
      return [
        {
          title,
          ladder: drawn,
          moves,
          samples: { congestion: [], rtt },
          remarks: leftOut === 0 ? remarks : [...remarks, `${leftOut} segments after these are left out`],
        },
      ];
    });
  }
}

const endOf = (side: Side): ReportEnd => (side === 0 ? 'ours' : 'peer');

function moveOf({ side, from, event, to }: Transition, row: number): ReportMove {
  const rows: Readonly<Record<string, readonly [State, string]>> = TRANSITIONS[from];
  const rule = event === undefined ? undefined : rows[event]?.[1];
  return { row, end: endOf(side), from, to, event, rule: rule === undefined ? undefined : ruleText(rule) };
}
