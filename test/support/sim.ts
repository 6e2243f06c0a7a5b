/**
 * Two stacks on one cable in virtual time, with faults, and users who write, read and close at their own pace. What
 * must hold of every segment is checked as it leaves; what must hold in the end, by `expectOrderly`.
 */
import { expect } from 'vitest';
import { intBelow, type Random, seededRandom } from '../../src/base/random.ts';
import { type Micros, micros, ms, seconds } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import type { Faults } from '../../src/link/faults.ts';
import type { LinkReceiver } from '../../src/link/link.ts';
import { type MemoryLinkOptions, memoryLink } from '../../src/link/memory.ts';
import { type FaultLink, faultTap } from '../../src/link/taps/fault.ts';
import type { Endpoint } from '../../src/stack/endpoint.ts';
import { Stack } from '../../src/stack/stack.ts';
import type { StackTracer } from '../../src/stack/stack-options.ts';
import type { SocketOptions, Sysctl } from '../../src/tcp/config.ts';
import type { SegmentRecord, TraceRecord } from '../../src/tcp/trace.ts';
import { type Ipv4, parseIpv4 } from '../../src/wire/ipv4.ts';
import { segmentText } from '../../src/wire/tcp-text.ts';
import { octetAt, pattern } from './harness.ts';

export const A = parseIpv4('10.0.0.1')!;
export const B = parseIpv4('10.0.0.2')!;

export interface SimOptions extends MemoryLinkOptions {
  readonly seed: number;
  /** In each direction alike. */
  readonly faults?: Faults;
  readonly sysctl?: Partial<Sysctl>;
  /** Where B differs. */
  readonly sysctlB?: Partial<Sysctl>;
  /** Sees every record of side A. */
  readonly onRecord?: (record: TraceRecord) => void;
}

export interface UserOptions {
  /** Octets to send, then CLOSE. */
  readonly send: number;
  /** Octets read at most every 10 ms; everything at once when absent. */
  readonly readPace?: number;
  /** CLOSE only when the peer has. */
  readonly closesLast?: boolean;
  readonly options?: Partial<SocketOptions>;
}

export class Sim {
  readonly time = new VirtualTime(seconds(1000));
  readonly random: Random;
  readonly a: Side;
  readonly b: Side;

  constructor(o: SimOptions) {
    this.random = seededRandom(o.seed);
    const [linkA, linkB] = memoryLink(this.time, { delay: ms(20), ...o });
    this.a = new Side(this, A, linkA, o, { ...o.sysctl }, o.onRecord);
    this.b = new Side(this, B, linkB, o, { ...o.sysctl, ...o.sysctlB }, undefined);
  }

  /** Runs until `done`, or as long as `limit`; true when done. */
  until(done: () => boolean, limit: Micros = seconds(20_000)): boolean {
    return this.time.runWhile(() => !done(), micros(this.time.now + limit));
  }

  /** A connection from A to a listener at B, each with its user. */
  connect(a: UserOptions, b: UserOptions): readonly [User, User] {
    const listener = this.b.stack.listen({ port: 80, options: b.options ?? {} });
    const client = new User(this, this.a.stack.connect({ address: B, port: 80, options: a.options ?? {} }), a);
    const server = new User(this, undefined, b);
    listener.onConnection = () => server.take(listener.accept()!);
    return [client, server];
  }
}

/** Two stacks and a cable, and nothing that watches them. */
export function plainPair(): { readonly time: VirtualTime; readonly a: Stack; readonly b: Stack } {
  const time = new VirtualTime(seconds(1000));
  const [linkA, linkB] = memoryLink(time, { delay: ms(1) });
  const stack = (link: typeof linkA, address: Ipv4, seed: number): Stack =>
    new Stack({ clock: time.clock(), random: seededRandom(seed), link, address });
  return { time, a: stack(linkA, A, 1), b: stack(linkB, B, 2) };
}

export class Side {
  readonly stack: Stack;
  readonly link: FaultLink;
  /** What the stack is to its link. */
  receiver!: LinkReceiver;

