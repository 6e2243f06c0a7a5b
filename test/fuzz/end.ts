/**
 * One connection of the core under the fuzzer: takes actions, checks every rule on the way, and keeps what the generator
 * wants to know. Driven as the stack drives it: a batch, then `emit` until there is no more, then the events.
 */

import { type Seq, seqInt, toSeq } from '../../src/base/seq.ts';
import { type Micros, micros, seconds } from '../../src/base/time.ts';
import { Connection } from '../../src/tcp/connection.ts';
import type { State } from '../../src/tcp/machine.ts';
import { isPureAck } from '../../src/tcp/merge-acks.ts';
import { NO_TRACE, type Tracer } from '../../src/tcp/trace.ts';
import { TcpFlag, TcpSegment } from '../../src/wire/tcp.ts';
import { broken, Invariants } from './invariants.ts';
import { type Action, type FuzzSegment, type Setup, Violation } from './model.ts';
import { MOST, ours, peers } from './octets.ts';
import { configOf } from './setup.ts';

const START = seconds(1000);
/** Timers that one wait may see expire; a pace of an octet a second would go on for days. */
const MOST_EXPIRIES = 400;
/** Of timers at the same instant. */
const MOST_AT_ONCE = 20;
/** Segments that may leave at one go; a window of a megabyte in segments of 36 octets is less. */
const MOST_AT_A_GO = 60_000;

export interface EndOptions {
  readonly tracer?: Tracer;
  /** Sees every segment that leaves. */
  readonly onEmit?: (out: TcpSegment, now: Micros) => void;
  /** Nothing is put away. */
  readonly staysWhole?: true;
  /** Makes the connection, where it is to be one with a fault. */
  readonly make?: (...args: ConstructorParameters<typeof Connection>) => Connection;
}

export class End {
  readonly connection: Connection;
  readonly setup: Setup;
  readonly rules: Invariants;
  now: Micros = START;
  written = 0;
  /** Segments that went in, and that came out. */
  segmentsIn = 0;
  segmentsOut = 0;
  /** ACKs that were not looked at, since the next one said as much. */
  merged = 0;
  /** A sum over everything that has left, and when. */
  digest = 0x811c_9dc5;
  /** Timestamp on the last segment that left. */
  lastTsVal = 0;
  /** Bits of Happened that the user has not looked at. */
  happened = 0;

  #opened = false;
  #isInBatch = false;
  #hasWritten = false;
  readonly #staysWhole: boolean;
  readonly #onEmit: EndOptions['onEmit'];
  readonly #out = new TcpSegment();
  #in = new TcpSegment();
  /** An ACK that waits to see what follows it in its batch. */
  #putBy = new TcpSegment();
  #hasPutBy = false;
  #lent: Uint8Array[] = [];
  #scratch = new Uint8Array(2048);

  constructor(setup: Setup, o: EndOptions = {}) {
    this.setup = setup;
    const make = o.make ?? ((...args) => new Connection(...args));
    this.connection = make(1, configOf(setup), o.tracer ?? NO_TRACE);
    this.rules = new Invariants(setup, this.connection);
    this.#staysWhole = o.staysWhole === true;
    this.#onEmit = o.onEmit;
  }

  get state(): State {
    return this.connection.state;
  }

