/**
 * The storage of a scoreboard: columns of numbers instead of an object per segment, and a ring that puts them in the
 * order of sequence numbers. Storage is lent while anything is outstanding; an idle connection holds none.
 */

/** Slots of the smallest storage: a connection that asks and answers needs no more. */
const LEAST = 16;
/** How much unused storage is kept for the next borrower, by size. */
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

const spare: Entries[] = [];

export function borrowEntries(): Entries {
  return spare.pop() ?? new Entries(LEAST);
}

/** Storage that grew is let go: the next borrower may need little. */
export function returnEntries(entries: Entries): void {
  if (entries.capacity === LEAST && spare.length < MOST_SPARE) spare.push(entries);
}
