/**
 * A connection as a Node Duplex. Writing ends with our FIN while reading goes on (allowHalfOpen), and 'close' comes
 * when the connection is CLOSED: after TIME-WAIT, where this end closed first. Whoever doesn't want to wait so long
 * leaves on 'time-wait', by `destroy`.
 */

import { constants } from 'node:os';
import { Duplex, type DuplexOptions } from 'node:stream';
import type { Endpoint } from '../stack/endpoint.ts';
import type { State } from '../tcp/machine.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';

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
export class TcpSocket extends Duplex {
  readonly endpoint: Endpoint;
  #connecting: boolean;
  #inTimeWait = false;
  /** Told when what was written last is the writer's again. */
  #writeDone: ((error?: Error | null) => void) | undefined;
  /** The user has said how much `write` may take. */
  readonly #hasOwnMark: boolean;
  /** The connection takes no more: the writer hears of it with the error, or the end. */
  #refused = false;
  /** Writes that had to wait, and which of them was waiting when `#patience` began. */
  #waits = 0;
  #waitsThen = 0;
  #patience: NodeJS.Timeout | undefined;
  /** `end` came before the handshake was over, when CLOSE would give it up (RFC 9293 §3.10.4): told once our FIN is asked for. */
  #finalDone: ((error?: Error | null) => void) | undefined;
  /** The reader wants octets: `push` has not said stop. */
  #wanted = false;
  #ended = false;
  #reset = false;

  /**
   * Without a `writableHighWaterMark`, `write` goes on taking as much as a send buffer would: tcp_wmem's initial size, then
   * twice the congestion window, up to tcp_wmem's most. What is under way counts.
   */
  constructor(endpoint: Endpoint, options: SocketStreamOptions = {}) {
    super({
      writableHighWaterMark: endpoint.sendCapacity,
      readableHighWaterMark: READABLE_MARK,
      ...options,
      allowHalfOpen: true,
      autoDestroy: false,
      emitClose: true,
    });
    this.endpoint = endpoint;
    this.#hasOwnMark = (options.writableHighWaterMark ?? options.highWaterMark) !== undefined;
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
    this.#wanted = true;
    this.#pump();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#writeDone = done;
    this.#give(chunk, false);
    this.#tellWriter();
    if (this.#writeDone !== undefined) this.#beginWaiting();
  }

  override _writev(
    chunks: readonly { readonly chunk: Uint8Array; readonly encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#writeDone = done;
    const last = chunks.length - 1;
    for (let i = 0; i < last; i++) this.#give(chunks[i]!.chunk, true);
    this.#give(chunks[last]!.chunk, false);
    this.#tellWriter();
    if (this.#writeDone !== undefined) this.#beginWaiting();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#connecting) {
      this.#finalDone = done;
      return;
    }
    this.endpoint.shutdown();
    done();
    this.#closeIfOver();
  }

  /** Without an error: our FIN after what is queued, and nothing more is read. With one, or a reset asked for: RST. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { endpoint } = this;
    endpoint.keepLent();
    if (this.#reset || (error !== null && endpoint.error === undefined)) endpoint.abort();
    else endpoint.close();
    endpoint.onEvent = undefined;
    clearTimeout(this.#patience);
    const waiting = [this.#writeDone, this.#finalDone];
    this.#writeDone = undefined;
    this.#finalDone = undefined;
    for (const told of waiting) told?.(error ?? unsentError());
    done(error);
  }

  #onEvent(): void {
    const { endpoint } = this;
    if (this.destroyed) return;
    if (endpoint.error !== undefined) {
      const syscall = this.#connecting ? 'connect' : this.#writeDone === undefined ? 'read' : 'write';
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
    this.#tellWriter();
    this.#pump();
    if (endpoint.state === 'TIME-WAIT' && !this.#inTimeWait) {
      this.#inTimeWait = true;
      this.emit('time-wait');
    }
    this.#closeIfOver();
  }

  /** Few octets are copied at once, more only when they must be: see Endpoint.lend. `more` follows in this turn. */
  #give(chunk: Uint8Array, more: boolean): void {
    const { endpoint } = this;
    const taken = chunk.length < SMALL_WRITE ? endpoint.send(chunk, more) : 0;
    if (taken === chunk.length) return;
    if (endpoint.lend(taken === 0 ? chunk : chunk.subarray(taken), more) === 0) this.#refused = true;
  }

  #tellWriter(): void {
    const done = this.#writeDone;
    if (done === undefined || this.#refused || this.endpoint.lent > 0) return;
    this.#writeDone = undefined;
    if (!this.#hasOwnMark) setWritableMark(this, this.endpoint.sendCapacity);
    done();
  }

  /** A peer may hold back an ACK, or be busy: a writer whose octets have all left doesn't wait for that. */
  #beginWaiting(): void {
    this.#waits++;
    if (this.#patience === undefined) this.#armPatience();
  }

  #armPatience(): void {
    this.#waitsThen = this.#waits;
    this.#patience = setTimeout(() => this.#losePatience(), PATIENCE_MS);
  }

  #losePatience(): void {
    const { endpoint } = this;
    const isSame = this.#waits === this.#waitsThen;
    this.#patience = undefined;
    if (this.#writeDone === undefined || this.destroyed) return;
    this.#armPatience();
    if (isSame) endpoint.keepLent(true);
  }

  #pump(): void {
    while (this.#wanted && !this.#ended) {
      const octets = this.endpoint.receive();
      if (octets === 'empty') return;
      if (octets === 'end') {
        this.#ended = true;
        this.push(null);
        return;
      }
      this.#wanted = this.push(octets);
    }
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

/** Octets. */
const READABLE_MARK = 1 << 16;
/** Below it a copy costs less than keeping track. */
const SMALL_WRITE = 4096;
const PATIENCE_MS = 4;

/** Node lets everyone read a stream's mark, and itself reads it here at every write. */
function setWritableMark(stream: Duplex, octets: number): void {
  // Node's own state, which has no type
  const state = (stream as { _writableState?: { highWaterMark: number } })._writableState;
  if (state !== undefined && state.highWaterMark !== octets) state.highWaterMark = octets;
}

/** CLOSED: given up, by a call of ours; errors come another way. */
const BEFORE_CONNECT: ReadonlySet<State> = new Set(['SYN-SENT', 'SYN-RECEIVED', 'CLOSED']);

/** Something of it was acknowledged, or arrived: it had got beyond its handshake. */
function wasConnected(endpoint: Endpoint): boolean {
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