  /** Throws Violation. */
  apply(action: Action): void {
    try {
      // No two batches come in the same microsecond, and writes farther apart than those of which a log can't tell.
      const isWrite = action.do === 'send' || action.do === 'lend' || action.do === 'send urgent';
      if (!this.#isInBatch) this.#wait(micros(this.now + (isWrite && this.#hasWritten ? 50 : 1)));
      this.#isInBatch = action.do === 'segment' && action.more === true;
      this.#hasWritten = isWrite;
      this.#apply(action);
    } catch (error) {
      if (error instanceof Violation) throw error;
      broken('no throw', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  #apply(action: Action): void {
    const { connection: c, now } = this;
    switch (action.do) {
      case 'open': {
        const { iss, tsOffset, tfo, tfoAccept } = this.setup;
        if (c.state !== 'CLOSED' && !(c.state === 'LISTEN' && action.kind === 'active')) break;
        if (c.state === 'CLOSED' && this.#opened) break;
        this.#opened = true;
        const how = action.kind === 'active' ? tfo !== undefined && { tfo, tfoMss: 536 } : tfoAccept && { tfoAccept };
        c.open(action.kind, { iss, tsOffset, ...how }, now);
        break;
      }
      case 'segment':
        this.#arrive(action.seg, action.owned === true);
        if (action.more) return;
        break;
      case 'give way':
        if (c.state !== 'TIME-WAIT') break;
        this.#fill(this.#in, action.seg, false);
        c.giveWay(this.#in, now);
        break;
      case 'send':
      case 'send urgent':
      case 'lend':
        this.#write(action.do, Math.min(action.len, MOST));
        break;
      case 'receive':
        for (let i = 0; i < action.times && this.#read(); i++);
        break;
      case 'close':
        c.close(now);
        break;
      case 'release':
        c.release(now);
        break;
      case 'abort':
        c.abort(now);
        break;
      case 'reuse':
        if (c.state !== 'TIME-WAIT') break;
        c.reuse(now);
        break;
      case 'put away':
        this.#quiet();
        if (!this.#staysWhole) c.putAway();
        return;
      case 'keep lent':
        c.keepLent();
        break;
      case 'set':
        // The generator gives each option a value of its type.
        c.setOption(action.name, action.value as never, now);
        break;
      case 'press':
        c.press(action.pressed, now);
        break;
      case 'icmp':
        c.onIcmpError(action.code, this.#ours(action.seq), now);
        break;
      case 'path':
        c.onPathMss(action.mss, this.#ours(action.seq), now);
        break;
      case 'wait':
        this.#quiet();
        this.#wait(micros(now + action.us));
        return;
    }
    this.#quiet();
  }

  /** What a batch that was not finished leaves over. */
  finish(): void {
    this.apply({ do: 'wait', us: 1 });
  }

  #wait(until: Micros): void {
    let atOnce = 0;
    for (let i = 0; this.connection.nextTimeout() <= until; i++) {
      const at = this.connection.nextTimeout();
      atOnce = at > this.now ? 0 : atOnce + 1;
      if (atOnce > MOST_AT_ONCE) broken('every timer is ahead', `timers are due at ${this.now} for ever`);
      if (i === MOST_EXPIRIES && at > this.now) return;
      if (at > this.now) this.now = at;
      this.connection.onTimeout(this.now);
      this.#quiet();
    }
    this.now = until;
  }

  #arrive(seg: FuzzSegment, owned: boolean): void {
    const { connection: c } = this;
    this.segmentsIn++;
    this.rules.onArrival(seg);
    this.#fill(this.#in, seg, owned);
    if (this.#hasPutBy) {
      const merged = isPureAck(this.#in) && c.mergeAck(this.#putBy, this.#in);
      this.#hasPutBy = false;
      if (merged) this.merged++;
      else c.onSegment(this.#putBy, this.now);
    }
    if (c.state === 'ESTABLISHED' && isPureAck(this.#in)) {
      [this.#in, this.#putBy] = [this.#putBy, this.#in];
      this.#hasPutBy = true;
      return;
    }
    c.onSegment(this.#in, this.now);
    // A driver's buffer is written to again, unless it was handed on.
    if (!owned && seg.len > 0) this.#scratch.fill(0xdd, 0, seg.len + 3);
  }

  #fill(to: TcpSegment, seg: FuzzSegment, owned: boolean): void {
    const { irs, iss } = this.setup;
    to.clear();
    to.seq = toSeq(irs + seg.seq);
    to.ack = seg.flags & TcpFlag.ACK ? toSeq(iss + seg.ack) : toSeq(0);
    to.flags = seg.flags;
    to.wnd = seg.wnd;
    to.urgentPointer = seg.urg ?? 0;
    to.ecn = seg.ecn ?? 0;
    if (seg.mss !== undefined) to.mss = seg.mss;
    if (seg.wscale !== undefined) to.wscale = seg.wscale;
    to.sackPermitted = seg.sackOk === true;
    if (seg.ts !== undefined) {
      to.hasTimestamps = true;
      to.tsVal = seg.ts[0] | 0;
      to.tsEcr = seg.ts[1] | 0;
    }
    const sack = seg.sack ?? NONE;
    to.sackCount = sack.length >> 1;
    for (let i = 0; i < sack.length; i++) to.sack[i] = toSeq(iss + sack[i]!);
    if (seg.tfo !== undefined) {
      to.fastOpenLen = seg.tfo.length >> 1;
      for (let i = 0; i < to.fastOpenLen; i++)
        to.fastOpenCookie[i] = Number.parseInt(seg.tfo.slice(2 * i, 2 * i + 2), 16);
    }
    if (seg.len > 0) {
      const octets = peers(irs + seg.seq + (seg.flags & TcpFlag.SYN ? 1 : 0), seg.len);
      if (owned) to.payload.push(octets.slice(), 0, seg.len);
      else {
        if (this.#scratch.length < seg.len + 3) this.#scratch = new Uint8Array(seg.len + 2048);
        this.#scratch.set(octets, 3);
        to.payload.push(this.#scratch, 3, seg.len);
      }
      to.owned = owned;
    }
  }

  #ours(seq: number): Seq {
    return toSeq(this.setup.iss + seq);
  }

  #write(how: 'send' | 'send urgent' | 'lend', len: number): void {
    const octets = ours(this.written, len);
    if (how !== 'lend') {
      this.written += this.connection.send(octets, this.now, how === 'send urgent');
      return;
    }
    const own = octets.slice();
    const taken = this.connection.lend(own, this.now);
    this.written += taken;
    if (taken > 0) this.#lent.push(own);
  }

  /** False when there is nothing more. */
  #read(): boolean {
    const octets = this.connection.receive(this.now);
    if (octets === 'end') this.rules.onEnd();
    if (typeof octets === 'string') return false;
    this.rules.onRead(octets);
    return true;
  }

  #quiet(): void {
    const { connection: c, now } = this;
    if (this.#hasPutBy) {
      this.#hasPutBy = false;
      c.onSegment(this.#putBy, now);
    }
    for (let n = 0; c.emit(now, this.#out); n++) {
      if (n > MOST_AT_A_GO) broken('few segments answer one', 'segments leave for ever');
      this.#leave();
    }
    c.settle();
    // What was lent is its owner's again, who writes to it.
    if (this.#lent.length > 0 && c.lent === 0) {
      for (const octets of this.#lent) octets.fill(0xee);
      this.#lent = [];
    }
    this.happened |= c.takeEvents();
    this.rules.onQuiet(now);
  }

  #leave(): void {
    const out = this.#out;
    this.segmentsOut++;
    this.rules.onEmit(out, this.now);
    if (out.hasTimestamps) this.lastTsVal = out.tsVal;
    let d = this.digest;
    d = Math.imul(d ^ seqInt(out.seq), 0x0100_0193);
    d = Math.imul(d ^ seqInt(out.ack), 0x0100_0193);
    d = Math.imul(d ^ (out.flags | (out.wnd << 8)), 0x0100_0193);
    d = Math.imul(d ^ (out.payload.len | (out.sackCount << 20)), 0x0100_0193);
    this.digest = Math.imul(d ^ (this.now | 0), 0x0100_0193);
    this.#onEmit?.(out, this.now);
  }
}

const NONE: readonly number[] = [];
