/**
 * The kernel's socket calls on our stack, as far as scenarios make them: descriptors, blocking, and which call is told
 * which error, after Linux. Needs neither clock nor wire: whoever owns the stack says when to look again at what blocks.
 */
import type { Endpoint } from '../../stack/endpoint.ts';
import { TcpError } from '../../stack/errors.ts';
import type { Listener } from '../../stack/listener.ts';
import type { Stack } from '../../stack/stack.ts';
import type { ConnectOptions } from '../../stack/stack-options.ts';
import { DEFAULT_SOCKET_OPTIONS, type SocketOptions } from '../../tcp/config.ts';
import { type Ipv4, toIpv4 } from '../../wire/ipv4.ts';
import type { CallRequest, CallResult, Linger } from './calls.ts';
import { Msg, O_NONBLOCK, Poll, Shut } from './constants.ts';
import type { RunningCall } from './target.ts';
import { tcpInfoOf } from './tcp-info.ts';

export interface StackCallsOptions {
  readonly stack: Stack;
  readonly bindPort: number;
  readonly peer: Ipv4;
  readonly connectPort: number;
  /** Microseconds since the scenario began. */
  readonly now: () => number;
  /** Number of an errno, for SO_ERROR. */
  readonly errnoOf: (name: string) => number;
}

/** Tried again and again until it gives a result. */
type Attempt = () => CallResult | undefined;

interface Pending extends RunningCall {
  readonly attempt: Attempt;
}

class Sock {
  nonblocking = false;
  options: Partial<SocketOptions> = {};
  ttl: number | undefined;
  port: number | undefined;
  linger: Linger | undefined;
  listener: Listener | undefined;
  endpoint: Endpoint | undefined;
  connectTold = false;
  errorTold = false;
  readShut = false;
  writeShut = false;
  /** Taken from the stack, not yet read. */
  rest: Uint8Array = NOTHING;
  /** Octets taken from the stack. */
  taken = 0;

  /** The error that the next call is to be told; told once. */
  takeError(): string | undefined {
    const error = this.endpoint?.error;
    if (error === undefined || this.errorTold) return undefined;
    this.errorTold = true;
    return error;
  }

  get isConnecting(): boolean {
    const state = this.endpoint?.state;
    return state === 'SYN-SENT' || (state === 'SYN-RECEIVED' && !this.connectTold);
  }
}

const NOTHING = new Uint8Array(0);
const FIRST_FD = 3;
const ok = (result = 0): CallResult => ({ result });
const fails = (errno: string): CallResult => ({ result: -1, errno });

export class StackCalls {
  readonly #o: StackCallsOptions;
  readonly #socks = new Map<number, Sock>();
  #pending: Pending[] = [];
  /** The one whose TCP_INFO a scenario asks for. */
  #current: Endpoint | undefined;
  /** Some connection was given a Fast Open cookie. */
  #hasCookie = false;

  constructor(o: StackCallsOptions) {
    this.#o = o;
  }

