/** `net.Server` on tcpx: the same calls, properties, events in the same order, and errors. */
import dns from 'node:dns';
import { EventEmitter } from 'node:events';
import net from 'node:net';
import type { DuplexOptions } from 'node:stream';
import { promisify } from 'node:util';
import type { Endpoint } from '../stack/endpoint.ts';
import type { SocketOptions } from '../tcp/config.ts';
import { ipv4Text, isUnspecified, parseIpv4 } from '../wire/ipv4.ts';
import { type Callback, type Loose, normalized } from './net-arguments.ts';
import {
  checkListenPort,
  checkListenSignal,
  checkServerOptions,
  codedError,
  explained,
  listenError,
  notTcp,
} from './net-errors.ts';
import { setKeepAlive } from './net-settings.ts';
import { Socket, type SocketOwner } from './net-socket.ts';
import type { Listening, Network } from './network.ts';
import { processNetwork } from './process-network.ts';

export interface ServerOpts extends net.ServerOpts {
  /** The process's own hosts when absent. */
  readonly network?: Network;
}

type ConnectionListener = (socket: Socket) => void;
type Listener = Parameters<EventEmitter['on']>[1];

export class Server extends EventEmitter implements SocketOwner {
  /** At once; more are taken, told by 'drop', and closed. No limit while it is 0 or absent. */
  maxConnections: number | undefined = undefined;
  allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  noDelay: boolean;
  keepAlive: boolean;
  /** Seconds, as in `net`. */
  keepAliveInitialDelay: number;
  highWaterMark: number;
  readonly #givenNetwork: Network | undefined;
  readonly #hasOwnMark: boolean;
  #listening: Listening | undefined;
  #address: net.AddressInfo | undefined;
  #connections = 0;
  #keepsProcess = true;
  #holds = false;
  /** Which `listen` counts: each one, and each `close`, ends what the last was about to do. */
  #turn = 0;

  constructor(connectionListener?: ConnectionListener);
  constructor(options?: ServerOpts | null, connectionListener?: ConnectionListener);
  constructor(first?: ServerOpts | ConnectionListener | null, second?: ConnectionListener) {
    checkServerOptions(first);
    const o = typeof first === 'object' && first !== null ? first : {};
    super();
    const connectionListener = typeof first === 'function' ? first : second;
    if (typeof connectionListener === 'function') this.on('connection', connectionListener);
    this.#givenNetwork = o.network;
    this.allowHalfOpen = o.allowHalfOpen ?? false;
    this.pauseOnConnect = Boolean(o.pauseOnConnect);
    this.noDelay = Boolean(o.noDelay);
    this.keepAlive = Boolean(o.keepAlive);
    this.keepAliveInitialDelay = Math.max(0, Math.trunc((o.keepAliveInitialDelay ?? 0) / 1000));
    this.#hasOwnMark = o.highWaterMark !== undefined && o.highWaterMark >= 0;
    this.highWaterMark = this.#hasOwnMark ? o.highWaterMark! : DEFAULT_MARK;
  }

  get listening(): boolean {
    return this.#listening !== undefined;
  }

  /** Where it listens; null while it doesn't. On all addresses: 0.0.0.0, where `net` may have ::. */
  address(): net.AddressInfo | null {
    return this.#address ?? null;
  }

