/**
 * Captured packets joined with what the trace tells of them: each gets a comment of why it was sent or what it did, the
 * rule for it, and where the connection then stood. Packets keep the order of the capture.
 *
 * What leaves is told by the trace first and captured then; what arrives, the other way round. Taps between the two (faults,
 * delays) lose, double and reorder, so they are matched by their fields. A packet that arrived is complete when
 * the next thing happens on its connection; `flush` says that nothing more will at this instant.
 */

import { seqInt } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import type { TcpInfo } from '../tcp/info.ts';
import { ruleText } from '../tcp/machine.ts';
import type { SegmentRecord, SendNote, TraceRecord } from '../tcp/trace.ts';
import { decodeIpv4, IpProtocol, type Ipv4, Ipv4Header } from '../wire/ipv4.ts';
import { decodeTcp, TcpFlag, TcpSegment } from '../wire/tcp.ts';

export interface AnnotatedPacket {
  readonly t: Micros;
  readonly dir: 'in' | 'out';
  readonly octets: Uint8Array;
  readonly comments: readonly string[];
}

interface Entry {
  readonly t: Micros;
  readonly dir: 'in' | 'out';
  readonly octets: Uint8Array;
  readonly comments: string[];
  done: boolean;
}

/** What of an endpoint is read. */
export type Annotated = Pick<Endpoint, 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'> & {
  info(): AnnotatedInfo;
};
type AnnotatedInfo = Pick<TcpInfo, 'snd_cwnd' | 'snd_ssthresh' | 'rto' | 'snd_una'>;

interface Known {
  readonly endpoint: Annotated;
  readonly ends: string;
  iss: number | undefined;
  /** What has happened since the last segment that left, and will be the next one's reason. */
  reasons: string[];
  /** The segment that is being processed: what it did is added to it. */
  arrived: { readonly entry: Entry | undefined; readonly seg: SegmentRecord; readonly did: string[] } | undefined;
}

/** Packets that wait for their record, at most, and for how long, microseconds: faults delay, and lose. */
const MAX_HELD = 4096;
const PATIENCE = 1_000_000;
/** Comments of segments that left, kept for the packet and its repetitions. */
const MAX_KEPT = 1024;
const MAX_REASONS = 4;

export class Annotator {
  readonly #out: (packet: AnnotatedPacket) => void;
  readonly #connections = new Map<number, Known>();
  /** Those with a segment at hand. */
  readonly #busy = new Set<Known>();
  /** Captured and not handed on, in their order. */
  #entries: Entry[] = [];
  readonly #waitingIn = new Map<string, Entry[]>();
  readonly #leaving = new Map<string, string[]>();
  readonly #ip = new Ipv4Header();
  readonly #segment = new TcpSegment();

  constructor(out: (packet: AnnotatedPacket) => void) {
    this.#out = out;
  }

  // What the stack tells.

  open(conn: number, endpoint: Annotated): void {
    const ends = endsOf(endpoint.remoteAddress, endpoint.remotePort, endpoint.localPort);
    this.#connections.set(conn, { endpoint, ends, iss: undefined, reasons: [], arrived: undefined });
  }