  constructor(
    sim: Sim,
    address: Ipv4,
    link: ReturnType<typeof memoryLink>[0],
    o: SimOptions,
    sysctl: Partial<Sysctl>,
    onRecord: ((record: TraceRecord) => void) | undefined,
  ) {
    const random = seededRandom(sim.random.uint32());
    this.link = faultTap(link, { clock: sim.time.clock(), random, ...(o.faults && { out: o.faults }) });
    const { link: tapped } = this;
    const start = tapped.start.bind(tapped);
    tapped.start = (receiver) => {
      this.receiver = receiver;
      start(receiver);
    };
    this.stack = new Stack({
      clock: sim.time.clock(),
      random,
      link: tapped,
      address,
      sysctl,
      tracer: new Watch(onRecord),
    });
  }
}

/** Reads, writes and closes as told, whenever something happens. */
export class User {
  readonly #sim: Sim;
  readonly #o: UserOptions;
  endpoint: Endpoint | undefined;
  sent = 0;
  received = 0;
  ended = false;
  #closed = false;
  #reading = false;

  constructor(sim: Sim, endpoint: Endpoint | undefined, o: UserOptions) {
    this.#sim = sim;
    this.#o = o;
    if (endpoint !== undefined) this.take(endpoint);
  }

  get state(): string {
    return this.endpoint?.state ?? 'none';
  }

  take(endpoint: Endpoint): void {
    this.endpoint = endpoint;
    endpoint.onEvent = () => this.#work();
    this.#work();
  }

