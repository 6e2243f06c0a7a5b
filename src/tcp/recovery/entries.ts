/**
 * The storage of a scoreboard: columns of numbers instead of an object per segment, and a ring that puts them in the
 * order of sequence numbers. Storage is lent while anything is outstanding; an idle connection holds none.
 */

/** Slots of the smallest storage: a connection that asks and answers needs no more. */
const LEAST = 16;
/** Storage that grew is kept up to this size, for a sender whose flight comes and goes; and so much of each size. */
const MOST_KEPT = 4096;
const MOST_SPARE = 64;

export class Entries {
  readonly capacity: number;
  /** Slots in the order of sequence numbers, as a ring. */
  readonly order: Int32Array;
  /** First sequence number, and octets of sequence space. */
  readonly seq: Int32Array;
  readonly len: Int32Array;
  /** Mark bits, see scoreboard.ts. */
  readonly marks: Uint8Array;
  /** Octets from here on that are known to be sacked without a gap; for the first entry of such a run. */
  readonly run: Int32Array;
  /** Neighbours in the order of transmission; NONE at the ends. `later` also chains the free slots. */
  readonly earlier: Int32Array;
  readonly later: Int32Array;
  /** µs: when it left last. */
  readonly sentAt: Float64Array;
  /** State of the delivery rate estimator when it left, see delivery-rate.ts. */
  readonly delivered: Float64Array;
  readonly deliveredAt: Float64Array;
  readonly firstSentAt: Float64Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.order = new Int32Array(capacity);
    this.seq = new Int32Array(capacity);
    this.len = new Int32Array(capacity);
    this.marks = new Uint8Array(capacity);
    this.run = new Int32Array(capacity);
    this.earlier = new Int32Array(capacity);
    this.later = new Int32Array(capacity);
    this.sentAt = new Float64Array(capacity);
    this.delivered = new Float64Array(capacity);
    this.deliveredAt = new Float64Array(capacity);
    this.firstSentAt = new Float64Array(capacity);
  }

  /** Everything but the order: slots keep their numbers. */
  copyTo(to: Entries): void {
    to.seq.set(this.seq);
    to.len.set(this.len);
    to.marks.set(this.marks);
    to.run.set(this.run);
    to.earlier.set(this.earlier);
    to.later.set(this.later);
    to.sentAt.set(this.sentAt);
    to.delivered.set(this.delivered);
    to.deliveredAt.set(this.deliveredAt);
    to.firstSentAt.set(this.firstSentAt);
  }

  copySlot(from: number, to: number): void {
    this.marks[to] = this.marks[from]!;
    this.sentAt[to] = this.sentAt[from]!;
    this.delivered[to] = this.delivered[from]!;
    this.deliveredAt[to] = this.deliveredAt[from]!;
    this.firstSentAt[to] = this.firstSentAt[from]!;
  }
}

/** Of a connection that has nothing outstanding. */
export const NO_ENTRIES = new Entries(0);

/** By the logarithm of the capacity. */
const spare: Entries[][] = [];

/** `capacity` is a power of 2; the least when left out. */
export function borrowEntries(capacity: number = LEAST): Entries {
  return spare[Math.log2(capacity)]?.pop() ?? new Entries(capacity);
}

export function returnEntries(entries: Entries): void {
  const { capacity } = entries;
  if (capacity === 0 || capacity > MOST_KEPT) return;
  const size = Math.log2(capacity);
  spare[size] ??= [];
  const alike = spare[size];
  if (alike.length < Math.max(1, (MOST_SPARE * LEAST) / capacity)) alike.push(entries);
}
