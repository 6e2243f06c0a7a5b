/**
 * A scenario's numbers and those on the wire. The scenario plays the peer; the stack under test has chosen its own
 * initial sequence numbers, ports and timestamps, which are learned as its segments come. Builds the octets of what is
 * put on the wire, and says what differs between a segment that left and the one that was expected.
 */
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../wire/checksum.ts';
import { ICMP_HEADER_LEN } from '../../wire/icmp.ts';
import {
  decodeIpv4,
  encodeIpv4,
  IPV4_HEADER_LEN,
  IpProtocol,
  type Ipv4,
  Ipv4Flag,
  Ipv4Header,
  ipv4ChecksumGood,
  ipv4Text,
  parseIpv4,
} from '../../wire/ipv4.ts';
import { readI32, writeI32, writeU16 } from '../../wire/octets.ts';
import { decodeTcp, TCP_HEADER_LEN, TcpFlag, TcpSegment } from '../../wire/tcp.ts';

import type { EcnSpec, IcmpSpec, OptionSpec, PacketSpec, SegmentSpec } from './model.ts';
import { hexOctets, optionOctets, readOptionSpecs, type ToWire } from './option-octets.ts';
import { icmpNumbers } from './parse-packet.ts';
import { patternOctets } from './pattern-octets.ts';

export interface WireOptions {
  /** The stack under test, and the peer that the scenario plays. */
  readonly sut: Ipv4;
  readonly peer: Ipv4;
  readonly bindPort: number;
  readonly connectPort: number;
  /** The peer's port of its n-th connection, from 0. */
  readonly peerPort: (n: number) => number;
}

/** One connection as both sides number it. */
export class Conn {
  readonly id: number;
  readonly peerPort: number;
  /** Of the stack under test; undefined until its SYN has come. */
  sutPort: number | undefined;
  /** ISNs as on the wire. */
  peerIsn: number | undefined;
  sutIsn: number | undefined;
  /** What the scenario calls the stack's ISN. */
  scriptIsn: number | undefined;
  /** The stack has acknowledged the peer's SYN. */
  confirmed = false;
  /** The peer's last SYN, and octets of data on it: one that begins a next incarnation is known by its answer. */
  lastSyn: number | undefined;
  lastSynLen = 0;
  /** FINs sent by either, and RST by any: what comes after is another connection. */
  peerFin = false;
  sutFin = false;
  reset = false;
  /** The stack's timestamps, by what the scenario calls them. */
  readonly tsVals = new Map<number, number>();
  tsBase: { readonly script: number; readonly live: number } | undefined;
  lastTsVal = 0;
  lastSeq = 0;
  lastLen = 0;

  constructor(id: number, peerPort: number, sutPort: number | undefined) {
    this.id = id;
    this.peerPort = peerPort;
    this.sutPort = sutPort;
  }

  get isOver(): boolean {
    return this.reset || (this.peerFin && this.sutFin);
  }
}

/** A segment that the stack under test has sent. */
export interface SentSegment {
  /** Microseconds since the scenario began. */
  readonly t: number;
  readonly conn: Conn | undefined;
  /** Segments on the wire that it came in. */
  readonly pieces: number;
  readonly flags: number;
  /** As on the wire, uint32. */
  readonly seq: number;
  readonly ack: number;
  readonly len: number;
  readonly wnd: number;
  readonly urg: number;
  readonly reserved: number;
  readonly options: readonly OptionSpec[];
  readonly tos: number;
  readonly ttl: number;
  readonly srcPort: number;
  readonly dstPort: number;
  /** What is wrong whatever was expected: checksums, payload. */
  readonly faults: readonly string[];
}

const ECN_BITS: Readonly<Record<Exclude<EcnSpec, 'ect01'>, number>> = { noecn: 0, ect1: 1, ect0: 2, ce: 3 };
const DEFAULT_TTL = 64;

export class Wire {
  readonly #o: WireOptions;
  readonly conns: Conn[] = [];
  #current: Conn | undefined;
  readonly #cookies = new Map<string, string>();
  #ipId = 1;

  constructor(o: WireOptions) {
    this.#o = o;
  }

  /** The stack under test is about to connect. */
  onConnect(port: number | undefined, localPort: number | undefined): void {
    this.#current = this.#add(port ?? this.#o.connectPort, localPort);
  }

