/**
 * Where each direction's sequence numbers and timestamps begin, so that they can be shown counted from there:
 * numbers from 0 at the SYN as tcpdump does, timestamps from 1 at the first (0 keeps its meaning: none yet).
 */
import type { SegmentRecord } from '../tcp/trace.ts';

interface Base {
  seq: number | undefined;
  ts: number | undefined;
}

export class SegmentBases {
  readonly #out: Base = { seq: undefined, ts: undefined };
  readonly #in: Base = { seq: undefined, ts: undefined };

  /** Takes note of where a direction begins. A segment must be learned before it is shown. */
  learn(dir: 'in' | 'out', seg: SegmentRecord): void {
    const base = dir === 'out' ? this.#out : this.#in;
    // A RST that refuses a SYN has a number of its own, with no beginning behind it.
    if (seg.flags.includes('S')) base.seq = seg.seq;
    else if (!seg.flags.includes('R')) base.seq ??= seg.seq;
    if (seg.ts !== undefined) base.ts ??= seg.ts[0];
  }

  /** The same segment with all numbers counted from their beginnings. */
  relative(dir: 'in' | 'out', seg: SegmentRecord): SegmentRecord {
    const own = dir === 'out' ? this.#out : this.#in;
    const other = dir === 'out' ? this.#in : this.#out;
    const { ts, sack } = seg;
    return {
      ...seg,
      seq: from(seg.seq, own.seq),
      ack: from(seg.ack, other.seq),
      ...(ts === undefined ? {} : { ts: [stamp(ts[0], own.ts), stamp(ts[1], other.ts)] as const }),
      ...(sack === undefined
        ? {}
        : { sack: sack.map(([left, right]) => [from(left, other.seq), from(right, other.seq)] as const) }),
    };
  }
}

const from = (n: number, base: number | undefined): number => (n - (base ?? 0)) >>> 0;
const stamp = (n: number, base: number | undefined): number =>
  n === 0 || base === undefined ? n : (n - base + 1) >>> 0;
