/**
 * A TCP over IPv4 that anyone can embed: it joins the core, IP and a link, and takes clock, randomness and link from
 * its caller. Segments are handed to their connection as they come; when the batch is over, each connection that was
 * touched is asked what it wants to send, then what happened is told, and one alarm is set for the soonest deadline.
 */

import { HalfSipHash } from '../base/half-siphash.ts';
import { Queue } from '../base/queue.ts';
import type { Random } from '../base/random.ts';
import { type Seq, seqInt, seqMax, toSeq } from '../base/seq.ts';
import { SipHash } from '../base/siphash.ts';
import type { Clock, Micros } from '../base/time.ts';
import type { Link, LinkError, LinkReceiver, PacketIn } from '../link/link.ts';
import { answerClosed } from '../tcp/closed.ts';
import {
  type ConnectionConfig,
  DEFAULT_SOCKET_OPTIONS,
  type PathConfig,
  type Profile,
  profileSysctl,
  type SocketOptions,
  type Sysctl,
} from '../tcp/config.ts';
import { Connection } from '../tcp/connection.ts';
import { initialSequence, timestampOffset } from '../tcp/isn.ts';
import { isPureAck } from '../tcp/merge-acks.ts';
import { Happened } from '../tcp/tcb.ts';
import { NO_TRACE, type Tracer } from '../tcp/trace.ts';
import type { OpenArgs } from '../tcp/user-calls.ts';
import { IcmpType, UnreachableCode } from '../wire/icmp.ts';
import { IPV4_HEADER_LEN, type Ipv4, isBroadcast, isLoopback, isMulticast, isUnspecified } from '../wire/ipv4.ts';
import { TCP_HEADER_LEN, TcpFlag, TcpSegment } from '../wire/tcp.ts';
import { checkCongestion, checkOptions } from './check-options.ts';
import { newCounters, type StackCounters } from './counters.ts';
import { Deadlines } from './deadlines.ts';
import { DemuxTable } from './demux.ts';
import { type Addresses, Endpoint, type EndpointHost } from './endpoint.ts';
import { TcpError } from './errors.ts';
import { FastOpenCookies } from './fast-open-cookies.ts';
import { unreachableError } from './icmp-codes.ts';
import { IdleSweep } from './idle-sweep.ts';
import { IpInput } from './ip-input.ts';
import { IpOutput } from './ip-output.ts';
import { Listener } from './listener.ts';
import { type PassiveHost, PassiveOpens } from './passive-opens.ts';
import { ALL_EPHEMERAL, PortChoice, type PortSource } from './ports.ts';

/** The core's tracer, and the endpoints that the core doesn't know. */
export interface StackTracer extends Tracer {
  /** A connection exists from now on; comes before its first record. */
  open(conn: number, endpoint: Endpoint, t: Micros): void;
}

export interface StackOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly link: Link;
  /** Our address. */
  readonly address: Ipv4;
  /** 'linux' when absent. */
  readonly profile?: Profile;
  /** What differs from the profile's. */
  readonly sysctl?: Partial<Sysctl>;
  /** Octets of MSS announced, where less than the link can receive is wanted. */
  readonly advmss?: number;
  /** Ports whose segments are ours to answer with RST when there is no connection; without it all are. */
  readonly ownsPort?: (port: number) => boolean;
  /** Where connections come from that name no port; 32768 to 60999 when absent. */
  readonly ports?: PortSource;
  readonly tracer?: StackTracer;
  /** The next connection's number; counts from 1 when absent. For stacks that share a tracer. */
  readonly nextId?: () => number;
  /** A failure of the link; fatal ones also end every connection with ENETUNREACH. */
  readonly onLinkError?: (error: LinkError) => void;
}

export interface ConnectOptions {
  readonly address: Ipv4;
  readonly port: number;
  /** One of the stack's source ports when absent, as RFC 6056 chooses. */
  readonly localPort?: number;
  /** IP_TTL; 64 when absent. */
  readonly ttl?: number;
  /** Sent first; with Fast Open, on the SYN where a cookie allows it. What the send buffer can't take is not sent. */
  readonly data?: Uint8Array;
  /**
   * TCP Fast Open (RFC 7413): data may reach the peer twice if the network repeats our SYN, so only for what bears that.
   * With a cookie that another stack was given, and the peer's MSS; `true`: with one that this stack was given, or asking.
   */
  readonly fastOpen?: boolean | { readonly cookie: string; readonly mss?: number };
  readonly options?: Partial<SocketOptions>;
}

