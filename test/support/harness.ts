/**
 * One connection of the core between a user and a peer who are both the test, in virtual time.
 *
 *     const h = established({ mss: 1000 });
 *     h.inject(ack(0, { wnd: 0 }));
 *     h.write(10);
 *     h.expectNothing();
 *     h.after(ms(300)).expect(probe(0));
 *
 * Exactly the segments listed may leave, in that order; what nobody expected fails the test at its end. Octets are
 * those of a pattern over the stream's places, checked on every segment that leaves and on all that is read. Other rules
 * that always hold are in `#checkRules`. The default sequence numbers wrap early, in both directions.
 */
import { afterEach, expect } from 'vitest';
import { type Seq, toSeq } from '../../src/base/seq.ts';
import { later, type Micros, micros, ms, NEVER, seconds } from '../../src/base/time.ts';
import {
  type ConnectionConfig,
  DEFAULT_SOCKET_OPTIONS,
  type PathConfig,
  type Profile,
  profileSysctl,
  type SocketOptions,
  type Sysctl,
} from '../../src/tcp/config.ts';
import { Connection } from '../../src/tcp/connection.ts';
import type { TcpInfo } from '../../src/tcp/info.ts';
import type { State } from '../../src/tcp/machine.ts';
import type { ErrorCode } from '../../src/tcp/tcb.ts';
import { Happened } from '../../src/tcp/tcb.ts';
import type { SendNote, TraceRecord } from '../../src/tcp/trace.ts';
import { ABSENT, TcpSegment } from '../../src/wire/tcp.ts';
import { flagsFromText, textSegment } from '../../src/wire/tcp-text.ts';
import { ack, type Seg, segText, syn, synAck, type WholeSeg } from './segments.ts';

export * from './segments.ts';

export interface HarnessOptions {
  /** MSS that both sides announce, and that the path carries. */
  readonly mss?: number;
  /** Of the peer, where it differs; 'none': it announces nothing. */
  readonly peerMss?: number | 'none';
  readonly iss?: number;
  readonly irs?: number;
  /** Window field of the peer's SYN, and of its segments until one says otherwise. */
  readonly wnd?: number;
  /** Of the handshake; then samples are taken as they come. */
  readonly rtt?: Micros;
  readonly timestamps?: boolean;
  readonly sack?: boolean;
  /** Shift that the peer offers; without it neither offers one. */
  readonly wscale?: number;
  readonly profile?: Profile;
  readonly sysctl?: Partial<Sysctl>;
  readonly options?: Partial<SocketOptions>;
  readonly path?: Partial<PathConfig>;
}

/** RTO of a connection whose every round trip took the 100 ms of the handshake: RTT, and the floor of 200 ms. */
export const RTO = ms(300);
export const RTT = ms(100);

const TS_OFFSET = -7_000;
const PEER_TS_OFFSET = 0x7fff_fc00;

/** The octet at `place` of either stream. */
export const octetAt = (place: number): number => (place * 7 + (place >> 8)) & 0xff;

export function pattern(place: number, len: number): Uint8Array {
  return Uint8Array.from({ length: len }, (_, i) => octetAt(place + i));
}

interface Left {
  readonly seg: WholeSeg;
  readonly at: Micros;
}

const live = new Set<Harness>();

afterEach((context) => {
  const unexpected = [...live].filter((h) => h.leftCount > 0);
  live.clear();
  // A test that failed already has its own story to tell.
  if (context.task.result?.state === 'fail') return;
  for (const h of unexpected) h.expectNothing();
});

export class Harness {
  readonly connection: Connection;
  readonly records: TraceRecord[] = [];
  readonly #options: HarnessOptions;
  readonly #start = seconds(100);
  #now: Micros = this.#start;
  readonly #iss: number;
  readonly #irs: number;
  readonly #out = new TcpSegment();
  readonly #in = new TcpSegment();
  #left: Left[] = [];
  readonly #log: string[] = [];
  /** Bits of Happened since the last look. */
  #happened = 0;

