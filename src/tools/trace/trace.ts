/**
 * A capture's packets in, its TCP connections out: each segment goes to its connection, and comes out of it with what it
 * was. Connections are numbered from 1 as they appear. A bounded number is kept: of more than that, the one that was over
 * first, or else idle longest, is let go, and reported as it stands.
 */
import { type Micros, micros } from '../../base/time.ts';
import type { PacketSink } from '../../pcap/capture-scan.ts';
import { TcpFlag } from '../../wire/tcp.ts';
import { type Note, TracedConnection } from './connection.ts';
import { Kind } from './kinds.ts';
import { type Reading, SeenSegment } from './seen-segment.ts';

export interface TraceSink {
  /** A segment of a connection that was asked for; all of it is valid during the call only. `record`: from 1, in the file. */
  segment(connection: TracedConnection, seg: SeenSegment, note: Note, t: Micros, record: number): void;
  /** No more will come of it. */
  retired(connection: TracedConnection): void;
}

export interface TraceOptions {
  /** Which connections are looked at; the others are only numbered. */
  readonly wants?: (connection: TracedConnection) => boolean;
  /** Most connections kept at once; default 20 000. */
  readonly most?: number;
}

/** What there was in the capture, packet by packet. */
export interface TraceCounts {
  packets: number;
  readonly readings: Record<Reading, number>;
  connections: number;
  /** Connections let go before the capture ended. */
  early: number;
  firstAt: Micros | undefined;
  lastAt: Micros;
  /** Link types, in order of appearance. */
  readonly linkTypes: number[];
}

const MOST = 20_000;
/** How many of the longest idle are asked whether they are over. */
const LOOKED_AT = 16;

export class Trace implements PacketSink {
  readonly counts: TraceCounts = {
    packets: 0,
    readings: { tcp: 0, other: 0, fragment: 0, cut: 0, damaged: 0, 'unknown link': 0 },
    connections: 0,
    early: 0,
    firstAt: undefined,
    lastAt: micros(0),
    linkTypes: [],
  };
  readonly #sink: TraceSink;
  readonly #wants: (connection: TracedConnection) => boolean;
  readonly #most: number;
  readonly #seg = new SeenSegment();
  /** By a hash that is the same in both directions; chains behind it. */
  readonly #table = new Map<number, TracedConnection>();
  #kept = 0;
  /** The ends of the list by last use. */
  #oldest: TracedConnection | undefined;
  #newest: TracedConnection | undefined;

  constructor(sink: TraceSink, o: TraceOptions = {}) {
    this.#sink = sink;
    this.#wants = o.wants ?? (() => true);
    this.#most = o.most ?? MOST;
  }

  packet(t: Micros, bytes: Uint8Array, at: number, end: number, wireLen: number, linkType: number): void {
    const { counts } = this;
    counts.packets++;
    counts.firstAt ??= t;
    counts.lastAt = t;
    if (linkType !== counts.linkTypes.at(-1) && !counts.linkTypes.includes(linkType)) counts.linkTypes.push(linkType);
    const seg = this.#seg;
    const reading = seg.read(bytes, at, end, wireLen, linkType);
    counts.readings[reading]++;
    if (reading !== 'tcp') return;
    this.#segment(seg, t, counts.packets);
  }

  /** The capture has ended: every connection is reported, in the order of their numbers. */
  finish(): void {
    const left: TracedConnection[] = [];
    for (let c = this.#oldest; c !== undefined; c = c.newer) left.push(c);
    left.sort((a, b) => a.number - b.number);
    for (const connection of left) if (!connection.ignored) this.#sink.retired(connection);
    this.#table.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
  }

  #segment(seg: SeenSegment, t: Micros, record: number): void {
    const hash = hashOf(seg);
    let connection = this.#table.get(hash);
    let side = connection?.sideOf(seg);
    while (connection !== undefined && side === undefined) {
      connection = connection.nextInChain;
      side = connection?.sideOf(seg);
    }
    let also = 0;
    if (connection === undefined || side === undefined) {
      connection = this.#begin(seg, t, hash);
      side = connection.sideOf(seg)!;
    } else if (connection.isNewAttempt(seg, side)) {
      also = Kind.PORT_REUSED;
      this.#remove(connection, hash);
      if (!connection.ignored) this.#sink.retired(connection);
      connection = this.#begin(seg, t, hash);
      side = connection.sideOf(seg)!;
    } else this.#used(connection);
    if (connection.ignored) {
      connection.lastAt = t;
      return;
    }
    const note = connection.take(seg, side, t, also);
    this.#sink.segment(connection, seg, note, t, record);
  }