export interface ListenOptions {
  readonly port: number;
  /** Most connections not yet accepted, half-open ones included; 511 when absent, as in Node. */
  readonly backlog?: number;
  readonly options?: Partial<SocketOptions>;
}

/** What a connection begins with beside what is drawn for each. */
interface HowToOpen extends Pick<OpenArgs, 'tfo' | 'tfoMss' | 'tfoAccept'> {
  /** The last incarnation of the same addresses and ports ended below it. */
  readonly leastIss?: Seq | undefined;
  /** The ISN that a SYN cookie was. */
  readonly cookieIss?: number | undefined;
}

const DEFAULT_TTL = 64;
/** RFC 9293 §3.7.1: what a peer over IPv4 takes that announces no MSS. */
const IPV4_DEFAULT_MSS = 536;

export class Stack implements LinkReceiver, EndpointHost, PassiveHost {
  readonly address: Ipv4;
  readonly counters: StackCounters = newCounters();
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #profile: Profile;
  readonly #sysctl: Sysctl;
  readonly #path: PathConfig;
  readonly #tracer: StackTracer | undefined;
  readonly #ownsPort: (port: number) => boolean;
  readonly #onLinkError: ((error: LinkError) => void) | undefined;
  readonly #prf: SipHash;
  readonly #input: IpInput;
  readonly #output: IpOutput;
  readonly #endpoints: DemuxTable<Endpoint>;
  readonly #deadlines = new Deadlines<Endpoint>();
  readonly #sweep = new IdleSweep<Endpoint>((e) => e.connection.putAway());
  readonly #fastOpens: FastOpenCookies;
  readonly #passives: PassiveOpens;
  readonly #ports: PortSource;
  readonly #portChoice: PortChoice;
  readonly #listeners = new Map<number, Listener>();
  readonly #out = new TcpSegment();
  /** A pure ACK that waits for what comes behind it in this batch, and whose it is. */
  #ack: TcpSegment = this.#out;
  #ackEndpoint: Endpoint | undefined;
  /** To be asked what they want to send, and to be told what happened. */
  readonly #touched = new Queue<Endpoint>();
  readonly #drained = new Queue<Endpoint>();
  /** Those that wait for what their user does when told. */
  readonly #users = new Queue<Endpoint>();
  readonly #nextId: () => number;
  /** Octets in the buffers of all connections. */
  #memory = 0;
  #pressed = false;
  /** Connections in TIME-WAIT. */
  #timeWaits = 0;
  #lastConfig: ConnectionConfig | undefined;
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
  /** When it began, or sending did: a batch takes no time. */
  #batchAt: Micros = 0 as Micros;
  #alarmAt: Micros = Number.POSITIVE_INFINITY as Micros;
  #closed = false;
  readonly #wake = (): void => this.#onAlarm();

  constructor(o: StackOptions) {
    this.address = o.address;
    this.#clock = o.clock;
    this.#link = o.link;
    this.#profile = o.profile ?? 'linux';
    this.#sysctl = { ...profileSysctl(this.#profile), ...o.sysctl };
    checkCongestion('tcp_congestion_control', this.#sysctl.tcp_congestion_control);
    const headers = IPV4_HEADER_LEN + TCP_HEADER_LEN;
    this.#path = {
      receiveMss: Math.min(o.advmss ?? 65_495, Math.min(o.link.mtu, o.link.receiveMtu) - headers),
      sendMss: o.link.mtu - headers,
      defaultMss: IPV4_DEFAULT_MSS,
      maxGsoPayload: o.link.maxGsoPayload,
    };
    this.#tracer = o.tracer;
    let lastId = 0;
    this.#nextId = o.nextId ?? (() => ++lastId);
    this.#ownsPort = o.ownsPort ?? (() => true);
    this.#onLinkError = o.onLinkError;
    this.#prf = new SipHash(o.random);
    this.#input = new IpInput(o.address, this.counters);
    this.#output = new IpOutput(o.link, o.random.uint32());
    this.#endpoints = new DemuxTable(new HalfSipHash(o.random));
    this.#fastOpens = new FastOpenCookies(this.#prf);
    this.#passives = new PassiveOpens(this, this.#prf, this.#fastOpens);
    this.#ports = o.ports ?? ALL_EPHEMERAL;
    this.#portChoice = new PortChoice(this.#ports, this.#prf, o.random);
    this.#link.start(this);
  }