  /** Octets of an IP packet from the peer. */
  build(spec: PacketSpec): Uint8Array {
    return spec.kind === 'icmp' ? this.#buildIcmp(spec) : this.#buildSegment(spec);
  }

  /** A packet of the stack's; undefined when it is no TCP segment. */
  read(bytes: Uint8Array, t: number): SentSegment | undefined {
    const ip = new Ipv4Header();
    if (decodeIpv4(bytes, 0, bytes.length, ip) !== 'ok' || ip.protocol !== IpProtocol.TCP) return undefined;
    const seg = new TcpSegment();
    if (decodeTcp(bytes, ip.payloadAt, ip.payloadEnd, seg) !== 'ok') return undefined;
    const conn = this.#connOf(seg);
    const seq = readI32(bytes, ip.payloadAt + 4) >>> 0;
    const ack = readI32(bytes, ip.payloadAt + 8) >>> 0;
    if (conn !== undefined) learn(conn, seg, seq, ack);
    const faults: string[] = [];
    if (!ipv4ChecksumGood(bytes, 0, ip)) faults.push('its IP checksum is wrong');
    const pseudo = pseudoHeaderSum(ip.src, ip.dst, IpProtocol.TCP, ip.payloadEnd - ip.payloadAt);
    if (foldChecksum(sumOctets(pseudo, bytes, ip.payloadAt, ip.payloadEnd - ip.payloadAt)) !== 0)
      faults.push('its TCP checksum is wrong');
    if (ip.src !== this.#o.sut) faults.push(`it comes from ${ipv4Text(ip.src)}`);
    if (conn?.sutIsn !== undefined && !isPattern(bytes, ip, seg, seq - conn.sutIsn))
      faults.push('its payload is not what was written');
    const optionsAt = ip.payloadAt + TCP_HEADER_LEN;
    return {
      t,
      conn,
      pieces: 1,
      flags: seg.flags,
      seq,
      ack,
      len: seg.payload.len,
      wnd: seg.wnd,
      urg: seg.urgentPointer,
      reserved: seg.reserved,
      options: readOptionSpecs(bytes, optionsAt, optionsAt + seg.optionsLen, {
        sackEdge: (n) => (n - (conn?.peerIsn ?? 0)) >>> 0,
      }),
      tos: (ip.dscp << 2) | ip.ecn,
      ttl: ip.ttl,
      srcPort: seg.srcPort,
      dstPort: seg.dstPort,
      faults,
    };
  }

  /** The connection that a step speaks of. */
  connFor(spec: SegmentSpec | IcmpSpec): Conn | undefined {
    if (spec.ip.conn !== undefined) this.#current = this.#numbered(spec.ip.conn);
    return this.#current;
  }

  /** A segment was the one expected: what the scenario calls its numbers is known from now on. */
  matched(spec: SegmentSpec, sent: SentSegment): void {
    const { conn } = sent;
    if (conn === undefined) return;
    if (sent.flags & TcpFlag.SYN) conn.scriptIsn = spec.seq;
    if (spec.options === 'any') return;
    spec.options.forEach((wanted, i) => {
      const got = (sent.options as readonly OptionSpec[])[i];
      if (wanted.kind === 'TS' && got?.kind === 'TS') {
        conn.tsBase ??= { script: wanted.val, live: got.val };
        conn.tsVals.set(wanted.val, got.val);
      }
      if ((wanted.kind === 'FO' || wanted.kind === 'FOEXP') && got?.kind === wanted.kind && isName(wanted.cookie))
        this.#cookies.set(wanted.cookie, got.cookie);
    });
  }

  /** What a cookie's name stands for. */
  cookie(name: string): string | undefined {
    return this.#cookies.get(name);
  }

  #numbered(id: number): Conn {
    while (this.conns.length < id) this.#add(this.#o.peerPort(this.conns.length), this.#o.bindPort);
    return this.conns[id - 1]!;
  }

