/** What a probe is to know of the segments that come back. */
import { decodeIpv4, IpProtocol, type Ipv4, Ipv4Flag, Ipv4Header } from '../../wire/ipv4.ts';
import { decodeTcp, TcpSegment } from '../../wire/tcp.ts';
import { flagsText } from '../../wire/tcp-text.ts';
import type { OptionSpec } from '../scenario/model.ts';
import { readOptionSpecs } from '../scenario/option-octets.ts';

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
