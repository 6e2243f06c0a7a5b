/**
 * The storage of a scoreboard: one array of numbers for all entries, the fields of an entry side by side, so that a
 * thousand connections which each have a segment out need a line or two of the processor's cache for each. Storage is
 * lent while anything is outstanding; an idle connection holds none.
 *
 * An entry is named by its slot: where in the array its fields begin.
 */

/** Fields of an entry; to be added to its slot. */
export const Field = {
  /** First sequence number, and octets of sequence space. */
  seq: 0,
  len: 1,
  /** Mark bits, see scoreboard.ts. */
  marks: 2,
  /** µs: when it left last. */
  sentAt: 3,
  /** Neighbours in the order of transmission; NONE at the ends. `later` also chains the free slots. */
  earlier: 4,
  later: 5,
  /** Octets from here on that are known to be sacked without a gap; for the first entry of such a run. */
  run: 6,
  /** Of a ring of its own that lies between the entries: slots in the order of sequence numbers. */
  order: 7,
  /** State of the delivery rate estimator when it left, see delivery-rate.ts. */
  delivered: 8,
  deliveredAt: 9,
  firstSentAt: 10,
} as const;

/** From one slot to the next. */
export const STRIDE = 11;

/** Slots of the smallest storage: a connection that asks and answers needs no more. */
const LEAST = 16;
/** Storage that grew is kept up to this size, for a sender whose flight comes and goes; and so many slots of each size. */
const MOST_KEPT = 4096;
const SPARE_SLOTS = 1024;
/** Of the smallest, for as many connections that ask in one turn: making it anew takes longer than the rest of a request. */
const MOST_SMALLEST = 1024;

export class Entries {
  /** Entries there is room for; a power of 2, or 0. */
  readonly capacity: number;
  readonly fields: Float64Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.fields = new Float64Array(capacity * STRIDE);
  }

  /** What both parts of an entry that was cut have in common. */
  copyCommon(from: number, to: number): void {
    const f = this.fields;
    f[to + Field.marks] = f[from + Field.marks]!;
    f[to + Field.sentAt] = f[from + Field.sentAt]!;
    f[to + Field.delivered] = f[from + Field.delivered]!;
    f[to + Field.deliveredAt] = f[from + Field.deliveredAt]!;
    f[to + Field.firstSentAt] = f[from + Field.firstSentAt]!;
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
  if (alike.length < (capacity === LEAST ? MOST_SMALLEST : Math.max(1, SPARE_SLOTS / capacity))) alike.push(entries);
}