  // What the peer would know, relative.
  #written = 0;
  #read = 0;
  /** End of the farthest octet that has left. */
  #sentEnd = -1;
  /** Acknowledgment on the last segment that left. */
  #ackedByUs = 0;
  /** Right edge of the farthest window we offered. */
  #edge = -1;
  #peerNxt = -1;
  #peerAck = 0;
  #peerWnd: number;
  /** Timestamps: the last value that left. */
  #tsSeen = 0;

  constructor(options: HarnessOptions = {}) {
    this.#options = options;
    this.#iss = (options.iss ?? 0xffff_fc17) | 0;
    this.#irs = (options.irs ?? 0x7fff_fe0b) | 0;
    this.#peerWnd = options.wnd ?? 65_535;
    this.connection = new Connection(1, configOf(options), {
      enabled: true,
      record: (record) => this.records.push(record),
    });
    live.add(this);
  }

  // Facts.

  get now(): Micros {
    return this.#now;
  }

  get state(): State {
    return this.connection.state;
  }

  get error(): ErrorCode | undefined {
    return this.connection.error;
  }

  get info(): TcpInfo {
    return this.connection.info();
  }

  /** Sequence number of the peer's next octet, relative. */
  get peerNext(): number {
    return this.#peerNxt;
  }

  get leftCount(): number {
    return this.#left.length;
  }

  /** Rows taken so far, as the log shows them: 'SYN-SENT --rcv SYN,ACK--> ESTABLISHED'. */
  get transitions(): readonly string[] {
    return this.records.flatMap((r) => (r.type === 'state' ? [`${r.from} --${r.event}--> ${r.to}`] : []));
  }

  /** The reasons for drops so far. */
  get drops(): readonly string[] {
    return this.records.flatMap((r) => (r.type === 'drop' ? [r.reason] : []));
  }

  /** What has happened since the last look, by name. */
  takeHappened(): readonly string[] {
    const bits = this.#happened;
    this.#happened = 0;
    return Object.entries(Happened).flatMap(([name, bit]) => (bits & bit ? [name] : []));
  }

  // The user.

