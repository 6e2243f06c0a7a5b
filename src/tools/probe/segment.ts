/** Segments of a probe: octets of those that it sends, and what is to be known of those that come back. */
import { toSeq } from '../../base/seq.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../wire/checksum.ts';
import {
  decodeIpv4,
  encodeIpv4,
  IPV4_HEADER_LEN,
  IpProtocol,
  type Ipv4,
  Ipv4Flag,
  Ipv4Header,
} from '../../wire/ipv4.ts';
import { writeU16 } from '../../wire/octets.ts';
import { decodeTcp, encodeTcp, TCP_MAX_HEADER_LEN, TcpSegment } from '../../wire/tcp.ts';
import { flagsFromText, flagsText } from '../../wire/tcp-text.ts';
import type { OptionSpec } from '../scenario/model.ts';
import { readOptionSpecs } from '../scenario/option-octets.ts';

const TCP_CHECKSUM_AT = 16;
const TTL = 64;

export interface Ends {
  readonly local: Ipv4;
  readonly localPort: number;
  readonly remote: Ipv4;
  readonly remotePort: number;
}

/** Numbers as on the wire; an option that is absent is not sent. */
export interface Crafted {
  /** As tcpdump writes them: 'S', 'P.'. */
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly wnd: number;
  readonly data?: Uint8Array;
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackOk?: boolean;
  readonly ts?: { readonly val: number; readonly ecr: number };
  /** Octets of a Fast Open cookie; none ask for one. */
  readonly fastOpen?: Uint8Array;
  readonly urg?: number;
  /** The four bits in front of the flags; the lowest is AccECN's AE. */
  readonly reserved?: number;
}

/** An IP packet. */
export function segmentOctets(ends: Ends, c: Crafted, ipId: number): Uint8Array {
  const seg = new TcpSegment();
  seg.srcPort = ends.localPort;
  seg.dstPort = ends.remotePort;
  seg.seq = toSeq(c.seq);
  seg.ack = toSeq(c.ack);
  seg.flags = flagsFromText(c.flags) ?? 0;
  seg.wnd = c.wnd;
  seg.reserved = c.reserved ?? 0;
  seg.urgentPointer = c.urg ?? 0;
  if (c.mss !== undefined) seg.mss = c.mss;
  if (c.wscale !== undefined) seg.wscale = c.wscale;
  seg.sackPermitted = c.sackOk === true;
  if (c.ts !== undefined) {
    seg.hasTimestamps = true;
    seg.tsVal = c.ts.val | 0;
    seg.tsEcr = c.ts.ecr | 0;
  }
  if (c.fastOpen !== undefined) {
    seg.fastOpenLen = c.fastOpen.length;
    seg.fastOpenCookie.set(c.fastOpen);
  }
  const tcp = new Uint8Array(TCP_MAX_HEADER_LEN + (c.data?.length ?? 0));
  const headerLen = encodeTcp(seg, tcp, 0);
  if (c.data !== undefined) tcp.set(c.data, headerLen);
  const tcpLen = headerLen + (c.data?.length ?? 0);
  const pseudo = pseudoHeaderSum(ends.local, ends.remote, IpProtocol.TCP, tcpLen);
  writeU16(tcp, TCP_CHECKSUM_AT, foldChecksum(sumOctets(pseudo, tcp, 0, tcpLen)));

  const ip = new Ipv4Header();
  ip.src = ends.local;
  ip.dst = ends.remote;
  ip.ttl = TTL;
  ip.id = ipId & 0xffff;
  ip.flags = Ipv4Flag.DF;
  ip.protocol = IpProtocol.TCP;
  ip.totalLen = IPV4_HEADER_LEN + tcpLen;
  const packet = new Uint8Array(ip.totalLen);
  encodeIpv4(ip, packet, 0);
  packet.set(tcp.subarray(0, tcpLen), IPV4_HEADER_LEN);
  return packet;
}

/** A segment of the peer's, numbers as on the wire (uint32). */
export interface Arrived {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly len: number;
  readonly wnd: number;
  readonly reserved: number;
  readonly options: readonly OptionSpec[];
  readonly ttl: number;
  readonly df: boolean;
  readonly ipId: number;
}

/** Undefined when it is no TCP segment from `from`. */
export function readSegment(bytes: Uint8Array, from: Ipv4): Arrived | undefined {
  const ip = new Ipv4Header();
  if (decodeIpv4(bytes, 0, bytes.length, ip, true) !== 'ok') return undefined;
  if (ip.protocol !== IpProtocol.TCP || ip.src !== from || ip.isFragment) return undefined;
  const seg = new TcpSegment();
  if (decodeTcp(bytes, ip.payloadAt, ip.payloadEnd, seg) !== 'ok') return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    srcPort: seg.srcPort,
    dstPort: seg.dstPort,
    flags: seg.flags,
    seq: view.getUint32(ip.payloadAt + 4),
    ack: view.getUint32(ip.payloadAt + 8),
    len: seg.payload.len,
    wnd: seg.wnd,
    reserved: seg.reserved,
    options: readOptionSpecs(bytes, seg.optionsAt, seg.optionsAt + seg.optionsLen, { sackEdge: (n) => n }),
    ttl: ip.ttl,
    df: (ip.flags & Ipv4Flag.DF) !== 0,
    ipId: ip.id,
  };
}

/** 'SYN-ACK', 'RST', 'ACK' and so on, as one speaks of it. */
export function kindText(flags: number, len = 0): string {
  const text = flagsText(flags & 0x1f);
  if (text.includes('R')) return 'RST';
  if (text.includes('S')) return text.includes('.') ? 'SYN-ACK' : 'SYN';
  if (text.includes('F')) return 'FIN';
  return len > 0 ? 'data' : 'ACK';
}