  #add(peerPort: number, sutPort: number | undefined): Conn {
    const conn = new Conn(this.conns.length + 1, peerPort, sutPort);
    this.conns.push(conn);
    return conn;
  }

  /** A SYN begins another connection when the one before is over. */
  #connIn(spec: SegmentSpec): Conn {
    const isSyn = (spec.flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN;
    const known = this.connFor(spec);
    if (known !== undefined && !(isSyn && !spec.ip.badsum && known.isOver && spec.ip.conn === undefined)) return known;
    this.#current = this.#add(this.#o.peerPort(this.conns.length), this.#o.bindPort);
    return this.#current;
  }

  #connOf(seg: TcpSegment): Conn | undefined {
    const known = this.conns.find((c) => c.sutPort === seg.srcPort && c.peerPort === seg.dstPort);
    if (known !== undefined || !seg.has(TcpFlag.SYN)) return known;
    const waiting = this.conns.find((c) => c.sutPort === undefined && c.peerPort === seg.dstPort);
    if (waiting !== undefined) waiting.sutPort = seg.srcPort;
    return waiting;
  }

  #buildSegment(spec: SegmentSpec): Uint8Array {
    const conn = this.#connIn(spec);
    const isSyn = (spec.flags & TcpFlag.SYN) !== 0;
    // What can't be read changes nothing.
    if (!spec.ip.badsum) noteSent(conn, spec);
    const seq = isSyn ? spec.seq : (conn.peerIsn ?? 0) + spec.seq;
    const options = spec.options === 'any' ? new Uint8Array(0) : optionOctets(spec.options, this.#toWire(conn));
    const payload = patternOctets(isSyn ? 0 : (spec.seq - 1) >>> 0, spec.len);

    const tcpLen = TCP_HEADER_LEN + options.length + payload.length;
    const tcp = new Uint8Array(tcpLen);
    writeU16(tcp, 0, conn.peerPort);
    writeU16(tcp, 2, conn.sutPort ?? this.#o.bindPort);
    writeI32(tcp, 4, seq | 0);
    writeI32(tcp, 8, spec.flags & TcpFlag.ACK ? ((conn.sutIsn ?? 0) + (spec.ack ?? 0)) | 0 : 0);
    tcp[12] = ((spec.ip.offset ?? (TCP_HEADER_LEN + options.length) / 4) << 4) | (spec.ip.reserved ?? 0);
    tcp[13] = spec.flags;
    writeU16(tcp, 14, spec.wnd ?? 0);
    writeU16(tcp, 18, spec.urg ?? 0);
    tcp.set(options, TCP_HEADER_LEN);
    tcp.set(payload, TCP_HEADER_LEN + options.length);
    return this.#packet(spec.ip, IpProtocol.TCP, tcp, (src, dst) => {
      const sum = foldChecksum(sumOctets(pseudoHeaderSum(src, dst, IpProtocol.TCP, tcpLen), tcp, 0, tcpLen));
      writeU16(tcp, 16, spec.ip.badsum ? sum ^ 0x5555 : sum);
    });
  }

  #toWire(conn: Conn): ToWire {
    return {
      sackEdge: (n) => ((conn.sutIsn ?? 0) + n) >>> 0,
      tsVal: (n) => n,
      tsEcr: (n) => {
        if (n === 0) return 0;
        const { tsBase } = conn;
        if (tsBase === undefined) return conn.lastTsVal;
        return conn.tsVals.get(n) ?? (tsBase.live + n - tsBase.script) >>> 0;
      },
      cookie: (name) => this.#cookies.get(name),
    };
  }

  #buildIcmp(spec: IcmpSpec): Uint8Array {
    const conn = this.connFor(spec);
    const seq = spec.quoted === undefined ? (conn?.lastSeq ?? 0) : (conn?.sutIsn ?? 0) + spec.quoted.seq;
    const len = spec.quoted?.len ?? conn?.lastLen ?? 0;
    const quote = new Uint8Array(IPV4_HEADER_LEN + 8);
    const ip = new Ipv4Header();
    ip.totalLen = IPV4_HEADER_LEN + TCP_HEADER_LEN + len;
    ip.flags = Ipv4Flag.DF;
    ip.ttl = DEFAULT_TTL;
    ip.protocol = IpProtocol.TCP;
    ip.src = this.#o.sut;
    ip.dst = this.#o.peer;
    encodeIpv4(ip, quote, 0);
    writeU16(quote, IPV4_HEADER_LEN, conn?.sutPort ?? this.#o.bindPort);
    writeU16(quote, IPV4_HEADER_LEN + 2, conn?.peerPort ?? this.#o.peerPort(0));
    writeI32(quote, IPV4_HEADER_LEN + 4, seq | 0);
    const { type, code } = icmpNumbers(spec);
    const message = new Uint8Array(ICMP_HEADER_LEN + quote.length);
    message[0] = type;
    message[1] = code;
    writeU16(message, 6, spec.mtu ?? 0);
    message.set(quote, ICMP_HEADER_LEN);
    writeU16(message, 2, foldChecksum(sumOctets(0, message, 0, message.length)));
    return this.#packet(spec.ip, IpProtocol.ICMP, message, () => {});
  }

  /** `finish` is told the addresses before the octets are taken. */
  #packet(
    spec: SegmentSpec['ip'],
    protocol: number,
    payload: Uint8Array,
    finish: (src: Ipv4, dst: Ipv4) => void,
  ): Uint8Array {
    const ip = new Ipv4Header();
    ip.src = (spec.from === undefined ? undefined : parseIpv4(spec.from)) ?? this.#o.peer;
    ip.dst = (spec.to === undefined ? undefined : parseIpv4(spec.to)) ?? this.#o.sut;
    finish(ip.src, ip.dst);
    const tos = spec.tos ?? (spec.ecn === undefined || spec.ecn === 'ect01' ? 0 : ECN_BITS[spec.ecn]);
    ip.dscp = tos >>> 2;
    ip.ecn = tos & 3;
    ip.ttl = spec.ttl ?? 255;
    ip.id = this.#ipId++ & 0xffff;
    ip.protocol = protocol;
    const options = Uint8Array.from(hexOctets(spec.ipopt ?? ''));
    ip.optionsBuf = options;
    ip.optionsLen = options.length;
    const headerLen = IPV4_HEADER_LEN + ((options.length + 3) & ~3);
    ip.totalLen = headerLen + payload.length;
    const packet = new Uint8Array(ip.totalLen);
    encodeIpv4(ip, packet, 0);
    packet.set(payload, headerLen);
    return packet;
  }
}

