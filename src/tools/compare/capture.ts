/**
 * What was on the wire during one run: packets kept as they were seen, then read as segments of one connection.
 *
 * Times are those at which this process read the packet, and there are two. The wall's is shown. Waiting is measured by
 * the pace: for the kernel that is the wall's too; for tcpx, which lives in this process, it is the time the event loop
 * spent idle, so that a process that is busy or starved doesn't look like a stack that waits for a timer.
 */
import { seqInt } from '../../base/seq.ts';
import { type Micros, micros } from '../../base/time.ts';
import type { Addresses } from '../../link/socket-diag.ts';
import { decodeQuotedIpv4, IpProtocol, Ipv4Flag, Ipv4Header } from '../../wire/ipv4.ts';
import { ABSENT, decodeTcp, TCP_HEADER_LEN, TcpFlag, TcpSegment } from '../../wire/tcp.ts';
import { flagsText, optionsText } from '../../wire/tcp-text.ts';
import type { Shot } from './model.ts';

/** A connection's packets beyond that are counted and not kept. */
export const MAX_PACKETS = 4000;
/** IP and TCP header at their longest. */
const HEADERS_LEN = 120;

export interface KeptPacket {
  readonly t: Micros;
  readonly pace: Micros;
  /** From the IP header on; shortened to the headers unless the capture keeps everything. */
  readonly octets: Uint8Array;
  /** Octets on the wire. */
  readonly len: number;
}

/** What is known of a packet by whoever saw it. */
export interface SeenAt {
  readonly t: Micros;
  readonly pace: Micros;
}

export class Capture {
  /** Packets that found no room. */
  overflow = 0;
  readonly #packets: KeptPacket[] = [];
  /** The pace at each of the user's calls. */
  readonly #calls: Micros[] = [];
  readonly now: () => SeenAt;
  readonly #whole: boolean;
  #lastAt: Micros;

  constructor(now: () => SeenAt, whole: boolean) {
    this.now = now;
    this.#whole = whole;
    this.#lastAt = now().t;
  }

  /** Microseconds since the last packet, or since the beginning. */
  get silence(): number {
    return this.now().t - this.#lastAt;
  }

  /** In the order in which they passed our end. */
  get packets(): readonly KeptPacket[] {
    return this.#packets.toSorted((a, b) => a.t - b.t);
  }

  /** The pace at the user's calls, in order: what follows one may be its doing. */
  get calls(): readonly Micros[] {
    return this.#calls;
  }

  onCall(): void {
    this.#calls.push(this.now().pace);
  }

  /** `seenAt`: when that was, where it is not now. */
  add(bytes: Uint8Array, at: number, end: number, seenAt: SeenAt = this.now()): void {
    this.#lastAt = micros(Math.max(this.#lastAt, seenAt.t));
    if (this.#packets.length === MAX_PACKETS) {
      this.overflow++;
      return;
    }
    const kept = this.#whole ? end : Math.min(end, at + HEADERS_LEN);
    this.#packets.push({ ...seenAt, octets: bytes.slice(at, kept), len: end - at });
  }
}

/** One connection, as a capture shows it. */
export interface SeenConnection {
  readonly shots: readonly Shot[];
  /** Our initial sequence number, absolute; undefined when we sent nothing. */
  readonly iss: number | undefined;
  /** When the first segment passed; undefined when there was none. */
  readonly startedAt: Micros | undefined;
}

/** Relative to its first segment and each end's first sequence number. */
export function connectionIn(packets: readonly KeptPacket[], calls: readonly Micros[], a: Addresses): SeenConnection {
  const ip = new Ipv4Header();
  const seg = new TcpSegment();
  const shots: Shot[] = [];
  let start: KeptPacket | undefined;
  let before: KeptPacket | undefined;
  const first: { in: number | undefined; out: number | undefined } = { in: undefined, out: undefined };
  /** Most octets that one segment carries, options included; Infinity before the SYN that says so. */
  const mss = { in: Number.POSITIVE_INFINITY, out: Number.POSITIVE_INFINITY };
  for (const packet of packets) {
    const dir = readPacket(packet, a, ip, seg);
    if (dir === undefined) continue;
    const other = dir === 'out' ? 'in' : 'out';
    const seq = seqInt(seg.seq);
    start ??= packet;
    before ??= packet;
    first[dir] ??= seq;
    if (seg.has(TcpFlag.SYN) && seg.mss !== ABSENT) mss[other] = seg.mss;
    const ackBase = first[other] ?? 0;
    const callPace = calls.findLast((pace) => pace <= packet.pace) ?? before.pace;
    const whole: Shot = {
      t: micros(packet.t - start.t),
      pace: micros(packet.pace - start.pace),
      gap: micros(packet.pace - Math.max(before.pace, callPace)),
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
    };
    shots.push(...cut(whole, mss[dir] - seg.optionsLen));
    before = packet;
  }
  return { shots, iss: first.out, startedAt: start?.t };
}

/** A merged segment as the wire carries it: PSH and FIN are the last piece's. */
function cut(whole: Shot, most: number): readonly Shot[] {
  if (whole.len <= most) return [whole];
  const flags = whole.flags.replace(/[PF]/g, '');
  return Array.from({ length: Math.ceil(whole.len / most) }, (_, i): Shot => {
    const at = i * most;
    const isLast = at + most >= whole.len;
    return {
      ...whole,
      gap: i === 0 ? whole.gap : micros(0),
      seq: (whole.seq + at) >>> 0,
      len: Math.min(most, whole.len - at),
      flags: isLast ? whole.flags : flags,
    };
  });
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
