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
import { borrowEntries, type Entries, Field, NO_ENTRIES, returnEntries, STRIDE } from './entries.ts';

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
    return this.#e.fields[((this.#head + index) & (this.#e.capacity - 1)) * STRIDE + Field.order]!;
  }

  seqOf(slot: number): Seq {
    return toSeq(this.#e.fields[slot + Field.seq]!);
  }

  endOf(slot: number): Seq {
    return toSeq(this.#e.fields[slot + Field.seq]! + this.#e.fields[slot + Field.len]!);
  }

  lenOf(slot: number): number {
    return this.#e.fields[slot + Field.len]!;
  }

  sentAt(slot: number): Micros {
    return this.#e.fields[slot + Field.sentAt]! as Micros;
  }

  has(slot: number, mark: number): boolean {
    return (this.#e.fields[slot + Field.marks]! & mark) !== 0;
  }

  /** For what the delivery rate estimator noted when it left, beside the rest: see Field. */
  get fields(): Float64Array {
    return this.#e.fields;
  }

  /** Slot that was sent longest ago of those in flight; NONE when there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The one sent after `slot`. */
  sentAfter(slot: number): number {
    return this.#e.fields[slot + Field.later]!;
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
    e.fields[slot + Field.seq] = seqInt(seq);
    e.fields[slot + Field.len] = len;
    e.fields[slot + Field.marks] = mark;
    e.fields[slot + Field.sentAt] = now;
    this.#linkNewest(slot);
    this.out += len;
    return slot;
  }

  /** Cuts the `index`th entry at `at`, a number inside it: two entries stand for what was one. */
  cut(index: number, at: Seq): void {
    const first = this.slot(index);
    const rest = this.#insert(index + 1);
    const e = this.#e;
    const len = seqDiff(at, toSeq(e.fields[first + Field.seq]!));
    e.copyCommon(first, rest);
    e.fields[rest + Field.seq] = seqInt(at);
    e.fields[rest + Field.len] = e.fields[first + Field.len]! - len;
    e.fields[first + Field.len] = len;
    if (this.#isLinked(first)) this.#linkAfter(first, rest);
  }

  /** Lets go of the first entry, which is acknowledged. */
  dropFirst(): void {
    const slot = this.slot(0);
    this.#take(slot, this.#e.fields[slot + Field.len]!);
    if (this.has(slot, Mark.sacked)) this.sackedCount--;
    if (this.#isLinked(slot)) this.#unlink(slot);
    this.#e.fields[slot + Field.later] = this.#free;
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
    this.#e.fields[slot + Field.seq] = seqInt(at);
    this.#e.fields[slot + Field.len] = this.#e.fields[slot + Field.len]! - len;
    this.#e.fields[slot + Field.run] = Math.max(0, this.#e.fields[slot + Field.run]! - len);
  }

  markSacked(slot: number): void {
    const e = this.#e;
    const len = e.fields[slot + Field.len]!;
    this.#take(slot, len);
    if (this.#isLinked(slot)) this.#unlink(slot);
    e.fields[slot + Field.marks] = (e.fields[slot + Field.marks]! & ~(Mark.lost | Mark.resent)) | Mark.sacked;
    e.fields[slot + Field.run] = len;
    this.out += len;
    this.sacked += len;
    this.sackedCount++;
  }

  /** Of an entry in flight: it, or its retransmission, is lost. */
  markLost(slot: number): void {
    const e = this.#e;
    const len = e.fields[slot + Field.len]!;
    this.#take(slot, len);
    if (this.#isLinked(slot)) this.#unlink(slot);
    e.fields[slot + Field.marks] = (e.fields[slot + Field.marks]! & ~Mark.resent) | Mark.lost;
    this.out += len;
    this.lost += len;
    if (this.waiting === 0 || seqLt(this.seqOf(slot), this.#lostFrom)) this.#lostFrom = this.seqOf(slot);
    this.waiting += len;
  }

  /** It leaves again now. */
  markResent(slot: number, now: Micros): void {
    const e = this.#e;
    const len = e.fields[slot + Field.len]!;
    this.#take(slot, len);
    if (this.#isLinked(slot)) this.#unlink(slot);
    e.fields[slot + Field.marks] = e.fields[slot + Field.marks]! | Mark.resent | Mark.again;
    e.fields[slot + Field.sentAt] = now;
    this.#linkNewest(slot);
    this.out += len;
    if (this.has(slot, Mark.lost)) this.lost += len;
    this.resent += len;
  }

  /** Nothing of it was lost after all. It is in flight, and its retransmission, if one is, no longer counts. */
  unmarkLost(slot: number): void {
    const e = this.#e;
    const len = e.fields[slot + Field.len]!;
    if (!this.has(slot, Mark.lost)) return;
    const wasLinked = this.#isLinked(slot);
    this.#take(slot, len);
    e.fields[slot + Field.marks] = e.fields[slot + Field.marks]! & ~(Mark.lost | Mark.resent);
    this.out += len;
    if (!wasLinked) this.#linkNewest(slot);
  }

  /** The peer has thrown away what it had reported (RFC 2018 §8). */
  forgetSacked(slot: number): void {
    const e = this.#e;
    if (!this.has(slot, Mark.sacked)) return;
    this.sacked -= e.fields[slot + Field.len]!;
    this.sackedCount--;
    e.fields[slot + Field.marks] = e.fields[slot + Field.marks]! & ~Mark.sacked;
    e.fields[slot + Field.run] = 0;
    this.#linkNewest(slot);
  }

  /** Index of the first entry that is lost and waits to be sent again; NONE when there is none. */
  firstWaiting(): number {
    if (this.waiting === 0) return NONE;
    let index = this.find(this.#lostFrom);
    while (index < this.#count) {
      const slot = this.slot(index);
      const marks = this.#e.fields[slot + Field.marks]!;
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
      if ((e.fields[slot + Field.marks]! & Mark.sacked) === 0 || this.seqOf(slot) !== end) break;
      end = seqAdd(end, e.fields[slot + Field.run]!);
      next = e.fields[slot + Field.run] === e.fields[slot + Field.len] ? next + 1 : this.find(end);
    }
    e.fields[first + Field.run] = seqDiff(end, this.seqOf(first));
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
    const marks = this.#e.fields[slot + Field.marks]!;
    this.out -= len;
    if (marks & Mark.sacked) this.sacked -= len;
    if (marks & Mark.lost) this.lost -= len;
    if (marks & Mark.resent) this.resent -= len;
    else if (marks & Mark.lost) this.waiting -= len;
  }

  /** A new slot at `index`; what is nearer to its end of the ring makes room. */
  #insert(index: number): number {
    if (this.#count === this.#e.capacity) this.#grow();
    const { fields, capacity } = this.#e;
    const mask = capacity - 1;
    let slot = this.#free;
    if (slot === NONE) {
      slot = this.#fresh;
      this.#fresh += STRIDE;
    } else this.#free = fields[slot + Field.later]!;
    if (index < this.#count >>> 1) {
      this.#head = (this.#head + mask) & mask;
      for (let i = 0; i < index; i++) this.#place(i, this.slot(i + 1));
    } else {
      for (let i = this.#count; i > index; i--) this.#place(i, this.slot(i - 1));
    }
    this.#place(index, slot);
    this.#count++;
    this.#e.fields[slot + Field.earlier] = UNLINKED;
    this.#e.fields[slot + Field.run] = 0;
    return slot;
  }

  #place(index: number, slot: number): void {
    this.#e.fields[((this.#head + index) & (this.#e.capacity - 1)) * STRIDE + Field.order] = slot;
  }

  #grow(): void {
    const from = this.#e;
    if (from === NO_ENTRIES) {
      this.#e = borrowEntries();
      return;
    }
    const to = borrowEntries(from.capacity * 2);
    to.fields.set(from.fields);
    for (let i = 0; i < this.#count; i++) to.fields[i * STRIDE + Field.order] = this.slot(i);
    this.#head = 0;
    this.#e = to;
    returnEntries(from);
  }

  #isLinked(slot: number): boolean {
    return this.#e.fields[slot + Field.earlier] !== UNLINKED;
  }

  #linkNewest(slot: number): void {
    const e = this.#e;
    e.fields[slot + Field.earlier] = this.#newest;
    e.fields[slot + Field.later] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else e.fields[this.#newest + Field.later] = slot;
    this.#newest = slot;
  }

  #linkAfter(before: number, slot: number): void {
    const e = this.#e;
    const after = e.fields[before + Field.later]!;
    e.fields[slot + Field.earlier] = before;
    e.fields[slot + Field.later] = after;
    e.fields[before + Field.later] = slot;
    if (after === NONE) this.#newest = slot;
    else e.fields[after + Field.earlier] = slot;
  }

  #unlink(slot: number): void {
    const e = this.#e;
    const before = e.fields[slot + Field.earlier]!;
    const after = e.fields[slot + Field.later]!;
    if (before === NONE) this.#oldest = after;
    else e.fields[before + Field.later] = after;
    if (after === NONE) this.#newest = before;
    else e.fields[after + Field.earlier] = before;
    e.fields[slot + Field.earlier] = UNLINKED;
  }
}

const UNLINKED = -2;
