/**
 * The user's side of a scenario, written once and held over Node's Duplex, so that the kernel's socket and ours get the
 * same calls in the same order.
 *
 * A conversation waits for quiet before each step of its own: who speaks first is then the same in every run, and a
 * delayed acknowledgment gets the time to show.
 */
import type { Duplex } from 'node:stream';

export interface TalkOptions {
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

/** One end of a conversation. Every wait ends with the first of: what is waited for, an error, patience. */
export class Talk {
  readonly #socket: ScenarioSocket;
  readonly #options: TalkOptions;
  readonly #keepAlive: (seconds: number) => void;
  #connected = false;
  #error: string | undefined;
  #peerEnded = false;
  #closed = false;
  #sent = 0;
  #received = 0;
  #undone: string | undefined;
  #changed: (() => void) | undefined;

  /** `socket` is connecting or about to. `keepAlive` asks a silent peer after so long, then every second. */
  constructor(socket: ScenarioSocket, options: TalkOptions, keepAlive: (seconds: number) => void) {
    this.#socket = socket;
    this.#options = options;
    this.#keepAlive = keepAlive;
    const note = (change: () => void) => () => {
      change();
      this.#changed?.();
    };
    const closed = note(() => {
      this.#closed = true;
    });
    options.signal.addEventListener('abort', closed, { once: true });
    socket.once('close', () => {
      options.signal.removeEventListener('abort', closed);
      closed();
    });
    socket.once(
      'connect',
      note(() => {
        this.#connected = true;
      }),
    );
    socket.once(
      'end',
      note(() => {
        this.#peerEnded = true;
      }),
    );
    socket.on('data', (octets: Uint8Array) => {
      this.#received += octets.length;
      this.#changed?.();
    });
    socket.on('error', (error: Error & { code?: string }) => {
      this.#error ??= error.code ?? error.message;
      this.#changed?.();
    });
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
    this.send(this.#options.request);
  }

  /** Octets, or so many of them. */
  send(what: Uint8Array | number): void {
    if (this.#over()) return;
    const octets = typeof what === 'number' ? new Uint8Array(what).fill(SOME_OCTET) : what;
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

  /** Waits until so many octets in all have come. */
  async received(octets: number): Promise<void> {
    await this.#until(() => this.#received >= octets || this.#peerEnded, this.#options.patience);
    if (this.#received < octets && !this.#over()) this.#undone = `the peer sent ${this.#received} of ${octets} octets`;
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

  /** Lets milliseconds pass. */
  async wait(ms: number): Promise<void> {
    await this.#until(() => false, ms);
  }

  /** Asks after a second of silence whether the peer is still there, then each second. */
  keepAlive(): void {
    if (this.#over()) return;
    this.#options.onCall();
    this.#keepAlive(1);
  }

  /** FIN after what has been sent. */
  end(): void {
    if (this.#over()) return;
    this.#options.onCall();
    this.#socket.end();
  }

  /** Waits for the peer's FIN. One that never sends it is left: the socket is closed. */
  async peerEnds(): Promise<void> {
    await this.#until(() => this.#peerEnded, this.#options.patience);
    if (!this.#peerEnded && !this.#over()) this.#undone = 'the peer did not close';
  }

  async finish(): Promise<void> {
    if (this.#over()) return;
    this.end();
    await this.peerEnds();
  }

  /** RST. */
  abort(): void {
    if (this.#over()) return;
    this.#options.onCall();
    this.#socket.resetAndDestroy();
  }

  /** Waits for the connection to fail. */
  async fails(): Promise<void> {
    await this.#until(() => false, this.#options.patience);
    if (!this.#over()) this.#undone = 'the connection did not fail';
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

const SOME_OCTET = 0x78;
