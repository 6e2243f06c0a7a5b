/** Which endpoint a segment is for: one hash over the 4-tuple, chained through the endpoints themselves. */
import type { SipHash } from '../base/siphash.ts';
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
  readonly #prf: SipHash;
  #buckets: (T | undefined)[] = new Array<T | undefined>(64).fill(undefined);
  size = 0;
  /** Found last: segments come in runs. */
  #last: T | undefined;

  /** A keyed hash: else whoever picks ports could make one chain hold them all. */
  constructor(prf: SipHash) {
    this.#prf = prf;
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
    if (this.size >= this.#buckets.length) this.#rebuild();
    this.#link(e);
    this.size++;
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

  #rebuild(): void {
    const all = [...this];
    this.#buckets = new Array<T | undefined>(this.#buckets.length * 4).fill(undefined);
    for (const e of all) this.#link(e);
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
    return this.#prf.hash(local, remote, (localPort << 16) | remotePort, 2) & (this.#buckets.length - 1);
  }
}

function isFor<T extends Demuxed<T>>(e: T, local: Ipv4, localPort: number, remote: Ipv4, remotePort: number): boolean {
  return (
    e.remotePort === remotePort && e.localPort === localPort && e.remoteAddress === remote && e.localAddress === local
  );
}
