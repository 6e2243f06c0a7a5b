/**
 * The table that the sweep is made from: every state, and every kind of segment that may arrive in it. A kind is what the
 * segment carries, where it stands in sequence space, what it acknowledges, and what its timestamp says; a cell of the
 * sweep is a kind in a state. Not each is combined with each: where a segment stands is varied with an acknowledgment of
 * all we sent, what it acknowledges with a segment at RCV.NXT, and timestamps with both in order. What stands outside of the
 * window, on either side, far off and next to it, comes with each acknowledgment that no state accepts, too.
 */
import type { State } from '../../src/tcp/machine.ts';

/** A state, and how the connection came there where that matters. */
export interface Situation {
  readonly name: string;
  readonly state: State;
  /** How the connection came there; a sentence for the page. */
  readonly reached: string;
  /** Something of ours is not acknowledged: SND.UNA and SND.NXT differ. */
  readonly unacknowledged: boolean;
  /** RCV.WND is 0. */
  readonly isShut: boolean;
}

const S = <N extends string>(
  name: N,
  state: State,
  reached: string,
  o: Partial<Situation> = {},
): Situation & { readonly name: N } => ({ unacknowledged: false, isShut: false, ...o, name, state, reached });

const OUT = { unacknowledged: true } as const;

export const SITUATIONS = [
  S('CLOSED', 'CLOSED', 'Nobody uses the port.'),
  S('LISTEN', 'LISTEN', 'A listener, and no connection with this peer.'),
  S('SYN-SENT', 'SYN-SENT', 'connect() has sent a SYN.', OUT),
  S('SYN-RECEIVED', 'SYN-RECEIVED', 'A SYN came to a listener, the SYN,ACK has left.', OUT),
  S('SYN-RECEIVED, simultaneous open', 'SYN-RECEIVED', 'connect() has sent a SYN, and a SYN came.', OUT),
  S('ESTABLISHED', 'ESTABLISHED', 'Both have sent 100 octets that are acknowledged, we 20 more that are not.', OUT),
  S(
    'ESTABLISHED, idle',
    'ESTABLISHED',
    'As ESTABLISHED without the 20 octets, and nothing has happened for a second: tcpx has put the connection away.',
  ),
  S(
    'ESTABLISHED, window shut',
    'ESTABLISHED',
    'As ESTABLISHED without the 20 octets; then the peer has filled our window, and nobody reads: RCV.WND is 0.',
    { isShut: true },
  ),
  S('FIN-WAIT-1', 'FIN-WAIT-1', 'As ESTABLISHED without the 20 octets; then shutdown(SHUT_WR), the FIN has left.', OUT),
  S('FIN-WAIT-1, user gone', 'FIN-WAIT-1', 'The same with close(): nobody is there to read.', OUT),
  S('FIN-WAIT-2', 'FIN-WAIT-2', 'FIN-WAIT-1, and our FIN was acknowledged.'),
  S('FIN-WAIT-2, user gone', 'FIN-WAIT-2', 'The same after close().'),
  S('CLOSE-WAIT', 'CLOSE-WAIT', 'As ESTABLISHED, 20 octets unacknowledged; the FIN of the peer has come.', OUT),
  S('CLOSING', 'CLOSING', 'FIN-WAIT-1, and a FIN came that does not acknowledge ours.', OUT),
  S('CLOSING, user gone', 'CLOSING', 'The same after close().', OUT),
  S('LAST-ACK', 'LAST-ACK', 'The FIN of the peer has come, then shutdown(SHUT_WR): our FIN has left.', OUT),
  S('LAST-ACK, user gone', 'LAST-ACK', 'The same with close().', OUT),
  S('TIME-WAIT', 'TIME-WAIT', 'FIN-WAIT-2, and the FIN of the peer has come.'),
  S('TIME-WAIT, user gone', 'TIME-WAIT', 'The same after close(): tcpx has kept a small record of the connection.'),
] as const satisfies readonly Situation[];

export type SituationName = (typeof SITUATIONS)[number]['name'];

/** What a segment carries. */
export interface Carried {
  readonly name: string;
  /** tcpdump's letters. */
  readonly flags: string;
  readonly len: number;
}

const C = (flags: string, len: number, name: string): Carried => ({ name, flags, len });

/** Octets of those with data. */
export const DATA = 10;

// biome-ignore format: read as a table
export const CARRIED = {
  none:       C('',       0,    'no flags'),
  noneData:   C('P',      DATA, 'data, no ACK'),
  ack:        C('.',      0,    'ACK'),
  data:       C('P.',     DATA, 'ACK, data'),
  urg:        C('P.U',    DATA, 'ACK, URG, data'),
  fin:        C('F',      0,    'FIN'),
  finAck:     C('F.',     0,    'FIN, ACK'),
  finData:    C('FP.',    DATA, 'FIN, ACK, data'),
  syn:        C('S',      0,    'SYN'),
  synData:    C('S',      DATA, 'SYN, data'),
  synAck:     C('S.',     0,    'SYN, ACK'),
  synFin:     C('SF',     0,    'SYN, FIN'),
  synFinAck:  C('SF.',    0,    'SYN, FIN, ACK'),
  rst:        C('R',      0,    'RST'),
  rstAck:     C('R.',     0,    'RST, ACK'),
  rstData:    C('R',      DATA, 'RST, data'),
  synRst:     C('SR',     0,    'SYN, RST'),
  xmas:       C('SFRP.U', DATA, 'all six, data'),
} as const satisfies Readonly<Record<string, Carried>>;

