/**
 * One port of ours towards the peer: what was sent and what came, counted from each side's initial sequence number, so that
 * a SYN is 0 and the first octet 1. Nothing is sent by itself, no ACK and no RST: silence is half of what a probe says.
 */
import { TcpFlag } from '../../wire/tcp.ts';
import type { OptionSpec } from '../scenario/model.ts';
import { hexText } from '../scenario/option-octets.ts';
import { type PacketWords, segmentPacket } from '../segment-octets.ts';
import type { Bench } from './bench.ts';
import { CannotTell } from './model.ts';
import { type Arrived, kindText } from './segment.ts';

export interface OpenOptions {
  /** Offered; 'none' leaves the option out. 1460, or what the path carries, when absent. */
  readonly mss?: number | 'none';
  readonly sack?: boolean;
  readonly timestamps?: boolean;
  /** False leaves the option out; the shift is 7. */
  readonly scaling?: boolean;
  /** Octets of the window that we offer, unscaled on the SYN; 65535 when absent. */
  readonly wnd?: number;
  /** Added to the SYN's own flag. */
  readonly flags?: string;
  readonly reserved?: number;
  readonly fastOpen?: Uint8Array;
  readonly data?: Uint8Array;
  /** Octets from our initial sequence number; 0 when absent. */
  readonly seq?: number;
}

/** A segment that came, counted from the initial sequence numbers: `seq` may be below 0. */
export interface Seen extends Omit<Arrived, 'srcPort' | 'dstPort'> {
  readonly t: number;
}

/** Of a segment that is to be sent; what is absent is as a quiet ACK has it. */
export interface Saying {
  readonly flags?: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly wnd?: number;
  readonly data?: Uint8Array;
  readonly urg?: number;
  /** Instead of our clock's. */
  readonly tsVal?: number;
}

const SHIFT = 7;
const SYN_WINDOW = 65_535;
/** For an answer that nothing delays. */
export const ANSWER = 1_500_000;

export class Line {
  readonly port: number;
  readonly seen: Seen[] = [];
  readonly iss: number;
  /** The peer's initial sequence number. */
  irs: number | undefined;
  /** Our next octet. */
  sndNxt = 1;
  /** The peer's next octet, as far as all before it came. */
  rcvNxt = 0;
  /** Below it the peer has acknowledged everything. */
  acked = 0;
  /** Window field that we send. */
  wnd = SYN_WINDOW;
  hasTimestamps = false;
  readonly #bench: Bench;
  readonly #close: () => void;
  readonly #looking = new Set<() => void>();
  readonly #tsBase: number;
  #tsRecent = 0;
  #said = false;
  #reset = false;

  constructor(bench: Bench, port: number, close: () => void) {
    this.#bench = bench;
    this.port = port;
    this.#close = close;
    this.iss = bench.uint32();
    this.#tsBase = bench.uint32();
  }

