/**
 * Which source port a connection gets, RFC 6056 §3.3.4: each destination goes its own way through the ports there are, from
 * a place that no outsider can foresee, so that a port is used again as late as can be. One port serves as many
 * connections as there are destinations.
 */
import { intBelow, type Random } from '../base/random.ts';
import type { SipHash } from '../base/siphash.ts';
import type { Ipv4 } from '../wire/ipv4.ts';

/** The ports that connections may come from: a list that may grow and shrink. */
export interface PortSource {
  /** Ports there are now, the `i`-th of which is `at(i)`. */
  readonly count: number;
  at(i: number): number;
  /** None of them will do: true when there are more now, behind the others. */
  grow(): boolean;
  /** A connection has it; one that has ended no longer does. Ports of others' don't matter. */
  take(port: number): void;
  release(port: number): void;
}

/** Linux's ip_local_port_range. */
export const FIRST_EPHEMERAL = 32_768;
export const EPHEMERAL_COUNT = 28_232;

/** All of them, for an address that is ours alone. */
export const ALL_EPHEMERAL: PortSource = {
  count: EPHEMERAL_COUNT,
  at: (i) => FIRST_EPHEMERAL + i,
  grow: () => false,
  take() {},
  release() {},
};

/** Destinations that share a counter are no harm. */
const COUNTERS = 1024;
/** Keeps this use of the hash apart from the others. */
const DOMAIN = 12;

export class PortChoice {
  readonly #source: PortSource;
  readonly #prf: SipHash;
  /** By destination: how far from its own place the next search begins. */
  readonly #next: Int32Array;

  constructor(source: PortSource, prf: SipHash, random: Random) {
    this.#source = source;
    this.#prf = prf;
    this.#next = new Int32Array(COUNTERS);
    for (let i = 0; i < COUNTERS; i++) this.#next[i] = intBelow(random, EPHEMERAL_COUNT);
  }

  /** A port of which `isFree` holds; undefined when there is none. */
  choose(remote: Ipv4, remotePort: number, isFree: (port: number) => boolean): number | undefined {
    const source = this.#source;
    const own = this.#prf.hash(remote, remotePort, 0, DOMAIN) >>> 0;
    const counter = own % COUNTERS;
    let seen = 0;
    for (;;) {
      const { count } = source;
      const left = count - seen;
      const begin = seen > 0 ? 0 : (((own % count) + this.#next[counter]!) % count) + count;
      for (let i = 0; i < left; i++) {
        const at = seen + ((begin + i) % left);
        const port = source.at(at);
        if (!isFree(port)) continue;
        this.#next[counter] = at + 1 - (own % count);
        return port;
      }
      seen = count;
      if (!source.grow()) return undefined;
    }
  }
}
