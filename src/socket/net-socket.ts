/**
 * `net.Socket` on tcpx: the same calls, properties, events in the same order, and errors, as a plain Duplex. It ends as a
 * descriptor does, with 'close' when both sides are done or after `destroy`; what is left of the connection then
 * (retransmission of our FIN, TIME-WAIT) goes on without it.
 *
 * Beyond `net`: `tcpInfo`, `setCongestionControl`, `setTypeOfService` (which later versions of Node have), the event 'transition'.
 */
import type net from 'node:net';
import { addAbortSignal, type DuplexOptions } from 'node:stream';
import type { Endpoint } from '../stack/endpoint.ts';
import type { CongestionName } from '../tcp/config.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import { EndpointStream, type WriteChunk, type WriteDone } from './endpoint-stream.ts';
import { allowWrites, refuseWrites } from './net-after-fin.ts';
import { type Callback, destination, normalized, socketOptions } from './net-arguments.ts';
import {
  checkConstruction,
  closedBeforeConnect,
  errnoError,
  hostPortError,
  notTcp,
  socketClosed,
} from './net-errors.ts';
import { type Destination, Opening } from './net-opening.ts';
import { type OnRead, onReadOf, ReadBuffer } from './net-read-buffer.ts';
import { type SettingOpts, Settings } from './net-settings.ts';
import { SocketTimeout } from './net-timeout.ts';
import { TransitionWatch } from './net-watch.ts';
import type { Network } from './network.ts';
import { processNetwork } from './process-network.ts';
import { type LinuxTcpInfo, linuxTcpInfo } from './tcp-info.ts';
import type { Transition } from './transitions.ts';

/** Those of `net`, save `fd` and `handle`, and where connections come from. */
export interface SocketOpts
  extends Omit<net.SocketConstructorOpts, 'fd'>,
    Pick<DuplexOptions, HighWaterMarks>,
    SettingOpts {
  readonly signal?: AbortSignal | undefined;
  readonly onread?: OnRead | undefined;
  /** The process's own hosts when absent. */
  readonly network?: Network;
  /** A connection there is already: of `Listener.accept` or `Stack.connect`. */
  readonly endpoint?: Endpoint;
  /** With `endpoint`: nothing is read before `resume`. */
  readonly pauseOnCreate?: boolean;
}

type HighWaterMarks = 'highWaterMark' | 'readableHighWaterMark' | 'writableHighWaterMark';

/** As a server sees its sockets; a part of Server, so that the two files need each other's types only. */
export interface SocketOwner {
  readonly listening: boolean;
  /** For its sockets to tell that they have gone. */
  socketGone(): void;
}

type Listener = Parameters<EndpointStream['on']>[1];
type Address = net.AddressInfo | Record<string, never>;

