/** A cable's end that is the test: it keeps what a stack sends, decoded, and hands it packets made field by field. */
import { toSeq } from '../../../src/base/seq.ts';
import type {
  ChecksumState,
  Link,
  LinkCounters,
  LinkReceiver,
  PacketOut,
  SendOutcome,
} from '../../../src/link/link.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../../src/wire/checksum.ts';
import { encodeIcmp, IcmpMessage, IcmpType } from '../../../src/wire/icmp.ts';
import {
  decodeIpv4,
  encodeIpv4,
  IpProtocol,
  type Ipv4,
  Ipv4Header,
  ipv4ChecksumGood,
  parseIpv4,
} from '../../../src/wire/ipv4.ts';
import { readU16, writeU16 } from '../../../src/wire/octets.ts';
import { ABSENT, decodeTcp, encodeTcp, TcpSegment } from '../../../src/wire/tcp.ts';
import { flagsFromText, type TextSegment, textSegment } from '../../../src/wire/tcp-text.ts';

export const US = parseIpv4('10.0.0.1')!;
export const THEM = parseIpv4('10.0.0.2')!;

export interface SegmentFields {
  readonly srcPort?: number;
  readonly dstPort?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly flags: string;
  readonly wnd?: number;
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackOk?: boolean;
  readonly ts?: readonly [number, number];
  readonly payload?: Uint8Array;
}

export interface PacketFields {
  readonly src?: Ipv4;
  readonly dst?: Ipv4;
  readonly ttl?: number;
  readonly protocol?: number;
  readonly flags?: number;
  readonly fragmentOffset?: number;
  readonly options?: Uint8Array;
}

/** One IPv4 packet with a TCP segment, all checksums good. */
export function tcpPacket(fields: SegmentFields, ip: PacketFields = {}): Uint8Array {
  const seg = new TcpSegment();
  seg.srcPort = fields.srcPort ?? 80;
  seg.dstPort = fields.dstPort ?? 40_000;
  seg.seq = toSeq(fields.seq ?? 0);
  seg.ack = toSeq(fields.ack ?? 0);
  seg.flags = flagsFromText(fields.flags)!;
  seg.wnd = fields.wnd ?? 65_535;
  seg.mss = fields.mss ?? ABSENT;
  seg.wscale = fields.wscale ?? ABSENT;
  seg.sackPermitted = fields.sackOk ?? false;
  if (fields.ts) {
    seg.hasTimestamps = true;
    [seg.tsVal, seg.tsEcr] = [fields.ts[0] | 0, fields.ts[1] | 0];
  }
  const payload = fields.payload ?? new Uint8Array(0);
  const tcp = new Uint8Array(60 + payload.length);
  const headerLen = encodeTcp(seg, tcp, 0);
  tcp.set(payload, headerLen);
  const packet = ipPacket(tcp.subarray(0, headerLen + payload.length), { protocol: IpProtocol.TCP, ...ip });
  const at = packet.length - headerLen - payload.length;
  const pseudo = pseudoHeaderSum(ip.src ?? THEM, ip.dst ?? US, IpProtocol.TCP, packet.length - at);
  writeU16(packet, at + 16, foldChecksum(sumOctets(pseudo, packet, at, packet.length - at)));
  return packet;
}

export function ipPacket(body: Uint8Array, fields: PacketFields = {}): Uint8Array {
  const ip = new Ipv4Header();
  ip.src = fields.src ?? THEM;
  ip.dst = fields.dst ?? US;
  ip.ttl = fields.ttl ?? 64;
  ip.protocol = fields.protocol ?? IpProtocol.TCP;
  ip.flags = fields.flags ?? 2;
  ip.fragmentOffset = fields.fragmentOffset ?? 0;
  if (fields.options) {
    ip.optionsBuf = fields.options;
    ip.optionsLen = fields.options.length;
  }
  const headerLen = 20 + (fields.options?.length ?? 0);
  ip.totalLen = headerLen + body.length;
  const packet = new Uint8Array(ip.totalLen);
  encodeIpv4(ip, packet, 0);
  packet.set(body, headerLen);
  return packet;
}

