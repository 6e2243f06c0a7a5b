/** A segment that left against the one expected: what differs, and both in tcpdump's notation. */
import { TcpFlag } from '../../wire/tcp.ts';
import { flagsText, segmentText } from '../../wire/tcp-text.ts';
import type { EcnSpec, OptionSpec, SegmentSpec } from './model.ts';
import { type Conn, isName, type SentSegment } from './wire.ts';

export interface MatchOptions {
  /** The connection expected. */
  readonly conn: Conn | undefined;
  /** What a cookie's name stands for, once seen. */
  readonly cookie: (name: string) => string | undefined;
  /** Microseconds that a step of the timestamp clock takes, when TSval is to be checked. */
  readonly tsTick: number | undefined;
  readonly tolerance: number;
  /** MSS and window scale are the host's own business: that they are there counts, not how large they are. */
  readonly ownSizes: boolean;
}

/** One line each; none when it is the one. */
export function differences(spec: SegmentSpec, sent: SentSegment, o: MatchOptions): readonly string[] {
  const found: string[] = [...sent.faults];
  const differs = (what: string, wanted: unknown, got: unknown): void => {
    if (wanted !== got) found.push(`${what}: expected ${String(wanted)}, was ${String(got)}`);
  };
  if (o.conn !== undefined && sent.conn !== o.conn)
    found.push(
      sent.conn === undefined
        ? `it belongs to no connection here: port ${sent.srcPort} to ${sent.dstPort}`
        : `it belongs to connection ${sent.conn.id}, expected ${o.conn.id}`,
    );
  const conn = sent.conn;
  // Of a run of segments only the last one's PSH says something, and only where it is expected: kernels set more.
  const looked = sent.pieces > 1 && !(spec.flags & TcpFlag.PSH) ? ~TcpFlag.PSH : ~0;
  differs('flags', flagsText(spec.flags), flagsText(sent.flags & looked));
  differs('seq', spec.seq, relativeSeq(sent, conn, spec));
  differs('length', spec.len, sent.len);
  if (spec.flags & TcpFlag.ACK) differs('ack', spec.ack ?? 0, relativeAck(sent, conn));
  if (spec.wnd !== undefined) differs('win', spec.wnd, sent.wnd);
  if (spec.urg !== undefined) differs('urg', spec.urg, sent.urg);
  differs('reserved bits', spec.ip.reserved ?? 0, sent.reserved);
  if (spec.ip.tos !== undefined) differs('tos', spec.ip.tos, sent.tos);
  if (spec.ip.ttl !== undefined) differs('ttl', spec.ip.ttl, sent.ttl);
  if (spec.ip.ecn !== undefined && !ecnFits(spec.ip.ecn, sent.tos & 3))
    found.push(`ecn: expected ${spec.ip.ecn}, was ${ECN_NAMES[sent.tos & 3]}`);
  if (spec.options !== 'any') found.push(...optionDifferences(spec.options, sent, o));
  return found;
}

const ECN_NAMES: readonly EcnSpec[] = ['noecn', 'ect1', 'ect0', 'ce'];
const ecnFits = (wanted: EcnSpec, bits: number): boolean =>
  wanted === 'ect01' ? bits === 1 || bits === 2 : ECN_NAMES[bits] === wanted;

function relativeSeq(sent: SentSegment, conn: Conn | undefined, spec: SegmentSpec): number {
  const isn = conn?.sutIsn;
  if (isn === undefined) return sent.seq;
  // A SYN's number is the scenario's own name for the ISN; the first one gives it.
  const base = sent.flags & TcpFlag.SYN ? (conn?.scriptIsn ?? (spec.flags & TcpFlag.SYN ? spec.seq : 0)) : 0;
  return (base + sent.seq - isn) >>> 0;
}

const relativeAck = (sent: SentSegment, conn: Conn | undefined): number => (sent.ack - (conn?.peerIsn ?? 0)) >>> 0;