export class Socket extends EndpointStream {
  /** From `connect` until the connection is ESTABLISHED, or can't be had. */
  connecting = false;
  /** Milliseconds, as `setTimeout` was given them. */
  timeout: number | undefined = undefined;
  /** The server that accepted it. */
  server: SocketOwner | null = null;
  autoSelectFamilyAttemptedAddresses: string[] | undefined = undefined;
  readonly #givenNetwork: Network | undefined;
  #opening: Opening | undefined;
  /** Between `connect` and the end: what `net` calls having a handle. */
  #open = false;
  #resets = false;
  #keepsProcess = true;
  #holds = false;
  readonly #timeout = new SocketTimeout(
    () => this.emit('timeout'),
    () => (this.isWriting ? (this.endpoint?.sendQueued ?? 0) : 0),
  );
  #bytesRead = 0;
  #bytesWritten = 0;
  /** Octets of the write that waits for the connection. */
  #pendingLen = 0;
  readonly #settings: Settings;
  #readBuffer: ReadBuffer | undefined;
  #peer: net.AddressInfo | undefined;
  readonly #watching = new TransitionWatch((transition) => this.emit('transition', transition));

  constructor(given: SocketOpts = {}) {
    const o = socketOptions(given);
    checkConstruction(o);
    refuseHandles(o);
    const mark = o.writableHighWaterMark ?? o.highWaterMark;
    super(
      {
        ...o,
        // when there is something that it could end
        signal: undefined,
        allowHalfOpen: o.allowHalfOpen === true,
        emitClose: false,
        autoDestroy: true,
      } as DuplexOptions,
      mark !== undefined,
    );
    this.#givenNetwork = o.network;
    this.#settings = new Settings(o);
    if (o.onread !== undefined) {
      const onRead = onReadOf(o.onread);
      if (onRead !== undefined) this.#readBuffer = new ReadBuffer(onRead);
    }
    if (!this.allowHalfOpen) this.on('end', refuseWrites);
    if (o.endpoint !== undefined) this.#adopt(o.endpoint, o);
    if (o.signal !== undefined) addAbortSignal(o.signal, this);
  }

  // Properties.

  get pending(): boolean {
    return !this.#open || this.connecting;
  }

  get readyState(): net.SocketReadyState {
    if (this.connecting) return 'opening';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    // `net` has it, its types don't
    return this.writable ? 'writeOnly' : 'closed';
  }

  /** Octets from the peer that were read from the connection. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Octets given to `write`, those that wait included. */
  get bytesWritten(): number {
    let octets = this.#bytesWritten + this.#pendingLen;
    // Node's own, without a type
    const { writableBuffer } = this as { writableBuffer?: readonly { readonly chunk: Uint8Array }[] };
    for (const { chunk } of writableBuffer ?? []) octets += chunk.length;
    return octets;
  }

  /** @deprecated as in `net`; see writableLength. */
  get bufferSize(): number | undefined {
    return this.#open ? this.writableLength : undefined;
  }

  get localAddress(): string | undefined {
    return this.#local?.address;
  }

  get localPort(): number | undefined {
    return this.#local?.port;
  }

  get localFamily(): string | undefined {
    return this.#local?.family;
  }

  get remoteAddress(): string | undefined {
    return this.#remote?.address;
  }

  get remotePort(): number | undefined {
    return this.#remote?.port;
  }

  get remoteFamily(): string | undefined {
    return this.#remote?.family;
  }

  /** Our end's; empty without a connection. */
  address(): Address {
    return this.#local ?? {};
  }

  /** What is known of the connection, with the names and units of Linux's struct tcp_info; undefined without one. */
  tcpInfo(): LinuxTcpInfo | undefined {
    return this.endpoint === undefined ? undefined : linuxTcpInfo(this.endpoint);
  }

  // Calls.

  connect(options: net.SocketConnectOpts, connectionListener?: Callback): this;
  connect(port: number, host: string, connectionListener?: Callback): this;
  connect(port: number, connectionListener?: Callback): this;
  connect(path: string, connectionListener?: Callback): this;
  connect(...args: readonly unknown[]): this;
  connect(...args: readonly unknown[]): this {
    const [options, callback] = normalized(args);
    if (callback !== undefined) this.once('connect', callback);
    if (options['port'] !== undefined || options['path'] != null) this.#makeAnew();
    const to = destination(options);
    this.#timeout.stir();
    this.connecting = true;
    if (this.#opening !== undefined || this.endpoint !== undefined) {
      process.nextTick(() => this.#connectAgain(to));
      return this;
    }
    this.#keep();
    this.#opening = new Opening(this.#opener, this.#network, { ...to, options: this.#settings.options() });
    this.#opening.start();
    return this;
  }

  override end(callback?: Callback): this;
  override end(chunk: unknown, callback?: Callback): this;
  override end(chunk: unknown, encoding: BufferEncoding, callback?: Callback): this;
  override end(chunk?: unknown, encoding?: BufferEncoding | Callback, callback?: Callback): this {
    // the overloads of Duplex, handed on
    super.end(chunk, encoding as BufferEncoding, callback);
    return this;
  }

  /** RST now; nothing queued is sent. While connecting, once it is connected. */
  resetAndDestroy(): this {
    if (!this.#open) return this.destroy(socketClosed());
    if (this.connecting) {
      this.once('connect', () => this.#reset());
      return this;
    }
    return this.#reset();
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  setTimeout(timeout: number, callback?: Callback): this {
    if (this.destroyed) return this;
    this.timeout = timeout;
    const msecs = this.#timeout.set(timeout, callback);
    if (callback === undefined) return this;
    return msecs === 0 ? this.removeListener('timeout', callback) : this.once('timeout', callback);
  }

  /** Nagle's algorithm off, or on again. */
  setNoDelay(noDelay = true): this {
    this.#settings.setNoDelay(noDelay, this.#settled);
    return this;
  }

  /** `initialDelay`: milliseconds of silence before the first probe; 0: as it was. The next come each second, ten at most. */
  setKeepAlive(enable = false, initialDelay = 0): this {
    this.#settings.setKeepAlive(enable, initialDelay, this.#settled);
    return this;
  }

  /** Who decides how much may be in flight: 'cubic', 'reno', 'bbr'. Before `connect`, or at any time. Throws TcpError EINVAL. */
  setCongestionControl(name: CongestionName): this {
    this.#settings.setCongestion(name, this.#settled);
    return this;
  }

  /**
   * IP_TOS of what leaves from now on: a DiffServ value in the upper six bits of an octet (RFC 2474), the lower two are passed over.
   * Before `connect`, or at any time. Throws TcpError EINVAL.
   */
  setTypeOfService(tos: number): this {
    this.#settings.setTypeOfService(tos, this.#settled);
    return this;
  }

  /** As it was set; 0 when it was not. */
  getTypeOfService(): number {
    return this.#settings.typeOfService(this.#settled);
  }

  ref(): this {
    if (!this.#open) return this.once('connect', () => this.ref());
    this.#keepsProcess = true;
    this.#keep();
    return this;
  }

  unref(): this {
    if (!this.#open) return this.once('connect', () => this.unref());
    this.#keepsProcess = false;
    this.#unkeep();
    return this;
  }

  override pause(): this {
    if (this.#readBuffer !== undefined) this.stopReading();
    return super.pause();
  }

  override resume(): this {
    if (this.#readBuffer !== undefined && this.#open && !this.connecting && !this.isReading) this._read();
    return super.resume();
  }

  override on(event: 'close', listener: (hadError: boolean) => void): this;
  override on(event: 'connect' | 'ready' | 'timeout' | 'end' | 'drain', listener: Callback): this;
  override on(event: 'data', listener: (data: Buffer) => void): this;
  override on(event: 'error', listener: (error: Error) => void): this;
  override on(event: 'transition', listener: (transition: Transition) => void): this;
  override on(event: string | symbol, listener: Listener): this;
  override on(event: string | symbol, listener: Listener): this {
    if (event === 'transition') this.#watch();
    return super.on(event, listener);
  }

  override addListener(event: string | symbol, listener: Listener): this {
    return this.on(event, listener);
  }

  // What Duplex asks.

  override _read(): void {
    if (this.connecting || !this.#open) {
      this.once('connect', () => this._read());
      return;
    }
    if (this.#readBuffer?.goOn() === false) return;
    super._read();
    this.#tellError();
  }

  override _write(chunk: Uint8Array, encoding: BufferEncoding, done: WriteDone): void {
    if (this.connecting) {
      this.#writeOnceConnected(chunk.length, done, () => this._write(chunk, encoding, done));
      return;
    }
    const { endpoint } = this;
    if (endpoint === undefined) {
      done(socketClosed());
      return;
    }
    this.#bytesWritten += chunk.length;
    this.#timeout.stir();
    super._write(chunk, encoding, done);
    this.#wrote(endpoint);
  }

  override _writev(chunks: readonly WriteChunk[], done: WriteDone): void {
    let len = 0;
    for (const { chunk } of chunks) len += chunk.length;
    if (this.connecting) {
      this.#writeOnceConnected(len, done, () => this._writev(chunks, done));
      return;
    }
    const { endpoint } = this;
    if (endpoint === undefined) {
      done(socketClosed());
      return;
    }
    this.#bytesWritten += len;
    this.#timeout.stir();
    super._writev(chunks, done);
    this.#wrote(endpoint);
  }

  override _final(done: WriteDone): void {
    if (this.pending) {
      this.once('connect', () => this._final(done));
      return;
    }
    this.endpoint?.shutdown();
    // Not in this turn, as a kernel's shutdown isn't: who hears the peer's end may still say something.
    setImmediate(done);
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    const hadError = error !== null;
    this.connecting = false;
    this.#timeout.stop();
    this.#opening?.cancel();
    this.#opening = undefined;
    if (this.#open) {
      this.#open = false;
      this.#abandon();
      this.#unkeep();
      setImmediate(() => this.emit('close', hadError));
      done(error);
    } else {
      done(error);
      process.nextTick(() => this.emit('close'));
    }
    this.server?.socketGone();
  }

  // What EndpointStream asks.

  protected override deliver(octets: Uint8Array): boolean {
    this.#bytesRead += octets.length;
    this.#timeout.stir();
    return this.#readBuffer === undefined ? this.push(octets) : this.#readBuffer.give(octets);
  }

  protected override mayEnd(endpoint: Endpoint): boolean {
    return super.mayEnd(endpoint) && !this.connecting;
  }

  /** 'end' comes although nobody reads, when nothing is left to be read. */
  protected override deliverEnd(): void {
    this.push(null);
    this.read(0);
  }

  get #network(): Network {
    return this.#givenNetwork ?? processNetwork();
  }

  /** The connection, where options take effect at once. */
  get #settled(): Endpoint | undefined {
    return this.connecting ? undefined : this.endpoint;
  }

  get #local(): net.AddressInfo | undefined {
    const { endpoint } = this;
    if (endpoint === undefined) return undefined;
    return { address: ipv4Text(endpoint.localAddress), family: 'IPv4', port: endpoint.localPort };
  }

  /** Known after the end to whoever has asked before. */
  get #remote(): net.AddressInfo | undefined {
    const { endpoint } = this;
    if (endpoint !== undefined && !this.connecting && this.#peer === undefined)
      this.#peer = { address: ipv4Text(endpoint.remoteAddress), family: 'IPv4', port: endpoint.remotePort };
    return this.#peer;
  }

  get #opener(): ConstructorParameters<typeof Opening>[0] {
    const socket = this;
    return {
      get connecting() {
        return socket.connecting;
      },
      emit: (event, ...args) => this.emit(event, ...args),
      tries: (endpoint) => {
        this.endpoint = endpoint;
      },
      attempts: (address) => {
        this.autoSelectFamilyAttemptedAddresses ??= [];
        this.autoSelectFamilyAttemptedAddresses.push(address);
      },
      connected: (endpoint) => this.#onConnected(endpoint),
      failed: (error) => void this.destroy(error),
      stir: () => this.#timeout.stir(),
    };
  }

  /** A socket that was used before begins again; `connect` on one that is in use is as `net` has it. */
  #makeAnew(): void {
    allowWrites(this);
    if (this.destroyed) {
      this.#peer = undefined;
      this.#bytesRead = 0;
      this.#bytesWritten = 0;
      this.#resets = false;
      this.beginAnew();
    }
    if (this.#open) return;
    this.#open = true;
    // of every Duplex, though no type has it
    (this as unknown as { _undestroy(): void })._undestroy();
  }

  /** There is a connection, which tells once more that it is there; or there will be one, which a kernel does not forgive. */
  #connectAgain({ host, port }: Destination): void {
    if (!this.connecting) return;
    this.emit('connectionAttempt', host, port, 4);
    if (this.#opening === undefined) {
      this.connecting = false;
      this.emit('connect');
      this.emit('ready');
      return;
    }
    const error = hostPortError('EALREADY', 'connect', host, port);
    error.message += ` - Local (${this.localAddress}:${this.localPort})`;
    this.destroy(error);
  }

  #adopt(endpoint: Endpoint, o: SocketOpts): void {
    this.#open = true;
    this.endpoint = endpoint;
    endpoint.onEvent = () => this.#onEvent(endpoint);
    this.#keep();
    if (o.readable === false) return;
    if (o.pauseOnCreate) Reflect.set(this, 'readableFlowing', false);
    if (endpoint.state !== 'CLOSED') {
      if (!o.pauseOnCreate) this.read(0);
      return;
    }
    // It is over already, which is told when somebody can listen.
    process.nextTick(() => {
      if (!this.isPaused()) this.read(0);
      this.#onEvent(endpoint);
    });
  }

  #onConnected(endpoint: Endpoint): void {
    this.#opening = undefined;
    this.connecting = false;
    this.endpoint = endpoint;
    endpoint.onEvent = () => this.#onEvent(endpoint);
    this.#settings.takeUp(endpoint);
    this.#timeout.stir();
    this.emit('connect');
    this.emit('ready');
    if (this.readable && !this.isPaused()) this.read(0);
    this.#onEvent(endpoint);
  }

  #onEvent(endpoint: Endpoint): void {
    if (this.endpoint !== endpoint || this.destroyed) return;
    this.tellWriter(endpoint);
    this.pump(endpoint);
    if (endpoint.error !== undefined) this.#tellError();
  }

  /** An error is told to who reads, or writes, as a kernel tells it; others hear of it when they do. */
  #tellError(): void {
    const code = this.endpoint?.error;
    if (code === undefined || this.destroyed || this.connecting) return;
    if (this.isReading) {
      // What was pushed is handed out in the next turn.
      if (this.readableFlowing && this.readableLength > 0) setImmediate(() => this.#tellError());
      else this.destroy(errnoError(code, 'read'));
    } else if (this.isWriting) this.destroy(errnoError(code, 'write'));
  }

  #wrote(endpoint: Endpoint): void {
    if (!this.isWriting) return;
    this.#timeout.writeBegan(endpoint.sendQueued);
    if (endpoint.error !== undefined) this.#tellError();
  }

  /** The stream has one write under way, and keeps the others. */
  #writeOnceConnected(len: number, done: WriteDone, write: Callback): void {
    const onClose = (): void => done(closedBeforeConnect());
    this.#pendingLen = len;
    this.once('connect', () => {
      this.off('close', onClose);
      this.#pendingLen = 0;
      write();
    });
    this.once('close', onClose);
  }

  #reset(): this {
    this.#resets = true;
    return this.destroy();
  }

  /** The connection goes on without us: our FIN follows what is queued. What was received and not read makes it a RST. */
  #abandon(): void {
    const { endpoint } = this;
    if (endpoint === undefined) return;
    const writer = this.letGo(endpoint);
    this.endpoint = undefined;
    endpoint.onEvent = undefined;
    if (this.#resets) endpoint.abort();
    else endpoint.close();
    this.#network.leave(endpoint);
    if (writer !== undefined) process.nextTick(writer, null);
  }

  #keep(): void {
    if (this.#holds || !this.#keepsProcess || !this.#open) return;
    this.#holds = true;
    this.#network.hold();
  }

  #unkeep(): void {
    if (!this.#holds) return;
    this.#holds = false;
    this.#network.release();
  }

  #watch(): void {
    if (this.endpoint !== undefined) {
      this.#watching.begin(this.endpoint, this.#network);
      return;
    }
    if (this.#watching.isOn) return;
    // told when there is one: before its first segment is answered
    this.once('connectionAttempt', () => {
      if (this.listenerCount('transition') > 0) this.#watch();
    });
  }
}

function refuseHandles(o: object): void {
  for (const name of ['fd', 'handle']) {
    const value: unknown = Reflect.get(o, name);
    if (value !== undefined && value !== null) throw notTcp(`options.${name}`, value);
  }
}
