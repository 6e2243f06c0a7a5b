/**
 * One end of a connection as its user holds it: addresses, and the core's calls without the time. Every call is
 * synchronous and takes effect before it returns, segments included, unless made from `onEvent`, where it takes effect
 * when the callback returns.
 */
import { type Micros, NEVER } from '../base/time.ts';
import type { SocketOptions } from '../tcp/config.ts';
import type { Connection } from '../tcp/connection.ts';
import type { TcpInfo } from '../tcp/info.ts';
import type { State } from '../tcp/machine.ts';
import type { ErrorCode } from '../tcp/tcb.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { checkOption } from './check-options.ts';
import type { Due } from './deadlines.ts';
import type { Demuxed } from './demux.ts';
import type { Sweepable } from './idle-sweep.ts';
import type { Listener } from './listener.ts';

/** What an endpoint needs of its stack. */
export interface EndpointHost {
  now(): Micros;
  /** The endpoint was touched: let it send and tell. */
  touch(endpoint: Endpoint): void;
  /** The same with what else is touched in this moment. */
  touchSoon(endpoint: Endpoint): void;
}

export interface Addresses {
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
}

export class Endpoint implements Demuxed<Endpoint>, Due, Sweepable {
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
  /** IP_TTL of what we send. */
  readonly ttl: number;
  /** Called after a batch in which something changed: look at `state`, `receive`, `sendRoom`. */
  onEvent: (() => void) | undefined = undefined;

  // For the stack only.
  /** IP_TOS of what we send: what each segment needs, and TIME-WAIT too, when options are kept no more. */
  tos: number;
  next: Endpoint | undefined = undefined;
  dueAt: Micros = NEVER;
  sortedAt: Micros = NEVER;
  place = -1;
  sweepPlace = -1;
  roundsLeft = 0;
  patience = 0;
  touched = false;
  memory = 0;
  inTimeWait = false;
  /** The listener whose child this is, until it is accepted. */
  listener: Listener | undefined;
  readonly connection: Connection;
  readonly #host: EndpointHost;

  constructor(host: EndpointHost, connection: Connection, addresses: Addresses, ttl: number, listener?: Listener) {
    this.#host = host;
    this.connection = connection;
    this.localAddress = addresses.localAddress;
    this.localPort = addresses.localPort;
    this.remoteAddress = addresses.remoteAddress;
    this.remotePort = addresses.remotePort;
    this.ttl = ttl;
    this.tos = connection.options.IP_TOS;
    this.listener = listener;
  }

  /** Names the connection in the trace; counts from 1, unless the stack was told otherwise. */
  get id(): number {
    return this.connection.id;
  }

  get state(): State {
    return this.connection.state;
  }

  /** Why the connection ended; undefined while it lives and after an orderly end. */
  get error(): ErrorCode | undefined {
    return this.connection.error;
  }

  /** The last ICMP error that did not end the connection. */
  get softError(): ErrorCode | undefined {
    return this.connection.softError;
  }

  /** Octets that `send` would take now. */
  get sendRoom(): number {
    return this.connection.sendRoom;
  }

  /** Octets that may be queued at once; it grows with the congestion window. */
  get sendCapacity(): number {
    return this.connection.sendCapacity;
  }

  /** Octets queued: unsent and unacknowledged. */
  get sendQueued(): number {
    return this.connection.sendQueued;
  }

  /**
   * Copies what it takes; returns how many octets that were. `onEvent` comes when a send that took less may go on.
   * `more`: another call follows at once, and nothing leaves before that.
   */
  send(octets: Uint8Array, more = false): number {
    const taken = this.connection.send(octets, this.#host.now());
    if (!more) this.#host.touch(this);
    return taken;
  }

  /**
   * Takes all of `octets` and copies nothing: they leave from where they lie, and must not be written to before `lent` is
   * 0. `onEvent` comes then: when they are acknowledged, or, where all have left and that takes longer, have been copied
   * after all. Returns 0 when the stream has ended. `more` as for `send`.
   */
  lend(octets: Uint8Array, more = false): number {
    const taken = this.connection.lend(octets, this.#host.now());
    if (!more) this.#host.touch(this);
    return taken;
  }

  /** Octets that were lent and are still referred to. */
  get lent(): number {
    return this.connection.lent;
  }

  /** What was lent is copied now, and its owner's again; `ifLeft`: unless some of it has not been sent. */
  keepLent(ifLeft = false): void {
    this.connection.keepLent(ifLeft);
    this.#host.touch(this);
  }

  /** As `send`, announced as urgent with all that is queued before (RFC 9293 §3.8.5; new programs should not). */
  sendUrgent(octets: Uint8Array): number {
    const taken = this.connection.send(octets, this.#host.now(), true);
    this.#host.touch(this);
    return taken;
  }

  /** Octets still to be read up to the urgent mark; 0 when there is none ahead. */
  get urgentAhead(): number {
    return this.connection.urgentAhead;
  }

  /** The next octets in order; 'end' after the peer's FIN, or when the connection is closed. */
  receive(): Uint8Array | 'empty' | 'end' {
    const octets = this.connection.receive(this.#host.now());
    if (typeof octets !== 'string') this.#host.touch(this);
    return octets;
  }

  /** `octets`, which `receive` gave, with those that are next, as far as these lie behind them in memory. */
  receiveBehind(octets: Uint8Array): Uint8Array {
    const { buffer, byteOffset } = octets;
    let end = byteOffset + octets.length;
    for (let next = this.connection.unread; next?.buffer === buffer; next = this.connection.unread) {
      if (next.byteOffset !== end) break;
      this.receive();
      end += next.length;
    }
    return end - byteOffset === octets.length ? octets : new Uint8Array(buffer, byteOffset, end - byteOffset);
  }

  /** RFC 9293's CLOSE: our FIN follows what is queued; receiving goes on. */
  shutdown(): void {
    this.connection.close(this.#host.now());
    this.#host.touchSoon(this);
  }

  /** CLOSE, and no more reading: unread or later octets are answered by RST (RFC 9293 §3.6.1). */
  close(): void {
    this.connection.release(this.#host.now());
    this.#host.touch(this);
  }

  /** RST, and everything queued is forgotten. */
  abort(): void {
    this.connection.abort(this.#host.now());
    this.#host.touch(this);
  }

  getOption<K extends keyof SocketOptions>(name: K): SocketOptions[K] {
    return this.connection.options[name];
  }

  setOption<K extends keyof SocketOptions>(name: K, value: SocketOptions[K]): void {
    checkOption(name, value);
    this.connection.setOption(name, value, this.#host.now());
    if (name === 'IP_TOS') this.tos = this.connection.options.IP_TOS;
    this.#host.touch(this);
  }

  info(): TcpInfo {
    return this.connection.info();
  }
}
