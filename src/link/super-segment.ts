/**
 * A TCP segment larger than the wire allows, as kernels hand them to each other where no wire is in between (GSO, GRO),
 * cut into those that a wire would have carried. Sequence numbers, IP lengths and identifications count on; FIN and PSH
 * are the last one's, CWR the first one's (RFC 3168 §6.1.2); checksums are worked out.
 *
 * One instance is reused for every packet, and nothing is allocated.
 */
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../wire/checksum.ts';
import { decodeIpv4, IPV4_HEADER_LEN, IpProtocol, Ipv4At, Ipv4Header } from '../wire/ipv4.ts';
import { readI32, readU16, writeI32, writeU16 } from '../wire/octets.ts';
import { TCP_HEADER_LEN, TcpFlag } from '../wire/tcp.ts';

const SEQ_AT = 4;
const OFFSET_AT = 12;
const FLAGS_AT = 13;
const CHECKSUM_AT = 16;

export class SuperSegment {
  readonly #ip = new Ipv4Header();
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  #headersLen = 0;
  #payloadLen = 0;
  #mss = 0;

  /** Segments it comes to; 0 when it is none of the kind that can be cut. */
  count = 0;

  /**
   * Looks at the IP packet in `[at, end)` of `bytes`, which is to stay until the last `write`. `mss`: payload octets in
   * each segment; 0 when only the wire's `mtu` is known.
   */
  begin(bytes: Uint8Array, at: number, end: number, mss: number, mtu: number): number {
    this.count = 0;
    const ip = this.#ip;
    if (decodeIpv4(bytes, at, end, ip, true) !== 'ok' || ip.isFragment || ip.protocol !== IpProtocol.TCP) return 0;
    const tcpAt = ip.payloadAt;
    if (ip.payloadEnd - tcpAt < TCP_HEADER_LEN) return 0;
    const headersLen = tcpAt - at + (bytes[tcpAt + OFFSET_AT]! >>> 4) * 4;
    const payloadLen = ip.payloadEnd - at - headersLen;
    const each = mss > 0 ? mss : mtu - headersLen;
    if (payloadLen <= 0 || each <= 0 || (bytes[tcpAt + FLAGS_AT]! & NEVER_CUT) !== 0) return 0;
    this.#bytes = bytes;
    this.#at = at;
    this.#headersLen = headersLen;
    this.#payloadLen = payloadLen;
    this.#mss = each;
    this.count = Math.ceil(payloadLen / each);
    return this.count;
  }

  /** Octets of IP and TCP header, the same in each. */
  get headersLen(): number {
    return this.#headersLen;
  }

  /** Payload octets in each but the last. */
  get mss(): number {
    return this.#mss;
  }

  /** Octets of IP header. */
  get ipHeaderLen(): number {
    return this.#ip.ihl * 4;
  }

  /** Writes the `i`-th segment, counted from 0, as an IP packet at `toAt` of `to`; returns its length. */
  write(i: number, to: Uint8Array, toAt: number): number {
    return this.writeRun(i, 1, to, toAt);
  }

  /** The same for `count` segments from the `i`-th on, merged still: their checksum is left to whoever cuts them. */
  writeRun(i: number, count: number, to: Uint8Array, toAt: number): number {
    const bytes = this.#bytes;
    const headersLen = this.#headersLen;
    const from = i * this.#mss;
    const payloadLen = Math.min(count * this.#mss, this.#payloadLen - from);
    const len = headersLen + payloadLen;
    copyOctets(bytes, this.#at, to, toAt, headersLen);
    copyOctets(bytes, this.#at + headersLen + from, to, toAt + headersLen, payloadLen);

    const ipHeaderLen = this.#ip.ihl * 4;
    const tcpAt = toAt + ipHeaderLen;
    writeU16(to, toAt + Ipv4At.TOTAL_LEN, len);
    writeU16(to, toAt + Ipv4At.ID, this.#ip.id + i);
    writeU16(to, toAt + Ipv4At.CHECKSUM, 0);
    writeU16(to, toAt + Ipv4At.CHECKSUM, foldChecksum(sumOctets(0, to, toAt, ipHeaderLen)));

    writeI32(to, tcpAt + SEQ_AT, readI32(to, tcpAt + SEQ_AT) + from);
    let flags = to[tcpAt + FLAGS_AT]!;
    if (i > 0) flags &= ~TcpFlag.CWR;
    if (i + count < this.count) flags &= ~(TcpFlag.FIN | TcpFlag.PSH);
    to[tcpAt + FLAGS_AT] = flags;
    const tcpLen = len - ipHeaderLen;
    writeU16(to, tcpAt + CHECKSUM_AT, 0);
    const pseudo = pseudoHeaderSum(this.#ip.src, this.#ip.dst, IpProtocol.TCP, tcpLen);
    writeU16(to, tcpAt + CHECKSUM_AT, count > 1 ? pseudo : foldChecksum(sumOctets(pseudo, to, tcpAt, tcpLen)));
    return len;
  }
}

/** An IPv4 packet that no wire of that MTU has carried: several, merged. */
export function isLargerThanWire(bytes: Uint8Array, at: number, end: number, mtu: number): boolean {
  return end - at > mtu && end - at > IPV4_HEADER_LEN && readU16(bytes, at) >>> 12 === 4;
}

const NEVER_CUT = TcpFlag.SYN | TcpFlag.RST;
const NOTHING = new Uint8Array(0);

function copyOctets(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, len: number): void {
  to.set(from.subarray(fromAt, fromAt + len), toAt);
}
