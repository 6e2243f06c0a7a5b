/**
 * SYN cookies, RFC 4987 §3.6: when the queue of half-open connections is full, the SYN-ACK's sequence number holds all
 * that is needed to tell an honest third segment from a guess, and nothing is kept for the SYN. The MSS goes along in
 * three bits; window scale, SACK and ECN in the low bits of the timestamp, which the peer echoes (as Linux does).
 *
 * ISN, from the top: 5 bits of a counter that steps every 64 s, 3 bits of MSS index, 24 bits of keyed hash.
 */
import { type Seq, seqAdd, seqInt, toSeq } from '../base/seq.ts';
import type { SipHash } from '../base/siphash.ts';
import type { Micros } from '../base/time.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { ABSENT, TcpFlag, type TcpSegment } from '../wire/tcp.ts';

/** What three bits can say of a peer's MSS: it gets the largest that is not above its own. */
const MSS_TABLE = [216, 536, 1024, 1220, 1360, 1440, 1460, 8960] as const;
const STEP = 64_000_000;
/** A cookie is good in the step it was made and the one after: 64 to 128 s. */
const MAX_AGE = 1;

const OPTION_BITS = 6;
const OPTION_MASK = (1 << OPTION_BITS) - 1;
const NO_WSCALE = 15;
const SACK_BIT = 1 << 4;
const ECN_BIT = 1 << 5;

/** What a good cookie tells of the SYN it answered; `mss` is what the table had of it. */
export interface CookieOptions {
  readonly mss: number;
  /** ABSENT when timestamps are, or when the peer offered none. */
  readonly wscale: number;
  readonly sackPermitted: boolean;
  readonly ecn: boolean;
}

export class SynCookies {
  readonly #prf: SipHash;

  constructor(prf: SipHash) {
    this.#prf = prf;
  }

  /** The sequence number of the SYN-ACK for `syn`, which came from `remote`. */
  sequence(local: Ipv4, remote: Ipv4, syn: TcpSegment, now: Micros): Seq {
    const mss = syn.mss === ABSENT ? 536 : syn.mss;
    let index = MSS_TABLE.length - 1;
    while (index > 0 && MSS_TABLE[index]! > mss) index--;
    return this.#cookie(local, remote, syn.dstPort, syn.srcPort, syn.seq, index, stepOf(now));
  }

  /** `tsVal` with what the SYN offered in its low bits; never ahead of the clock it came from. */
  timestamp(syn: TcpSegment, tsVal: number): number {
    const wscale = syn.wscale === ABSENT ? NO_WSCALE : Math.min(syn.wscale, 14);
    const ecn = (syn.flags & (TcpFlag.ECE | TcpFlag.CWR)) === (TcpFlag.ECE | TcpFlag.CWR);
    const options = wscale | (syn.sackPermitted ? SACK_BIT : 0) | (ecn ? ECN_BIT : 0);
    const stamped = (tsVal & ~OPTION_MASK) | options;
    return ((stamped - tsVal) | 0) > 0 ? (stamped - (1 << OPTION_BITS)) | 0 : stamped;
  }

  /** What the ACK that ends a handshake proves; undefined when it proves nothing. */
  check(local: Ipv4, remote: Ipv4, ack: TcpSegment, now: Micros): CookieOptions | undefined {
    const cookie = seqInt(seqAdd(ack.ack, -1));
    const step = stepOf(now);
    const age = (step - (cookie >>> 27)) & 31;
    if (age > MAX_AGE) return undefined;
    const index = (cookie >>> 24) & 7;
    const made = this.#cookie(local, remote, ack.dstPort, ack.srcPort, seqAdd(ack.seq, -1), index, step - age);
    if (seqInt(made) !== cookie) return undefined;
    const options = ack.hasTimestamps ? ack.tsEcr & OPTION_MASK : NO_WSCALE;
    const wscale = options & NO_WSCALE;
    return {
      mss: MSS_TABLE[index]!,
      wscale: wscale === NO_WSCALE ? ABSENT : wscale,
      sackPermitted: (options & SACK_BIT) !== 0,
      ecn: (options & ECN_BIT) !== 0,
    };
  }

  #cookie(
    local: Ipv4,
    remote: Ipv4,
    localPort: number,
    remotePort: number,
    irs: Seq,
    index: number,
    step: number,
  ): Seq {
    const tuple = this.#prf.hash(local, remote, (localPort << 16) | remotePort, 3);
    const proof = this.#prf.hash(tuple, seqInt(irs), step, 4 + index) & 0xff_ffff;
    return toSeq(((step & 31) << 27) | (index << 24) | proof);
  }
}

const stepOf = (now: Micros): number => Math.floor(now / STEP);