  now(): Micros {
    return this.#busy ? this.#batchAt : this.#clock.now();
  }

  /** Active OPEN. Throws TcpError on what can't be asked; everything else is told by the endpoint. */
  connect(o: ConnectOptions): Endpoint {
    checkPort(o.port);
    if (isBroadcast(o.address) || isMulticast(o.address) || isUnspecified(o.address))
      throw new TcpError('ENETUNREACH', 'the address is not one host', 'give the address of one host');
    const localPort = o.localPort ?? this.#ephemeralPort(o.address, o.port);
    checkPort(localPort);
    const addresses = { localAddress: this.address, localPort, remoteAddress: o.address, remotePort: o.port };
    const old = this.#endpoints.find(this.address, localPort, o.address, o.port);
    let leastIss: Seq | undefined;
    if (old !== undefined) {
      if (!this.#mayReuse(old))
        throw new TcpError(
          'EADDRINUSE',
          `port ${localPort} already has a connection to that address and port`,
          'choose another port, or wait until its TIME-WAIT is over',
        );
      leastIss = old.connection.nextIss;
      old.connection.reuse(this.now());
      this.#retire(old);
    }
    const endpoint = this.#newEndpoint(addresses, this.#config(o.options), o.ttl ?? DEFAULT_TTL);
    const grant = this.#fastOpenGrant(o);
    this.#open(endpoint, 'active', { leastIss, tfo: grant?.cookie, tfoMss: grant?.mss });
    if (o.data !== undefined) endpoint.connection.send(o.data, this.now());
    this.touch(endpoint);
    return endpoint;
  }

  /** Passive OPEN. */
  listen(o: ListenOptions): Listener {
    checkPort(o.port);
    if (this.#listeners.has(o.port))
      throw new TcpError('EADDRINUSE', `port ${o.port} is already listening`, 'choose another port');
    const listener = new Listener(o.port, o.backlog ?? 511, this.#config(o.options), (l) =>
      this.#listeners.delete(l.port),
    );
    this.#listeners.set(o.port, listener);
    return listener;
  }

  /** Every connection, in no order. */
  endpoints(): IterableIterator<Endpoint> {
    return this.#endpoints[Symbol.iterator]();
  }

  /** Every listener, in no order. */
  listeners(): IterableIterator<Listener> {
    return this.#listeners.values();
  }

  /** Aborts what is left and closes the link. Idempotent. */
  close(): void {
    if (this.#closed) return;
    for (const listener of this.#listeners.values()) listener.close();
    for (const endpoint of [...this.#endpoints]) endpoint.abort();
    // In the middle of a batch too: the RSTs are to leave before the link closes.
    this.#settle();
    this.#closed = true;
    this.#clock.wakeAt(Number.POSITIVE_INFINITY as Micros, this.#wake);
    this.#link.close();
  }

  // What the link says.

  onPacket(packet: PacketIn): void {
    if (!this.#busy) this.#begin();
    const arrival = this.#input.take(packet);
    if (arrival === 'nothing') return;
    if (arrival === 'segment' && this.#ackEndpoint !== undefined && this.#mergeAck()) return;
    this.#takeAck();
    if (arrival === 'segment') this.#onSegment(this.#input.segment, this.#input.source);
    else this.#onIcmpError();
  }

  /** Deadlines are looked at here too: in a flood some drivers don't let the clock's alarm through. */
  onBatchEnd(): void {
    this.#takeAck();
    this.#runDeadlines();
    this.#busy = false;
    this.#settle();
  }

  onWritable(): void {
    this.#linkFull = false;
    this.#begin();
    for (const endpoint of this.#endpoints) this.touch(endpoint);
    this.#busy = false;
    this.#settle();
  }

  onError(error: LinkError): void {
    this.#onLinkError?.(error);
    if (!error.fatal) return;
    for (const endpoint of [...this.#endpoints]) {
      endpoint.connection.abort(this.now(), 'ENETUNREACH');
      this.touch(endpoint);
    }
  }

  // What passive opens ask.

  newChild(addresses: Addresses, listener: Listener): Endpoint {
    return this.#newEndpoint(addresses, listener.config, DEFAULT_TTL, listener);
  }

  openChild(child: Endpoint, cookieIss: number): void {
    this.#open(child, 'passive', { cookieIss });
  }

  sendAlone(seg: TcpSegment, to: Ipv4): void {
    this.#sentAlone = true;
    this.#send(seg, to, 0, DEFAULT_TTL);
  }

  // What endpoints say.

  touch(endpoint: Endpoint): void {
    if (!endpoint.touched) {
      endpoint.touched = true;
      this.#touched.push(endpoint);
    }
    if (!this.#busy) this.#settle();
  }

  #begin(): void {
    this.#busy = true;
    this.#batchAt = this.#clock.now();
  }

  /** The segment taken last is a pure ACK of the same connection as the one put by: it takes its place, or comes after it. */
  #mergeAck(): boolean {
    const seg = this.#input.segment;
    const endpoint = this.#ackEndpoint!;
    const isSame =
      isPureAck(seg) &&
      seg.dstPort === endpoint.localPort &&
      seg.srcPort === endpoint.remotePort &&
      this.#input.source === endpoint.remoteAddress;
    if (!isSame) return false;
    if (!endpoint.connection.mergeAck(this.#ack, seg)) this.#takeAck();
    this.#ackEndpoint = endpoint;
    this.#ack = this.#input.putBy();
    return true;
  }

  /** The ACK that was put by is looked at. */
  #takeAck(): void {
    const endpoint = this.#ackEndpoint;
    if (endpoint === undefined) return;
    this.#ackEndpoint = undefined;
    endpoint.connection.onSegment(this.#ack, this.now());
    this.touch(endpoint);
  }

  #onSegment(seg: TcpSegment, source: Ipv4): void {
    let endpoint = this.#endpoints.find(this.address, seg.dstPort, source, seg.srcPort);
    let listener: Listener | undefined;
    if (endpoint === undefined || endpoint.state === 'TIME-WAIT') {
      listener = this.#listeners.get(seg.dstPort);
      endpoint =
        endpoint === undefined ? this.#passive(listener, seg, source) : this.#reborn(endpoint, listener, seg, source);
    }
    if (endpoint !== undefined) {
      // Nobody has accepted the earlier ones: the peer will send this again (Linux's behaviour).
      if (endpoint.listener?.isAcceptQueueFull && endpoint.state === 'SYN-RECEIVED') this.counters.backlogFull++;
      else if (endpoint.state === 'ESTABLISHED' && isPureAck(seg)) {
        this.#ackEndpoint = endpoint;
        this.#ack = this.#input.putBy();
        return;
      } else {
        endpoint.connection.onSegment(seg, this.now());
        // The sender's recovery wants to hear of each arrival as it comes (RFC 5681 §4.2), not of a batch of them.
        if (endpoint.connection.isInDisorder) this.#drain(endpoint);
      }
      this.touch(endpoint);
      return;
    }
    // §3.10.7.2: in LISTEN only an ACK is answered, and a SYN that found no room has been counted.
    if (listener !== undefined && !seg.has(TcpFlag.ACK)) return;
    this.counters.noConnection++;
    if (this.#ownsPort(seg.dstPort) && answerClosed(seg, this.#out)) this.sendAlone(this.#out, source);
  }

  #passive(listener: Listener | undefined, seg: TcpSegment, source: Ipv4): Endpoint | undefined {
    if (listener === undefined) return undefined;
    if (!isFirstSyn(seg)) return this.#passives.fromCookie(listener, seg, source);
    if (this.#pressed) {
      this.counters.memoryFull++;
      return undefined;
    }
    const child = this.#passives.begin(listener, seg, source);
    if (child !== undefined) this.#open(child, 'passive', this.#passives.fastOpen(listener, child, seg));
    return child;
  }

  /** A younger SYN for a connection in TIME-WAIT begins the next incarnation, where someone listens (RFC 6191). */
  #reborn(old: Endpoint, listener: Listener | undefined, seg: TcpSegment, source: Ipv4): Endpoint | undefined {
    if (listener === undefined || !isFirstSyn(seg)) return old;
    const iss = old.connection.nextIss;
    if (!old.connection.giveWay(seg, this.now())) return old;
    this.#retire(old);
    const child = this.#passives.begin(listener, seg, source);
    if (child !== undefined) this.#open(child, 'passive', { leastIss: iss });
    return child;
  }

  #onIcmpError(): void {
    const { icmp, quote } = this.#input;
    const endpoint = this.#endpoints.find(this.address, quote.srcPort, quote.ip.dst, quote.dstPort);
    if (endpoint === undefined) {
      this.counters.icmpIgnored++;
      return;
    }
    const now = this.now();
    if (icmp.type === IcmpType.UNREACHABLE && icmp.code === UnreachableCode.FRAGMENTATION_NEEDED) {
      // RFC 1191 §5: a router too old to say what fits; then the least that every host takes.
      const mtu = icmp.nextHopMtu >= 68 ? icmp.nextHopMtu : 576;
      endpoint.connection.onPathMss(mtu - IPV4_HEADER_LEN - TCP_HEADER_LEN, quote.seq, now);
    } else {
      const code = unreachableError(icmp.type, icmp.code);
      if (code === undefined) return;
      endpoint.connection.onIcmpError(code, quote.seq, now);
    }
    this.touch(endpoint);
  }

  #onAlarm(): void {
    this.#alarmAt = Number.POSITIVE_INFINITY as Micros;
    // This process may have slept: no timer is to speak for a segment that has long come.
    this.#link.poll?.();
    if (this.#closed) return;
    this.#begin();
    this.#runDeadlines();
    this.#busy = false;
    this.#settle();
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
      this.#begin();
      for (let e = touched.shift(); e !== undefined; e = touched.shift()) {
        if (e.connection.isUsersTurn) {
          this.#users.push(e);
          continue;
        }
        e.touched = false;
        this.#drain(e);
        drained.push(e);
      }
      this.#link.flush();
      for (let e = this.#users.shift(); e !== undefined; e = this.#users.shift()) {
        // What the user does now goes with the ACK: an answer, a FIN, a wider window.
        this.#tell(e);
        e.touched = false;
        this.#drain(e);
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

  /** Calls the user. What the user throws comes out when the batch is done, so that no other connection misses anything. */
  #call(user: (() => void) | undefined): void {
    try {
      user?.();
    } catch (error) {
      this.#thrown ??= { error };
    }
  }

  #drain(endpoint: Endpoint): void {
    const { connection } = endpoint;
    const now = this.now();
    const out = this.#out;
    const segmentsOut = this.counters.segmentsOut;
    while (!this.#linkFull && connection.emit(now, out)) {
      out.srcPort = endpoint.localPort;
      out.dstPort = endpoint.remotePort;
      this.#send(out, endpoint.remoteAddress, connection.wireMss, endpoint.ttl);
    }
    if (this.counters.segmentsOut !== segmentsOut && connection.awaitsAnswer) this.#awaits = true;
    connection.settle();
    this.#deadlines.set(endpoint, connection.nextTimeout());
    if (connection.state === 'ESTABLISHED' && !connection.isPutAway) this.#sweep.stir(endpoint, now);
    this.#account(endpoint, connection.state === 'CLOSED' ? 0 : connection.memory);
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

  #send(seg: TcpSegment, to: Ipv4, mss: number, ttl: number): void {
    if (seg.has(TcpFlag.RST)) this.counters.resetsOut++;
    const outcome = this.#output.send(seg, this.address, to, mss, ttl);
    if (outcome === 'sent') this.counters.segmentsOut++;
    else this.counters.sendFailures++;
    if (outcome === 'full') this.#linkFull = true;
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
      if (endpoint.connection.defect !== undefined) this.counters.defects++;
      this.#endpoints.remove(endpoint);
      this.#account(endpoint, 0);
    }
    this.#call(endpoint.onEvent);
  }

  /** Its last ACK has left; beyond tcp_max_tw_buckets it ends there, as in Linux. */
  #beginTimeWait(endpoint: Endpoint): void {
    endpoint.inTimeWait = true;
    this.#timeWaits++;
    if (this.#timeWaits <= this.#sysctl.tcp_max_tw_buckets) return;
    this.counters.timeWaitOverflow++;
    endpoint.connection.reuse(this.now());
    this.touch(endpoint);
  }

  /** CLOSED, and its place in the table is wanted now; its user is told when the batch is over. */
  #retire(endpoint: Endpoint): void {
    this.#endpoints.remove(endpoint);
    this.touch(endpoint);
  }

  #tellListener(listener: Listener, endpoint: Endpoint, happened: number): void {
    // Reset before it was established: the listener goes on listening, its child is of no more use (MUST-11).
    if (endpoint.state === 'LISTEN') endpoint.shutdown();
    if (happened & Happened.connected && endpoint.state !== 'LISTEN') {
      listener.established(endpoint);
      this.#call(listener.onConnection);
    } else if (happened & Happened.closed || endpoint.state === 'LISTEN') listener.gone(endpoint);
  }

  #setAlarm(): void {
    const at = Math.min(this.#deadlines.next, this.#sweep.next) as Micros;
    if (at === this.#alarmAt || this.#closed) return;
    this.#alarmAt = at;
    this.#clock.wakeAt(at, this.#wake);
  }

  /** One for all connections in a row that want the same: there may be a million of them. */
  #config(given: Partial<SocketOptions> | undefined): ConnectionConfig {
    const last = this.#lastConfig;
    if (last !== undefined && given === undefined && last.options === DEFAULT_SOCKET_OPTIONS) return last;
    const options =
      given === undefined ? DEFAULT_SOCKET_OPTIONS : { ...DEFAULT_SOCKET_OPTIONS, ...checkOptions(given) };
    if (last !== undefined && isSame(last.options, options)) return last;
    this.#lastConfig = { profile: this.#profile, sysctl: this.#sysctl, options, path: this.#path };
    return this.#lastConfig;
  }

  #newEndpoint(addresses: Addresses, config: ConnectionConfig, ttl: number, listener?: Listener): Endpoint {
    const connection = new Connection(this.#nextId(), config, this.#tracer ?? NO_TRACE);
    const endpoint = new Endpoint(this, connection, addresses, ttl, listener);
    this.#endpoints.add(endpoint);
    this.#ports.take(addresses.localPort);
    return endpoint;
  }

  #open(endpoint: Endpoint, kind: 'active' | 'passive', how: HowToOpen): void {
    const now = this.now();
    const { localAddress, remoteAddress, localPort, remotePort } = endpoint;
    if (this.#tracer?.enabled) this.#tracer.open(endpoint.id, endpoint, now);
    const ports = (localPort << 16) | remotePort;
    const drawn = toSeq(initialSequence(this.#prf, localAddress, remoteAddress, ports, now));
    const { cookieIss, leastIss } = how;
    const iss = cookieIss ?? seqInt(leastIss === undefined ? drawn : seqMax(drawn, leastIss));
    const tsOffset = timestampOffset(this.#prf, localAddress, remoteAddress, ports);
    const cookie = cookieIss === undefined ? undefined : true;
    const { tfo, tfoMss, tfoAccept } = how;
    endpoint.connection.open(kind, { iss, tsOffset, cookie, tfo, tfoMss, tfoAccept }, now);
    if (this.#pressed) endpoint.connection.press(true, now);
  }

  /** Fast Open as client: with the cookie of last time the data goes on the SYN, else one is asked for (RFC 7413 §3). */
  #fastOpenGrant(o: ConnectOptions): { readonly cookie: string; readonly mss: number | undefined } | undefined {
    const { fastOpen = false } = o;
    if (fastOpen === false || (this.#sysctl.tcp_fastopen & 1) === 0) return undefined;
    if (fastOpen === true && this.#fastOpens.isRefused(o.address, this.now())) return undefined;
    const grant = fastOpen === true ? this.#fastOpens.from(o.address) : fastOpen;
    if (grant === undefined) return { cookie: '', mss: undefined };
    return { cookie: grant.cookie, mss: grant.mss ?? IPV4_DEFAULT_MSS };
  }

  /** A connection in TIME-WAIT whose timestamps tell its segments from those of the next (RFC 6191; sysctl tcp_tw_reuse). */
  #mayReuse(old: Endpoint): boolean {
    const { tcp_tw_reuse } = this.#sysctl;
    const allowed = tcp_tw_reuse === 1 || (tcp_tw_reuse === 2 && isLoopback(old.remoteAddress));
    return allowed && old.state === 'TIME-WAIT' && old.connection.isOldEnough(this.now());
  }

  #ephemeralPort(remote: Ipv4, remotePort: number): number {
    const chosen = this.#portChoice.choose(remote, remotePort, (port) => {
      const old = this.#endpoints.find(this.address, port, remote, remotePort);
      return (old === undefined || this.#mayReuse(old)) && !this.#listeners.has(port);
    });
    if (chosen !== undefined) return chosen;
    throw new TcpError(
      'EADDRNOTAVAIL',
      'every local port has a connection to that address and port',
      'close some, or wait until their TIME-WAIT is over',
    );
  }
}

function isSame(a: Readonly<SocketOptions>, b: Readonly<SocketOptions>): boolean {
  for (const name in a) if (a[name as keyof SocketOptions] !== b[name as keyof SocketOptions]) return false;
  return true;
}

/** What begins a connection. */
function isFirstSyn(seg: TcpSegment): boolean {
  return (seg.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.SYN;
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new TcpError('EINVAL', `${port} is no port`, 'ports go from 1 to 65535');
}
