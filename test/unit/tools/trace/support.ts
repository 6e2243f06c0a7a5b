/** Written captures through the trace, and what came out. */

import type { CapturedAt } from '../../../../scripts/trace/virtual.ts';
import { writtenCapture } from '../../../../scripts/trace/written.ts';
import { LinkType } from '../../../../src/pcap/pcap-writer.ts';
import type { TracedConnection } from '../../../../src/tools/trace/connection.ts';
import { Kind, kindNames } from '../../../../src/tools/trace/kinds.ts';
import { transitionText } from '../../../../src/tools/trace/text.ts';
import { Trace, type TraceOptions } from '../../../../src/tools/trace/trace.ts';

export interface Traced {
  /** Of each segment in turn: 'kind kind', '' for none. */
  readonly kinds: readonly string[];
  /** RTT samples, microseconds; undefined for none. */
  readonly rtts: readonly (number | undefined)[];
  readonly moves: readonly (readonly string[])[];
  /** Connection number of each segment. */
  readonly numbers: readonly number[];
  readonly retired: readonly TracedConnection[];
  readonly trace: Trace;
}

export const OPEN = `
  0.000 > S  seq 0 win 64240 mss 1460 sackOK wscale 7
  0.020 < S. seq 0 ack 1 win 65160 mss 1460 sackOK wscale 7
  0.020100 > . seq 1 ack 1 win 502
`;

export function traced(text: string, o: TraceOptions = {}): Traced {
  return tracedPackets(writtenCapture(text), o);
}

export function tracedPackets(packets: readonly CapturedAt[], o: TraceOptions = {}): Traced {
  const kinds: string[] = [];
  const rtts: (number | undefined)[] = [];
  const moves: string[][] = [];
  const numbers: number[] = [];
  const retired: TracedConnection[] = [];
  const trace = new Trace(
    {
      segment(connection, _seg, note) {
        kinds.push(kindNames(note.kinds).join(' '));
        rtts.push(note.kinds & Kind.RTT_SAMPLE ? note.rtt : undefined);
        moves.push(note.transitions.map(transitionText));
        numbers.push(connection.number);
      },
      retired: (connection) => retired.push(connection),
    },
    o,
  );
  for (const { t, octets } of packets) trace.packet(t, octets, 0, octets.length, octets.length, LinkType.RAW);
  trace.finish();
  return { kinds, rtts, moves, numbers, retired, trace };
}

/** What came of the segments after the handshake. */
export const kindsAfterOpen = (text: string): readonly string[] => traced(OPEN + text).kinds.slice(3);