  /** `octets`: what a write writes. */
  start(request: CallRequest, octets: Uint8Array): RunningCall {
    const pending: Pending = { attempt: this.#attempt(request, octets), result: undefined, returnedAt: undefined };
    this.#try(pending);
    if (pending.result === undefined) this.#pending.push(pending);
    return pending;
  }

  /** Something has happened: which calls return? */
  look(): void {
    for (const { connection } of this.#endpoints()) if (connection.fastOpenGrant !== undefined) this.#hasCookie = true;
    if (this.#pending.length === 0) return;
    for (const pending of this.#pending) this.#try(pending);
    this.#pending = this.#pending.filter((p) => p.result === undefined);
  }

  #try(pending: Pending): void {
    pending.result = guarded(pending.attempt);
    if (pending.result !== undefined) pending.returnedAt = this.#o.now();
  }

  /** TCP_INFO of the connection accepted or connected last, by Linux's names. */
  info(): Readonly<Record<string, number>> | undefined {
    return this.#current === undefined ? undefined : tcpInfoOf(this.#current);
  }

  *#endpoints(): IterableIterator<Endpoint> {
    for (const { endpoint } of this.#socks.values()) if (endpoint !== undefined) yield endpoint;
  }

  #attempt(r: CallRequest, octets: Uint8Array): Attempt {
    if (r.call === 'socket') return () => ok(this.#add(new Sock()));
    if (r.call === 'poll') return () => this.#poll(r.fds, r.timeout);
    const sock = this.#socks.get(r.fd);
    if (sock === undefined) return () => fails('EBADF');
    switch (r.call) {
      case 'bind':
        return () => this.#bind(sock, r.port ?? this.#o.bindPort);
      case 'listen':
        return () => this.#listen(sock, r.backlog);
      case 'accept':
        return () => this.#accept(sock);
      case 'connect':
        return this.#connect(sock, r.address, r.port);
      case 'read':
        return () => read(sock, r.len, r.flags);
      case 'write':
        return this.#write(sock, octets, r.flags);
      case 'shutdown':
        return () => shutdown(sock, r.how);
      case 'close':
        return () => this.#close(r.fd, sock);
      case 'setsockopt':
        return () => setOption(sock, r.option, r.value);
      case 'getsockopt':
        return () => getOption(sock, r.option, this.#o.errnoOf);
      case 'fcntl':
        return () => {
          if (r.command === 'F_GETFL') return ok(2 | (sock.nonblocking ? O_NONBLOCK : 0));
          sock.nonblocking = (r.flags & O_NONBLOCK) !== 0;
          return ok();
        };
      case 'ioctl':
        return () => ({
          result: 0,
          values: [queued(sock, r.request)],
        });
    }
  }

  #add(sock: Sock): number {
    let fd = FIRST_FD;
    while (this.#socks.has(fd)) fd++;
    this.#socks.set(fd, sock);
    return fd;
  }

  #bind(sock: Sock, port: number): CallResult {
    for (const other of this.#socks.values()) if (other.listener?.port === port) return fails('EADDRINUSE');
    sock.port = port;
    return ok();
  }

  #listen(sock: Sock, backlog: number): CallResult {
    if (sock.endpoint !== undefined) return fails('EINVAL');
    if (sock.listener !== undefined) return ok();
    sock.listener = this.#o.stack.listen({ port: sock.port ?? this.#o.bindPort, backlog, options: sock.options });
    return ok();
  }

  #accept(sock: Sock): CallResult | undefined {
    if (sock.listener === undefined) return fails('EINVAL');
    const endpoint = sock.listener.accept();
    if (endpoint === undefined) return sock.nonblocking ? fails('EAGAIN') : undefined;
    const child = new Sock();
    child.endpoint = endpoint;
    child.connectTold = true;
    this.#current = endpoint;
    return ok(this.#add(child));
  }

  #connect(sock: Sock, address: number | undefined, port: number | undefined): Attempt {
    let begun = false;
    return () => {
      if (!begun) {
        begun = true;
        if (sock.listener !== undefined) return fails('EISCONN');
        if (sock.endpoint === undefined) {
          this.#open(sock, address, port, {});
          if (sock.nonblocking && sock.isConnecting) return fails('EINPROGRESS');
        } else if (sock.isConnecting && sock.nonblocking) return fails('EALREADY');
        else if (sock.connectTold) return fails('EISCONN');
      }
      if (sock.isConnecting) return undefined;
      const error = sock.takeError();
      if (error !== undefined) return fails(error);
      sock.connectTold = true;
      return ok();
    };
  }

  #open(sock: Sock, address: number | undefined, port: number | undefined, how: Partial<ConnectOptions>): void {
    sock.endpoint = this.#o.stack.connect({
      address: address === undefined ? this.#o.peer : toIpv4(address),
      port: port ?? this.#o.connectPort,
      ...(sock.port !== undefined && { localPort: sock.port }),
      ...(sock.ttl !== undefined && { ttl: sock.ttl }),
      options: sock.options,
      ...how,
    });
    this.#current = sock.endpoint;
  }

  #write(sock: Sock, octets: Uint8Array, flags: number): Attempt {
    let done = 0;
    let opening = false;
    return () => {
      if (sock.endpoint === undefined && flags & Msg.FASTOPEN) {
        opening = true;
        this.#open(sock, undefined, undefined, { fastOpen: true, ...(this.#hasCookie && { data: octets }) });
        if (this.#hasCookie) return ok(octets.length);
        if (sock.nonblocking) return fails('EINPROGRESS');
      }
      const error = sock.takeError();
      if (error !== undefined) return done > 0 ? ok(done) : fails(error);
      const { endpoint } = sock;
      if (endpoint === undefined || sock.writeShut || endpoint.state === 'CLOSED') return fails('EPIPE');
      const dontWait = sock.nonblocking || (flags & Msg.DONTWAIT) !== 0;
      if (sock.isConnecting && dontWait && !opening) return fails('EAGAIN');
      const rest = octets.subarray(done);
      done += flags & Msg.OOB ? endpoint.sendUrgent(rest) : endpoint.send(rest);
      // What waits for the handshake is queued, and the call waits with it.
      if (sock.isConnecting) return undefined;
      if (done === octets.length) return ok(done);
      if (!dontWait) return undefined;
      return done > 0 ? ok(done) : fails('EAGAIN');
    };
  }

  #close(fd: number, sock: Sock): CallResult {
    this.#socks.delete(fd);
    sock.listener?.close();
    const { endpoint, linger } = sock;
    if (endpoint === undefined) return ok();
    const aborts = (linger?.onoff === 1 && linger.linger === 0) || sock.rest.length > 0;
    if (aborts) endpoint.abort();
    else endpoint.close();
    return ok();
  }

  #poll(fds: readonly { readonly fd: number; readonly events: number }[], timeout: number): CallResult | undefined {
    const values = fds.map(({ fd, events }) => {
      const sock = this.#socks.get(fd);
      return sock === undefined ? 0x20 : ready(sock) & (events | Poll.ERR | Poll.HUP);
    });
    const count = values.filter((v) => v !== 0).length;
    return count > 0 || timeout === 0 ? { result: count, values } : undefined;
  }
}

