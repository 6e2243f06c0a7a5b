/** The connections of a capture as text: a table of all, the details of one, a line for a segment. */
import { ABSENT, TcpFlag } from '../../wire/tcp.ts';
import { flagsText, segmentText, type TextSegment } from '../../wire/tcp-text.ts';
import type { Paint } from '../log-style.ts';
import { octetsText } from '../perf/text.ts';
import type { Note, TracedConnection } from './connection.ts';
import { otherSide, type Transition } from './end-states.ts';
import { KINDS, Kind, kindsIn, TROUBLE } from './kinds.ts';
import { endText, type SeenSegment } from './seen-segment.ts';
import { type ConnectionSummary, type EndSummary, endingText, retransmissionsOf, sideName } from './summary.ts';

/** Microseconds as people read them: 20.1 ms, 1.204 s. */
export function timeText(us: number): string {
  if (us < 1000) return `${us} us`;
  if (us < 1_000_000) return `${Number((us / 1000).toPrecision(4))} ms`;
  return `${Number((us / 1_000_000).toFixed(3))} s`;
}

const secondsText = (us: number): string => (us / 1_000_000).toFixed(6);

const COLUMNS = [5, -28, -24, 11, 10, 9, 8, 9, 8, 9, 7, 0] as const;
const HEADS = [
  '#',
  'client',
  'server',
  'start',
  'lasted',
  'RTT',
  'sent',
  'octets',
  'came',
  'octets',
  'again',
  'how it ended',
] as const;

function row(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (COLUMNS[i]! < 0 ? cell.padEnd(-COLUMNS[i]!) : cell.padStart(COLUMNS[i]!)))
    .join('  ')
    .trimEnd();
}

/** The head of the table; `sent` and `came` are segments of the client and of the server, `again` retransmissions of both. */
export const tableHead = (): string => row(HEADS);

export function tableRow(s: ConnectionSummary): string {
  const again = [retransmissionsOf(s, 'client'), retransmissionsOf(s, 'server')];
  return row([
    String(s.number),
    endText(s.client.address, s.client.port),
    endText(s.server.address, s.server.port),
    secondsText(s.start),
    timeText(s.duration),
    s.handshakeRtt === undefined ? '-' : timeText(s.handshakeRtt),
    String(s.client.segments),
    octetsText(s.client.octets),
    String(s.server.segments),
    octetsText(s.server.octets),
    again[0] === 0 && again[1] === 0 ? '-' : again.join('/'),
    endingText(s) + (s.joinedLate ? ' (joined late)' : ''),
  ]);
}

const LABEL = 30;
const VALUE = 22;

/** All that is known of one connection. */
export function detailLines(s: ConnectionSummary, paint: Paint): readonly string[] {
  const both = (label: string, of: (end: EndSummary) => string): string =>
    `  ${label.padEnd(LABEL)}${of(s.client).padEnd(VALUE)}${of(s.server)}`.trimEnd();
  const one = (label: string, text: string): string => `  ${label.padEnd(LABEL)}${text}`;
  const kinds = KINDS.filter((k) => s.client.kinds[k.name] !== undefined || s.server.kinds[k.name] !== undefined);
  return [
    paint.bold(
      `connection ${s.number}: ${endText(s.client.address, s.client.port)} -> ${endText(s.server.address, s.server.port)}`,
    ),
    one('began, lasted', `${secondsText(s.start)}, ${timeText(s.duration)}`),
    one('handshake', s.handshakeRtt === undefined ? 'not in the capture' : timeText(s.handshakeRtt)),
    one('how it ended', endingText(s) + (s.joinedLate ? ' (the capture began later than it did)' : '')),
    both('', (e) => (e === s.client ? 'client' : 'server')),
    both('state at the end, inferred', (e) => e.state ?? '?'),
    both('segments', (e) => String(e.segments)),
    both('octets of data', (e) => String(e.octets)),
    both('MSS, window scale', (e) => `${e.mss ?? '-'}, ${e.wscale ?? '-'}`),
    both('SACK, timestamps', (e) => `${e.sackPermitted ? 'yes' : 'no'}, ${e.timestamps ? 'yes' : 'no'}`),
    both('largest window', (e) => String(e.window)),
    both('RTT min/avg/max of its data', (e) => rttText(e)),
    ...kinds.map((k) =>
      (k.trouble ? paint.yellow : (text: string) => text)(both(k.text, (e) => String(e.kinds[k.name] ?? 0))),
    ),
  ];
}

