/** One connection of a capture: who, what was seen each way, how it stands and how it ended. */
import { type Micros, micros } from '../../base/time.ts';
import type { State } from '../../tcp/machine.ts';
import { ABSENT, TcpFlag } from '../../wire/tcp.ts';
import { Analysis, Direction } from './analysis.ts';
import { EndStates, otherSide, type Side, type Transition } from './end-states.ts';
import { KINDS, Kind } from './kinds.ts';
import { addressText, endText, type SeenSegment } from './seen-segment.ts';

/** Counted for one end: what it sent. */
export interface EndCounts {
  segments: number;
  /** Payload, as often as it was sent. */
  octets: number;
  readonly kinds: number[];
  mss: number;
  wscale: number;
  sackPermitted: boolean;
  timestamps: boolean;
  rttCount: number;
  rttSum: number;
  rttMin: number;
  rttMax: number;
  /** Largest window offered, octets. */
  windowMax: number;
}

const newCounts = (): EndCounts => ({
  segments: 0,
  octets: 0,
  kinds: new Array<number>(KINDS.length).fill(0),
  mss: ABSENT,
  wscale: ABSENT,
  sackPermitted: false,
  timestamps: false,
  rttCount: 0,
  rttSum: 0,
  rttMin: Number.POSITIVE_INFINITY,
  rttMax: 0,
  windowMax: 0,
});

/** What one segment turned out to be; reused for the next. */
export interface Note {
  side: Side;
  kinds: number;
  /** Microseconds, where `kinds` has RTT_SAMPLE. */
  rtt: number;
  transitions: readonly Transition[];
}

/** An end that finished: who, how, when. */
export interface Finish {
  readonly side: Side;
  readonly how: 'FIN' | 'RST';
  readonly t: Micros;
  /** Where the other end was when it was reset; undefined for a FIN. */
  readonly from: State | undefined;
}

export class TracedConnection {
  readonly number: number;
  readonly isIpv6: boolean;
  /** Client and server: addresses as words, ports. */
  readonly addresses: readonly [readonly number[], readonly number[]];
  readonly ports: readonly [number, number];
  readonly directions: readonly [Direction, Direction] = [new Direction(), new Direction()];
  readonly counts: readonly [EndCounts, EndCounts] = [newCounts(), newCounts()];
  readonly states = new EndStates();
  readonly analysis = new Analysis();
  readonly firstAt: Micros;
  lastAt: Micros;
  /** FINs and RSTs, the first of each end. */
  readonly finishes: Finish[] = [];
  /** The second FIN left before its end had acknowledged the first. */
  finsCrossed = false;
  /** The next in the table's chain, and its neighbours by last use: the table's. */
  nextInChain: TracedConnection | undefined;
  older: TracedConnection | undefined;
  newer: TracedConnection | undefined;
  /** Nobody asked for it: it is only there to be recognised. */
  readonly ignored: boolean;

  readonly #note: Note = { side: 0, kinds: 0, rtt: 0, transitions: [] };
  /** When the SYN was last sent that the handshake's round trip counts from. */
  #synAt: Micros | undefined;

  /** `seg`: the first. `client`: the end that sent it, or the other. */
  constructor(number: number, seg: SeenSegment, t: Micros, clientSent: boolean, ignored: boolean) {
    this.number = number;
    this.isIpv6 = seg.isIpv6;
    const src = words(seg.src);
    const dst = words(seg.dst);
    this.addresses = clientSent ? [src, dst] : [dst, src];
    this.ports = clientSent ? [seg.srcPort, seg.dstPort] : [seg.dstPort, seg.srcPort];
    this.firstAt = t;
    this.lastAt = t;
    this.ignored = ignored;
  }

  /** Which end sent `seg`; undefined when it belongs to another connection. */
  sideOf(seg: SeenSegment): Side | undefined {
    const { ports, addresses } = this;
    if (
      seg.srcPort === ports[0] &&
      seg.dstPort === ports[1] &&
      same(seg.src, addresses[0]) &&
      same(seg.dst, addresses[1])
    )
      return 0;
    if (
      seg.srcPort === ports[1] &&
      seg.dstPort === ports[0] &&
      same(seg.src, addresses[1]) &&
      same(seg.dst, addresses[0])
    )
      return 1;
    return undefined;
  }

