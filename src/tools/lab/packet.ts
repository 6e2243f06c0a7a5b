/** IP packets of a lab as plain values, and plain values as packets: read on the path, made for it. */
import { seqInt, toSeq } from '../../base/seq.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../wire/checksum.ts';
import {
  decodeQuotedIpv4,
  encodeIpv4,
  IPV4_HEADER_LEN,
  IpProtocol,
  type Ipv4,
  Ipv4Flag,
  Ipv4Header,
} from '../../wire/ipv4.ts';
import { ABSENT, decodeTcp, encodeTcp, TCP_MAX_HEADER_LEN, TcpSegment } from '../../wire/tcp.ts';
import { flagsFromText, flagsText } from '../../wire/tcp-text.ts';

/** A segment's fields, absolute. Numbers are uint32; `flags` as tcpdump has them ('S', 'S.', 'P.', 'F.', 'R'). */
export interface LabSegment {
  readonly src: Ipv4;
  readonly srcPort: number;
  readonly dst: Ipv4;
  readonly dstPort: number;
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly wnd: number;
  /** Payload octets; `payload` holds as many of them as were captured. */
  readonly len: number;
  readonly payload: Uint8Array;
  readonly urg?: number;
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackOk?: true;
  readonly ts?: readonly [number, number];
  readonly sack?: readonly (readonly [number, number])[];
  /** Fast Open cookie in hexadecimal; '' when one is asked for. */
  readonly tfo?: string;
}

const ip = new Ipv4Header();
const seg = new TcpSegment();

/** Undefined when it is no TCP segment, or a fragment. A packet cut short behind its headers will do. */
export function readSegment(packet: Uint8Array): LabSegment | undefined {
  if (decodeQuotedIpv4(packet, 0, packet.length, ip) !== 'ok') return undefined;
  if (ip.protocol !== IpProtocol.TCP || ip.fragmentOffset !== 0) return undefined;
  const end = Math.min(packet.length, ip.totalLen || packet.length);
  if (decodeTcp(packet, ip.payloadAt, end, seg) !== 'ok') return undefined;
  const headerLen = 20 + seg.optionsLen;
  const payloadAt = ip.payloadAt + headerLen;
  const sack = Array.from(
    { length: seg.sackCount },
    (_, i) => [seqInt(seg.sack[2 * i]!) >>> 0, seqInt(seg.sack[2 * i + 1]!) >>> 0] as const,
  );
  return {
    src: ip.src,
    srcPort: seg.srcPort,
    dst: ip.dst,
    dstPort: seg.dstPort,
    flags: flagsText(seg.flags),
    seq: seqInt(seg.seq) >>> 0,
    ack: seqInt(seg.ack) >>> 0,
    wnd: seg.wnd,
    len: Math.max(0, (ip.totalLen || packet.length) - payloadAt),
    payload: packet.slice(payloadAt, end),
    ...(seg.urgentPointer !== 0 && { urg: seg.urgentPointer }),
    ...(seg.mss !== ABSENT && { mss: seg.mss }),
    ...(seg.wscale !== ABSENT && { wscale: seg.wscale }),
    ...(seg.sackPermitted && { sackOk: true as const }),
    ...(seg.hasTimestamps && { ts: [seg.tsVal >>> 0, seg.tsEcr >>> 0] as const }),
    ...(sack.length > 0 && { sack }),
    ...(seg.fastOpenLen !== ABSENT && {
      tfo: hex(seg.fastOpenCookie.subarray(0, seg.fastOpenLen)),
    }),
  };
}

const hex = (octets: Uint8Array): string => Array.from(octets, (o) => o.toString(16).padStart(2, '0')).join('');

/** What a made segment says; the window is 64240 when absent. */
export type MadeSegment = Pick<LabSegment, 'src' | 'srcPort' | 'dst' | 'dstPort' | 'flags' | 'seq'> &
  Partial<Pick<LabSegment, 'ack' | 'wnd' | 'payload' | 'mss' | 'wscale' | 'sackOk' | 'ts'>>;

const EMPTY = new Uint8Array(0);

/** A whole IP packet, checksums included. */
export function makePacket(s: MadeSegment): Uint8Array {
  const payload = s.payload ?? EMPTY;
  seg.clear();
  seg.srcPort = s.srcPort;
  seg.dstPort = s.dstPort;
  seg.seq = toSeq(s.seq | 0);
  seg.ack = toSeq((s.ack ?? 0) | 0);
  seg.flags = flagsFromText(s.flags) ?? 0;
  seg.wnd = s.wnd ?? 64_240;
  if (s.mss !== undefined) seg.mss = s.mss;
  if (s.wscale !== undefined) seg.wscale = s.wscale;
  if (s.sackOk === true) seg.sackPermitted = true;
  if (s.ts !== undefined) {
    seg.hasTimestamps = true;
    seg.tsVal = s.ts[0] | 0;
    seg.tsEcr = s.ts[1] | 0;
  }
  const room = new Uint8Array(IPV4_HEADER_LEN + TCP_MAX_HEADER_LEN + payload.length);
  const headerLen = encodeTcp(seg, room, IPV4_HEADER_LEN);
  const transportLen = headerLen + payload.length;
  room.set(payload, IPV4_HEADER_LEN + headerLen);
  ip.clear();
  ip.totalLen = IPV4_HEADER_LEN + transportLen;
  ip.flags = Ipv4Flag.DF;
  ip.ttl = 64;
  ip.protocol = IpProtocol.TCP;
  ip.src = s.src;
  ip.dst = s.dst;
  encodeIpv4(ip, room, 0);
  const packet = room.subarray(0, ip.totalLen);
  repairChecksum(packet);
  return packet;
}

/** Works out the TCP checksum of a whole packet anew, in place. */
export function repairChecksum(packet: Uint8Array): void {
  if (decodeQuotedIpv4(packet, 0, packet.length, ip) !== 'ok') return;
  const { src, dst, payloadAt } = ip;
  const len = (ip.totalLen || packet.length) - payloadAt;
  const fieldAt = payloadAt + 16;
  packet[fieldAt] = 0;
  packet[fieldAt + 1] = 0;
  const sum = foldChecksum(sumOctets(pseudoHeaderSum(src, dst, IpProtocol.TCP, len), packet, payloadAt, len));
  packet[fieldAt] = sum >>> 8;
  packet[fieldAt + 1] = sum & 0xff;
}
