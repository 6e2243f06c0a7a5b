/**
 * Connections as they come, as TcpSockets. At most `maxConnections` at once: the others wait in their listener's queue,
 * and when that is full their peers try again, as with a kernel whose program doesn't accept.
 */
import { EventEmitter } from 'node:events';
import type { Listener } from '../stack/listener.ts';
import { TcpSocket } from './tcp-socket.ts';

export interface TcpServerOptions {
  /** At once; no limit when absent. A socket counts until its 'close'. */
  readonly maxConnections?: number;
}

interface TcpServerEvents {
  /** A connection is ESTABLISHED, or the peer's FIN has come as well by now. */
  connection: [socket: TcpSocket];
  /** After `close`, when the last socket has closed. */
  close: [];
}

export class TcpServer extends EventEmitter<TcpServerEvents> {
  readonly #listeners: readonly Listener[];
  readonly #sockets = new Set<TcpSocket>();
  readonly #maxConnections: number;
  #closed = false;
  #ended = false;
  /** Which listener is asked first: none waits for ever behind another. */
  #turn = 0;

  /** Takes over the listeners; what already waits in them comes in the next turn of the event loop. */
  constructor(listeners: readonly Listener[], o: TcpServerOptions = {}) {
    super();
    this.#listeners = listeners;
    this.#maxConnections = o.maxConnections ?? Number.POSITIVE_INFINITY;
    for (const listener of listeners) listener.onConnection = () => this.#accept();
    setImmediate(() => this.#accept());
  }

  /** Accepted and not yet closed. */
  get sockets(): ReadonlySet<TcpSocket> {
    return this.#sockets;
  }

  get listening(): boolean {
    return !this.#closed;
  }

  /** Takes no more connections, and resets those that still wait; the others go on. Idempotent. */
  close(): this {
    if (this.#closed) return this;
    this.#closed = true;
    for (const listener of this.#listeners) {
      listener.onConnection = undefined;
      listener.close();
    }
    setImmediate(() => this.#endIfOver());
    return this;
  }

  #accept(): void {
    while (!this.#closed && this.#sockets.size < this.#maxConnections) {
      const endpoint = this.#next();
      if (endpoint === undefined) return;
      const socket = new TcpSocket(endpoint);
      this.#sockets.add(socket);
      socket.once('close', () => this.#gone(socket));
      this.emit('connection', socket);
    }
  }

  #next(): ReturnType<Listener['accept']> {
    const count = this.#listeners.length;
    for (let i = 0; i < count; i++) {
      const at = (this.#turn + i) % count;
      const endpoint = this.#listeners[at]!.accept();
      if (endpoint === undefined) continue;
      this.#turn = at + 1;
      return endpoint;
    }
    return undefined;
  }

  #gone(socket: TcpSocket): void {
    this.#sockets.delete(socket);
    if (this.#closed) this.#endIfOver();
    else this.#accept();
  }

  #endIfOver(): void {
    if (this.#ended || this.#sockets.size > 0) return;
    this.#ended = true;
    this.emit('close');
  }
}