  /** A SYN that begins something new: another number than before, or after the end. */
  isNewAttempt(seg: SeenSegment, side: Side): boolean {
    if (!seg.has(TcpFlag.SYN) || seg.has(TcpFlag.ACK)) return false;
    const own = this.directions[side];
    if (!own.seen) return false;
    return seg.seq !== own.base || this.finishes.length > 0;
  }

  /** Takes the next segment; what it returns is valid until the one after. `also`: kinds the table knows of. */
  take(seg: SeenSegment, side: Side, t: Micros, also: number): Note {
    const own = this.directions[side];
    const other = this.directions[otherSide(side)];
    const note = this.#note;
    this.lastAt = t;
    this.#handshake(seg, side, t);
    const before = this.states.of(otherSide(side));
    note.transitions = this.states.segment(side, seg, own, other);
    note.side = side;
    note.kinds = this.analysis.take(seg, t, own, other) | also;
    note.rtt = note.kinds & Kind.RTT_SAMPLE ? this.analysis.rtt : 0;
    this.#count(seg, side, note);
    const how = seg.has(TcpFlag.RST) ? 'RST' : seg.has(TcpFlag.FIN) ? 'FIN' : undefined;
    if (how !== undefined && !this.finishes.some((f) => f.side === side && f.how === how)) {
      if (how === 'FIN' && this.states.fin(otherSide(side)) === 'sent') this.finsCrossed = true;
      this.finishes.push({ side, how, t, from: how === 'RST' ? before : undefined });
    }
    return note;
  }

  #handshake(seg: SeenSegment, side: Side, t: Micros): void {
    if (this.analysis.handshakeRtt !== undefined) return;
    if (seg.has(TcpFlag.SYN)) {
      if (side === 0 && !seg.has(TcpFlag.ACK)) this.#synAt = t;
    } else if (side === 0 && this.#synAt !== undefined && this.counts[1].segments > 0 && seg.has(TcpFlag.ACK))
      this.analysis.handshakeRtt = micros(t - this.#synAt);
  }

  #count(seg: SeenSegment, side: Side, note: Note): void {
    const counts = this.counts[side];
    counts.segments++;
    counts.octets += seg.len;
    for (let bits = note.kinds; bits !== 0; bits &= bits - 1) counts.kinds[31 - Math.clz32(bits & -bits)]!++;
    const { window } = this.directions[side];
    if (window > counts.windowMax) counts.windowMax = window;
    // The time from this end's segment to the ACK belongs to who sent the segment.
    if (note.kinds & Kind.RTT_SAMPLE) sample(this.counts[otherSide(side)], note.rtt);
    if (!seg.has(TcpFlag.SYN)) return;
    counts.mss = seg.mss;
    counts.wscale = seg.wscale;
    counts.sackPermitted = seg.sackPermitted;
    counts.timestamps = seg.hasTimestamps;
  }

  /** 'ADDR:PORT' of an end. */
  endText(side: Side): string {
    return endText(addressText(this.addresses[side], this.isIpv6), this.ports[side]);
  }

  /** How often `bit`, a Kind, was noted of what `side` sent. */
  countOf(side: Side, bit: number): number {
    return this.counts[side].kinds[31 - Math.clz32(bit)]!;
  }
}

function sample(counts: EndCounts, rtt: number): void {
  counts.rttCount++;
  counts.rttSum += rtt;
  if (rtt < counts.rttMin) counts.rttMin = rtt;
  if (rtt > counts.rttMax) counts.rttMax = rtt;
}

/** A copy; plain, since typed arrays are costly to make. */
const words = (a: Int32Array): readonly number[] => [a[0]!, a[1]!, a[2]!, a[3]!];

const same = (a: Int32Array, b: readonly number[]): boolean =>
  a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