/** A caller's mistake is an errno here. */
function guarded(attempt: Attempt): CallResult | undefined {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof TcpError) return fails(error.code);
    throw error;
  }
}

function read(sock: Sock, len: number, flags: number): CallResult | undefined {
  const { endpoint } = sock;
  if (endpoint === undefined) return fails('ENOTCONN');
  const parts: Uint8Array[] = [];
  let have = 0;
  let ended = false;
  while (have < len && !ended) {
    let piece = sock.rest;
    sock.rest = NOTHING;
    if (piece.length === 0) {
      const received = endpoint.receive();
      ended = received === 'end';
      if (typeof received === 'string') break;
      sock.taken += received.length;
      piece = received.slice();
    }
    const part = piece.subarray(0, len - have);
    sock.rest = piece.subarray(part.length);
    parts.push(part);
    have += part.length;
  }
  if (have > 0) return { result: have, octets: joined(parts, have) };
  const error = sock.takeError();
  if (error !== undefined) return fails(error);
  if (ended || sock.readShut || len === 0) return ok();
  return sock.nonblocking || flags & Msg.DONTWAIT ? fails('EAGAIN') : undefined;
}

function joined(parts: readonly Uint8Array[], len: number): Uint8Array {
  const all = new Uint8Array(len);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function shutdown(sock: Sock, how: number): CallResult {
  const { endpoint, listener } = sock;
  if (listener !== undefined) {
    listener.close();
    sock.listener = undefined;
    return ok();
  }
  if (endpoint === undefined || endpoint.state === 'CLOSED') return fails('ENOTCONN');
  if (how !== Shut.WR) sock.readShut = true;
  if (how !== Shut.RD) {
    sock.writeShut = true;
    endpoint.shutdown();
  }
  return ok();
}

const unread = (sock: Sock): number =>
  sock.rest.length + (sock.endpoint === undefined ? 0 : sock.endpoint.info().bytes_received - sock.taken);

/** Octets, as the kernel counts them. */
function queued(sock: Sock, what: 'SIOCINQ' | 'SIOCOUTQ' | 'SIOCOUTQNSD'): number {
  if (what === 'SIOCINQ') return unread(sock);
  return (what === 'SIOCOUTQ' ? sock.endpoint?.sendQueued : sock.endpoint?.info().notsent_bytes) ?? 0;
}

function ready(sock: Sock): number {
  const { endpoint, listener } = sock;
  if (listener !== undefined) return listener.ready > 0 ? Poll.IN : 0;
  if (endpoint === undefined) return Poll.OUT | Poll.HUP;
  if (sock.isConnecting) return 0;
  const { state } = endpoint;
  const peerDone = ['CLOSE-WAIT', 'LAST-ACK', 'CLOSING', 'TIME-WAIT', 'CLOSED'].includes(state);
  const weAreDone = sock.writeShut || state === 'CLOSED';
  let events = 0;
  if (peerDone || unread(sock) > 0) events |= Poll.IN;
  if (peerDone) events |= Poll.RDHUP;
  if (endpoint.sendRoom > 0 || weAreDone) events |= Poll.OUT;
  if (peerDone && weAreDone) events |= Poll.HUP;
  if (endpoint.error !== undefined && !sock.errorTold) events |= Poll.ERR;
  if (endpoint.urgentAhead > 0) events |= Poll.PRI;
  return events;
}

/** Options of ours by their names, and how many of their units one of Linux's is. */
const OUR_OPTIONS: ReadonlySet<string> = new Set(Object.keys(DEFAULT_SOCKET_OPTIONS));
const isOurs = (name: string): name is keyof SocketOptions => OUR_OPTIONS.has(name);
/** Linux keeps twice what it is asked for, to have room for its own bookkeeping, and says so. */
const DOUBLED: ReadonlySet<string> = new Set(['SO_SNDBUF', 'SO_RCVBUF']);
/** They change nothing here: a port is ours alone, and may be bound again at once; urgent octets are always among the others. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['SO_REUSEADDR', 'SO_REUSEPORT', 'SO_OOBINLINE']);

function setOption(sock: Sock, name: string, value: number | string | Linger): CallResult {
  if (WITHOUT_EFFECT.has(name)) return ok();
  if (name === 'SO_LINGER' && typeof value === 'object') {
    sock.linger = value;
    return ok();
  }
  if (name === 'IP_TTL' && typeof value === 'number' && sock.endpoint === undefined) {
    sock.ttl = value;
    return ok();
  }
  if (!isOurs(name) || typeof value === 'object') return fails('ENOPROTOOPT');
  const option = { [name]: asOurs(name, value) } as Partial<SocketOptions>;
  // A listener's are settled when it begins.
  if (sock.listener !== undefined) return fails('EINVAL');
  if (sock.endpoint === undefined) sock.options = { ...sock.options, ...option };
  else sock.endpoint.setOption(name, option[name]!);
  return ok();
}

/** Linux takes any number for a switch, and for IP_TOS, of which the two bits of ECN stay its own. */
function asOurs(name: keyof SocketOptions, value: number | string): boolean | number | string {
  if (typeof DEFAULT_SOCKET_OPTIONS[name] === 'boolean') return value !== 0;
  return name === 'IP_TOS' ? Number(value) & 0xfc : value;
}

function getOption(sock: Sock, name: string, errnoOf: (name: string) => number): CallResult {
  const value = optionOf(sock, name, errnoOf);
  return value === undefined ? fails('ENOPROTOOPT') : { result: 0, values: [value] };
}

function optionOf(sock: Sock, name: string, errnoOf: (name: string) => number): number | string | undefined {
  const { endpoint } = sock;
  if (name === 'SO_ERROR') {
    const error = sock.takeError();
    return error === undefined ? 0 : errnoOf(error);
  }
  if (name === 'IP_TTL') return endpoint?.ttl ?? sock.ttl ?? 64;
  if (name === 'TCP_MAXSEG' && endpoint !== undefined) return endpoint.info().snd_mss;
  if (name === 'TCP_CONGESTION' && endpoint !== undefined) return endpoint.info().congestion;
  if (!isOurs(name)) return undefined;
  const value = endpoint?.getOption(name) ?? sock.options[name] ?? DEFAULT_SOCKET_OPTIONS[name];
  if (typeof value === 'string') return value;
  return Number(value) * (DOUBLED.has(name) ? 2 : 1);
}