  record(record: TraceRecord): void {
    const known = this.#connections.get(record.conn);
    if (known === undefined) return;
    switch (record.type) {
      case 'segment':
        if (record.dir === 'in') this.#arrives(known, record.seg);
        else this.#leaves(known, record.seg, record.note);
        return;
      case 'state':
        this.#say(
          known,
          `${record.from} -> ${record.to} on ${record.event} (${ruleText(record.rule)})`,
          record.cause === 'segment',
        );
        if (record.to === 'CLOSED') {
          this.#settle(known);
          this.#connections.delete(record.conn);
        }
        return;
      // What a call does is told by the transition or the segment that follows.
      case 'call':
        if (typeof record.args?.['iss'] === 'number') known.iss = record.args['iss'] >>> 0;
        return;
      case 'timer':
        this.#say(
          known,
          `${record.timer} timer expired${record.rto === undefined ? '' : ` after ${msText(record.rto)}`}`,
          false,
        );
        return;
      case 'icmp':
        this.#say(known, `ICMP error ${record.error} (RFC 9293 §3.9.2.2)`, false);
        return;
      case 'rtt':
        this.#say(known, `RTT ${msText(record.rtt)}, SRTT ${msText(record.srtt)} (RFC 6298 §2)`, true);
        return;
      case 'congestion':
        this.#say(known, `cwnd becomes ${record.cwnd}: ${record.why}`, true);
        return;
      case 'drop':
        this.#say(known, `dropped: ${record.reason}`, true);
        return;
      case 'error':
        this.#say(known, `error ${record.code}`, true);
        return;
    }
  }

  // What the capture shows.

  packet(t: Micros, dir: 'in' | 'out', octets: Uint8Array): void {
    const entry: Entry = { t, dir, octets, comments: [], done: true };
    const key = this.#keyOf(dir, octets);
    if (dir === 'in' && key !== undefined) {
      entry.done = false;
      const same = this.#waitingIn.get(key);
      if (same === undefined) this.#waitingIn.set(key, [entry]);
      else same.push(entry);
    } else if (key !== undefined) entry.comments.push(...(this.#leaving.get(key) ?? this.#unknownOut()));
    this.#entries.push(entry);
    this.#handOn();
  }

  /** Nothing more happens at this instant: whatever has its comment is handed on. */
  flush(): void {
    for (const known of this.#busy) this.#settle(known);
    this.#handOn();
  }

  /** Everything goes out. */
  close(): void {
    this.flush();
    for (const entry of this.#entries) this.#give(entry);
    this.#entries = [];
    this.#waitingIn.clear();
  }

  #arrives(known: Known, seg: SegmentRecord): void {
    this.#settle(known);
    const key = `in ${known.ends} ${fieldsOf(seg)}`;
    const entry = this.#waitingIn.get(key)?.shift();
    if (this.#waitingIn.get(key)?.length === 0) this.#waitingIn.delete(key);
    known.arrived = { entry, seg, did: [] };
    this.#busy.add(known);
  }

  #leaves(known: Known, seg: SegmentRecord, note: SendNote | undefined): void {
    this.#settle(known);
    if (seg.flags.includes('S')) known.iss = seg.seq;
    const reasons = known.reasons.splice(0);
    const why = note === undefined ? whyItLeaves(seg) : `${note}${NOTE_RULES[note] ?? ''}`;
    const key = `out ${known.ends} ${fieldsOf(seg)}`;
    this.#leaving.delete(key);
    this.#leaving.set(key, [[...reasons, why, factsText(known)].join('; ')]);
    if (this.#leaving.size > MAX_KEPT)
      for (const oldest of this.#leaving.keys()) {
        this.#leaving.delete(oldest);
        break;
      }
  }

  /** `byArrival`: what was done by the segment at hand, if there is one; else it is the reason of what leaves next. */
  #say(known: Known, text: string, byArrival: boolean): void {
    if (byArrival && known.arrived !== undefined) known.arrived.did.push(text);
    else {
      this.#settle(known);
      known.reasons.push(text);
      if (known.reasons.length > MAX_REASONS) known.reasons.shift();
    }
  }

  /** The segment at hand is done with. */
  #settle(known: Known): void {
    const { arrived } = known;
    known.arrived = undefined;
    this.#busy.delete(known);
    if (arrived?.entry === undefined) return;
    const did = arrived.did.length > 0 ? arrived.did : [whatItBrings(arrived.seg)];
    arrived.entry.comments.push([...did, factsText(known)].join('; '));
    arrived.entry.done = true;
  }

  #handOn(): void {
    const newest = this.#entries.at(-1)?.t ?? 0;
    let count = 0;
    for (const entry of this.#entries) {
      const waitsToo = !entry.done && newest - entry.t < PATIENCE && this.#entries.length - count <= MAX_HELD;
      if (waitsToo) break;
      this.#give(entry);
      count++;
    }
    if (count > 0) this.#entries.splice(0, count);
  }

  #give(entry: Entry): void {
    if (!entry.done) entry.comments.push('taken by no connection: lost to a fault, not whole, or nobody’s');
    this.#out(entry);
  }

  #unknownOut(): readonly string[] {
    return this.#segment.has(TcpFlag.RST) ? ['answers a segment of no connection (RFC 9293 §3.10.7.1)'] : [];
  }

  /** What trace and capture have in common; undefined for what is no TCP. */
  #keyOf(dir: 'in' | 'out', octets: Uint8Array): string | undefined {
    const ip = this.#ip;
    const seg = this.#segment;
    if (decodeIpv4(octets, 0, octets.length, ip, true) !== 'ok' || ip.isFragment || ip.protocol !== IpProtocol.TCP)
      return undefined;
    if (decodeTcp(octets, ip.payloadAt, ip.payloadEnd, seg) !== 'ok') return undefined;
    const ends = dir === 'in' ? endsOf(ip.src, seg.srcPort, seg.dstPort) : endsOf(ip.dst, seg.dstPort, seg.srcPort);
    const kind = seg.has(TcpFlag.SYN) ? 'S' : seg.has(TcpFlag.RST) ? 'R' : '';
    const ts = seg.hasTimestamps ? seg.tsVal >>> 0 : '';
    return `${dir} ${ends} ${seqInt(seg.seq) >>> 0} ${seqInt(seg.ack) >>> 0} ${kind} ${ts}`;
  }
}

