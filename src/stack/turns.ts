/**
 * What follows when connections have been touched, by packets, deadlines or their users. When the batch is over each gets
 * its turn: it is asked what it wants to send, then its user is told what happened, until nothing more does; then one
 * alarm is set for the soonest deadline.
 */
import { Queue } from '../base/queue.ts';
import { type Clock, later, type Micros, ms, NEVER } from '../base/time.ts';
import type { Link } from '../link/link.ts';
import type { Sysctl } from '../tcp/config.ts';
import { Happened } from '../tcp/tcb.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { TcpFlag, TcpSegment } from '../wire/tcp.ts';
import type { StackCounters } from './counters.ts';
import { Deadlines } from './deadlines.ts';
import type { DemuxTable } from './demux.ts';
import type { Endpoint, EndpointHost } from './endpoint.ts';
import type { FastOpenCookies } from './fast-open-cookies.ts';
import { IdleSweep } from './idle-sweep.ts';
import type { IpOutput } from './ip-output.ts';
import type { Listener } from './listener.ts';
import type { PortSource } from './ports.ts';

export const DEFAULT_TTL = 64;

/** In a flood, before timers speak for what may be waiting in it. */
const PATIENCE = ms(50);

/** What it shares with the rest of its stack. */
export interface TurnsParts {
  readonly clock: Clock;
  readonly link: Link;
  readonly address: Ipv4;
  readonly sysctl: Sysctl;
  readonly counters: StackCounters;
  readonly output: IpOutput;
  readonly endpoints: DemuxTable<Endpoint>;
  readonly fastOpens: FastOpenCookies;
  readonly ports: PortSource;
}

export class Turns implements EndpointHost {
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #address: Ipv4;
  readonly #sysctl: Sysctl;
  readonly #counters: StackCounters;
  readonly #output: IpOutput;
  readonly #endpoints: DemuxTable<Endpoint>;
  readonly #fastOpens: FastOpenCookies;
  readonly #ports: PortSource;
  readonly #deadlines = new Deadlines<Endpoint>();
  readonly #sweep = new IdleSweep<Endpoint>((e) => e.connection.putAway());
  readonly #out = new TcpSegment();
  /** To be asked what they want to send, and to be told what happened. */
  readonly #touched = new Queue<Endpoint>();
  readonly #drained = new Queue<Endpoint>();
  /** Those that wait for what their user does when told. */
  readonly #users = new Queue<Endpoint>();
  /** Octets in the buffers of all connections. */
  #memory = 0;
  #pressed = false;
  /** Connections in TIME-WAIT. */
  #timeWaits = 0;
  /** The first thing that a user's callback threw in this batch. */
  #thrown: { readonly error: unknown } | undefined;
  /** The link has said 'full': sending goes on when it says that it is writable. */
  #linkFull = false;
  /** Something of no connection has been given to the link: it is to leave though no connection has anything to send. */
  #sentAlone = false;
  /** What was sent in this batch has an answer, which its connection waits for. */
  #awaits = false;
  /** Inside a batch: what is touched waits for its end. */
  #busy = false;
  /** Behind the last batch another one waits, and until when deadlines wait for it. */
  #moreWaits = false;
  #patientUntil: Micros = NEVER;
  /** When it began, or sending did: a batch takes no time. */
  #batchAt: Micros = 0 as Micros;
  #alarmAt: Micros = NEVER;
  #closed = false;
  readonly #wake = (): void => this.#onAlarm();
  /** `settleSoon` will be called. */
  #isSoon = false;
  readonly #settleSoon = (): void => {
    this.#isSoon = false;
    if (!this.#busy && this.#touched.count > 0) this.#settle();
  };

  constructor(parts: TurnsParts) {
    this.#clock = parts.clock;
    this.#link = parts.link;
    this.#address = parts.address;
    this.#sysctl = parts.sysctl;
    this.#counters = parts.counters;
    this.#output = parts.output;
    this.#endpoints = parts.endpoints;
    this.#fastOpens = parts.fastOpens;
    this.#ports = parts.ports;
  }

  now(): Micros {
    return this.#busy ? this.#batchAt : this.#clock.now();
  }