  #work(): void {
    this.#write();
    if (this.#o.readPace === undefined) while (this.#readOnce());
    else if (!this.#reading) this.#readSlowly();
  }

  #write(): void {
    const endpoint = this.endpoint!;
    while (this.sent < this.#o.send) {
      const len = Math.min(this.#o.send - this.sent, 1 + intBelow(this.#sim.random, 5000));
      const taken = endpoint.send(pattern(this.sent, len));
      this.sent += taken;
      if (taken < len) return;
    }
    // CLOSE in SYN-SENT would end it there (RFC 9293 §3.10.4).
    const mayClose = endpoint.state !== 'SYN-SENT' && (!this.#o.closesLast || this.ended);
    if (this.#closed || !mayClose) return;
    this.#closed = true;
    endpoint.shutdown();
  }

  /** False when there is no more for now. */
  #readOnce(): boolean {
    const octets = this.endpoint!.receive();
    if (octets === 'empty' || this.ended) return false;
    if (octets === 'end') {
      this.ended = true;
      this.#write();
      return false;
    }
    for (let i = 0; i < octets.length; i++) {
      if (octets[i] !== octetAt(this.received + i)) expect.fail(`octet ${this.received + i} is not what was sent`);
    }
    this.received += octets.length;
    return true;
  }

  #readSlowly(): void {
    this.#reading = true;
    const until = this.received + this.#o.readPace!;
    while (this.received < until && this.#readOnce());
    if (this.ended) return;
    this.#sim.time.schedule(micros(this.#sim.time.now + ms(10)), () => this.#readSlowly());
  }
}

/** What holds of every segment of every connection, as the trace shows them. */
export class Watch implements StackTracer {
  readonly enabled = true;
  readonly #connections = new Map<number, ConnectionWatch>();
  readonly #onRecord: ((record: TraceRecord) => void) | undefined;

  constructor(onRecord?: (record: TraceRecord) => void) {
    this.#onRecord = onRecord;
  }

  open(conn: number): void {
    this.#connections.set(conn, new ConnectionWatch());
  }

  record(record: TraceRecord): void {
    this.#onRecord?.(record);
    if (record.type === 'segment') this.#connections.get(record.conn)!.segment(record.dir, record.seg, record.t);
  }
}

class ConnectionWatch {
  #ourScale = 0;
  #peerScale = 0;
  #peerSyn: SegmentRecord | undefined;
  #ourSyn: SegmentRecord | undefined;
  /** Right edges: the farthest we have offered, and the farthest the peer has; octets sent up to; last acknowledged. */
  #ourEdge: number | undefined;
  #peerEdge: number | undefined;
  #sentTo: number | undefined;
  #acked: number | undefined;
  readonly #story: string[] = [];

  segment(dir: 'in' | 'out', seg: SegmentRecord, t: Micros): void {
    if (this.#story.push(`${t / 1e6} ${dir === 'in' ? '<' : '>'} ${segmentText(seg)}`) > 40) this.#story.shift();
    if (dir === 'in') this.#in(seg);
    else this.#out(seg);
  }

  #in(seg: SegmentRecord): void {
    if (seg.flags.includes('R')) return;
    if (seg.flags.includes('S')) {
      this.#peerSyn = seg;
      this.#agree();
    }
    if (!seg.flags.includes('.')) return;
    const edge = seg.ack + seg.wnd * 2 ** (seg.flags.includes('S') ? 0 : this.#peerScale);
    if (this.#peerEdge === undefined || ahead(edge, this.#peerEdge) > 0) this.#peerEdge = edge;
  }

  #out(seg: SegmentRecord): void {
    if (seg.flags.includes('R')) return;
    const isSyn = seg.flags.includes('S');
    if (isSyn) {
      this.#ourSyn = seg;
      this.#agree();
    }
    const end = seg.seq + seg.len + (isSyn ? 1 : 0) + (seg.flags.includes('F') ? 1 : 0);
    if (this.#sentTo !== undefined && ahead(end, this.#sentTo) > 0 && this.#peerEdge !== undefined)
      this.#rule(ahead(end, this.#peerEdge) <= 0, 'new octets beyond the window that was offered');
    if (this.#sentTo === undefined || ahead(end, this.#sentTo) > 0) this.#sentTo = end;
    if (!seg.flags.includes('.')) return;
    const edge = seg.ack + seg.wnd * 2 ** (isSyn ? 0 : this.#ourScale);
    // A window that the scale can't express may look smaller by less than one unit of it (RFC 7323 §2.4).
    const unit = isSyn ? 1 : 2 ** this.#ourScale;
    const before = this.#ourEdge;
    this.#rule(before === undefined || ahead(edge, before) > -unit, 'the window’s right edge moved left');
    this.#rule(this.#acked === undefined || ahead(seg.ack, this.#acked) >= 0, 'an ACK went back');
    if (before === undefined || ahead(edge, before) > 0) this.#ourEdge = edge;
    this.#acked = seg.ack;
    for (const [left, right] of seg.sack ?? [])
      this.#rule(ahead(right, left) > 0 && ahead(right, this.#ourEdge!) <= 0, 'a SACK block that is none');
  }

  #agree(): void {
    const both = this.#ourSyn?.wscale !== undefined && this.#peerSyn?.wscale !== undefined;
    this.#ourScale = both ? this.#ourSyn!.wscale! : 0;
    this.#peerScale = both ? this.#peerSyn!.wscale! : 0;
  }

  #rule(holds: boolean, rule: string): void {
    if (!holds) expect.fail(`${rule}\n${this.#story.join('\n')}`);
  }
}

/** a − b modulo 2^32, from −2^31 to 2^31 − 1. */
const ahead = (a: number, b: number): number => (a - b) | 0;

/** Both sent all, read all, and ended without error, with nothing left behind. */
export function expectOrderly(sim: Sim, users: readonly [User, User], sizes: readonly [number, number]): void {
  const [a, b] = users;
  const done = sim.until(() => a.state === 'CLOSED' && b.state === 'CLOSED' && a.ended && b.ended);
  const summary = {
    done,
    received: [a.received, b.received],
    errors: [a.endpoint?.error, b.endpoint?.error],
    ended: [a.ended, b.ended],
    connections: [[...sim.a.stack.endpoints()].length, [...sim.b.stack.endpoints()].length],
  };
  expect(summary, `states ${a.state}, ${b.state}`).toEqual({
    done: true,
    received: [sizes[1], sizes[0]],
    errors: [undefined, undefined],
    ended: [true, true],
    connections: [0, 0],
  });
}
