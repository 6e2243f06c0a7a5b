/**
 * Octets that arrived ahead of RCV.NXT, RFC 9293 §3.10.7.4 (SHLD-31), and the SACK blocks that report them
 * (RFC 2018 §4: the block with the newest arrival first, then the most recently reported ones).
 * Pieces are kept sorted and never overlap; of octets that arrive twice the first copy stays.
 */
import { type Seq, seqAdd, seqDiff, seqLeq, seqLt } from '../base/seq.ts';
import { copyOf, memoryOf } from '../base/slab.ts';
import { MAX_SACK_BLOCKS } from '../wire/tcp.ts';

interface Piece {
  readonly seq: Seq;
  readonly octets: Uint8Array;
}

/** About what a piece takes beside its octets. */
const PIECE_COST = 256;

/** Blocks that are remembered: more than can be reported, so that those which merge leave others to tell of. */
const MOST_RECENT = 4 * MAX_SACK_BLOCKS;

const endOf = (p: Piece): Seq => seqAdd(p.seq, p.octets.length);

export class Reassembly {
  readonly #pieces: Piece[] = [];
  /** A sequence number inside each block reported, newest first. */
  readonly #recent: Seq[] = [];
  /** Where the newest arrival ended. */
  #newestEnd: Seq | undefined;
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
    this.#noteRecent(seq, octets.length);
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
        const kept = isWorthIt ? octets.subarray(offset, offset + n) : copyOf(octets, offset, n);
        pieces.splice(i, 0, { seq: from, octets: kept });
        this.#pinned += memoryOf(kept);
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
      this.#pinned -= memoryOf(first.octets);
      // Blocks that were reported are no more: what comes is reported in its own order.
      if (this.#pieces.length === 0) this.#forget();
      const skip = seqDiff(rcvNxt, first.seq);
      if (skip < first.octets.length) return skip === 0 ? first.octets : first.octets.subarray(skip);
    }
  }

  /** Writes up to `max` blocks to `sack` as left and right edges in turn, from index `at`; returns how many blocks. */
  writeSack(sack: Seq[], at: number, max: number): number {
    const recent = this.#recent;
    let count = 0;
    for (let r = 0; r < recent.length && count < max; ) {
      const piece = this.#pieceWith(recent[r]!);
      const written = piece < 0 ? 0 : this.#writeBlock(piece, sack, at, count);
      if (written === 0) recent.splice(r, 1);
      else r++;
      count += written;
    }
    return count;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#forget();
    this.len = 0;
    this.#pinned = 0;
  }

  /** The block that the piece is part of, unless it is among the `count` that are written: how many that makes. */
  #writeBlock(piece: number, sack: Seq[], at: number, count: number): 0 | 1 {
    const pieces = this.#pieces;
    const left = this.#leftOf(piece);
    if (isAmong(sack, at, count, left)) return 0;
    let last = piece;
    while (last + 1 < pieces.length && endOf(pieces[last]!) === pieces[last + 1]!.seq) last++;
    sack[at + 2 * count] = left;
    sack[at + 2 * count + 1] = endOf(pieces[last]!);
    return 1;
  }

  #leftOf(piece: number): Seq {
    const pieces = this.#pieces;
    let first = piece;
    while (first > 0 && endOf(pieces[first - 1]!) === pieces[first]!.seq) first--;
    return pieces[first]!.seq;
  }

  /** Index of the piece that has octet `seq`; -1: it is not here any more. */
  #pieceWith(seq: Seq): number {
    const pieces = this.#pieces;
    let low = 0;
    let high = pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (seqLeq(pieces[middle]!.seq, seq)) low = middle + 1;
      else high = middle;
    }
    return low > 0 && seqLt(seq, endOf(pieces[low - 1]!)) ? low - 1 : -1;
  }

  #noteRecent(seq: Seq, len: number): void {
    const recent = this.#recent;
    const isContinued = seq === this.#newestEnd;
    this.#newestEnd = seqAdd(seq, len);
    // It is in the same block as what came before it.
    if (isContinued) {
      recent[0] = seq;
      return;
    }
    const known = recent.indexOf(seq);
    if (known >= 0) recent.splice(known, 1);
    recent.unshift(seq);
    if (recent.length > MOST_RECENT) recent.pop();
  }

  #forget(): void {
    this.#recent.length = 0;
    this.#newestEnd = undefined;
  }
}

function isAmong(sack: readonly Seq[], at: number, count: number, left: Seq): boolean {
  for (let b = 0; b < count; b++) if (sack[at + 2 * b] === left) return true;
  return false;
}
