/**
 * A port that waits for connections, with Linux's two queues: half-open ones, at most `backlog`, beyond which SYN
 * cookies take over or SYNs are dropped; and established ones nobody has accepted, at most `backlog` + 1, beyond which
 * SYNs and third segments are ignored, so that the peer tries again.
 */
import type { Micros } from '../base/time.ts';
import type { ConnectionConfig } from '../tcp/config.ts';
import type { Endpoint } from './endpoint.ts';

/** How long after the last cookie an ACK may still bring one back. */
const COOKIE_MEMORY = 128_000_000;

export class Listener {
  readonly port: number;
  readonly backlog: number;
  /** Of the connections it makes. */
  readonly config: ConnectionConfig;
  /** A connection is waiting to be accepted. */
  onConnection: (() => void) | undefined = undefined;
  readonly #halfOpen = new Set<Endpoint>();
  readonly #ready = new Set<Endpoint>();
  readonly #fastOpens = new Set<Endpoint>();
  readonly #close: (listener: Listener) => void;
  #lastCookieAt: Micros = Number.NEGATIVE_INFINITY as Micros;

  constructor(port: number, backlog: number, config: ConnectionConfig, close: (listener: Listener) => void) {
    this.port = port;
    this.backlog = backlog;
    this.config = config;
    this.#close = close;
  }

  get halfOpen(): number {
    return this.#halfOpen.size;
  }

  get ready(): number {
    return this.#ready.size;
  }

  /** Connections that began with data on their SYN, and whose third segment has not come (RFC 7413 §5.1). */
  get fastOpens(): number {
    let count = 0;
    for (const endpoint of this.#fastOpens) {
      if (endpoint.state === 'SYN-RECEIVED') count++;
      else this.#fastOpens.delete(endpoint);
    }
    return count;
  }

  get isSynQueueFull(): boolean {
    return this.#halfOpen.size >= this.backlog;
  }

  get isAcceptQueueFull(): boolean {
    return this.#ready.size > this.backlog;
  }

  /** The connection that has waited longest; undefined when none waits. */
  accept(): Endpoint | undefined {
    for (const endpoint of this.#ready) {
      this.#ready.delete(endpoint);
      endpoint.listener = undefined;
      return endpoint;
    }
    return undefined;
  }

  /** No more connections; those not accepted are reset. */
  close(): void {
    this.#close(this);
    const waiting = [...this.#halfOpen, ...this.#ready];
    this.#halfOpen.clear();
    this.#ready.clear();
    for (const endpoint of waiting) endpoint.abort();
  }

  // For the stack only.

  begun(endpoint: Endpoint): void {
    this.#halfOpen.add(endpoint);
  }

  fastOpened(endpoint: Endpoint): void {
    this.#fastOpens.add(endpoint);
  }

  established(endpoint: Endpoint): void {
    if (this.#halfOpen.delete(endpoint)) this.#ready.add(endpoint);
  }

  /** It ended before it was established. One that was waits for `accept` all the same, as with Linux: it may have said something. */
  gone(endpoint: Endpoint): void {
    this.#halfOpen.delete(endpoint);
  }

  cookieSent(now: Micros): void {
    this.#lastCookieAt = now;
  }

  mayHaveCookies(now: Micros): boolean {
    return now - this.#lastCookieAt < COOKIE_MEMORY;
  }
}
