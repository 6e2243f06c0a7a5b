/**
 * The peer that the sweep plays: one end of one connection, which sends whatever it is told to, and notes what the stack
 * under test has said. It keeps nothing but where both sides stand.
 */
import { type Seq, seqAdd, seqDiff, seqInt, toSeq } from '../../src/base/seq.ts';
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../src/wire/checksum.ts';
import { decodeIpv4, encodeIpv4, IPV4_HEADER_LEN, IpProtocol, type Ipv4, Ipv4Header } from '../../src/wire/ipv4.ts';
import { writeU16 } from '../../src/wire/octets.ts';
import { decodeTcp, encodeTcp, TCP_MAX_HEADER_LEN, TcpFlag, TcpSegment } from '../../src/wire/tcp.ts';
import { flagsFromText, flagsText } from '../../src/wire/tcp-text.ts';
import { type Ack, CARRIED, type Cell, type Place } from './cells.ts';

export interface Addresses {
  readonly sut: Ipv4;
  readonly peer: Ipv4;
  readonly sutPort: number;
  readonly peerPort: number;
}

/** A segment of the stack's. */
export interface Seen {
  readonly flags: number;
  readonly seq: Seq;
  readonly ack: Seq;
  readonly len: number;
  readonly wnd: number;
  readonly sack: readonly Seq[];
}

/** Where the peer's numbers begin; both wrap early. */
const PEER_ISN = 0xffff_ffb0;
/** The peer's clock, which goes by one with every segment. */
const PEER_TS = 0x7fff_fff0;
/** What it offers: small enough that no shift is needed. */
const PEER_WND = 40_000;
const MSS = 1000;
const FAR = 2 ** 30;
/** For segments to nobody. */
const ANY_ACK = toSeq(0x1234_5678);

export class Peer {
  readonly addresses: Addresses;
  readonly withStamps: boolean;
  readonly irs: Seq = toSeq(PEER_ISN);
  /** Its next octet; and the stack's: ISS once its SYN has come, first unacknowledged, next. */
  nxt: Seq = toSeq(PEER_ISN);
  iss: Seq | undefined;
  sutUna: Seq = ANY_ACK;
  sutNxt: Seq = ANY_ACK;
  /** The last acknowledgment of the stack's, and the end of its window. */
  rcvNxt: Seq = toSeq(PEER_ISN);
  edge: Seq = toSeq(PEER_ISN);
  #tsVal = PEER_TS;
  #tsEcr = 0;
  #ipId = 1;

  constructor(addresses: Addresses, withStamps: boolean) {
    this.addresses = addresses;
    this.withStamps = withStamps;
  }

  /** Octets that the stack has room for, as far as it said. */
  get rcvWnd(): number {
    return seqDiff(this.edge, this.nxt);
  }

  /** The stack has sent this; undefined when it is not a segment of this connection. */
  read(bytes: Uint8Array): Seen | undefined {
    const ip = new Ipv4Header();
    const seg = new TcpSegment();
    if (decodeIpv4(bytes, 0, bytes.length, ip) !== 'ok' || ip.protocol !== IpProtocol.TCP) return undefined;
    if (decodeTcp(bytes, ip.payloadAt, ip.payloadEnd, seg) !== 'ok') return undefined;
    if (seg.srcPort !== this.addresses.sutPort || seg.dstPort !== this.addresses.peerPort) return undefined;
    if (seg.hasTimestamps) this.#tsEcr = seg.tsVal;
    const { flags, seq, ack, wnd } = seg;
    return { flags, seq, ack, wnd, len: seg.payload.len, sack: seg.sack.slice(0, 2 * seg.sackCount) };
  }

  /** Takes note of where the stack stands. */
  note(seen: Seen): void {
    if (seen.flags & TcpFlag.RST) return;
    if (seen.flags & TcpFlag.SYN) {
      this.iss = seen.seq;
      this.sutUna = seen.seq;
      this.sutNxt = seen.seq;
    }
    const end = seqAdd(seen.seq, lenOf(seen));
    if (seqDiff(end, this.sutNxt) > 0) this.sutNxt = end;
    if (seen.flags & TcpFlag.ACK) {
      this.rcvNxt = seen.ack;
      this.edge = seqAdd(seen.ack, seen.wnd);
    }
  }

  /** A segment of an honest peer: it continues what was said, and acknowledges all it saw unless told otherwise. */
  honest(flags: string, len = 0, ack: Seq = this.sutNxt): Uint8Array {
    const octets = this.#packet(flags, this.nxt, ack, len, 'newer');
    this.nxt = seqAdd(this.nxt, len + (/[SF]/.test(flags) ? 1 : 0));
    if (flags.includes('.')) this.sutUna = ack;
    return octets;
  }

