/**
 * A captured TCP segment as numbers, read from the packet where it lies: one reused record, nothing of it points into the
 * packet but the options. Of a packet that the capture cut, the headers do: lengths are those the IP header tells.
 */
import { IpProtocol, Ipv4At, ipv4Text, toIpv4 } from '../../wire/ipv4.ts';
import { IPV6_HEADER_LEN, Ipv6At, ipv6Text, tcpInIpv6 } from '../../wire/ipv6.ts';
import { readI32, readU16 } from '../../wire/octets.ts';
import { ABSENT, TCP_HEADER_LEN, TcpFlag, TcpOption } from '../../wire/tcp.ts';
import { ipAt, NO_IP, UNKNOWN_LINK } from './link-layers.ts';

/** 'cut': the capture kept too little of it to know what it was; 'damaged': lengths that contradict each other. */
export type Reading = 'tcp' | 'other' | 'fragment' | 'cut' | 'damaged' | 'unknown link';

/** Most SACK blocks that options have room for. */
const MAX_BLOCKS = 4;

export class SeenSegment {
  /** Of the source and the destination; for IPv4 the first word of each. */
  readonly src = new Int32Array(4);
  readonly dst = new Int32Array(4);
  isIpv6 = false;
  srcPort = 0;
  dstPort = 0;
  /** int32, as `Seq` is inside: every sum and comparison is `| 0`. */
  seq = 0;
  ack = 0;
  /** TcpFlag bits. */
  flags = 0;
  /** As sent, unscaled. */
  wnd = 0;
  urgentPointer = 0;
  /** Payload octets on the wire. */
  len = 0;
  /** The IP header's two bits of ECN. */
  ecn = 0;

  mss: number = ABSENT;
  wscale: number = ABSENT;
  sackPermitted = false;
  hasTimestamps = false;
  tsVal = 0;
  tsEcr = 0;
  sackCount = 0;
  /** Left and right edges in turn. */
  readonly sack = new Int32Array(2 * MAX_BLOCKS);
  /** Octets of a Fast Open cookie; ABSENT without the option. */
  fastOpenLen: number = ABSENT;

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** SEG.LEN of RFC 9293: SYN and FIN count. */
  get segLen(): number {
    return this.len + ((this.flags & TcpFlag.SYN) >>> 1) + (this.flags & TcpFlag.FIN);
  }

  /** Reads the packet in `[at, end)`; fields are valid when that says 'tcp'. `wireLen`: of the whole packet. */
  read(bytes: Uint8Array, at: number, end: number, wireLen: number, linkType: number): Reading {
    const ip = ipAt(bytes, at, end, linkType);
    if (ip === UNKNOWN_LINK) return 'unknown link';
    if (ip === NO_IP) return 'other';
    if (ip >= end) return 'cut';
    // Where the packet ended on the wire, as if it were all here.
    const wireEnd = at + Math.max(wireLen, end - at);
    const version = bytes[ip]! >>> 4;
    if (version === 4) return this.#ipv4(bytes, ip, end, wireEnd);
    return version === 6 ? this.#ipv6(bytes, ip, end, wireEnd) : 'other';
  }

