/**
 * Connections whose socket has gone and whose FIN, or what is queued before it, the peer has not acknowledged yet. A
 * kernel sends the rest on its own time, after the process's end; here the process stays for it, for a while.
 */
import type { Endpoint } from '../stack/endpoint.ts';
import type { State } from '../tcp/machine.ts';

/** Our FIN, and all before it, may not have arrived. */
const UNFINISHED: ReadonlySet<State> = new Set(['FIN-WAIT-1', 'CLOSING', 'LAST-ACK']);
/** A peer that says nothing keeps the process no longer. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 5000;

export class Lingering {
  readonly #since = new Map<Endpoint, number>();
  readonly #hold: () => void;
  readonly #release: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** Each connection that lingers is held, and released once. */
  constructor(hold: () => void, release: () => void) {
    this.#hold = hold;
    this.#release = release;
  }

  add(endpoint: Endpoint): void {
    if (!UNFINISHED.has(endpoint.state)) return;
    this.#since.set(endpoint, performance.now());
    this.#hold();
    endpoint.onEvent = () => {
      if (!UNFINISHED.has(endpoint.state)) this.#drop(endpoint);
    };
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#look(), LOOK_MS);
      this.#timer.unref();
    }
  }

  #look(): void {
    const now = performance.now();
    for (const [endpoint, since] of this.#since) if (now - since >= PATIENCE_MS) this.#drop(endpoint);
  }

  #drop(endpoint: Endpoint): void {
    endpoint.onEvent = undefined;
    if (!this.#since.delete(endpoint)) return;
    this.#release();
    if (this.#since.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Keeps the process for as long as it was asked to more often than not to. */
export class Keeper {
  #holds = 0;
  #timer: NodeJS.Timeout | undefined;

  hold(): void {
    if (++this.#holds !== 1) return;
    if (this.#timer === undefined) this.#timer = setInterval(NOTHING, LONGEST_MS);
    else this.#timer.ref();
  }

  release(): void {
    if (--this.#holds === 0) this.#timer?.unref();
  }
}

const NOTHING = (): void => {};
const LONGEST_MS = 2 ** 31 - 1;