  listen(port?: number, hostname?: string, backlog?: number, listeningListener?: Callback): this;
  listen(port?: number, hostname?: string, listeningListener?: Callback): this;
  listen(port?: number, backlog?: number, listeningListener?: Callback): this;
  listen(port?: number, listeningListener?: Callback): this;
  listen(options: net.ListenOptions, listeningListener?: Callback): this;
  listen(...args: readonly unknown[]): this;
  listen(...args: readonly unknown[]): this {
    const [options, callback] = normalized(args);
    if (this.#listening !== undefined)
      throw codedError('ERR_SERVER_ALREADY_LISTEN', 'Listen method has been called more than once without closing.');
    if (callback !== undefined) this.once('listening', callback);
    this.#turn++;
    refuseHandles(options);
    checkListenSignal(options['signal']);
    // checked
    this.#closeOn(options['signal'] as AbortSignal | undefined);
    const port = portOf(options, args);
    const backlog = Number(options['backlog'] || countIn(args, 1) || countIn(args, 2) || DEFAULT_BACKLOG);
    const host = options['host'];
    if (host) this.#lookUp(String(host), port, backlog);
    else this.#open(undefined, port, backlog);
    return this;
  }

  /** Takes no more connections; 'close' when those it has are gone. */
  close(callback?: (error?: Error) => void): this {
    this.#turn++;
    if (typeof callback === 'function') {
      const wasListening = this.#listening !== undefined;
      this.once('close', () =>
        wasListening ? callback() : callback(codedError('ERR_SERVER_NOT_RUNNING', 'Server is not running.')),
      );
    }
    this.#listening?.close();
    this.#listening = undefined;
    this.#address = undefined;
    this.#unkeep();
    this.#closeIfDrained();
    return this;
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections);
    return this;
  }

  ref(): this {
    this.#keepsProcess = true;
    this.#keep();
    return this;
  }

  unref(): this {
    this.#keepsProcess = false;
    this.#unkeep();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#listening !== undefined) await promisify(this.close.bind(this))();
  }

  /** With `captureRejections`: whose connection it was. */
  override [EventEmitter.captureRejectionSymbol](error: Error, event: string | symbol, ...args: unknown[]): void {
    const [socket] = args;
    if (event === 'connection' && socket instanceof Socket) socket.destroy(error);
    else this.emit('error', error);
  }

  override on(event: 'connection', listener: ConnectionListener): this;
  override on(event: 'close' | 'listening', listener: Callback): this;
  override on(event: 'error', listener: (error: Error) => void): this;
  override on(event: 'drop', listener: (data?: net.DropArgument) => void): this;
  override on(event: string | symbol, listener: Listener): this;
  override on(event: string | symbol, listener: Listener): this {
    return super.on(event, listener);
  }

  /** Of its sockets. */
  socketGone(): void {
    this.#connections--;
    this.#closeIfDrained();
  }