  #ipv4(bytes: Uint8Array, ip: number, end: number, wireEnd: number): Reading {
    if (ip + 20 > end) return 'cut';
    if (bytes[ip + Ipv4At.PROTOCOL] !== IpProtocol.TCP) return 'other';
    if ((readU16(bytes, ip + Ipv4At.FRAGMENT) & 0x3fff) !== 0) return 'fragment';
    const headerLen = (bytes[ip]! & 0xf) * 4;
    const totalLen = readU16(bytes, ip + Ipv4At.TOTAL_LEN);
    // 0: a merged frame too long for the field, or one that the card was to cut.
    const ipEnd = totalLen === 0 ? wireEnd : ip + totalLen;
    if (headerLen < 20 || ip + headerLen > ipEnd || ipEnd > wireEnd) return 'damaged';
    this.isIpv6 = false;
    this.ecn = bytes[ip + 1]! & 3;
    this.src[0] = readI32(bytes, ip + Ipv4At.SRC);
    this.dst[0] = readI32(bytes, ip + Ipv4At.DST);
    for (let i = 1; i < 4; i++) this.src[i] = this.dst[i] = 0;
    return this.#tcp(bytes, ip + headerLen, end, ipEnd);
  }

  #ipv6(bytes: Uint8Array, ip: number, end: number, wireEnd: number): Reading {
    const tcp = tcpInIpv6(bytes, ip, end);
    if (tcp === 'no-tcp') return 'other';
    if (tcp === 'truncated') return 'cut';
    if (tcp === 'fragment') return 'fragment';
    const payloadLen = readU16(bytes, ip + Ipv6At.PAYLOAD_LEN);
    const ipEnd = payloadLen === 0 ? wireEnd : ip + IPV6_HEADER_LEN + payloadLen;
    if (tcp > ipEnd || ipEnd > wireEnd) return 'damaged';
    this.isIpv6 = true;
    this.ecn = (bytes[ip + 1]! >>> 4) & 3;
    for (let i = 0; i < 4; i++) {
      this.src[i] = readI32(bytes, ip + Ipv6At.SRC + 4 * i);
      this.dst[i] = readI32(bytes, ip + Ipv6At.DST + 4 * i);
    }
    return this.#tcp(bytes, tcp, end, ipEnd);
  }

  #tcp(bytes: Uint8Array, at: number, end: number, ipEnd: number): Reading {
    if (at + TCP_HEADER_LEN > ipEnd) return 'damaged';
    if (at + TCP_HEADER_LEN > end) return 'cut';
    const headerLen = (bytes[at + 12]! >>> 4) * 4;
    if (headerLen < TCP_HEADER_LEN || at + headerLen > ipEnd) return 'damaged';
    this.srcPort = readU16(bytes, at);
    this.dstPort = readU16(bytes, at + 2);
    this.seq = readI32(bytes, at + 4);
    this.ack = readI32(bytes, at + 8);
    this.flags = bytes[at + 13]!;
    this.wnd = readU16(bytes, at + 14);
    this.urgentPointer = readU16(bytes, at + 18);
    this.len = ipEnd - at - headerLen;
    this.mss = ABSENT;
    this.wscale = ABSENT;
    this.sackPermitted = false;
    this.hasTimestamps = false;
    this.sackCount = 0;
    this.fastOpenLen = ABSENT;
    // Options that the capture cut off count as far as they are there.
    if (headerLen > TCP_HEADER_LEN) this.#options(bytes, at + TCP_HEADER_LEN, Math.min(at + headerLen, end));
    return 'tcp';
  }

  #options(bytes: Uint8Array, at: number, end: number): void {
    let i = at;
    while (i < end) {
      const kind = bytes[i]!;
      if (kind === TcpOption.END) return;
      if (kind === TcpOption.NOP) {
        i++;
        continue;
      }
      const len = i + 1 < end ? bytes[i + 1]! : 0;
      if (len < 2 || i + len > end) return;
      this.#option(kind, len, bytes, i + 2);
      i += len;
    }
  }

  #option(kind: number, len: number, bytes: Uint8Array, at: number): void {
    switch (kind) {
      case TcpOption.MSS:
        if (len === 4) this.mss = readU16(bytes, at);
        return;
      case TcpOption.WSCALE:
        if (len === 3) this.wscale = bytes[at]!;
        return;
      case TcpOption.SACK_PERMITTED:
        this.sackPermitted = true;
        return;
      case TcpOption.TIMESTAMPS:
        if (len !== 10) return;
        this.hasTimestamps = true;
        this.tsVal = readI32(bytes, at);
        this.tsEcr = readI32(bytes, at + 4);
        return;
      case TcpOption.SACK:
        if (len < 10 || (len - 2) % 8 !== 0) return;
        this.sackCount = Math.min(MAX_BLOCKS, (len - 2) / 8);
        for (let n = 0; n < 2 * this.sackCount; n++) this.sack[n] = readI32(bytes, at + 4 * n);
        return;
      case TcpOption.FAST_OPEN:
        this.fastOpenLen = len - 2;
        return;
      default:
        return;
    }
  }
}

/** An address as text, from the words of a segment. */
export function addressText(words: ArrayLike<number>, isIpv6: boolean): string {
  return isIpv6 ? ipv6Text([words[0]!, words[1]!, words[2]!, words[3]!]) : ipv4Text(toIpv4(words[0]!));
}

/** Address and port, an IPv6 address in brackets. */
export const endText = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
