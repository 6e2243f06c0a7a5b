/** What is told of a connection as a whole: for the table, the details and JSON alike. Times in microseconds. */
import type { State } from '../../tcp/machine.ts';
import { ABSENT } from '../../wire/tcp.ts';
import type { TracedConnection } from './connection.ts';
import type { Side } from './end-states.ts';
import { KINDS, Kind } from './kinds.ts';
import { addressText } from './seen-segment.ts';

export type SideName = 'client' | 'server';
export const sideName = (side: Side): SideName => (side === 0 ? 'client' : 'server');

/**
 * How it stood at its last segment. 'closed': both FINs acknowledged; 'closing': not all of that yet; 'reset': a RST that
 * counted; 'refused': a RST for the SYN; 'no answer': SYNs alone; 'opening': no third segment; 'open': none of these.
 */
export type Ending = 'closed' | 'closing' | 'reset' | 'refused' | 'no answer' | 'opening' | 'open';

export interface EndSummary {
  readonly address: string;
  readonly port: number;
  /** Inferred; absent when nothing showed it. */
  readonly state?: State;
  readonly segments: number;
  /** Payload sent, repetitions included. */
  readonly octets: number;
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackPermitted: boolean;
  readonly timestamps: boolean;
  /** Most it offered, octets. */
  readonly window: number;
  /** From its segments to their ACKs, as seen where the capture was made. */
  readonly rtt?: { readonly min: number; readonly avg: number; readonly max: number; readonly samples: number };
  /** How often each kind was noted of what it sent, by its name; those that never were are left out. */
  readonly kinds: Readonly<Record<string, number>>;
}

export interface ConnectionSummary {
  readonly number: number;
  /** Of the first segment, since the capture's first packet. */
  readonly start: number;
  readonly duration: number;
  /** SYN to ACK of its answer. */
  readonly handshakeRtt?: number;
  /** The capture began when the connection was there: who is the client is a guess by the ports. */
  readonly joinedLate: boolean;
  readonly ending: Ending;
  /** Who closed first, or reset; both when their FINs crossed. */
  readonly by?: SideName | 'both';
  readonly client: EndSummary;
  readonly server: EndSummary;
}

/** `zero`: when the capture began. */
export function summaryOf(c: TracedConnection, zero: number): ConnectionSummary {
  const { ending, by } = endingOf(c);
  const { handshakeRtt } = c.analysis;
  return {
    number: c.number,
    start: c.firstAt - zero,
    duration: c.lastAt - c.firstAt,
    ...(handshakeRtt !== undefined && { handshakeRtt }),
    joinedLate: c.states.assumed,
    ending,
    ...(by !== undefined && { by }),
    client: endSummary(c, 0),
    server: endSummary(c, 1),
  };
}

function endSummary(c: TracedConnection, side: Side): EndSummary {
  const counts = c.counts[side];
  const state = c.states.of(side);
  const kinds: Record<string, number> = {};
  KINDS.forEach((kind) => {
    const count = c.countOf(side, kind.bit);
    if (count > 0 && kind.bit !== Kind.RTT_SAMPLE) kinds[kind.name] = count;
  });
  return {
    address: addressText(c.addresses[side], c.isIpv6),
    port: c.ports[side],
    ...(state !== undefined && { state }),
    segments: counts.segments,
    octets: counts.octets,
    ...(counts.mss !== ABSENT && { mss: counts.mss }),
    ...(counts.wscale !== ABSENT && { wscale: counts.wscale }),
    sackPermitted: counts.sackPermitted,
    timestamps: counts.timestamps,
    window: counts.windowMax,
    ...(counts.rttCount > 0 && {
      rtt: {
        min: counts.rttMin,
        avg: Math.round(counts.rttSum / counts.rttCount),
        max: counts.rttMax,
        samples: counts.rttCount,
      },
    }),
    kinds,
  };
}

function endingOf(c: TracedConnection): { readonly ending: Ending; readonly by?: SideName | 'both' } {
  const reset = c.finishes.find((f) => f.how === 'RST');
  const fins = c.finishes.filter((f) => f.how === 'FIN');
  const [client, server] = [c.states.fin(0), c.states.fin(1)];
  if (client === 'acknowledged' && server === 'acknowledged')
    return { ending: 'closed', by: firstToClose(c, fins[0]!.side) };
  if (reset !== undefined) {
    const refused = reset.from === 'SYN-SENT' && c.counts[reset.side].octets === 0;
    return { ending: refused ? 'refused' : 'reset', by: sideName(reset.side) };
  }
  if (fins.length > 0) return { ending: 'closing', by: firstToClose(c, fins[0]!.side) };
  if (c.counts[1].segments === 0 && c.states.of(0) === 'SYN-SENT') return { ending: 'no answer' };
  const isOpening = ([0, 1] as const).some((side) => {
    const state = c.states.of(side);
    return state === 'SYN-SENT' || state === 'SYN-RECEIVED';
  });
  return { ending: isOpening ? 'opening' : 'open' };
}

/** Both, when the second FIN left before its end had acknowledged the first. */
function firstToClose(c: TracedConnection, first: Side): SideName | 'both' {
  return c.finsCrossed ? 'both' : sideName(first);
}

export const endingText = (s: Pick<ConnectionSummary, 'ending' | 'by'>): string => {
  switch (s.ending) {
    case 'closed':
      return s.by === 'both' ? 'closed, both at once' : `closed, ${s.by} first`;
    case 'closing':
      return s.by === 'both' ? 'closing, both at once' : `closing, ${s.by} first`;
    case 'reset':
      return `reset by the ${s.by}`;
    default:
      return s.ending;
  }
};

/** What `side` sent once more, and all that was trouble. */
export function retransmissionsOf(s: ConnectionSummary, side: SideName): number {
  return s[side].kinds['retransmission'] ?? 0;
}