/** An ICMP error that quotes the first octets of `quoted`, a packet we sent. */
export function icmpPacket(
  type: number,
  code: number,
  quoted: Uint8Array,
  o: { mtu?: number; src?: Ipv4; quote?: number } = {},
): Uint8Array {
  const message = new IcmpMessage();
  message.type = type;
  message.code = code;
  if (type === IcmpType.UNREACHABLE && code === 4) message.nextHopMtu = o.mtu ?? 0;
  message.payload.push(quoted, 0, Math.min(quoted.length, o.quote ?? 28));
  const body = new Uint8Array(8 + message.payload.len);
  message.payload.copyTo(body, encodeIcmp(message, body, 0));
  return ipPacket(body, { protocol: IpProtocol.ICMP, ...(o.src !== undefined && { src: o.src }) });
}

/** What left: the segment's fields and what matters of the IP header, checksums verified. */
export interface Left extends TextSegment {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly dst: Ipv4;
  readonly ttl: number;
  /** DiffServ value and ECN bits. */
  readonly tos: number;
  readonly packet: Uint8Array;
  readonly gsoSize: number;
}

export class Wire implements Link {
  readonly driver = 'memory';
  readonly mtu: number = 1500;
  readonly receiveMtu = 65_535;
  readonly maxGsoPayload: number = 0;
  readonly completesChecksum: boolean = false;
  readonly counters: LinkCounters = {
    packetsIn: 0,
    packetsOut: 0,
    octetsIn: 0,
    octetsOut: 0,
    ignoredIn: 0,
    errorsOut: 0,
  };
  receiver!: LinkReceiver;
  outcome: SendOutcome = 'sent';
  flushes = 0;
  /** What arrives when the stack asks. */
  onPoll: () => void = () => {};
  closed = false;
  #left: Left[] = [];

  constructor(o: { mtu?: number; maxGsoPayload?: number; completesChecksum?: boolean } = {}) {
    this.mtu = o.mtu ?? 1500;
    this.maxGsoPayload = o.maxGsoPayload ?? 0;
    this.completesChecksum = o.completesChecksum ?? false;
  }

  start(receiver: LinkReceiver): void {
    this.receiver = receiver;
  }

  send(packet: PacketOut): SendOutcome {
    const octets = new Uint8Array(packet.headerLen + packet.payload.len);
    octets.set(packet.header.subarray(0, packet.headerLen));
    packet.payload.copyTo(octets, packet.headerLen);
    this.#left.push({ ...decoded(octets, packet.checksumPartial), gsoSize: packet.gsoSize });
    return this.outcome;
  }

  flush(): void {
    this.flushes++;
  }

  poll(): void {
    this.onPoll();
  }

  close(): void {
    this.closed = true;
  }

  /** What has left since the last call. */
  take(): readonly Left[] {
    const left = this.#left;
    this.#left = [];
    return left;
  }

  /** A batch. */
  deliver(...packets: readonly Uint8Array[]): void {
    for (const bytes of packets) this.give(bytes, 'unverified');
    this.receiver.onBatchEnd();
  }

  give(bytes: Uint8Array, checksum: ChecksumState): void {
    this.receiver.onPacket({ bytes, at: 0, end: bytes.length, checksum, owned: false });
  }
}

function decoded(octets: Uint8Array, partial: boolean): Omit<Left, 'gsoSize'> {
  const ip = new Ipv4Header();
  if (decodeIpv4(octets, 0, octets.length, ip) !== 'ok' || !ipv4ChecksumGood(octets, 0, ip))
    throw new Error('not IPv4');
  const seg = new TcpSegment();
  if (decodeTcp(octets, ip.payloadAt, ip.payloadEnd, seg) !== 'ok') throw new Error('not TCP');
  const len = ip.payloadEnd - ip.payloadAt;
  const pseudo = pseudoHeaderSum(ip.src, ip.dst, IpProtocol.TCP, len);
  const good = partial ? seg.checksum === pseudo : foldChecksum(sumOctets(pseudo, octets, ip.payloadAt, len)) === 0;
  if (!good) throw new Error(`checksum ${readU16(octets, ip.payloadAt + 16)}`);
  const { srcPort, dstPort } = seg;
  return { ...textSegment(seg), srcPort, dstPort, dst: ip.dst, ttl: ip.ttl, tos: octets[1]!, packet: octets };
}
