/**
 * A run read: what each segment is by what came before it, and what both ends agreed on. The kinds are those of a trace
 * (trace/analysis.ts), told apart no further than a comparison needs.
 */

import { ABSENT } from '../../wire/tcp.ts';
import { flagsFromText } from '../../wire/tcp-text.ts';
import { Analysis, Direction } from '../trace/analysis.ts';
import { Kind } from '../trace/kinds.ts';
import { SeenSegment } from '../trace/seen-segment.ts';
import type { Property, Run, Shot } from './model.ts';

export type ShotKind =
  | 'SYN'
  | 'data'
  | 'FIN'
  | 'SYN again'
  | 'data again'
  | 'FIN again'
  | 'ACK'
  | 'duplicate ACK'
  | 'window update'
  | 'probe'
  | 'RST';

/** What a property is compared by, for each kind. */
export const PROPERTY_OF: Readonly<Record<ShotKind, Property>> = {
  SYN: 'SYN options',
  data: 'data',
  FIN: 'close sequence',
  'SYN again': 'retransmission',
  'data again': 'retransmission',
  'FIN again': 'retransmission',
  ACK: 'ACK policy',
  'duplicate ACK': 'ACK policy',
  'window update': 'receive window',
  probe: 'probes',
  RST: 'RST form',
};

/** What the SYNs of a run agreed on. */
export interface Agreed {
  readonly timestamps: boolean;
  readonly sack: boolean;
  /** Our windows' shift count; 0 without the option in both SYNs. */
  readonly ourShift: number;
  readonly theirShift: number;
  /** Most octets in a segment of ours, without its options; undefined when the peer's SYN was not seen. */
  readonly sendMss: number | undefined;
  readonly receiveMss: number | undefined;
}

export interface Reading {
  readonly run: Run;
  /** Of each shot. */
  readonly kinds: readonly ShotKind[];
  readonly agreed: Agreed;
}

export function readRun(run: Run): Reading {
  return { run, kinds: shotKinds(run.shots), agreed: agreedIn(run.shots) };
}

function shotKinds(shots: readonly Shot[]): readonly ShotKind[] {
  const analysis = new Analysis();
  const directions = { out: new Direction(), in: new Direction() };
  const seg = new SeenSegment();
  const syns = new Set<string>();
  let zeroWindow = false;
  const sentAt = { out: 0, in: 0 };
  return shots.map((shot): ShotKind => {
    fill(seg, shot);
    const other = shot.dir === 'out' ? 'in' : 'out';
    const bits = analysis.take(seg, shot.t, directions[shot.dir], directions[other]);
    const name = `${shot.dir} ${shot.flags}`;
    const kind = kindOf(shot, bits, { hasSyn: syns.has(name), zeroWindow, next: sentAt[shot.dir] });
    if (shot.flags.includes('S')) syns.add(name);
    if (shot.dir === 'in' && shot.ack !== undefined && !/[SR]/.test(shot.flags)) zeroWindow = shot.wnd === 0;
    if (!shot.flags.includes('R')) sentAt[shot.dir] = Math.max(sentAt[shot.dir], endOf(shot));
    return kind;
  });
}

/** The sequence number behind it: SYN and FIN count. */
export const endOf = (s: Shot): number => s.seq + s.len + (s.flags.match(/[SF]/g)?.length ?? 0);

interface Before {
  /** A SYN with just these flags went this way. */
  readonly hasSyn: boolean;
  readonly zeroWindow: boolean;
  /** After what its direction had sent. */
  readonly next: number;
}

function kindOf(shot: Shot, bits: number, before: Before): ShotKind {
  const { flags } = shot;
  if (flags.includes('R')) return 'RST';
  if (bits & (Kind.KEEP_ALIVE | Kind.ZERO_WINDOW_PROBE)) return 'probe';
  const again = (bits & (Kind.RETRANSMISSION | Kind.OUT_OF_ORDER)) !== 0;
  if (flags.includes('S')) return before.hasSyn ? 'SYN again' : 'SYN';
  if (shot.dir === 'out' && before.zeroWindow && again && shot.len > 0) return 'probe';
  if (flags.includes('F')) return again && endOf(shot) <= before.next ? 'FIN again' : 'FIN';
  if (shot.len > 0) return again ? 'data again' : 'data';
  if (bits & Kind.WINDOW_UPDATE) return 'window update';
  const repeats = Kind.DUPLICATE_ACK | Kind.KEEP_ALIVE_ACK | Kind.ZERO_WINDOW_PROBE_ACK;
  return bits & repeats ? 'duplicate ACK' : 'ACK';
}

function fill(seg: SeenSegment, shot: Shot): void {
  seg.seq = shot.seq | 0;
  seg.ack = (shot.ack ?? 0) | 0;
  seg.flags = flagsFromText(shot.flags) ?? 0;
  seg.wnd = shot.wnd;
  seg.len = shot.len;
  seg.wscale = numberOf(shot, 'wscale ') ?? ABSENT;
  seg.sackCount = 0;
}

/** The number behind an option's name; undefined without it. */
export function numberOf(shot: Shot | undefined, name: string): number | undefined {
  const text = shot?.options.find((option) => option.startsWith(name));
  return text === undefined ? undefined : Number(text.slice(name.length));
}

export const hasOption = (shot: Shot | undefined, name: string): boolean =>
  shot?.options.some((option) => option === name || option.startsWith(`${name} `)) === true;

/** The first SYN of each end. */
export function synsOf(shots: readonly Shot[]): { readonly ours: Shot | undefined; readonly theirs: Shot | undefined } {
  const first = (dir: 'in' | 'out') => shots.find((s) => s.dir === dir && s.flags.includes('S'));
  return { ours: first('out'), theirs: first('in') };
}

function agreedIn(shots: readonly Shot[]): Agreed {
  const { ours, theirs } = synsOf(shots);
  const both = (name: string): boolean => hasOption(ours, name) && hasOption(theirs, name);
  const scaled = both('wscale');
  return {
    timestamps: both('TS'),
    sack: both('sackOK'),
    ourShift: scaled ? (numberOf(ours, 'wscale ') ?? 0) : 0,
    theirShift: scaled ? (numberOf(theirs, 'wscale ') ?? 0) : 0,
    sendMss: theirs === undefined ? undefined : (numberOf(theirs, 'mss ') ?? 536),
    receiveMss: ours === undefined ? undefined : (numberOf(ours, 'mss ') ?? 536),
  };
}

/** Octets of a segment's options on the wire. */
export function optionsLen(shot: Shot): number {
  const len = shot.options.reduce((sum, option) => sum + lenOf(option), 0);
  return Math.ceil(len / 4) * 4;
}

function lenOf(option: string): number {
  const [name = ''] = option.split(' ');
  if (name === 'nop' || name === 'eol') return 1;
  if (name === 'sack') return 2 + 8 * (option.match(/\{/g)?.length ?? 1);
  return LENGTHS[name] ?? 2;
}
const LENGTHS: Readonly<Record<string, number>> = { mss: 4, wscale: 3, sackOK: 2, TS: 10 };
