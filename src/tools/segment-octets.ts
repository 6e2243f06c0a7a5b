/** Segments from the words that logs, labs and probes have for them: the fields of a TcpSegment, and whole IP packets. */
import { toSeq } from '../base/seq.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../wire/checksum.ts';
import { encodeIpv4, IPV4_HEADER_LEN, IpProtocol, type Ipv4, Ipv4Flag, Ipv4Header } from '../wire/ipv4.ts';
import { writeU16 } from '../wire/octets.ts';
import { encodeTcp, TCP_MAX_HEADER_LEN, TcpSegment } from '../wire/tcp.ts';
import { flagsFromText, type TextSegment } from '../wire/tcp-text.ts';

/** Numbers as on the wire (uint32); an option that is absent is not sent. */
export type SegmentWords = Omit<TextSegment, 'len'>;

/** A segment with where it comes from and goes to. */
export interface PacketWords extends SegmentWords {
  readonly src: Ipv4;
  readonly srcPort: number;
  readonly dst: Ipv4;
  readonly dstPort: number;
  readonly payload?: Uint8Array;
  /** The four bits in front of the flags; the lowest is AccECN's AE. */
  readonly reserved?: number;
  /** Default: 0. */
  readonly ipId?: number;
}

const TCP_CHECKSUM_AT = 16;
const TTL = 64;
const NO_OCTETS = new Uint8Array(0);

/** Empties `seg` and fills in what the words say: no ports, no payload. */
export function fillSegment(seg: TcpSegment, words: SegmentWords): void {
  seg.clear();
  seg.seq = toSeq(words.seq);
  seg.ack = toSeq(words.ack);
  seg.flags = flagsFromText(words.flags) ?? 0;
  seg.wnd = words.wnd;
  seg.urgentPointer = words.urg ?? 0;
  if (words.mss !== undefined) seg.mss = words.mss;
  if (words.wscale !== undefined) seg.wscale = words.wscale;
  seg.sackPermitted = words.sackOk === true;
  if (words.ts !== undefined) {
    seg.hasTimestamps = true;
    seg.tsVal = words.ts[0] | 0;
    seg.tsEcr = words.ts[1] | 0;
  }
  for (const [left, right] of words.sack ?? []) {
    seg.sack[2 * seg.sackCount] = toSeq(left);
    seg.sack[2 * seg.sackCount + 1] = toSeq(right);
    seg.sackCount++;
  }
  if (words.tfo !== undefined) {
    seg.fastOpenLen = words.tfo.length / 2;
    for (let i = 0; i < seg.fastOpenLen; i++)
      seg.fastOpenCookie[i] = Number.parseInt(words.tfo.slice(2 * i, 2 * i + 2), 16);
  }
}

const seg = new TcpSegment();
const ip = new Ipv4Header();

/** A whole IP packet, checksums included; it may not be fragmented. */
export function segmentPacket(made: PacketWords): Uint8Array {
  const { payload = NO_OCTETS } = made;
  fillSegment(seg, made);
  seg.srcPort = made.srcPort;
  seg.dstPort = made.dstPort;
  seg.reserved = made.reserved ?? 0;
  const room = new Uint8Array(IPV4_HEADER_LEN + TCP_MAX_HEADER_LEN + payload.length);
  const headerLen = encodeTcp(seg, room, IPV4_HEADER_LEN);
  room.set(payload, IPV4_HEADER_LEN + headerLen);
  ip.clear();
  ip.totalLen = IPV4_HEADER_LEN + headerLen + payload.length;
  ip.id = (made.ipId ?? 0) & 0xffff;
  ip.flags = Ipv4Flag.DF;
  ip.ttl = TTL;
  ip.protocol = IpProtocol.TCP;
  ip.src = made.src;
  ip.dst = made.dst;
  encodeIpv4(ip, room, 0);
  const packet = room.subarray(0, ip.totalLen);
  writeTcpChecksum(packet, IPV4_HEADER_LEN, made.src, made.dst);
  return packet;
}

/** Works out the checksum of the segment that begins at `at` and ends with the packet, in place. */
export function writeTcpChecksum(packet: Uint8Array, at: number, src: Ipv4, dst: Ipv4): void {
  const len = packet.length - at;
  writeU16(packet, at + TCP_CHECKSUM_AT, 0);
  const sum = sumOctets(pseudoHeaderSum(src, dst, IpProtocol.TCP, len), packet, at, len);
  writeU16(packet, at + TCP_CHECKSUM_AT, foldChecksum(sum));
}