const NOTE_RULES: Readonly<Partial<Record<SendNote, string>>> = {
  retransmission: ' (RFC 6298 §5)',
  'fast retransmit': ' (RFC 5681 §3.2)',
  'tail loss probe': ' (RFC 8985 §7)',
  'zero-window probe': ' (RFC 9293 §3.8.6.1)',
  'challenge ACK': ' (RFC 5961)',
  'window update': ' (RFC 9293 §3.8.6.2.2)',
  'duplicate ACK': ' (RFC 5681 §4.2)',
  'keep-alive': ' (RFC 9293 §3.8.4)',
};

function whyItLeaves(seg: SegmentRecord): string {
  const { flags } = seg;
  if (flags.includes('R')) return 'RST (RFC 9293 §3.5.2)';
  if (flags.includes('S')) return flags.includes('.') ? 'SYN,ACK (RFC 9293 §3.10.7.2)' : 'SYN (RFC 9293 §3.10.1)';
  if (flags.includes('F')) return 'FIN (RFC 9293 §3.10.4)';
  if (seg.len > 0) return `${seg.len} octets (RFC 9293 §3.10.2)`;
  return 'ACK (RFC 9293 §3.8.6.3)';
}

function whatItBrings(seg: SegmentRecord): string {
  if (seg.len > 0) return `${seg.len} octets (RFC 9293 §3.10.7.4 seventh)`;
  return `ACK of ${seg.ack} (RFC 9293 §3.10.7.4 fifth)`;
}

/** Where the connection stands: cwnd and ssthresh in octets, SND.UNA counted from our SYN. */
function factsText(known: Known): string {
  const { snd_cwnd, snd_ssthresh, rto, snd_una } = known.endpoint.info();
  const una = known.iss === undefined ? snd_una : (snd_una - known.iss) >>> 0;
  return `cwnd ${snd_cwnd}${snd_ssthresh < 0 ? '' : `, ssthresh ${snd_ssthresh}`}, RTO ${msText(rto)}, SND.UNA ${una}`;
}

const msText = (us: number): string => `${Number((us / 1000).toFixed(3))} ms`;
const endsOf = (remote: Ipv4, remotePort: number, localPort: number): string => `${remote}:${remotePort}:${localPort}`;

/** Length, PSH and FIN are left out: a merged segment is one in the capture, and may be several to the core. */
function fieldsOf(seg: SegmentRecord): string {
  const kind = seg.flags.includes('S') ? 'S' : seg.flags.includes('R') ? 'R' : '';
  return `${seg.seq} ${seg.ack} ${kind} ${seg.ts?.[0] ?? ''}`;
}