  /** Ours, in milliseconds. */
  get tsVal(): number {
    return (this.#tsBase + Math.floor(this.#bench.now() / 1000)) >>> 0;
  }

  /** Milliseconds of the peer's clock when it last spoke. */
  get tsRecent(): number {
    return this.#tsRecent;
  }

  arrive(a: Arrived, t: number): void {
    if (a.flags & TcpFlag.SYN) {
      this.irs ??= a.seq;
      this.rcvNxt = Math.max(this.rcvNxt, 1);
    }
    const { srcPort: _, dstPort: __, ...rest } = a;
    const seq = (a.seq - (this.irs ?? a.seq)) | 0;
    const ack = a.flags & TcpFlag.ACK ? (a.ack - this.iss) | 0 : 0;
    const ts = a.options.find((o) => o.kind === 'TS');
    if (ts?.kind === 'TS') this.#tsRecent = ts.val;
    if (a.flags & TcpFlag.RST) this.#reset = true;
    else this.acked = Math.max(this.acked, ack);
    const end = seq + a.len + (a.flags & TcpFlag.FIN ? 1 : 0);
    if (seq <= this.rcvNxt && end > this.rcvNxt) this.rcvNxt = end;
    this.seen.push({ ...rest, t, seq, ack });
    for (const look of [...this.#looking]) look();
  }

  /** Sends a SYN; resolves with the time. */
  syn(o: OpenOptions = {}): Promise<number> {
    this.wnd = Math.min(o.wnd ?? SYN_WINDOW, SYN_WINDOW);
    const mss = o.mss ?? Math.min(1460, this.#bench.path.mtu - 40);
    return this.#send({
      flags: `S${o.flags ?? ''}`,
      seq: (this.iss + (o.seq ?? 0)) >>> 0,
      ack: 0,
      wnd: this.wnd,
      ...(mss !== 'none' && { mss }),
      ...(o.sack !== false && { sackOk: true as const }),
      ...(o.timestamps !== false && { ts: [this.tsVal, 0] as const }),
      ...(o.scaling !== false && { wscale: SHIFT }),
      ...(o.reserved !== undefined && { reserved: o.reserved }),
      ...(o.fastOpen !== undefined && { tfo: hexText(o.fastOpen) }),
      ...(o.data !== undefined && { payload: o.data }),
    });
  }

  /** The answer to a SYN. Throws CannotTell. */
  async synAck(o: OpenOptions = {}): Promise<Seen> {
    const from = this.mark();
    await this.syn(o);
    let answer = await this.next(isAnswer, ANSWER, from);
    if (answer === undefined) {
      // One may get lost, or be forgotten where a queue is full.
      await this.syn(o);
      answer = await this.next(isAnswer, ANSWER, from);
    }
    if (answer === undefined) throw new CannotTell('no answer to a SYN');
    if (answer.flags & TcpFlag.RST) throw new CannotTell('refused');
    return answer;
  }

  /** Shakes hands. Throws CannotTell. */
  async connect(o: OpenOptions = {}): Promise<Established> {
    const sentAt = this.#bench.now();
    const synAck = await this.synAck(o);
    const has = (kind: OptionSpec['kind']): boolean => synAck.options.some((option) => option.kind === kind);
    this.hasTimestamps = has('TS');
    if (has('wscale')) this.wnd = Math.min(SYN_WINDOW, (o.wnd ?? SYN_WINDOW << SHIFT) >> SHIFT);
    this.sndNxt = Math.max(this.sndNxt, 1);
    await this.say({});
    return Object.assign(this, { synAckSeen: synAck, rtt: synAck.t - sentAt });
  }

  /** Resolves with the time. Data that begins at our next octet moves it. */
  say(s: Saying): Promise<number> {
    const seq = s.seq ?? this.sndNxt;
    const flags = s.flags ?? '.';
    const len = (s.data?.length ?? 0) + (flags.includes('F') ? 1 : 0);
    if (seq === this.sndNxt && !flags.includes('R')) this.sndNxt += len;
    return this.#send({
      flags,
      seq: (this.iss + seq) >>> 0,
      ack: flags.includes('.') ? ((this.irs ?? 0) + (s.ack ?? this.rcvNxt)) >>> 0 : 0,
      wnd: s.wnd ?? this.wnd,
      ...(this.hasTimestamps && !flags.includes('R') && { ts: [s.tsVal ?? this.tsVal, this.#tsRecent] as const }),
      ...(s.data !== undefined && { payload: s.data }),
      ...(s.urg !== undefined && { urg: s.urg }),
    });
  }

  /** Where `seen` ends now. */
  mark(): number {
    return this.seen.length;
  }

  /** The first segment from `from` on that is wanted, should it come within `within`. */
  async next(isWanted: (seen: Seen) => boolean, within: number, from = this.mark()): Promise<Seen | undefined> {
    let found: Seen | undefined;
    await this.until(() => {
      found = this.seen.slice(from).find(isWanted);
      return found !== undefined;
    }, within);
    return found;
  }

  /** `ready` is asked after each segment that comes. */
  until(ready: () => boolean, within: number): Promise<boolean> {
    return this.#bench.wait(this.#bench.now() + within, ready, (look) => {
      this.#looking.add(look);
      return () => this.#looking.delete(look);
    });
  }

  /** Whether the peer still has the connection: an octet is acknowledged, or answered by a RST. */
  async isAlive(): Promise<boolean> {
    const from = this.mark();
    const wanted = this.sndNxt + 1;
    await this.say({ data: OCTET });
    const answer = await this.next((s) => isReset(s) || s.ack >= wanted, ANSWER, from);
    if (answer === undefined) throw new CannotTell('no answer to data');
    return !isReset(answer);
  }

  /** Leaves nothing behind on either side. */
  async end(): Promise<void> {
    if (this.#said && !this.#reset) {
      // Where the peer is, which is where a RST counts (RFC 5961 §3.2).
      await this.say({ flags: 'R', seq: Math.max(1, this.acked) }).catch(() => {});
    }
    this.#close();
  }

  #send(words: Omit<PacketWords, 'src' | 'srcPort' | 'dst' | 'dstPort'>): Promise<number> {
    this.#said = true;
    const { local, remote, remotePort } = this.#bench.path;
    const ends = { src: local, srcPort: this.port, dst: remote, dstPort: remotePort };
    return this.#bench.send(words.flags.includes('S'), (ipId) => segmentPacket({ ...words, ...ends, ipId }));
  }
}

/** A connection whose handshake is done. */
export interface Established extends Line {
  readonly synAckSeen: Seen;
  /** Of the handshake. */
  readonly rtt: number;
}

const OCTET = Uint8Array.of(0x78);

/** Octets that say nothing to anybody. */
export const filler = (len: number): Uint8Array => new Uint8Array(len).fill(0x78);

export const isReset = (s: Seen): boolean => (s.flags & TcpFlag.RST) !== 0;
export const isFin = (s: Seen): boolean => (s.flags & TcpFlag.FIN) !== 0;
export const isSynAck = (s: Seen): boolean => (s.flags & (TcpFlag.SYN | TcpFlag.ACK)) === (TcpFlag.SYN | TcpFlag.ACK);
export const isPureAck = (s: Seen): boolean => s.flags === TcpFlag.ACK && s.len === 0;
export const hasData = (s: Seen): boolean => s.len > 0;
export const isAnswer = (s: Seen): boolean => isSynAck(s) || isReset(s);
export const sackOf = (s: Seen, iss: number): readonly (readonly [number, number])[] => {
  const sack = s.options.find((o) => o.kind === 'sack');
  return sack?.kind === 'sack' ? sack.blocks.map(([l, r]) => [(l - iss) | 0, (r - iss) | 0] as const) : [];
};
export const seenText = (s: Seen): string => kindText(s.flags, s.len);
