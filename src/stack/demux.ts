/**
 * Which endpoint a segment is for: one hash over the 4-tuple, chained through the endpoints themselves.
 *
 * The table grows by one bucket with each endpoint (linear hashing: buckets are split in two one by one, from the first
 * on), so that with a million of them nobody waits half a second for all to be moved.
 */
import type { HalfSipHash } from '../base/half-siphash.ts';
import type { Ipv4 } from '../wire/ipv4.ts';

/** What an endpoint must have to be found. `next` belongs to the table. */
export interface Demuxed<T> {
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
  next: T | undefined;
}

export class DemuxTable<T extends Demuxed<T>> {
  readonly #hash: HalfSipHash;
  readonly #buckets: (T | undefined)[] = new Array<T | undefined>(LEAST).fill(undefined);
  /** A power of two; there are as many buckets, or more, but fewer than twice as many. */
  #half = LEAST;
  size = 0;
  /** Found last: segments come in runs. */
  #last: T | undefined;

  /** A keyed hash: else whoever picks ports could make one chain hold them all. */
  constructor(hash: HalfSipHash) {
    this.#hash = hash;
  }

  find(local: Ipv4, localPort: number, remote: Ipv4, remotePort: number): T | undefined {
    const last = this.#last;
    if (last !== undefined && isFor(last, local, localPort, remote, remotePort)) return last;
    let e = this.#buckets[this.#bucket(local, localPort, remote, remotePort)];
    while (e !== undefined && !isFor(e, local, localPort, remote, remotePort)) e = e.next;
    if (e !== undefined) this.#last = e;
    return e;
  }

  add(e: T): void {
    this.#link(e);
    this.size++;
    if (this.size > this.#buckets.length) this.#splitOne();
  }

  remove(e: T): void {
    if (this.#last === e) this.#last = undefined;
    const i = this.#bucketOf(e);
    let at = this.#buckets[i];
    if (at === e) this.#buckets[i] = e.next;
    else {
      while (at !== undefined && at.next !== e) at = at.next;
      if (at === undefined) return;
      at.next = e.next;
    }
    e.next = undefined;
    this.size--;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (const first of this.#buckets) for (let e = first; e !== undefined; e = e.next) yield e;
  }

  #splitOne(): void {
    const from = this.#buckets.length - this.#half;
    let e = this.#buckets[from];
    this.#buckets[from] = undefined;
    this.#buckets.push(undefined);
    if (this.#buckets.length === 2 * this.#half) this.#half *= 2;
    while (e !== undefined) {
      const { next } = e;
      this.#link(e);
      e = next;
    }
  }

  #link(e: T): void {
    const i = this.#bucketOf(e);
    e.next = this.#buckets[i];
    this.#buckets[i] = e;
  }

  #bucketOf(e: T): number {
    return this.#bucket(e.localAddress, e.localPort, e.remoteAddress, e.remotePort);
  }

  #bucket(local: Ipv4, localPort: number, remote: Ipv4, remotePort: number): number {
    const hash = this.#hash.hash(local, remote, (localPort << 16) | remotePort);
    const i = hash & (2 * this.#half - 1);
    return i < this.#buckets.length ? i : i & (this.#half - 1);
  }
}

const LEAST = 64;

function isFor<T extends Demuxed<T>>(e: T, local: Ipv4, localPort: number, remote: Ipv4, remotePort: number): boolean {
  return (
    e.remotePort === remotePort && e.localPort === localPort && e.remoteAddress === remote && e.localAddress === local
  );
}
