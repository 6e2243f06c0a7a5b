/**
 * What was sent and is not acknowledged, one entry per segment as it left: a run that the link cuts is one entry, and is
 * split only where the peer's SACK blocks or a retransmission cut it. It keeps the sums that RFC 6675 calls pipe, the
 * order of sequence numbers and the order of transmission (RFC 8985). It judges nothing: what is lost is for others to say.
 *
 * A SACK block costs a binary search and the entries it newly covers; a cumulative ACK the entries it takes away.
 * An index is a place in the order of sequence numbers and changes with every ACK; a slot stays with its entry.
 */
import { type Seq, seqAdd, seqDiff, seqInt, seqLeq, seqLt, toSeq } from '../../base/seq.ts';
import type { Micros } from '../../base/time.ts';
import { borrowEntries, type Entries, NO_ENTRIES, returnEntries } from './entries.ts';

export const Mark = {
  sacked: 1,
  /** Taken for lost; stays while its retransmission is on the way. */
  lost: 2,
  /** A retransmission of it is on the way. */
  resent: 4,
  /** Was sent more than once: no RTT sample (Karn). */
  again: 8,
  /** Left while the writer, not a window, was the limit. */
  appLimited: 16,
  /** A probe of the path's MTU. */
  mtuProbe: 32,
} as const;

export const NONE = -1;

export class Scoreboard {
  #e: Entries = NO_ENTRIES;
  #head = 0;
  #count = 0;
  /** Slots never used begin here; those used and free are chained from `#free`. */
  #fresh = 0;
  #free = NONE;
  /** Ends of the order of transmission: what is in flight, neither sacked nor lost (but for its retransmission). */
  #oldest = NONE;
  #newest = NONE;
  /** Nothing below this is lost and waits to be sent again. */
  #lostFrom: Seq = toSeq(0);

  /** Octets of sequence space held, and those of them that carry each mark. */
  out = 0;
  sacked = 0;
  lost = 0;
  resent = 0;
  /** Octets lost and not yet sent again. */
  waiting = 0;
  /** Entries sacked. */
  sackedCount = 0;

  /** Entries held. */
  get count(): number {
    return this.#count;
  }

  /** SetPipe of RFC 6675 §4: octets presumed to be on the way. */
  get pipe(): number {
    return this.out - this.sacked - this.lost + this.resent;
  }

  /** Slot of the `index`th entry in the order of sequence numbers. */
  slot(index: number): number {
    return this.#e.order[(this.#head + index) & (this.#e.capacity - 1)]!;
  }

