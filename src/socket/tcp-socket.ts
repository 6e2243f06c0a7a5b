/**
 * A connection as a Node Duplex, for as long as it exists: writing ends with our FIN while reading goes on
 * (allowHalfOpen), and 'close' comes when the connection is CLOSED: after TIME-WAIT, where this end closed first. Whoever
 * doesn't want to wait so long leaves on 'time-wait', by `destroy`. For what behaves as `net.Socket` does see Socket.
 */

import { constants } from 'node:os';
import type { DuplexOptions } from 'node:stream';
import type { Endpoint } from '../stack/endpoint.ts';
import type { State } from '../tcp/machine.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import { EndpointStream, READABLE_MARK, type WriteDone } from './endpoint-stream.ts';

/** As Node's `net` shapes them. */
export interface SocketError extends Error {
  readonly errno: number;
  readonly code: string;
  readonly syscall: 'connect' | 'read' | 'write';
  readonly address: string;
  readonly port: number;
}

/**
 * Events beside Duplex's: 'connect' when ESTABLISHED, 'time-wait' when that state is entered.
 * Errors are SocketError: ECONNREFUSED, ETIMEDOUT, ECONNRESET, EHOSTUNREACH and so on.
 */
export class TcpSocket extends EndpointStream {
  declare readonly endpoint: Endpoint;
  #connecting: boolean;
  #inTimeWait = false;
  /** `end` came before the handshake was over, when CLOSE would give it up (RFC 9293 §3.10.4): told once our FIN is asked for. */
  #finalDone: WriteDone | undefined;
  #reset = false;

  /**
   * Without a `writableHighWaterMark`, `write` goes on taking as much as a send buffer would: tcp_wmem's initial size, then
   * twice the congestion window, up to tcp_wmem's most. What is under way counts.
   */
  constructor(endpoint: Endpoint, options: SocketStreamOptions = {}) {
    const streamOptions: DuplexOptions = {
      writableHighWaterMark: endpoint.sendCapacity,
      readableHighWaterMark: READABLE_MARK,
      ...options,
      allowHalfOpen: true,
      autoDestroy: false,
      emitClose: true,
    };
    super(streamOptions, (options.writableHighWaterMark ?? options.highWaterMark) !== undefined);
    this.endpoint = endpoint;
    const { state } = endpoint;
    this.#connecting =
      state === 'SYN-SENT' || state === 'SYN-RECEIVED' || (state === 'CLOSED' && !wasConnected(endpoint));
    endpoint.onEvent = () => this.#onEvent();
    this.on('end', () => this.#closeIfOver());
    // It may have ended before anyone could listen for it.
    if (state === 'CLOSED') process.nextTick(() => this.#onEvent());
  }

  /** The handshake is not over. */
  get connecting(): boolean {
    return this.#connecting;
  }

  get localAddress(): string {
    return ipv4Text(this.endpoint.localAddress);
  }

  get localPort(): number {
    return this.endpoint.localPort;
  }

  get remoteAddress(): string {
    return ipv4Text(this.endpoint.remoteAddress);
  }

  get remotePort(): number {
    return this.endpoint.remotePort;
  }

  /** RST now; nothing queued is sent. */
  resetAndDestroy(): this {
    this.#reset = true;
    return this.destroy();
  }

  override _read(): void {
    super._read();
    if (this.endpoint.error !== undefined) this.#onEvent();
  }

  override _final(done: WriteDone): void {
    if (this.#connecting) {
      this.#finalDone = done;
      return;
    }
    this.endpoint.shutdown();
    done();
    this.#closeIfOver();
  }

  /** Without an error: our FIN after what is queued, and nothing more is read. With one, or a reset asked for: RST. */
  override _destroy(error: Error | null, done: WriteDone): void {
    const { endpoint } = this;
    const waiting = [this.letGo(endpoint), this.#finalDone];
    this.#finalDone = undefined;
    if (this.#reset || (error !== null && endpoint.error === undefined)) endpoint.abort();
    else endpoint.close();
    endpoint.onEvent = undefined;
    for (const told of waiting) told?.(error ?? unsentError());
    done(error);
  }

  #onEvent(): void {
    const { endpoint } = this;
    if (this.destroyed) return;
    if (endpoint.error !== undefined) {
      if (!this.#connecting && !this.#hasHandedOver()) return;
      const syscall = this.#connecting ? 'connect' : this.isWriting ? 'write' : 'read';
      this.destroy(socketError(endpoint.error, syscall, endpoint.remoteAddress, endpoint.remotePort));
      return;
    }
    if (this.#connecting && !BEFORE_CONNECT.has(endpoint.state)) {
      this.#connecting = false;
      this.emit('connect');
      const ending = this.#finalDone;
      this.#finalDone = undefined;
      if (ending !== undefined) this._final(ending);
      if (this.destroyed) return;
    }
    this.tellWriter(endpoint);
    this.pump(endpoint);
    if (endpoint.state === 'TIME-WAIT' && !this.#inTimeWait) {
      this.#inTimeWait = true;
      this.emit('time-wait');
    }
    this.#closeIfOver();
  }

  /** What came before the connection broke off is the reader's first, where there is one. If not now, it is looked at again. */
  #hasHandedOver(): boolean {
    const { endpoint } = this;
    this.pump(endpoint);
    if (this.isWriting || this.readableFlowing === null) return true;
    if ((endpoint.connection.variables?.receiveBuffer.unread ?? 0) > 0) return false;
    if (this.readableLength === 0) return true;
    // What was pushed is handed out in the next turn.
    if (this.readableFlowing) setImmediate(() => this.#onEvent());
    else if (this.isPaused()) this.once('resume', () => this.#onEvent());
    return !this.readableFlowing && !this.isPaused();
  }

  /** CLOSED and everything read: nothing is left to wait for. */
  #closeIfOver(): void {
    if (this.endpoint.state === 'CLOSED' && (this.readableEnded || !this.readable)) this.destroy();
  }
}

export type SocketStreamOptions = Pick<
  DuplexOptions,
  'highWaterMark' | 'readableHighWaterMark' | 'writableHighWaterMark'
>;

/** CLOSED: given up, by a call of ours; errors come another way. */
export const BEFORE_CONNECT: ReadonlySet<State> = new Set(['SYN-SENT', 'SYN-RECEIVED', 'CLOSED']);

/** Something of it was acknowledged, or arrived: it had got beyond its handshake. */
export function wasConnected(endpoint: Endpoint): boolean {
  const info = endpoint.info();
  return info.bytes_received > 0 || info.bytes_acked > 0 || info.rtt > 0;
}

/** For a write whose octets were still waiting when the socket was destroyed. */
function unsentError(): Error {
  return Object.assign(new Error('destroyed before everything was sent'), { code: 'ERR_STREAM_DESTROYED' });
}

/** `connect ECONNREFUSED 10.0.0.2:81`, with the properties that Node's own errors have. */
export function socketError(code: string, syscall: SocketError['syscall'], address: Ipv4, port: number): SocketError {
  const text = ipv4Text(address);
  const number = constants.errno[code as keyof typeof constants.errno];
  const where = syscall === 'connect' ? ` ${text}:${port}` : '';
  return Object.assign(new Error(`${syscall} ${code}${where}`), { errno: -number, code, syscall, address: text, port });
}