function optionDifferences(wanted: readonly OptionSpec[], sent: SentSegment, o: MatchOptions): readonly string[] {
  const { options, conn } = sent;
  const fits = (w: OptionSpec | undefined, g: OptionSpec | undefined): boolean => {
    if (w === undefined || g === undefined || w.kind !== g.kind) return false;
    if (o.ownSizes && (w.kind === 'mss' || w.kind === 'wscale')) return true;
    if (w.kind === 'TS' && g.kind === 'TS') return w.ecr === g.ecr && tsFits(w.val, g.val, conn, o);
    if ((w.kind === 'FO' || w.kind === 'FOEXP') && g.kind === w.kind) {
      const cookie = isName(w.cookie) ? (o.cookie(w.cookie) ?? g.cookie) : w.cookie;
      return cookie === g.cookie;
    }
    return JSON.stringify(w) === JSON.stringify(g);
  };
  const same = wanted.length === options.length && wanted.every((w, i) => fits(w, options[i]));
  return same ? [] : [`options: expected <${optionListText(wanted)}>, was <${optionListText(options)}>`];
}

function tsFits(script: number, live: number, conn: Conn | undefined, o: MatchOptions): boolean {
  if (o.tsTick === undefined || conn?.tsBase === undefined) return true;
  const off = (live - conn.tsBase.live - (script - conn.tsBase.script)) | 0;
  return Math.abs(off) * o.tsTick <= o.tolerance + o.tsTick;
}

/** In packetdrill's words. */
export function optionListText(options: readonly OptionSpec[] | 'any'): string {
  return options === 'any' ? '...' : options.map(optionText).join(',');
}

function optionText(o: OptionSpec): string {
  switch (o.kind) {
    case 'mss':
    case 'wscale':
      return `${o.kind} ${o.n}`;
    case 'sack':
      return `sack ${o.blocks.map(([l, r]) => `${l}:${r}`).join(' ')}`;
    case 'TS':
      return `TS val ${o.val} ecr ${o.ecr}`;
    case 'FO':
    case 'FOEXP':
      return o.cookie === '' ? o.kind : `${o.kind} ${o.cookie}`;
    case 'hex':
      return `hex 0x${o.octets}`;
    default:
      return o.kind;
  }
}

/** What was expected, as tcpdump would have shown it; what isn't looked at is left out. */
export function specText(spec: SegmentSpec): string {
  const text = segmentText(
    {
      flags: spec.flags === 0 ? '' : flagsText(spec.flags),
      seq: spec.seq,
      ack: spec.ack ?? 0,
      wnd: spec.wnd ?? 0,
      len: spec.len,
      ...(spec.urg !== undefined && { urg: spec.urg }),
    },
    { options: optionListText(spec.options) },
  );
  const shown = text.includes('], seq ') ? text : text.replace('], ', `], seq ${spec.seq}, `);
  return spec.wnd === undefined ? shown.replace(/, win 0/, '') : shown;
}

/** What left, in the scenario's numbers. */
export function sentText(sent: SentSegment, spec: SegmentSpec | undefined): string {
  const { conn } = sent;
  const seq = spec === undefined ? (sent.seq - (conn?.sutIsn ?? 0)) >>> 0 : relativeSeq(sent, conn, spec);
  const text = segmentText(
    {
      flags: sent.flags === 0 ? '' : flagsText(sent.flags),
      seq,
      ack: relativeAck(sent, conn),
      wnd: sent.wnd,
      len: sent.len,
      urg: sent.urg,
    },
    { options: optionListText(sent.options) },
  );
  return text.includes('], seq ') ? text : text.replace('], ', `], seq ${seq}, `);
}

/** `next` goes on where `sent` ends: together they are one of the segments that kernels hand around before they cut them. */
export function joinedWith(sent: SentSegment, next: SentSegment): SentSegment | undefined {
  const fixed = ~(TcpFlag.PSH | TcpFlag.FIN);
  const fits =
    next.conn === sent.conn &&
    sent.len > 0 &&
    next.len > 0 &&
    next.seq === (sent.seq + sent.len) >>> 0 &&
    (sent.flags & (TcpFlag.FIN | TcpFlag.SYN)) === 0 &&
    (next.flags & fixed) === (sent.flags & fixed) &&
    next.ack === sent.ack;
  if (!fits) return undefined;
  return {
    ...sent,
    pieces: sent.pieces + 1,
    len: sent.len + next.len,
    flags: (sent.flags & fixed) | next.flags,
    faults: [...sent.faults, ...next.faults],
  };
}
