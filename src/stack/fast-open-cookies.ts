/** Fast Open cookies, RFC 7413: those we have been given, by peer, and those we give, which are a keyed hash of the address. */
import type { SipHash } from '../base/siphash.ts';
import { later, type Micros, seconds } from '../base/time.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { TcpSegment } from '../wire/tcp.ts';
import { textSegment } from '../wire/tcp-text.ts';

/** Peers remembered; the one unused longest goes. */
const MAX_PEERS = 4096;
/** How long a peer that did not take the data on a SYN gets ordinary ones (§4.1.3.1 asks for a while). */
const REFUSED_FOR = seconds(600);

export interface Grant {
  /** Hexadecimal. */
  readonly cookie: string;
  readonly mss: number;
}

export class FastOpenCookies {
  readonly #prf: SipHash;
  readonly #granted = new Map<Ipv4, Grant>();
  /** Peers that refused, and until when that is held against them. */
  readonly #refused = new Map<Ipv4, Micros>();

  constructor(prf: SipHash) {
    this.#prf = prf;
  }

  remember(peer: Ipv4, grant: Grant): void {
    this.#refused.delete(peer);
    keepNewest(this.#granted, peer, grant);
  }

  /** The data on a SYN with a cookie was not taken. */
  refused(peer: Ipv4, now: Micros): void {
    keepNewest(this.#refused, peer, later(now, REFUSED_FOR));
  }

  isRefused(peer: Ipv4, now: Micros): boolean {
    const until = this.#refused.get(peer);
    return until !== undefined && now < until;
  }

  from(peer: Ipv4): Grant | undefined {
    return this.#granted.get(peer);
  }

  /** Eight octets in hexadecimal, §4.1.2: nobody gets them without receiving at `peer`. */
  for(peer: Ipv4): string {
    const word = (n: number): string => (this.#prf.hash(peer, n, 0, 11) >>> 0).toString(16).padStart(8, '0');
    return word(0) + word(1);
  }

  isGood(syn: TcpSegment, peer: Ipv4): boolean {
    return syn.fastOpenLen > 0 && textSegment(syn).tfo === this.for(peer);
  }
}

function keepNewest<T>(peers: Map<Ipv4, T>, peer: Ipv4, value: T): void {
  peers.delete(peer);
  peers.set(peer, value);
  if (peers.size <= MAX_PEERS) return;
  for (const oldest of peers.keys()) {
    peers.delete(oldest);
    return;
  }
}
