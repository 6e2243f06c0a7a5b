/**
 * Octets that arrived ahead of RCV.NXT, RFC 9293 §3.10.7.4 (SHLD-31), and the SACK blocks that report them
 * (RFC 2018 §4: the block with the newest arrival first, then the most recently reported ones).
 * Pieces are kept sorted and never overlap; of octets that arrive twice the first copy stays.
 */
import { type Seq, seqAdd, seqDiff, seqLeq, seqLt } from '../base/seq.ts';
import { MAX_SACK_BLOCKS } from '../wire/tcp.ts';

interface Piece {
  readonly seq: Seq;
  readonly octets: Uint8Array;
}

/** About what a piece takes beside its octets. */
const PIECE_COST = 256;

const endOf = (p: Piece): Seq => seqAdd(p.seq, p.octets.length);

export class Reassembly {
  readonly #pieces: Piece[] = [];
  /** A sequence number inside each block reported, newest first. */
  readonly #recent: Seq[] = [];
  /** Octets held. */
  len = 0;
  /** Octets of memory that they hold on to. */
  #pinned = 0;

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Memory that holds them, octets: many small pieces cost more than their octets. */
  get cost(): number {
    return this.#pinned + this.#pieces.length * PIECE_COST;
  }

  /**
   * Keeps what is new of `octets`; returns how many octets that were. `owned`: they are ours to keep as they are, and
   * are, where that doesn't hold on to more than twice as much; else they are copied.
   */
  insert(seq: Seq, octets: Uint8Array, owned = false): number {
    this.#noteRecent(seq);
    const pieces = this.#pieces;
    // Arrivals mostly extend the newest hole's far side: search from the end.
    let i = pieces.length;
    while (i > 0 && seqLt(seq, pieces[i - 1]!.seq)) i--;
    let from = seq;
    const end = seqAdd(seq, octets.length);
    if (i > 0 && seqLt(from, endOf(pieces[i - 1]!))) from = endOf(pieces[i - 1]!);
    let taken = 0;
    while (seqLt(from, end)) {
      const next = pieces[i];
      const to = next !== undefined && seqLt(next.seq, end) ? next.seq : end;
      const n = seqDiff(to, from);
      if (n > 0) {
        const offset = seqDiff(from, seq);
        const isWorthIt = owned && 2 * n >= octets.buffer.byteLength;
        pieces.splice(i, 0, {
          seq: from,
          octets: isWorthIt ? octets.subarray(offset, offset + n) : octets.slice(offset, offset + n),
        });
        this.#pinned += isWorthIt ? octets.buffer.byteLength : n;
        taken += n;
        i++;
      }
      if (next === undefined) break;
      from = seqLt(from, endOf(next)) ? endOf(next) : from;
      i++;
    }
    this.len += taken;
    return taken;
  }

  /** The octets at `rcvNxt`, taken out; undefined when there is a hole. Drops what lies before it. */
  takeAt(rcvNxt: Seq): Uint8Array | undefined {
    for (;;) {
      const first = this.#pieces[0];
      if (first === undefined || seqLt(rcvNxt, first.seq)) return undefined;
      this.#pieces.shift();
      this.len -= first.octets.length;
      this.#pinned -= first.octets.buffer.byteLength;
      // Blocks that were reported are no more: what comes is reported in its own order.
      if (this.#pieces.length === 0) this.#recent.length = 0;
      const skip = seqDiff(rcvNxt, first.seq);
      if (skip < first.octets.length) return skip === 0 ? first.octets : first.octets.subarray(skip);
    }
  }

  /** Writes up to `max` blocks to `sack` as left and right edges in turn, from index `at`; returns how many blocks. */
  writeSack(sack: Seq[], at: number, max: number): number {
    let count = 0;
    for (let r = 0; r < this.#recent.length && count < max; ) {
      const found = this.#writeBlock(this.#recent[r]!, sack, at, count);
      if (found === 'gone' || found === 'reported') {
        this.#recent.splice(r, 1);
        continue;
      }
      count++;
      r++;
    }
    return count;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#recent.length = 0;
    this.len = 0;
    this.#pinned = 0;
  }

  #writeBlock(inside: Seq, sack: Seq[], at: number, count: number): 'written' | 'gone' | 'reported' {
    const pieces = this.#pieces;
    const i = pieces.findIndex((p) => seqLeq(p.seq, inside) && seqLt(inside, endOf(p)));
    if (i < 0) return 'gone';
    let first = i;
    while (first > 0 && endOf(pieces[first - 1]!) === pieces[first]!.seq) first--;
    let last = i;
    while (last + 1 < pieces.length && endOf(pieces[last]!) === pieces[last + 1]!.seq) last++;
    const left = pieces[first]!.seq;
    for (let b = 0; b < count; b++) if (sack[at + 2 * b] === left) return 'reported';
    sack[at + 2 * count] = left;
    sack[at + 2 * count + 1] = endOf(pieces[last]!);
    return 'written';
  }

  #noteRecent(seq: Seq): void {
    const known = this.#recent.indexOf(seq);
    if (known >= 0) this.#recent.splice(known, 1);
    this.#recent.unshift(seq);
    // More than can be reported, so that blocks which merge leave others to tell of.
    if (this.#recent.length > 4 * MAX_SACK_BLOCKS) this.#recent.pop();
  }
}