export const isName = (cookie: string): boolean => /^[A-Z_]+$/.test(cookie);

/** The peer sends it. */
function noteSent(conn: Conn, spec: SegmentSpec): void {
  if (spec.flags & TcpFlag.SYN) {
    conn.lastSyn = spec.seq;
    conn.lastSynLen = spec.len;
    if (!conn.confirmed) conn.peerIsn = spec.seq;
  }
  if (spec.flags & TcpFlag.FIN) conn.peerFin = true;
  if (spec.flags & TcpFlag.RST) conn.reset = true;
}

function learn(conn: Conn, seg: TcpSegment, seq: number, ack: number): void {
  const hasAck = seg.has(TcpFlag.ACK);
  const answers = (isn: number, len: number): boolean => hasAck && (ack - 1 - isn) >>> 0 <= len;
  if (seg.has(TcpFlag.SYN)) {
    const isNext =
      conn.confirmed &&
      conn.lastSyn !== undefined &&
      (conn.lastSyn !== conn.peerIsn || conn.isOver) &&
      answers(conn.lastSyn, conn.lastSynLen);
    if (isNext) {
      conn.peerIsn = conn.lastSyn;
      conn.scriptIsn = undefined;
      conn.peerFin = false;
      conn.sutFin = false;
      conn.reset = false;
    }
    if (isNext || conn.sutIsn === undefined) conn.sutIsn = seq;
  }
  if (hasAck && conn.peerIsn !== undefined && (ack - conn.peerIsn - 1) >>> 0 < 2 ** 31) conn.confirmed = true;
  if (seg.has(TcpFlag.FIN)) conn.sutFin = true;
  if (seg.has(TcpFlag.RST)) conn.reset = true;
  if (seg.hasTimestamps) conn.lastTsVal = seg.tsVal >>> 0;
  conn.lastSeq = seq;
  conn.lastLen = seg.payload.len;
}

/** `offset`: of the segment's sequence number from the ISN. */
function isPattern(bytes: Uint8Array, ip: Ipv4Header, seg: TcpSegment, offset: number): boolean {
  const { len } = seg.payload;
  if (len === 0) return true;
  const at = ip.payloadEnd - len;
  // Octet 1 is the first: a probe of the octet before the window may carry an old one.
  const place = ((offset + (seg.has(TcpFlag.SYN) ? 1 : 0)) | 0) - 1;
  if (place < 0) return true;
  const wanted = patternOctets(place, len);
  for (let i = 0; i < len; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}