  open(kind: 'active' | 'passive'): this {
    this.connection.open(kind, { iss: this.#iss, tsOffset: TS_OFFSET }, this.#now);
    return this.#drain();
  }

  /** Queues `len` octets of the pattern; returns how many were taken. */
  write(len: number): number {
    this.#log.push(`${this.#time()} write ${len}`);
    const taken = this.connection.send(pattern(this.#written, len), this.#now);
    this.#written += taken;
    this.#drain();
    return taken;
  }

  /** Lends `len` octets of the pattern; returns the buffer that holds them. */
  lend(len: number): Uint8Array {
    const octets = pattern(this.#written, len);
    this.#written += this.connection.lend(octets, this.#now);
    this.#drain();
    return octets;
  }

  /** As `write`, announced as urgent. */
  writeUrgent(len: number): number {
    const taken = this.connection.send(pattern(this.#written, len), this.#now, true);
    this.#written += taken;
    this.#drain();
    return taken;
  }

  /** Reads all there is, checks the octets; returns how many there were, or 'end' when nothing will come. */
  read(): number | 'end' {
    let sum = 0;
    for (;;) {
      const octets = this.readOnce();
      if (octets === 'end' && sum === 0) return 'end';
      if (octets === 'end' || octets === 'empty') return sum;
      sum += octets;
    }
  }

  readOnce(): number | 'end' | 'empty' {
    const octets = this.connection.receive(this.#now);
    if (typeof octets === 'string') return octets;
    const differs = octets.findIndex((octet, i) => octet !== octetAt(this.#read + i));
    this.#rule(differs === -1, `octet ${this.#read + differs} was not sent like that`);
    this.#read += octets.length;
    this.#drain();
    return octets.length;
  }

  close(): this {
    this.connection.close(this.#now);
    return this.#drain();
  }

  /** CLOSE by a user who won't read any more. */
  release(): this {
    this.connection.release(this.#now);
    return this.#drain();
  }

  abort(): this {
    this.connection.abort(this.#now);
    return this.#drain();
  }

  set<K extends keyof SocketOptions>(name: K, value: SocketOptions[K]): this {
    this.connection.setOption(name, value, this.#now);
    return this.#drain();
  }

  // The network.

  /** Segments from the peer, each answered before the next. Left out: seq, the next; ack and wnd, as before. */
  inject(...segs: readonly Seg[]): this {
    for (const seg of segs) {
      this.#arrive(seg);
      this.#drain();
    }
    return this;
  }

  /** Segments from the peer that arrive in one batch. */
  injectBatch(...segs: readonly Seg[]): this {
    for (const seg of segs) {
      this.#arrive(seg);
      if (this.connection.isInDisorder) this.#drain();
    }
    return this.#drain();
  }

  /** In TIME-WAIT: a SYN of whoever may want the addresses and ports again; true when it gets them. */
  giveWay(seg: Seg): boolean {
    const whole = this.#wholeIn(seg);
    this.#log.push(`${this.#time()} < ${segText(whole)}`);
    this.#fill(whole);
    const gaveWay = this.connection.giveWay(this.#in, this.#now);
    this.#drain();
    return gaveWay;
  }

  /** An ICMP error that quotes the segment of ours at `seq`. */
  icmp(code: ErrorCode, seq: number): this {
    this.connection.onIcmpError(code, this.#ours(seq), this.#now);
    return this.#drain();
  }

  pathMss(mss: number, seq: number): this {
    this.connection.onPathMss(mss, this.#ours(seq), this.#now);
    return this.#drain();
  }

  // Time.

  advance(by: Micros): this {
    const target = later(this.#now, by);
    while (this.connection.nextTimeout() <= target) {
      const at = this.connection.nextTimeout();
      if (at > this.#now) this.#now = at;
      this.connection.onTimeout(this.#now);
      this.#drain();
    }
    this.#now = target;
    return this;
  }

  /** Lets `by` pass, and nothing may leave, until its very last microsecond. */
  after(by: Micros): this {
    this.advance(micros(by - 1));
    this.expectNothing();
    return this.advance(micros(1));
  }

  /** The next timer is due in `by`, and lets it expire; nothing may leave before. */
  get nextTimeoutIn(): number {
    const at = this.connection.nextTimeout();
    return at === NEVER ? NEVER : at - this.#now;
  }

  // Expectations.

  /**
   * Exactly these have left since the last expectation. Left out: seq of a segment without data, the next; ack, as
   * before; flags, ACK and PSH as the rules ask; wnd, any; options, none but timestamps, which are always checked.
   */
  expect(...segs: readonly Seg[]): this {
    const left = this.#left;
    this.#left = [];
    const wanted: string[] = [];
    const got: string[] = [];
    let nxt = this.#nxtBefore(left);
    let acked = this.#ackedBefore;
    for (let i = 0; i < Math.max(segs.length, left.length); i++) {
      const seg = segs[i];
      const want = seg && this.#wholeOut(seg, nxt, acked);
      const actual = left[i]?.seg;
      if (want) {
        wanted.push(segText(want));
        nxt = Math.max(nxt, endOf(want));
        acked = want.flags.includes('.') ? want.ack : acked;
      }
      if (actual) got.push(segText(want ? onlyAsked(actual, want) : actual));
    }
    this.#ackedBefore = this.#ackedByUs;
    expect(got, `what left, of:\n${this.#story()}\n`).toEqual(wanted);
    return this;
  }

  expectNothing(): this {
    return this.expect();
  }

  expectState(state: State): this {
    expect(this.state, this.#story()).toBe(state);
    return this;
  }

  /** Forgets what has left: for the way to the point of a test. */
  skip(): this {
    this.#nxtBefore(this.#left);
    this.#left = [];
    this.#ackedBefore = this.#ackedByUs;
    return this;
  }

  /** What has left and was not yet expected. */
  takeLeft(): readonly Left[] {
    const left = this.#left;
    this.skip();
    return left;
  }

  // Inside.

  #ackedBefore = 0;
  #nxtOfExpected = -1;

  #nxtBefore(left: readonly Left[]): number {
    const before = this.#nxtOfExpected;
    for (const { seg } of left) this.#nxtOfExpected = Math.max(this.#nxtOfExpected, endOf(seg));
    return before;
  }

  #ours(seq: number): Seq {
    return toSeq(this.#iss + 1 + seq);
  }

  #arrive(seg: Seg): void {
    const whole = this.#wholeIn(seg);
    this.#log.push(`${this.#time()} < ${segText(whole)}`);
    this.#fill(whole);
    this.connection.onSegment(this.#in, this.#now);
    this.#happened |= this.connection.takeEvents();
  }

  #wholeIn(seg: Seg): WholeSeg {
    const flags = seg.flags ?? '.';
    if (seg.ack !== undefined && flags.includes('.')) this.#peerAck = Math.max(this.#peerAck, seg.ack);
    if (seg.wnd !== undefined) this.#peerWnd = seg.wnd;
    const whole: WholeSeg = {
      ...this.#timestampsIn(),
      ...seg,
      flags,
      seq: seg.seq ?? this.#peerNxt,
      ack: seg.ack ?? (flags.includes('.') ? this.#peerAck : 0),
      wnd: this.#peerWnd,
      len: seg.len ?? 0,
    };
    if (!flags.includes('R')) this.#peerNxt = Math.max(this.#peerNxt, endOf(whole));
    return whole;
  }

  #timestampsIn(): Pick<Seg, 'ts'> {
    if (!this.#options.timestamps) return {};
    return { ts: [this.peerTsVal, this.#tsSeen] };
  }

  /** What the peer's clock says: the default of TSval on what is injected. */
  get peerTsVal(): number {
    return (Math.floor((this.#now - this.#start) / 1000) + PEER_TS_OFFSET) >>> 0;
  }

  /** What our clock says, TSval of what leaves. */
  get tsVal(): number {
    return (Math.floor(this.#now / 1000) + TS_OFFSET) >>> 0;
  }

  #fill(whole: WholeSeg): void {
    const seg = this.#in;
    seg.clear();
    seg.seq = toSeq(this.#irs + 1 + whole.seq);
    if (whole.flags.includes('.')) seg.ack = this.#ours(whole.ack);
    seg.flags = flagsFromText(whole.flags)!;
    seg.wnd = whole.wnd ?? 0;
    seg.urgentPointer = whole.urg ?? 0;
    seg.ecn = whole.ecn ?? 0;
    seg.mss = whole.mss ?? ABSENT;
    seg.wscale = whole.wscale ?? ABSENT;
    seg.sackPermitted = whole.sackOk === true;
    if (whole.ts !== undefined && whole.ts !== 'none') {
      seg.hasTimestamps = true;
      seg.tsVal = whole.ts[0] | 0;
      seg.tsEcr = whole.ts[1] | 0;
    }
    for (const [left, right] of whole.sack ?? []) {
      seg.sack[2 * seg.sackCount] = this.#ours(left);
      seg.sack[2 * seg.sackCount + 1] = this.#ours(right);
      seg.sackCount++;
    }
    // Octets lie in the middle of a buffer that is overwritten afterwards, as a driver's do.
    const place = whole.seq + (whole.flags.includes('S') ? 1 : 0);
    const octets = new Uint8Array(whole.len + 7).fill(0xee);
    octets.set(pattern(place, whole.len), 3);
    this.#inOctets.fill(0xdd);
    this.#inOctets = octets;
    if (whole.len > 0) seg.payload.push(octets, 3, whole.len);
  }

  #inOctets = new Uint8Array(0);

  #drain(): this {
    while (this.connection.emit(this.#now, this.#out)) this.#leave(this.#out);
    this.#happened |= this.connection.takeEvents();
    return this;
  }

  #leave(out: TcpSegment): void {
    const record = this.records.at(-1);
    const note = record?.type === 'segment' ? record.note : undefined;
    const seg = this.#relative(out, note);
    this.#log.push(`${this.#time()} > ${segText(seg)}`);
    this.#checkRules(seg, out);
    this.#left.push({ seg, at: this.#now });
    this.#sentEnd = Math.max(this.#sentEnd, endOf(seg));
    if (seg.flags.includes('.')) this.#ackedByUs = seg.ack;
    if (seg.ts !== undefined && seg.ts !== 'none') this.#tsSeen = seg.ts[0];
  }

  #relative(out: TcpSegment, note: SendNote | undefined): WholeSeg {
    const text = { ...textSegment(out), ecn: out.ecn };
    const relativeAck = (n: number): number => (n - this.#irs - 1) | 0;
    return {
      ...text,
      seq: (text.seq - this.#iss - 1) | 0,
      ack: text.flags.includes('.') ? relativeAck(text.ack) : 0,
      ...(text.sack && { sack: text.sack.map(([l, r]) => [relativeAck(l), relativeAck(r)] as const) }),
      ...(note !== undefined && { note }),
    };
  }

  /** What holds of every segment in every test. */
  #checkRules(seg: WholeSeg, out: TcpSegment): void {
    const isSyn = seg.flags.includes('S');
    const isReset = seg.flags.includes('R');
    if (seg.len > 0) {
      const octets = new Uint8Array(seg.len);
      out.payload.copyTo(octets, 0);
      const differs = octets.findIndex((octet, i) => octet !== octetAt(seg.seq + i));
      this.#rule(differs === -1, `octet ${seg.seq + differs} is not the one written there`);
      const isLast = seg.seq + seg.len === this.#written;
      this.#rule(seg.flags.includes('P') === isLast, 'PSH on what empties the buffer, and only there (MUST-61)');
    }
    this.#rule(isReset || this.state === 'SYN-SENT' || seg.flags.includes('.'), 'ACK on all but SYN and RST (§3.8)');
    if (!isSyn) {
      const { mss, wscale, sackOk } = seg;
      this.#rule(mss === undefined && wscale === undefined && !sackOk, 'options of a SYN elsewhere');
    }
    if (!isSyn && !isReset) {
      this.#rule((seg.ts !== undefined) === this.info.timestamps, 'timestamps as agreed (RFC 7323 §3.2)');
      this.#rule(seg.sack === undefined || this.info.sack, 'SACK without agreement (RFC 2018 §4)');
    }
    if (seg.ts !== undefined && seg.ts !== 'none') this.#rule(seg.ts[0] === this.tsVal, `TSval ${seg.ts[0]}`);
    if (isReset || !seg.flags.includes('.')) return;
    const edge = seg.ack + (seg.wnd ?? 0) * 2 ** (isSyn ? 0 : this.info.rcv_wscale);
    if (isSyn) this.#startsOver(seg, edge);
    // A window that the scale can't express may look smaller by less than one unit of it (RFC 7323 §2.4).
    const unit = isSyn ? 1 : 2 ** this.info.rcv_wscale;
    this.#rule(edge > this.#edge - unit, `the window's right edge moved left (SHLD-14)`);
    this.#rule(seg.ack >= this.#ackedByUs, 'an ACK went back');
    this.#edge = Math.max(this.#edge, edge);
  }

  #rule(holds: boolean, rule: string): void {
    if (!holds) expect.fail(`${rule}\n${this.#story()}`);
  }

  /** A SYN-ACK after a return to LISTEN: what was said before is void. */
  #startsOver(seg: WholeSeg, edge: number): void {
    this.#ackedByUs = seg.ack;
    this.#edge = edge;
  }

  #time(): string {
    return ((this.#now - this.#start) / 1e6).toFixed(6);
  }

  #story(): string {
    return this.#log.slice(-24).join('\n');
  }

  #wholeOut(seg: Seg, nxt: number, acked: number): WholeSeg {
    const len = seg.len ?? 0;
    const seq = seg.seq ?? nxt;
    const flags = seg.flags ?? (seq + len === this.#written ? 'P.' : '.');
    return { ...seg, len, flags, seq, ack: seg.ack ?? (flags.includes('.') ? acked : 0) };
  }
}

/** `actual` without what the expectation is silent about. */
function onlyAsked(actual: WholeSeg, want: WholeSeg): WholeSeg {
  const { wnd, mss, wscale, sackOk, ts, ecn, note, ...rest } = actual;
  return {
    ...rest,
    ...(want.wnd !== undefined && { wnd: wnd! }),
    ...(want.mss !== undefined && mss !== undefined && { mss }),
    ...(want.wscale !== undefined && wscale !== undefined && { wscale }),
    ...(want.sackOk !== undefined && sackOk !== undefined && { sackOk }),
    ...(want.ts !== undefined && ts !== undefined && { ts }),
    ...(want.ecn !== undefined && { ecn: ecn! }),
    ...(want.note !== undefined && note !== undefined && { note }),
  };
}

function endOf(seg: WholeSeg): number {
  if (seg.flags.includes('R')) return -1;
  return seg.seq + seg.len + (seg.flags.includes('S') ? 1 : 0) + (seg.flags.includes('F') ? 1 : 0);
}

export function configOf(o: HarnessOptions): ConnectionConfig {
  const mss = o.mss ?? 1460;
  const profile = o.profile ?? 'linux';
  return {
    profile,
    sysctl: {
      ...profileSysctl(profile),
      // Halves and whole segments: a story in which CUBIC's curve plays no part is easier to follow.
      tcp_congestion_control: 'reno',
      tcp_timestamps: o.timestamps ?? false,
      tcp_sack: o.sack ?? false,
      tcp_window_scaling: o.wscale !== undefined,
      ...o.sysctl,
    },
    options: { ...DEFAULT_SOCKET_OPTIONS, ...o.options },
    path: { receiveMss: mss, sendMss: mss, defaultMss: 536, maxGsoPayload: 0, ...o.path },
  };
}

/** The options of the peer's SYN. */
export function peerSyn(o: HarnessOptions = {}): Seg {
  const mss = o.peerMss ?? o.mss ?? 1460;
  return {
    wnd: o.wnd ?? 65_535,
    ...(mss !== 'none' && { mss }),
    ...(o.wscale !== undefined && { wscale: o.wscale }),
    ...(o.sack && { sackOk: true as const }),
  };
}

/** CLOSED: nothing has happened yet. */
export const closed = (o?: HarnessOptions): Harness => new Harness(o);

export const listening = (o?: HarnessOptions): Harness => new Harness(o).open('passive').expectNothing();

export const synSent = (o?: HarnessOptions): Harness => new Harness(o).open('active').expect(syn());

/** SYN-RECEIVED from LISTEN. */
export function synReceived(o: HarnessOptions = {}): Harness {
  return listening(o)
    .inject(syn(peerSyn(o)))
    .expect(synAck());
}

/** ESTABLISHED by an active open. */
export function established(o: HarnessOptions = {}): Harness {
  const h = synSent(o)
    .advance(o.rtt ?? RTT)
    .inject(synAck(peerSyn(o)))
    .expect(ack(0));
  h.takeHappened();
  return h.expectState('ESTABLISHED');
}

/** ESTABLISHED from LISTEN. */
export function accepted(o: HarnessOptions = {}): Harness {
  const h = synReceived(o)
    .advance(o.rtt ?? RTT)
    .inject(ack(0))
    .expectNothing();
  h.takeHappened();
  return h.expectState('ESTABLISHED');
}