function rttText({ rtt }: EndSummary): string {
  if (rtt === undefined) return '-';
  const ms = (us: number): string => String(Number((us / 1000).toPrecision(3)));
  return `${ms(rtt.min)}/${ms(rtt.avg)}/${ms(rtt.max)} ms`;
}

/** A segment with its numbers counted from the connection's beginnings. */
export function relativeSegment(c: TracedConnection, seg: SeenSegment, side: 0 | 1): TextSegment {
  const own = c.directions[side];
  const other = c.directions[otherSide(side)];
  // The other end's first number, or what is first said of it.
  const ackBase = other.seen ? other.base : seg.ack - 1;
  const sack: [number, number][] = [];
  for (let n = 0; n < seg.sackCount; n++)
    sack.push([(seg.sack[2 * n]! - ackBase) >>> 0, (seg.sack[2 * n + 1]! - ackBase) >>> 0]);
  return {
    seq: (seg.seq - own.base) >>> 0,
    ack: (seg.ack - ackBase) >>> 0,
    flags: seg.flags === 0 ? '' : flagsText(seg.flags),
    wnd: seg.wnd,
    len: seg.len,
    ...(seg.has(TcpFlag.URG) && { urg: seg.urgentPointer }),
    ...(seg.mss !== ABSENT && { mss: seg.mss }),
    ...(seg.wscale !== ABSENT && { wscale: seg.wscale }),
    ...(seg.sackPermitted && { sackOk: true as const }),
    ...(seg.hasTimestamps && { ts: [seg.tsVal >>> 0, seg.tsEcr >>> 0] as const }),
    ...(sack.length > 0 && { sack }),
  };
}

/** What a segment was, in words: its kinds, and the round trip it ends. */
export function noteText({ kinds, rtt }: Pick<Note, 'kinds' | 'rtt'>): string {
  return kindsIn(kinds)
    .map((k) => (k.bit === Kind.RTT_SAMPLE ? `RTT ${timeText(rtt)}` : k.text))
    .join(', ');
}

export const transitionText = ({ side, from, event, to }: Transition): string =>
  event === undefined
    ? `${sideName(side)} back in ${to}: its ACK was lost`
    : `${sideName(side)} ${from} -> ${to} (${event})`;

export interface SegmentLineOptions {
  readonly paint: Paint;
  /** Which connection it is, where several are shown. */
  readonly numbered: boolean;
}

/** `t`: since the capture began. */
export function segmentLines(
  c: TracedConnection,
  seg: SeenSegment,
  note: Note,
  t: number,
  record: number,
  { paint, numbered }: SegmentLineOptions,
): readonly string[] {
  const arrow = note.side === 0 ? '>' : '<';
  const where = numbered ? `c${c.number}`.padEnd(6) : '';
  const head = `${secondsText(t).padStart(12)} ${String(record).padStart(7)}  ${where}${arrow} `;
  const text = segmentText(relativeSegment(c, seg, note.side));
  const said = noteText(note);
  const paintNote = note.kinds & TROUBLE ? paint.yellow : paint.dim;
  const indent = ' '.repeat(head.length);
  return [
    `${paint.dim(head)}${text}`,
    ...(said === '' ? [] : [`${indent}${paintNote(`[${said}]`)}`]),
    ...note.transitions.map((move) => `${indent}${paint.green(transitionText(move))}`),
  ];
}
