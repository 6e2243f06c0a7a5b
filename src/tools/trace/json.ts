/** The output for programs, a JSON document a line: first the file, then segments and connections, at last the end. */
import type { Note, TracedConnection } from './connection.ts';
import { Kind, kindNames } from './kinds.ts';
import type { ReadOutcome } from './run.ts';
import type { SeenSegment } from './seen-segment.ts';
import { sideName, summaryOf } from './summary.ts';
import { relativeSegment } from './text.ts';
import type { TraceCounts } from './trace.ts';

export const TRACE_SCHEMA = 'tcpx.trace/1';

export const fileLine = (file: string): string => line({ type: 'file', schema: TRACE_SCHEMA, file });

/** Numbers are relative to the connection's beginnings; `t`: microseconds since the capture began. */
export function segmentLine(c: TracedConnection, seg: SeenSegment, note: Note, t: number, record: number): string {
  return line({
    type: 'segment',
    connection: c.number,
    record,
    t,
    from: sideName(note.side),
    seg: relativeSegment(c, seg, note.side),
    kinds: kindNames(note.kinds),
    ...(note.kinds & Kind.RTT_SAMPLE && { rtt: note.rtt }),
    ...(note.transitions.length > 0 && {
      transitions: note.transitions.map(({ side, from, event, to }) => ({
        end: sideName(side),
        from,
        ...(event !== undefined && { event }),
        to,
      })),
    }),
  });
}

export const connectionLine = (c: TracedConnection, zero: number): string =>
  line({ type: 'connection', ...summaryOf(c, zero) });

export function endLine({ readings, ...counts }: TraceCounts, outcome: ReadOutcome): string {
  const { format, octets, broken } = outcome;
  return line({
    type: 'end',
    format,
    octets,
    packets: counts.packets,
    segments: readings.tcp,
    connections: counts.connections,
    notTcp: readings.other,
    fragments: readings.fragment,
    cut: readings.cut,
    damaged: readings.damaged,
    unknownLink: readings['unknown link'],
    linkTypes: counts.linkTypes,
    ...(counts.firstAt !== undefined && { firstAt: counts.firstAt, lastAt: counts.lastAt }),
    ...(broken !== undefined && { broken }),
  });
}

const line = (o: object): string => `${JSON.stringify(o)}\n`;