  /** The segment of a cell. */
  segmentOf(cell: Cell): { readonly octets: Uint8Array; readonly seq: Seq; readonly ack: Seq; readonly len: number } {
    const { flags, len } = CARRIED[cell.carried];
    const segLen = len + Number(flags.includes('S')) + Number(flags.includes('F'));
    const seq = this.#seqOf(cell.place, segLen);
    const ack = this.#ackOf(cell.ack);
    return { octets: this.#packet(flags, seq, ack, len, cell.stamp ?? 'newer'), seq, ack, len: segLen };
  }

  #seqOf(place: Place, segLen: number): Seq {
    const half = -Math.floor(segLen / 2);
    switch (place) {
      case 'far left':
        return seqAdd(this.rcvNxt, -FAR);
      case 'IRS':
        return this.irs;
      case 'left':
        return seqAdd(this.rcvNxt, -Math.max(1, segLen));
      case 'across left':
        return seqAdd(this.rcvNxt, half);
      case 'next':
        return this.rcvNxt;
      case 'inside':
        return seqAdd(this.rcvNxt, 1000);
      case 'last':
        return seqAdd(this.edge, -Math.max(1, segLen));
      case 'across right':
        return seqAdd(this.edge, half);
      case 'edge':
        return this.edge;
      case 'right':
        return seqAdd(this.edge, 1000);
    }
  }

  #ackOf(ack: Ack): Seq {
    switch (ack) {
      case 'far old':
        return seqAdd(this.sutUna, -FAR);
      case 'old':
        return seqAdd(this.sutUna, -1);
      case 'una':
        return this.sutUna;
      case 'all':
        return this.sutNxt;
      case 'beyond':
        return seqAdd(this.sutNxt, 1);
      case 'far beyond':
        return seqAdd(this.sutNxt, FAR);
    }
  }

  #packet(flags: string, seq: Seq, ack: Seq, len: number, stamp: NonNullable<Cell['stamp']>): Uint8Array {
    const { sut, peer, sutPort, peerPort } = this.addresses;
    const seg = new TcpSegment();
    seg.srcPort = peerPort;
    seg.dstPort = sutPort;
    seg.seq = seq;
    seg.flags = flagsFromText(flags === '' ? 'none' : flags) ?? 0;
    if (seg.has(TcpFlag.ACK)) seg.ack = ack;
    seg.wnd = PEER_WND;
    if (seg.has(TcpFlag.URG)) seg.urgentPointer = 1;
    if (seg.has(TcpFlag.SYN)) {
      seg.mss = MSS;
      seg.sackPermitted = true;
    }
    if (this.withStamps && stamp !== 'missing') {
      if (stamp === 'newer') this.#tsVal++;
      seg.hasTimestamps = true;
      seg.tsVal = (stamp === 'older' ? this.#tsVal - 1000 : this.#tsVal) | 0;
      seg.tsEcr = this.#tsEcr;
    }
    const head = new Uint8Array(TCP_MAX_HEADER_LEN);
    const headLen = encodeTcp(seg, head, 0);
    const packet = new Uint8Array(IPV4_HEADER_LEN + headLen + len);
    packet.set(head.subarray(0, headLen), IPV4_HEADER_LEN);
    packet.fill(0x61, IPV4_HEADER_LEN + headLen);
    const tcpLen = headLen + len;
    writeU16(packet, IPV4_HEADER_LEN + 16, 0);
    const sum = sumOctets(pseudoHeaderSum(peer, sut, IpProtocol.TCP, tcpLen), packet, IPV4_HEADER_LEN, tcpLen);
    writeU16(packet, IPV4_HEADER_LEN + 16, foldChecksum(sum));
    const ip = new Ipv4Header();
    ip.src = peer;
    ip.dst = sut;
    ip.ttl = 64;
    ip.id = this.#ipId++;
    ip.protocol = IpProtocol.TCP;
    ip.totalLen = packet.length;
    encodeIpv4(ip, packet, 0);
    return packet;
  }
}

export const lenOf = (s: Seen): number => s.len + (s.flags & TcpFlag.SYN ? 1 : 0) + (s.flags & TcpFlag.FIN ? 1 : 0);

/** For complaints. */
export const seenText = (s: Seen): string =>
  `[${flagsText(s.flags)}] seq ${seqInt(s.seq) >>> 0} ack ${seqInt(s.ack) >>> 0} len ${s.len}`;