  #begin(seg: SeenSegment, t: Micros, hash: number): TracedConnection {
    if (this.#kept >= this.#most) this.#makeRoom();
    const number = ++this.counts.connections;
    const clientSent = isFromClient(seg);
    const asked = new TracedConnection(number, seg, t, clientSent, false);
    const connection = this.#wants(asked) ? asked : new TracedConnection(number, seg, t, clientSent, true);
    connection.nextInChain = this.#table.get(hash);
    this.#table.set(hash, connection);
    this.#append(connection);
    this.#kept++;
    return connection;
  }

  #makeRoom(): void {
    let victim = this.#oldest;
    let n = 0;
    for (let c = this.#oldest; c !== undefined && n < LOOKED_AT; c = c.newer, n++) {
      if (!c.ignored && !c.states.isOver) continue;
      victim = c;
      break;
    }
    if (victim === undefined) return;
    this.#remove(victim, hashOfConnection(victim));
    this.counts.early++;
    if (!victim.ignored) this.#sink.retired(victim);
  }

  #remove(connection: TracedConnection, hash: number): void {
    const first = this.#table.get(hash);
    if (first === connection) {
      if (connection.nextInChain === undefined) this.#table.delete(hash);
      else this.#table.set(hash, connection.nextInChain);
    } else {
      for (let c = first; c !== undefined; c = c.nextInChain) {
        if (c.nextInChain !== connection) continue;
        c.nextInChain = connection.nextInChain;
        break;
      }
    }
    connection.nextInChain = undefined;
    this.#unlink(connection);
    this.#kept--;
  }

  #used(connection: TracedConnection): void {
    if (connection === this.#newest) return;
    this.#unlink(connection);
    this.#append(connection);
  }

  #append(connection: TracedConnection): void {
    connection.older = this.#newest;
    connection.newer = undefined;
    if (this.#newest === undefined) this.#oldest = connection;
    else this.#newest.newer = connection;
    this.#newest = connection;
  }

  #unlink(connection: TracedConnection): void {
    const { older, newer } = connection;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    // What is let go must not hold on to what comes after: the collector would carry all of it along.
    connection.older = undefined;
    connection.newer = undefined;
  }
}

/** A SYN tells; without one, servers are taken to have the lower port. */
function isFromClient(seg: SeenSegment): boolean {
  if (seg.has(TcpFlag.SYN)) return !seg.has(TcpFlag.ACK);
  return seg.srcPort >= seg.dstPort;
}

const hashOf = (seg: SeenSegment): number => mix(seg.src, seg.dst, seg.srcPort, seg.dstPort);
const hashOfConnection = (c: TracedConnection): number => mix(c.addresses[0], c.addresses[1], c.ports[0], c.ports[1]);

/** The same for both directions: whatever is asymmetric is summed. */
function mix(a: ArrayLike<number>, b: ArrayLike<number>, portA: number, portB: number): number {
  const one =
    (Math.imul(a[0]! ^ a[2]!, 0x9e3779b1) ^ Math.imul(a[1]! ^ a[3]!, 0x85ebca6b)) + Math.imul(portA, 0xc2b2ae35);
  const two =
    (Math.imul(b[0]! ^ b[2]!, 0x9e3779b1) ^ Math.imul(b[1]! ^ b[3]!, 0x85ebca6b)) + Math.imul(portB, 0xc2b2ae35);
  const sum = (Math.imul(one ^ (one >>> 15), 0x2c1b3c6d) + Math.imul(two ^ (two >>> 15), 0x2c1b3c6d)) | 0;
  // 30 bits stay a small integer.
  return (sum ^ (sum >>> 13)) >>> 2;
}