  seqOf(slot: number): Seq {
    return toSeq(this.#e.seq[slot]!);
  }

  endOf(slot: number): Seq {
    return toSeq(this.#e.seq[slot]! + this.#e.len[slot]!);
  }

  lenOf(slot: number): number {
    return this.#e.len[slot]!;
  }

  sentAt(slot: number): Micros {
    return this.#e.sentAt[slot]! as Micros;
  }

  has(slot: number, mark: number): boolean {
    return (this.#e.marks[slot]! & mark) !== 0;
  }

  /** What the delivery rate estimator noted when it left. */
  get notes(): Pick<Entries, 'delivered' | 'deliveredAt' | 'firstSentAt'> {
    return this.#e;
  }

  /** Slot that was sent longest ago of those in flight; NONE when there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The one sent after `slot`. */
  sentAfter(slot: number): number {
    return this.#e.later[slot]!;
  }

  /** Index of the first entry that ends after `seq`; `count` when all end before. */
  find(seq: Seq): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (seqLeq(this.endOf(this.slot(middle)), seq)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A segment has left for the first time, at the end of what is held; returns its slot. */
  append(seq: Seq, len: number, now: Micros, mark = 0): number {
    const slot = this.#insert(this.#count);
    const e = this.#e;
    e.seq[slot] = seqInt(seq);
    e.len[slot] = len;
    e.marks[slot] = mark;
    e.sentAt[slot] = now;
    this.#linkNewest(slot);
    this.out += len;
    return slot;
  }

  /** Cuts the `index`th entry at `at`, a number inside it: two entries stand for what was one. */
  cut(index: number, at: Seq): void {
    const first = this.slot(index);
    const rest = this.#insert(index + 1);
    const e = this.#e;
    const len = seqDiff(at, toSeq(e.seq[first]!));
    e.copySlot(first, rest);
    e.seq[rest] = seqInt(at);
    e.len[rest] = e.len[first]! - len;
    e.len[first] = len;
    if (this.#isLinked(first)) this.#linkAfter(first, rest);
  }

  /** Lets go of the first entry, which is acknowledged. */
  dropFirst(): void {
    const slot = this.slot(0);
    this.#take(slot, this.#e.len[slot]!);
    if (this.has(slot, Mark.sacked)) this.sackedCount--;
    if (this.#isLinked(slot)) this.#unlink(slot);
    this.#e.later[slot] = this.#free;
    this.#free = slot;
    this.#head = (this.#head + 1) & (this.#e.capacity - 1);
    this.#count--;
    if (this.#count === 0) this.clear();
  }

  /** The first entry is acknowledged up to `at`, a number inside it. */
  trimFirst(at: Seq): void {
    const slot = this.slot(0);
    const len = seqDiff(at, this.seqOf(slot));
    this.#take(slot, len);
    this.#e.seq[slot] = seqInt(at);
    this.#e.len[slot] = this.#e.len[slot]! - len;
    this.#e.run[slot] = Math.max(0, this.#e.run[slot]! - len);
  }

  markSacked(slot: number): void {
    const e = this.#e;
    const len = e.len[slot]!;
    this.#take(slot, len);
    if (this.#isLinked(slot)) this.#unlink(slot);
    e.marks[slot] = (e.marks[slot]! & ~(Mark.lost | Mark.resent)) | Mark.sacked;
    e.run[slot] = len;
    this.out += len;
    this.sacked += len;
    this.sackedCount++;
  }

  /** Of an entry in flight: it, or its retransmission, is lost. */
  markLost(slot: number): void {
    const e = this.#e;
    const len = e.len[slot]!;
    this.#take(slot, len);
    if (this.#isLinked(slot)) this.#unlink(slot);
    e.marks[slot] = (e.marks[slot]! & ~Mark.resent) | Mark.lost;
    this.out += len;
    this.lost += len;
    if (this.waiting === 0 || seqLt(this.seqOf(slot), this.#lostFrom)) this.#lostFrom = this.seqOf(slot);
    this.waiting += len;
  }

  /** It leaves again now. */
  markResent(slot: number, now: Micros): void {
    const e = this.#e;
    const len = e.len[slot]!;
    this.#take(slot, len);
    if (this.#isLinked(slot)) this.#unlink(slot);
    e.marks[slot] = e.marks[slot]! | Mark.resent | Mark.again;
    e.sentAt[slot] = now;
    this.#linkNewest(slot);
    this.out += len;
    if (this.has(slot, Mark.lost)) this.lost += len;
    this.resent += len;
  }

  /** Nothing of it was lost after all. It is in flight, and its retransmission, if one is, no longer counts. */
  unmarkLost(slot: number): void {
    const e = this.#e;
    const len = e.len[slot]!;
    if (!this.has(slot, Mark.lost)) return;
    const wasLinked = this.#isLinked(slot);
    this.#take(slot, len);
    e.marks[slot] = e.marks[slot]! & ~(Mark.lost | Mark.resent);
    this.out += len;
    if (!wasLinked) this.#linkNewest(slot);
  }

  /** The peer has thrown away what it had reported (RFC 2018 §8). */
  forgetSacked(slot: number): void {
    const e = this.#e;
    if (!this.has(slot, Mark.sacked)) return;
    this.sacked -= e.len[slot]!;
    this.sackedCount--;
    e.marks[slot] = e.marks[slot]! & ~Mark.sacked;
    e.run[slot] = 0;
    this.#linkNewest(slot);
  }

  /** Index of the first entry that is lost and waits to be sent again; NONE when there is none. */
  firstWaiting(): number {
    if (this.waiting === 0) return NONE;
    let index = this.find(this.#lostFrom);
    while (index < this.#count) {
      const slot = this.slot(index);
      const marks = this.#e.marks[slot]!;
      if ((marks & (Mark.lost | Mark.resent)) === Mark.lost) {
        this.#lostFrom = this.seqOf(slot);
        return index;
      }
      index = marks & Mark.sacked ? this.pastRun(index) : index + 1;
    }
    return NONE;
  }

  /** Index after the sacked run that begins at `index`: long runs are stepped over, and what was learned is kept. */
  pastRun(index: number): number {
    const e = this.#e;
    const first = this.slot(index);
    let next = index;
    let end = this.seqOf(first);
    while (next < this.#count) {
      const slot = this.slot(next);
      if ((e.marks[slot]! & Mark.sacked) === 0 || this.seqOf(slot) !== end) break;
      end = seqAdd(end, e.run[slot]!);
      next = e.run[slot] === e.len[slot] ? next + 1 : this.find(end);
    }
    e.run[first] = seqDiff(end, this.seqOf(first));
    return next;
  }

  clear(): void {
    returnEntries(this.#e);
    this.#e = NO_ENTRIES;
    this.#head = 0;
    this.#count = 0;
    this.#fresh = 0;
    this.#free = NONE;
    this.#oldest = NONE;
    this.#newest = NONE;
    this.out = 0;
    this.sacked = 0;
    this.lost = 0;
    this.resent = 0;
    this.waiting = 0;
    this.sackedCount = 0;
  }

  /** Takes the first `len` octets of an entry out of every sum it is in. */
  #take(slot: number, len: number): void {
    const marks = this.#e.marks[slot]!;
    this.out -= len;
    if (marks & Mark.sacked) this.sacked -= len;
    if (marks & Mark.lost) this.lost -= len;
    if (marks & Mark.resent) this.resent -= len;
    else if (marks & Mark.lost) this.waiting -= len;
  }

  /** A new slot at `index`; what is nearer to its end of the ring makes room. */
  #insert(index: number): number {
    if (this.#count === this.#e.capacity) this.#grow();
    const { order, capacity, later } = this.#e;
    const mask = capacity - 1;
    let slot = this.#free;
    if (slot === NONE) slot = this.#fresh++;
    else this.#free = later[slot]!;
    if (index < this.#count >>> 1) {
      this.#head = (this.#head + mask) & mask;
      for (let i = 0; i < index; i++) order[(this.#head + i) & mask] = order[(this.#head + i + 1) & mask]!;
    } else {
      for (let i = this.#count; i > index; i--) order[(this.#head + i) & mask] = order[(this.#head + i - 1) & mask]!;
    }
    order[(this.#head + index) & mask] = slot;
    this.#count++;
    this.#e.earlier[slot] = UNLINKED;
    this.#e.run[slot] = 0;
    return slot;
  }

  #grow(): void {
    const from = this.#e;
    if (from === NO_ENTRIES) {
      this.#e = borrowEntries();
      return;
    }
    const to = borrowEntries(from.capacity * 2);
    from.copyTo(to);
    for (let i = 0; i < this.#count; i++) to.order[i] = this.slot(i);
    this.#head = 0;
    this.#e = to;
    returnEntries(from);
  }

  #isLinked(slot: number): boolean {
    return this.#e.earlier[slot] !== UNLINKED;
  }

  #linkNewest(slot: number): void {
    const e = this.#e;
    e.earlier[slot] = this.#newest;
    e.later[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else e.later[this.#newest] = slot;
    this.#newest = slot;
  }

  #linkAfter(before: number, slot: number): void {
    const e = this.#e;
    const after = e.later[before]!;
    e.earlier[slot] = before;
    e.later[slot] = after;
    e.later[before] = slot;
    if (after === NONE) this.#newest = slot;
    else e.earlier[after] = slot;
  }

  #unlink(slot: number): void {
    const e = this.#e;
    const before = e.earlier[slot]!;
    const after = e.later[slot]!;
    if (before === NONE) this.#oldest = after;
    else e.later[before] = after;
    if (after === NONE) this.#newest = before;
    else e.earlier[after] = before;
    e.earlier[slot] = UNLINKED;
  }
}

const UNLINKED = -2;
