/** IP packets of a lab as plain values, and plain values as packets: read on the path, made for it. */
import { seqInt } from '../../base/seq.ts';
import { decodeQuotedIpv4, IpProtocol, type Ipv4, Ipv4Header } from '../../wire/ipv4.ts';
import { ABSENT, decodeTcp, TcpSegment } from '../../wire/tcp.ts';
import { flagsText, type TextSegment } from '../../wire/tcp-text.ts';
import { hexText } from '../scenario/option-octets.ts';
import { segmentPacket, writeTcpChecksum } from '../segment-octets.ts';

/** A segment's fields, absolute; `payload` holds as many octets of its `len` as were captured. */
export interface LabSegment extends TextSegment {
  readonly src: Ipv4;
  readonly srcPort: number;
  readonly dst: Ipv4;
  readonly dstPort: number;
  readonly payload: Uint8Array;
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
      tfo: hexText(seg.fastOpenCookie.subarray(0, seg.fastOpenLen)),
    }),
  };
}

/** What a made segment says; the window is 64240 when absent. */
export type MadeSegment = Pick<LabSegment, 'src' | 'srcPort' | 'dst' | 'dstPort' | 'flags' | 'seq'> &
  Partial<Pick<LabSegment, 'ack' | 'wnd' | 'payload' | 'mss' | 'wscale' | 'sackOk' | 'ts'>>;

/** A whole IP packet, checksums included. */
export const makePacket = (s: MadeSegment): Uint8Array => segmentPacket({ ack: 0, wnd: 64_240, ...s });

/** Works out the TCP checksum of a whole packet anew, in place. */
export function repairChecksum(packet: Uint8Array): void {
  if (decodeQuotedIpv4(packet, 0, packet.length, ip) !== 'ok') return;
  writeTcpChecksum(packet.subarray(0, ip.totalLen || packet.length), ip.payloadAt, ip.src, ip.dst);
}