  get #network(): Network {
    return this.#givenNetwork ?? processNetwork();
  }

  #lookUp(host: string, port: number, backlog: number): void {
    const turn = this.#turn;
    // The answer for :: is all there is, and we have the IPv4 part of that.
    if (host === '::') {
      process.nextTick(() => {
        if (turn === this.#turn) this.#open(undefined, port, backlog);
      });
      return;
    }
    dns.lookup(host, { family: net.isIPv6(host) ? 6 : 4 }, (error, address) => {
      if (turn !== this.#turn) return;
      if (error !== null) this.emit('error', error);
      else this.#open(address, port, backlog);
    });
  }

  #open(host: string | undefined, port: number, backlog: number): void {
    const address = host === undefined ? undefined : parseIpv4(host);
    if (host !== undefined && address === undefined) {
      process.nextTick(() => this.emit('error', listenError('EAFNOSUPPORT', host, port)));
      return;
    }
    const turn = this.#turn;
    const text = host ?? ANY;
    const isAny = address === undefined || isUnspecified(address);
    const options: Partial<SocketOptions> = this.noDelay ? { TCP_NODELAY: true } : {};
    let opened: Listening | Promise<Listening>;
    try {
      opened = this.#network.listen({ ...(!isAny && { address }), port, backlog, options });
    } catch (error) {
      this.#refused(error, text, port);
      return;
    }
    if (!(opened instanceof Promise)) {
      this.#begin(opened, text);
      return;
    }
    opened.then(
      (listening) => {
        if (turn === this.#turn) this.#begin(listening, text);
        else listening.close();
      },
      (error: unknown) => {
        if (turn === this.#turn) this.#refused(error, text, port);
      },
    );
  }

  #refused(why: unknown, address: string, port: number): void {
    const code = why instanceof Error && 'code' in why ? String(why.code) : 'EIO';
    const error = explained(listenError(code, address, port), why);
    process.nextTick(() => this.emit('error', error));
  }

  #begin(listening: Listening, address: string): void {
    this.#listening = listening;
    this.#address = { address, family: 'IPv4', port: listening.port };
    for (const listener of listening.listeners) {
      listener.onConnection = () => {
        for (let e = listener.accept(); e !== undefined; e = listener.accept()) this.#accept(e);
      };
    }
    this.#keep();
    process.nextTick(() => {
      if (this.#listening === listening) this.emit('listening');
    });
  }

  #accept(endpoint: Endpoint): void {
    if (this.maxConnections && this.#connections >= this.maxConnections) {
      this.emit('drop', addressesOf(endpoint));
      endpoint.close();
      this.#network.leave(endpoint);
      return;
    }
    if (this.keepAlive) setKeepAlive(endpoint, true, this.keepAliveInitialDelay);
    const socket = new Socket({
      endpoint,
      network: this.#network,
      allowHalfOpen: this.allowHalfOpen,
      pauseOnCreate: this.pauseOnConnect,
      noDelay: this.noDelay,
      keepAlive: this.keepAlive,
      keepAliveInitialDelay: this.keepAliveInitialDelay * 1000,
      ...this.#marks,
    });
    this.#connections++;
    socket.server = this;
    this.emit('connection', socket);
  }

  get #marks(): DuplexOptions {
    const mark = this.highWaterMark;
    return { readableHighWaterMark: mark, ...(this.#hasOwnMark && { writableHighWaterMark: mark }) };
  }

  #closeOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const close = (): void => void this.close();
    if (signal.aborted) {
      process.nextTick(close);
      return;
    }
    signal.addEventListener('abort', close, { once: true });
    this.once('close', () => signal.removeEventListener('abort', close));
  }

  #closeIfDrained(): void {
    if (this.#listening !== undefined || this.#connections > 0) return;
    process.nextTick(() => this.emit('close'));
  }

  #keep(): void {
    if (this.#holds || !this.#keepsProcess || this.#listening === undefined) return;
    this.#holds = true;
    this.#network.hold();
  }

  #unkeep(): void {
    if (!this.#holds) return;
    this.#holds = false;
    this.#network.release();
  }
}

const ANY = '0.0.0.0';
const DEFAULT_BACKLOG = 511;
/** Of a stream of this version of Node. */
const DEFAULT_MARK = new Socket({}).readableHighWaterMark;

/** As `net` counts a backlog among the arguments. */
function countIn(args: readonly unknown[], i: number): number {
  return Math.max(0, Number(args[i]) || 0);
}

function refuseHandles(o: Loose): void {
  for (const name of ['fd', 'path', 'handle', '_handle']) {
    const value = o[name];
    if (value !== undefined && value !== null && name !== 'path') throw notTcp(`options.${name}`, value);
    if (name === 'path' && typeof value === 'string' && o['port'] === undefined) throw notTcp('options.path', value);
  }
}

/** Which port is meant: none is any. Throws what `net` does. */
function portOf(o: Loose, args: readonly unknown[]): number {
  const { port } = o;
  const [first] = args;
  const isAny =
    args.length === 0 || typeof first === 'function' || port === null || (port === undefined && 'port' in o);
  if (isAny) return 0;
  checkListenPort(port, o);
  return Number(port) | 0;
}

function addressesOf(endpoint: Endpoint): net.DropArgument {
  return {
    localAddress: ipv4Text(endpoint.localAddress),
    localPort: endpoint.localPort,
    localFamily: 'IPv4',
    remoteAddress: ipv4Text(endpoint.remoteAddress),
    remotePort: endpoint.remotePort,
    remoteFamily: 'IPv4',
  };
}
