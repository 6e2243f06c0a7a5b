/**
 * What was on the wire during one run: packets kept as they were seen, then read as segments of one connection.
 *
 * Times are those at which this process read the packet, and there are two. The wall's is shown. Waiting is measured by
 * the pace: for the kernel that is the wall's too; for tcpx, which lives in this process, it is the time the event loop
 * spent idle, so that a process that is busy or starved doesn't look like a stack that waits for a timer.
 */
import { seqInt } from '../../base/seq.ts';
import type { Micros } from '../../base/time.ts';
import type { Addresses } from '../../link/socket-diag.ts';
import { decodeQuotedIpv4, IpProtocol, Ipv4Flag, Ipv4Header } from '../../wire/ipv4.ts';
import { decodeTcp, TCP_HEADER_LEN, TcpFlag, TcpSegment } from '../../wire/tcp.ts';
import { flagsText, optionsText } from '../../wire/tcp-text.ts';
import type { Shot } from './model.ts';

/** A connection with more segments than that is not compared. */
export const MAX_PACKETS = 4000;
/** IP and TCP header at their longest. */
const HEADERS_LEN = 120;

export interface KeptPacket {
  readonly t: Micros;
  readonly pace: Micros;
  /** The pace at the user's last call before it. */
  readonly callPace: Micros;
  /** From the IP header on; shortened to the headers unless the capture keeps everything. */
  readonly octets: Uint8Array;
  /** Octets on the wire. */
  readonly len: number;
}

export class Capture {
  readonly packets: KeptPacket[] = [];
  /** Packets that found no room. */
  overflow = 0;
  readonly #now: () => Micros;
  readonly #pace: () => Micros;
  readonly #whole: boolean;
  #lastAt: Micros;
  #callPace: Micros;

  constructor(now: () => Micros, pace: () => Micros, whole: boolean) {
    this.#now = now;
    this.#pace = pace;
    this.#whole = whole;
    this.#lastAt = now();
    this.#callPace = pace();
  }

  /** Microseconds since the last packet, or since the beginning. */
  get silence(): number {
    return this.#now() - this.#lastAt;
  }

  /** The user makes a call: what follows may be its doing. */
  onCall(): void {
    this.#callPace = this.#pace();
  }

  add(bytes: Uint8Array, at: number, end: number): void {
    this.#lastAt = this.#now();
    if (this.packets.length === MAX_PACKETS) {
      this.overflow++;
      return;
    }
    const kept = this.#whole ? end : Math.min(end, at + HEADERS_LEN);
    const octets = bytes.slice(at, kept);
    this.packets.push({ t: this.#lastAt, pace: this.#pace(), callPace: this.#callPace, octets, len: end - at });
  }
}

/** What the capture shows of one connection, relative to its first segment and each end's first sequence number. */
export function shotsOf(packets: readonly KeptPacket[], a: Addresses): readonly Shot[] {
  const ip = new Ipv4Header();
  const seg = new TcpSegment();
  const shots: Shot[] = [];
  let start: KeptPacket | undefined;
  let before: KeptPacket | undefined;
  const first: { in: number | undefined; out: number | undefined } = { in: undefined, out: undefined };
  for (const packet of packets) {
    const dir = readPacket(packet, a, ip, seg);
    if (dir === undefined) continue;
    const seq = seqInt(seg.seq);
    start ??= packet;
    before ??= packet;
    first[dir] ??= seq;
    const ackBase = first[dir === 'out' ? 'in' : 'out'] ?? 0;
    shots.push({
      t: (packet.t - start.t) as Micros,
      pace: (packet.pace - start.pace) as Micros,
      gap: (packet.pace - Math.max(before.pace, packet.callPace)) as Micros,
      dir,
      flags: flagsText(seg.flags),
      seq: (seq - first[dir]) >>> 0,
      ack: seg.has(TcpFlag.ACK) ? (seqInt(seg.ack) - ackBase) >>> 0 : undefined,
      wnd: seg.wnd,
      len: (ip.totalLen || packet.len) - ip.ihl * 4 - TCP_HEADER_LEN - seg.optionsLen,
      options: optionList(optionsText(seg.optionsBuf, seg.optionsAt, seg.optionsLen, ackBase)),
      ttl: ip.ttl,
      dontFragment: (ip.flags & Ipv4Flag.DF) !== 0,
      tos: (ip.dscp << 2) | ip.ecn,
    });
    before = packet;
  }
  return shots;
}

/** Reads both headers; which way the packet went, or undefined when it is another connection's or none. */
function readPacket({ octets }: KeptPacket, a: Addresses, ip: Ipv4Header, seg: TcpSegment): 'in' | 'out' | undefined {
  if (
    decodeQuotedIpv4(octets, 0, octets.length, ip) !== 'ok' ||
    ip.protocol !== IpProtocol.TCP ||
    ip.fragmentOffset !== 0
  )
    return undefined;
  if (decodeTcp(octets, ip.payloadAt, octets.length, seg) !== 'ok') return undefined;
  if (ip.src === a.local && seg.srcPort === a.localPort && ip.dst === a.remote && seg.dstPort === a.remotePort)
    return 'out';
  if (ip.dst === a.local && seg.dstPort === a.localPort && ip.src === a.remote && seg.srcPort === a.remotePort)
    return 'in';
  return undefined;
}

/** One by one, without what differs between any two connections. */
const optionList = (text: string): readonly string[] =>
  text === '' ? [] : text.split(',').map((option) => option.replace(/^TS val .*/, 'TS'));
