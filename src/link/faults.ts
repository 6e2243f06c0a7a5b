/** What can go wrong with the packets of one direction of a path, and how it is counted: see impaired-path.ts. */
import type { Micros } from '../base/time.ts';
import type { PacketIn } from './link.ts';

/** What a script decides about a packet; 'corrupt' and the others exclude each other. `delay`: held back so long. */
export type Fate = 'pass' | 'drop' | 'duplicate' | 'corrupt' | { readonly delay: Micros };
/**
 * Decides about the `n`-th packet of its direction, counted from 1; undefined leaves it to chance.
 * `packet` is a copy, one IP packet whole, valid during the call.
 */
export type Script = (packet: PacketIn, n: number) => Fate | undefined;

/** What may wait for the wire; the one that is on it doesn't count. */
export type QueueLimit = { readonly packets: number } | { readonly octets: number };

/** What goes wrong in one direction. Probabilities are 0 … 1, of each packet, independent of each other; default 0. */
export interface Faults {
  readonly loss?: number;
  readonly duplicate?: number;
  /** Held back until `reorderGap` later ones have passed, or for `reorderDelay` when that ends sooner. */
  readonly reorder?: number;
  /** Default 10 ms. */
  readonly reorderDelay?: Micros;
  /** Packets; default 3. */
  readonly reorderGap?: number;
  /** All packets, in order. */
  readonly delay?: Micros;
  /** Up to so much on top of `delay`, uniform; order is kept. */
  readonly jitter?: Micros;
  /** One to eight bits of one octet of what IP carries are flipped, so that a checksum always shows it. */
  readonly corrupt?: number;
  /** Octets per second; packets leave one after the other, and lost ones have taken their time as well. */
  readonly rate?: number;
  /** With `rate`: packets that find it full are dropped. Default 100 packets. */
  readonly queue?: QueueLimit;
  readonly script?: Script;
}

/** What was done to the packets of one direction. */
export interface FaultCounters {
  /** Seen, lost ones included. */
  packets: number;
  lost: number;
  /** Found the queue full. */
  overflowed: number;
  duplicated: number;
  /** Delivered after one that came later. */
  reordered: number;
  /** Made to wait, by whatever it was. */
  delayed: number;
  corrupted: number;
}

export const newFaultCounters = (): FaultCounters => ({
  packets: 0,
  lost: 0,
  overflowed: 0,
  duplicated: 0,
  reordered: 0,
  delayed: 0,
  corrupted: 0,
});

export const DEFAULT_QUEUE: QueueLimit = { packets: 100 };
