/** A port that waits for connections: half-open ones, and those established and not yet accepted, up to `backlog` in all. */
import type { SocketOptions } from '../tcp/config.ts';
import type { Endpoint } from './endpoint.ts';

export class Listener {
  readonly port: number;
  readonly backlog: number;
  readonly options: Partial<SocketOptions>;
  /** A connection is waiting to be accepted. */
  onConnection: (() => void) | undefined = undefined;
  readonly #pending = new Set<Endpoint>();
  readonly #ready: Endpoint[] = [];
  readonly #close: (listener: Listener) => void;

  constructor(port: number, backlog: number, options: Partial<SocketOptions>, close: (listener: Listener) => void) {
    this.port = port;
    this.backlog = backlog;
    this.options = options;
    this.#close = close;
  }

  get isFull(): boolean {
    return this.#pending.size + this.#ready.length >= this.backlog;
  }

  /** The connection that has waited longest; undefined when none waits. */
  accept(): Endpoint | undefined {
    const endpoint = this.#ready.shift();
    if (endpoint !== undefined) endpoint.listener = undefined;
    return endpoint;
  }

  /** No more connections; those not accepted are reset. */
  close(): void {
    this.#close(this);
    const waiting = [...this.#pending, ...this.#ready];
    this.#pending.clear();
    this.#ready.length = 0;
    for (const endpoint of waiting) endpoint.abort();
  }

  // For the stack only.

  begun(endpoint: Endpoint): void {
    this.#pending.add(endpoint);
  }

  established(endpoint: Endpoint): void {
    if (this.#pending.delete(endpoint)) this.#ready.push(endpoint);
  }

  /** It ended before anyone accepted it. */
  gone(endpoint: Endpoint): void {
    this.#pending.delete(endpoint);
    const i = this.#ready.indexOf(endpoint);
    if (i >= 0) this.#ready.splice(i, 1);
  }
}
