/**
 * Packets into segments: IPv4 and TCP headers decoded, checksums verified, what is not for us counted and dropped.
 * One packet at a time; the segment handed on is reused.
 */
import type { PacketIn } from '../link/link.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../wire/checksum.ts';
import { decodeIcmp, decodeIcmpQuote, IcmpMessage, IcmpQuote, icmpChecksumGood, isIcmpError } from '../wire/icmp.ts';
import {
  decodeIpv4,
  IpProtocol,
  type Ipv4,
  Ipv4Header,
  ipv4ChecksumGood,
  isBroadcast,
  isMulticast,
  isUnspecified,
} from '../wire/ipv4.ts';
import { decodeTcp, TcpSegment } from '../wire/tcp.ts';
import type { StackCounters } from './counters.ts';

/** What a packet held; the fields of IpInput tell more. */
export type Arrival = 'segment' | 'icmp error' | 'nothing';

export class IpInput {
  /** The last segment taken. */
  segment = new TcpSegment();
  #spare = new TcpSegment();
  readonly icmp = new IcmpMessage();
  readonly quote = new IcmpQuote();
  readonly #ip = new Ipv4Header();
  readonly #address: Ipv4;
  readonly #counters: StackCounters;

  constructor(address: Ipv4, counters: StackCounters) {
    this.#address = address;
    this.#counters = counters;
  }

  get source(): Ipv4 {
    return this.#ip.src;
  }

  /** The last segment taken, which stays as it is until the next is put by. */
  putBy(): TcpSegment {
    const kept = this.segment;
    this.segment = this.#spare;
    this.#spare = kept;
    return kept;
  }

  take(packet: PacketIn): Arrival {
    const counters = this.#counters;
    const ip = this.#ip;
    const { bytes, at, end } = packet;
    if (decodeIpv4(bytes, at, end, ip, true) !== 'ok') {
      counters.malformed++;
      return 'nothing';
    }
    if (ip.dst !== this.#address || isImpossibleSource(ip.src)) {
      counters.notForUs++;
      return 'nothing';
    }
    if (packet.checksum === 'unverified' && !ipv4ChecksumGood(bytes, at, ip)) {
      counters.badChecksum++;
      return 'nothing';
    }
    if (ip.isFragment) {
      counters.fragments++;
      return 'nothing';
    }
    if (ip.protocol === IpProtocol.TCP) return this.#takeTcp(packet);
    if (ip.protocol === IpProtocol.ICMP) return this.#takeIcmp(packet);
    return 'nothing';
  }

  #takeTcp(packet: PacketIn): Arrival {
    const counters = this.#counters;
    const { payloadAt, payloadEnd } = this.#ip;
    if (decodeTcp(packet.bytes, payloadAt, payloadEnd, this.segment) !== 'ok') {
      counters.malformed++;
      return 'nothing';
    }
    if (packet.checksum === 'unverified' && !this.#checksumGood(packet.bytes)) {
      counters.badChecksum++;
      return 'nothing';
    }
    if (packet.checksum === 'partial') counters.partialChecksum++;
    counters.segmentsIn++;
    this.segment.ecn = this.#ip.ecn;
    this.segment.owned = packet.owned;
    return 'segment';
  }

  /**
   * Full checksum, or the pseudo-header's sum alone: that is what a sender on the same machine (veth, bridge, loopback)
   * leaves for hardware that never comes. Such octets never crossed a wire, so there is nothing to verify.
   */
  #checksumGood(bytes: Uint8Array): boolean {
    const { payloadAt, payloadEnd, src, dst } = this.#ip;
    const len = payloadEnd - payloadAt;
    const pseudo = pseudoHeaderSum(src, dst, IpProtocol.TCP, len);
    if (foldChecksum(sumOctets(pseudo, bytes, payloadAt, len)) === 0) return true;
    if (this.segment.checksum !== pseudo) return false;
    this.#counters.partialChecksum++;
    return true;
  }

  #takeIcmp(packet: PacketIn): Arrival {
    const { payloadAt, payloadEnd } = this.#ip;
    const { bytes } = packet;
    if (decodeIcmp(bytes, payloadAt, payloadEnd, this.icmp) !== 'ok' || !isIcmpError(this.icmp.type)) return 'nothing';
    if (!icmpChecksumGood(bytes, payloadAt, payloadEnd)) {
      this.#counters.badChecksum++;
      return 'nothing';
    }
    const quoted = decodeIcmpQuote(bytes, this.icmp.quotedAt, this.icmp.quotedEnd, this.quote);
    const { ip } = this.quote;
    const isOurs = quoted === 'ok' && ip.protocol === IpProtocol.TCP && ip.src === this.#address;
    // A later fragment has no ports in it.
    if (!isOurs || ip.fragmentOffset > 0) return 'nothing';
    this.#counters.icmpErrors++;
    return 'icmp error';
  }
}

/** RFC 9293 MUST-63: nobody can be answered there. */
function isImpossibleSource(a: Ipv4): boolean {
  return isBroadcast(a) || isMulticast(a) || isUnspecified(a);
}