export type CarriedName = keyof typeof CARRIED;

/** Where a segment stands; 'edge' is the first octet beyond the window. */
export const PLACES = {
  'far left': 'far left of the window',
  IRS: 'at IRS',
  left: 'ends at RCV.NXT',
  'across left': 'across RCV.NXT',
  next: 'at RCV.NXT',
  inside: 'in the window',
  last: 'ends at the edge',
  'across right': 'across the edge',
  edge: 'at the edge',
  right: 'right of the window',
} as const;

export type Place = keyof typeof PLACES;

/** What a segment acknowledges. */
export const ACKS = {
  'far old': 'SND.UNA − 2³⁰',
  old: 'SND.UNA − 1',
  una: 'SND.UNA',
  all: 'SND.NXT',
  beyond: 'SND.NXT + 1',
  'far beyond': 'SND.NXT + 2³⁰',
} as const;

export type Ack = keyof typeof ACKS;

/** What a timestamp says where timestamps are in use. */
export const STAMPS = {
  newer: 'newer',
  same: 'the same as the last',
  older: 'older',
  missing: 'missing',
} as const;

export type Stamp = keyof typeof STAMPS;

/** Which of a cell's parts is varied in the table that it stands in. */
export type Varied = 'place' | 'ack' | 'both' | 'stamp';

export interface Cell {
  /** 'ESTABLISHED: FIN, ACK; in the window'. */
  readonly id: string;
  readonly situation: Situation & { readonly name: SituationName };
  readonly varied: Varied;
  readonly carried: CarriedName;
  readonly place: Place;
  readonly ack: Ack;
  /** undefined: timestamps are not in use. */
  readonly stamp: Stamp | undefined;
}

const ALL_CARRIED = Object.keys(CARRIED) as readonly CarriedName[];
const withAck = (c: CarriedName): boolean => CARRIED[c].flags.includes('.');
/** Far off and next to the window, on either side; and what no state accepts. */
const OUTSIDE: readonly Place[] = ['far left', 'left', 'edge', 'right'];
const UNACCEPTABLE: readonly Ack[] = ['far old', 'beyond', 'far beyond'];
const STAMPED: readonly CarriedName[] = ['ack', 'data', 'finAck', 'syn', 'rst'];

/** The places in which a segment may stand there. Without a peer's SYN there is no window to speak of. */
export function placesOf(situation: Situation): readonly Place[] {
  const all = Object.keys(PLACES) as readonly Place[];
  switch (situation.state) {
    case 'CLOSED':
    case 'LISTEN':
    case 'SYN-SENT':
      return ['next'];
    case 'SYN-RECEIVED':
      return all;
    default:
      if (situation.isShut) return ['far left', 'left', 'across left', 'next', 'right'];
      // The SYN stands where everything old stands.
      return all.filter((place) => place !== 'IRS');
  }
}

export function acksOf(situation: Situation): readonly Ack[] {
  if (situation.state === 'CLOSED' || situation.state === 'LISTEN') return [];
  const all = Object.keys(ACKS) as readonly Ack[];
  return situation.unacknowledged ? all : all.filter((ack) => ack !== 'una');
}

export function stampsOf(situation: Situation): readonly Stamp[] {
  return placesOf(situation).length === 1 ? [] : (Object.keys(STAMPS) as readonly Stamp[]);
}

/** Can it stand there? An empty segment has no two ends. */
function fits(carried: CarriedName, place: Place): boolean {
  return CARRIED[carried].len > 0 || (place !== 'across left' && place !== 'across right');
}

function cellsIn(situation: (typeof SITUATIONS)[number]): readonly Cell[] {
  const cell = (varied: Varied, carried: CarriedName, place: Place, ack: Ack, stamp?: Stamp): Cell => {
    const parts: string[] = [PLACES[place]];
    if (withAck(carried)) parts.push(`ack ${ACKS[ack]}`);
    if (stamp !== undefined) parts.push(`timestamp ${STAMPS[stamp]}`);
    const id = `${situation.name}: ${CARRIED[carried].name}; ${parts.join('; ')}`;
    return { id, situation, varied, carried, place, ack, stamp };
  };
  return [
    ...ALL_CARRIED.flatMap((c) => placesOf(situation).flatMap((p) => (fits(c, p) ? [cell('place', c, p, 'all')] : []))),
    ...ALL_CARRIED.filter(withAck).flatMap((c) =>
      // The one that acknowledges all stands in the table of places.
      acksOf(situation).flatMap((a) => (a === 'all' ? [] : [cell('ack', c, 'next', a)])),
    ),
    ...ALL_CARRIED.filter(withAck).flatMap((c) =>
      OUTSIDE.filter((p) => placesOf(situation).includes(p)).flatMap((p) =>
        UNACCEPTABLE.map((a) => cell('both', c, p, a)),
      ),
    ),
    ...STAMPED.flatMap((c) => stampsOf(situation).map((s) => cell('stamp', c, 'next', 'all', s))),
  ];
}

/** Every cell of the sweep, in the page's order; each id is there once. */
export const CELLS: readonly Cell[] = SITUATIONS.flatMap(cellsIn);
