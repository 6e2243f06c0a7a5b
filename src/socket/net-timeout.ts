/** `setTimeout` of a socket: rings when nothing has come or gone for so long, and keeps no process alive. */
import { timeoutMs } from './net-errors.ts';

export class SocketTimeout {
  readonly #ring: () => void;
  /** Octets that are queued while a write waits for the connection to take them. */
  readonly #queued: () => number;
  #timer: NodeJS.Timeout | undefined;
  /** Octets queued when a write last began, or it last rang. */
  #queuedThen = 0;

  constructor(ring: () => void, queued: () => number) {
    this.#ring = ring;
    this.#queued = queued;
  }

  /** Returns milliseconds, 0 for never. Throws and warns as `net` does about either argument. */
  set(timeout: number, callback: (() => void) | undefined): number {
    const msecs = timeoutMs(timeout, callback);
    this.stop();
    if (msecs > 0) this.#timer = setTimeout(() => this.#onTimeout(), msecs).unref();
    return msecs;
  }

  /** Something came or went. */
  stir(): void {
    this.#timer?.refresh();
  }

  /** A write waits, and the octets that are queued now are not seen as its progress. */
  writeBegan(queued: number): void {
    this.#queuedThen = queued;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #onTimeout(): void {
    const queued = this.#queued();
    // What was written is on its way: it is not idle.
    if (queued !== 0 && queued !== this.#queuedThen) {
      this.#queuedThen = queued;
      this.stir();
      return;
    }
    this.#ring();
  }
}
