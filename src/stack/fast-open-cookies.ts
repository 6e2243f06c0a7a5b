/** Fast Open cookies, RFC 7413: those we have been given, by peer, and those we give, which are a keyed hash of the address. */
import type { SipHash } from '../base/siphash.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { TcpSegment } from '../wire/tcp.ts';
import { textSegment } from '../wire/tcp-text.ts';

/** Peers remembered; the one unused longest goes. */
const MAX_PEERS = 4096;

export interface Grant {
  /** Hexadecimal. */
  readonly cookie: string;
  readonly mss: number;
}

export class FastOpenCookies {
  readonly #prf: SipHash;
  readonly #granted = new Map<Ipv4, Grant>();

  constructor(prf: SipHash) {
    this.#prf = prf;
  }

  remember(peer: Ipv4, grant: Grant): void {
    this.#granted.delete(peer);
    this.#granted.set(peer, grant);
    if (this.#granted.size <= MAX_PEERS) return;
    for (const oldest of this.#granted.keys()) {
      this.#granted.delete(oldest);
      return;
    }
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