  /** Between `begin` and `end`. */
  get isBusy(): boolean {
    return this.#busy;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Buffers hold more than tcp_mem_octets. */
  get isPressed(): boolean {
    return this.#pressed;
  }

  touch(endpoint: Endpoint): void {
    this.#mark(endpoint);
    if (!this.#busy) this.#settle();
  }

  /** As touch, but not at once where others may be touched in the same moment: what they send leaves together. */
  touchSoon(endpoint: Endpoint): void {
    this.#mark(endpoint);
    if (this.#busy || this.#isSoon) return;
    if (this.#clock.soon === undefined) {
      this.#settle();
      return;
    }
    this.#isSoon = true;
    this.#clock.soon(this.#settleSoon);
  }

  #mark(endpoint: Endpoint): void {
    if (endpoint.touched) return;
    endpoint.touched = true;
    this.#touched.push(endpoint);
  }

  /** A batch begins. */
  begin(): void {
    this.#busy = true;
    this.#batchAt = this.#clock.now();
  }

  /**
   * It is over. Deadlines are looked at here too: in a flood some drivers don't let the clock's alarm through. `more`: another
   * batch waits. What a timer waits for may be in it: none speaks for it too soon, nor later than `PATIENCE`.
   */
  end(more = false): void {
    this.#moreWaits = more;
    if (!more) this.#patientUntil = NEVER;
    else if (this.#patientUntil === NEVER) this.#patientUntil = later(this.#batchAt, PATIENCE);
    if (!more || this.#batchAt >= this.#patientUntil) {
      this.#patientUntil = NEVER;
      this.#runDeadlines();
    }
    this.#busy = false;
    this.#settle();
  }

  /** The link takes packets again. */
  resume(): void {
    this.#linkFull = false;
    this.begin();
    for (const endpoint of this.#endpoints) this.touch(endpoint);
    this.#busy = false;
    this.#settle();
  }

  /** The last turn, in the middle of a batch too; no alarm after it. */
  close(): void {
    this.#settle();
    this.#closed = true;
    this.#clock.wakeAt(NEVER, this.#wake);
  }

  /** Sends what the connection wants to send now. */
  drain(endpoint: Endpoint): void {
    const { connection } = endpoint;
    const now = this.now();
    const out = this.#out;
    const segmentsOut = this.#counters.segmentsOut;
    while (!this.#linkFull && connection.emit(now, out)) {
      out.srcPort = endpoint.localPort;
      out.dstPort = endpoint.remotePort;
      this.#send(out, endpoint.remoteAddress, connection.wireMss, endpoint.ttl, endpoint.tos);
    }
    if (this.#counters.segmentsOut !== segmentsOut && connection.awaitsAnswer) this.#awaits = true;
    connection.settle();
    this.#deadlines.set(endpoint, connection.nextTimeout());
    if (connection.state === 'ESTABLISHED' && !connection.isPutAway) this.#sweep.stir(endpoint, now);
    this.#account(endpoint, connection.state === 'CLOSED' ? 0 : connection.memory);
  }

  /** Sends a segment that belongs to no connection; ports are set. */
  sendAlone(seg: TcpSegment, to: Ipv4, tos: number): void {
    this.#sentAlone = true;
    this.#send(seg, to, 0, DEFAULT_TTL, tos);
  }

  /** CLOSED, and its place in the table is wanted now; its user is told when the batch is over. */
  retire(endpoint: Endpoint): void {
    this.#endpoints.remove(endpoint);
    this.touch(endpoint);
  }

  #onAlarm(): void {
    this.#alarmAt = NEVER;
    // This process may have slept: no timer is to speak for a segment that has long come.
    this.#moreWaits = false;
    this.#link.poll?.();
    if (this.#closed) return;
    this.begin();
    this.end(this.#moreWaits);
    this.#sweep.run(this.now());
    this.#setAlarm();
  }

  #runDeadlines(): void {
    const now = this.now();
    for (let e = this.#deadlines.due(now); e !== undefined; e = this.#deadlines.due(now)) {
      // Should the link never say that it is writable again, each deadline is another try.
      this.#linkFull = false;
      e.connection.onTimeout(now);
      this.#deadlines.set(e, e.connection.nextTimeout());
      this.touch(e);
    }
  }

  /** Sends what may be sent, tells what happened, until nothing more does; then sets the alarm. */
  #settle(): void {
    const touched = this.#touched;
    const drained = this.#drained;
    if (this.#sentAlone && touched.count === 0) this.#link.flush();
    this.#sentAlone = false;
    while (touched.count > 0) {
      this.begin();
      for (let e = touched.shift(); e !== undefined; e = touched.shift()) {
        if (e.connection.isUsersTurn) {
          // The ACK that ends the handshake is owed whatever the user does, and leaves with it.
          if (e.connection.isNew) this.drain(e);
          this.#users.push(e);
          continue;
        }
        e.touched = false;
        this.drain(e);
        drained.push(e);
      }
      if (drained.count > 0) this.#link.flush();
      for (let e = this.#users.shift(); e !== undefined; e = this.#users.shift()) {
        // What the user does now goes with the ACK: an answer, a FIN, a wider window.
        this.#tell(e);
        e.touched = false;
        this.drain(e);
        if (e.connection.hasNews) drained.push(e);
      }
      this.#link.flush();
      for (let e = drained.shift(); e !== undefined; e = drained.shift()) this.#tell(e);
    }
    this.#busy = false;
    if (this.#awaits) {
      this.#awaits = false;
      this.#link.awaitAnswer?.();
    }
    this.#setAlarm();
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown !== undefined) throw thrown.error;
  }

  #send(seg: TcpSegment, to: Ipv4, mss: number, ttl: number, tos: number): void {
    if (seg.has(TcpFlag.RST)) this.#counters.resetsOut++;
    const outcome = this.#output.send(seg, this.#address, to, mss, ttl, tos);
    if (outcome === 'sent') this.#counters.segmentsOut++;
    else this.#counters.sendFailures++;
    if (outcome === 'full') this.#linkFull = true;
  }

  /** Counts what buffers hold in all; above tcp_mem_octets every connection is pressed, until a quarter is free again. */
  #account(endpoint: Endpoint, held: number): void {
    this.#memory += held - endpoint.memory;
    endpoint.memory = held;
    const limit = this.#sysctl.tcp_mem_octets;
    const pressed = this.#pressed ? this.#memory > (limit * 3) / 4 : this.#memory > limit;
    if (pressed === this.#pressed) return;
    this.#pressed = pressed;
    const now = this.now();
    for (const each of this.#endpoints) {
      each.connection.press(pressed, now);
      if (each !== endpoint) this.touch(each);
    }
  }

  #tell(endpoint: Endpoint): void {
    const happened = endpoint.connection.takeEvents();
    if (happened === 0 && endpoint.state !== 'LISTEN') return;
    const { listener } = endpoint;
    if (listener !== undefined) this.#tellListener(listener, endpoint, happened);
    if (happened & Happened.cookie) {
      const grant = endpoint.connection.fastOpenGrant;
      if (grant !== undefined) this.#fastOpens.remember(endpoint.remoteAddress, grant);
      else if (endpoint.connection.fastOpenRefused) this.#fastOpens.refused(endpoint.remoteAddress, this.now());
    }
    if (happened & Happened.timeWait && !endpoint.inTimeWait) this.#beginTimeWait(endpoint);
    if (happened & Happened.closed) {
      if (endpoint.inTimeWait) this.#timeWaits--;
      this.#sweep.forget(endpoint);
      this.#ports.release(endpoint.localPort);
      if (endpoint.connection.defect !== undefined) this.#counters.defects++;
      this.#endpoints.remove(endpoint);
      this.#account(endpoint, 0);
    }
    this.#call(endpoint.onEvent);
  }

  #tellListener(listener: Listener, endpoint: Endpoint, happened: number): void {
    // Reset before it was established: the listener goes on listening, its child is of no more use (MUST-11).
    if (endpoint.state === 'LISTEN') endpoint.shutdown();
    if (happened & Happened.connected && endpoint.state !== 'LISTEN') {
      listener.established(endpoint);
      this.#call(listener.onConnection);
    } else if (happened & Happened.closed || endpoint.state === 'LISTEN') listener.gone(endpoint);
  }

  /** Its last ACK has left; beyond tcp_max_tw_buckets it ends there, as in Linux. */
  #beginTimeWait(endpoint: Endpoint): void {
    endpoint.inTimeWait = true;
    this.#timeWaits++;
    if (this.#timeWaits <= this.#sysctl.tcp_max_tw_buckets) return;
    this.#counters.timeWaitOverflow++;
    endpoint.connection.reuse(this.now());
    this.touch(endpoint);
  }

  /** Calls the user. What the user throws comes out when the batch is done, so that no other connection misses anything. */
  #call(user: (() => void) | undefined): void {
    try {
      user?.();
    } catch (error) {
      this.#thrown ??= { error };
    }
  }

  #setAlarm(): void {
    const at = Math.min(this.#deadlines.next, this.#sweep.next) as Micros;
    if (at === this.#alarmAt || this.#closed) return;
    this.#alarmAt = at;
    this.#clock.wakeAt(at, this.#wake);
  }
}
