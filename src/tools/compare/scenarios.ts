/**
 * What a comparison does with a connection: the user's side of it, written once and held over Node's Duplex, so that
 * the kernel's socket and ours get the same calls in the same order.
 *
 * A conversation waits for quiet before each step of its own: who speaks first is then the same in every run, and a
 * delayed acknowledgment gets the time to show.
 */
import type { Duplex } from 'node:stream';

export interface ScenarioOptions {
  /** What `request` sends, octets. */
  readonly request: Uint8Array;
  /** How long a silence counts as the end of an answer, milliseconds; above the longest delayed ACK (200 ms on Linux). */
  readonly quiet: number;
  /** How long the peer may take for anything, milliseconds. */
  readonly patience: number;
  /** Ends every wait. */
  readonly signal: AbortSignal;
  /** Told of each call right before it is made. */
  readonly onCall: () => void;
}

/** What both stacks' sockets have beside a Duplex's methods and the event 'connect'. */
export interface ScenarioSocket extends Duplex {
  resetAndDestroy(): unknown;
}

/** How a conversation ended. `error` is the socket's error code; `undone` says what the peer did not do. */
export interface Outcome {
  readonly connected: boolean;
  readonly error: string | undefined;
  readonly octetsSent: number;
  readonly octetsReceived: number;
  readonly undone: string | undefined;
}

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** The port must have nothing listening on it. */
  readonly closedPort: boolean;
  /** What an outcome must look like for the comparison to mean something; the complaint, or undefined when it does. */
  readonly complaint: (outcome: Outcome) => string | undefined;
  readonly converse: (talk: Talk) => Promise<void>;
}

/** One end of a conversation. Every wait ends with the first of: what is waited for, an error, patience. */
export class Talk {
  readonly #socket: ScenarioSocket;
  readonly #options: ScenarioOptions;
  #connected = false;
  #error: string | undefined;
  #peerEnded = false;
  #closed = false;
  #sent = 0;
  #received = 0;
  #undone: string | undefined;
  #changed: (() => void) | undefined;

  /** `socket` is connecting or about to. */
  constructor(socket: ScenarioSocket, options: ScenarioOptions) {
    this.#socket = socket;
    this.#options = options;
    const note = (change: () => void) => {
      change();
      this.#changed?.();
    };
    options.signal.addEventListener(
      'abort',
      () =>
        note(() => {
          this.#closed = true;
        }),
      { once: true },
    );
    socket.once('connect', () =>
      note(() => {
        this.#connected = true;
      }),
    );
    socket.on('data', (octets: Uint8Array) =>
      note(() => {
        this.#received += octets.length;
      }),
    );
    socket.once('end', () =>
      note(() => {
        this.#peerEnded = true;
      }),
    );
    socket.once('close', () =>
      note(() => {
        this.#closed = true;
      }),
    );
    socket.on('error', (error: Error & { code?: string }) =>
      note(() => {
        this.#error ??= error.code ?? error.message;
      }),
    );
  }

  get outcome(): Outcome {
    return {
      connected: this.#connected,
      error: this.#error,
      octetsSent: this.#sent,
      octetsReceived: this.#received,
      undone: this.#undone,
    };
  }

  /** True once the connection stands; false when it failed or the peer stayed silent. */
  async connected(): Promise<boolean> {
    await this.#until(() => this.#connected, this.#options.patience);
    if (!this.#connected && this.#error === undefined) this.#undone = 'the peer did not answer';
    return this.#connected && !this.#over();
  }

  sendRequest(): void {
    if (this.#over()) return;
    const octets = this.#options.request;
    this.#options.onCall();
    this.#sent += octets.length;
    this.#socket.write(octets);
  }

  /** Waits for the first octets of an answer, or the peer's FIN. */
  async answered(): Promise<boolean> {
    const before = this.#received;
    await this.#until(() => this.#received > before || this.#peerEnded, this.#options.patience);
    if (this.#received === before && !this.#peerEnded && !this.#over())
      this.#undone = 'the peer did not answer the request';
    return this.#received > before;
  }

  /** Waits until the peer has sent its FIN, or nothing for a while. */
  async quiet(): Promise<void> {
    const end = performance.now() + this.#options.patience;
    for (;;) {
      const before = this.#received;
      await this.#until(() => this.#peerEnded || this.#received !== before, this.#options.quiet);
      if (this.#peerEnded || this.#over() || this.#received === before || performance.now() > end) return;
    }
  }

  /** FIN after what has been sent; then waits for the peer's. A peer that never sends one is left: the socket is closed. */
  async finish(): Promise<void> {
    if (this.#over()) return;
    this.#options.onCall();
    this.#socket.end();
    await this.#until(() => this.#peerEnded, this.#options.patience);
    if (!this.#peerEnded && this.#error === undefined) this.#undone = 'the peer did not close';
  }

  #over(): boolean {
    return this.#error !== undefined || this.#closed;
  }

  #until(holds: () => boolean, limit: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#changed = undefined;
        resolve();
      };
      const timer = setTimeout(done, limit);
      this.#changed = () => {
        if (holds() || this.#over()) done();
      };
      this.#changed();
    });
  }
}

const mustConnect = (outcome: Outcome): string | undefined =>
  outcome.connected ? undefined : `no connection (${outcome.error ?? outcome.undone ?? 'unknown'})`;

const handshake: Scenario = {
  name: 'handshake',
  summary: 'three-way handshake, then an orderly close from our side',
  closedPort: false,
  complaint: mustConnect,
  async converse(talk) {
    if (!(await talk.connected())) return;
    await talk.quiet();
    await talk.finish();
  },
};

const request: Scenario = {
  name: 'request',
  summary: "a request line, the answer, then a close: ours when the peer leaves its side open, else after the peer's",
  closedPort: false,
  complaint: mustConnect,
  async converse(talk) {
    if (!(await talk.connected())) return;
    talk.sendRequest();
    await talk.answered();
    await talk.quiet();
    await talk.finish();
  },
};

const refused: Scenario = {
  name: 'refused',
  summary: 'a SYN to a port where nothing listens',
  closedPort: true,
  complaint: (outcome) =>
    outcome.error === 'ECONNREFUSED'
      ? undefined
      : `not refused (${outcome.connected ? 'something listens there' : (outcome.error ?? outcome.undone)})`,
  async converse(talk) {
    if (await talk.connected()) await talk.finish();
  },
};

export const SCENARIOS: readonly Scenario[] = [handshake, request, refused];
