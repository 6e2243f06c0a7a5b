/** tcpx's end of a lab's connections: a TcpSocket whose states, octets and error can be waited for. */
import { once } from 'node:events';
import { TcpSocket } from '../../socket/tcp-socket.ts';
import type { Endpoint } from '../../stack/endpoint.ts';
import type { State } from '../../tcp/machine.ts';

export class TcpxEnd {
  readonly socket: TcpSocket;
  /** Entered so far, in order. */
  readonly states: State[];
  error: string | undefined;
  /** The peer's FIN has been read. */
  ended = false;
  readonly #parts: Uint8Array[] = [];
  #received = 0;
  #taken = 0;
  readonly #changed = new Set<() => void>();

  constructor(endpoint: Endpoint, states: State[]) {
    this.states = states;
    this.socket = new TcpSocket(endpoint);
    this.socket.on('data', (octets: Uint8Array) => {
      this.#parts.push(octets);
      this.#received += octets.length;
      this.nudge();
    });
    this.socket.on('end', () => {
      this.ended = true;
      this.nudge();
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
      this.nudge();
    });
    this.socket.on('close', () => this.nudge());
  }

  get endpoint(): Endpoint {
    return this.socket.endpoint;
  }

  get state(): State {
    return this.states.at(-1) ?? this.endpoint.state;
  }

  /** Octets received so far. */
  get received(): number {
    return this.#received;
  }

  /** Something has happened to it. */
  nudge(): void {
    for (const look of [...this.#changed]) look();
  }

  /** Whether `state` has been entered, waiting for it up to `patience` milliseconds. */
  reached(state: State, patience = 5000): Promise<boolean> {
    return this.until(() => this.states.includes(state), patience);
  }

  /** Whether `isSo`, waiting for it up to `patience` milliseconds. */
  until(isSo: () => boolean, patience = 5000): Promise<boolean> {
    if (isSo()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (value: boolean): void => {
        clearTimeout(timer);
        this.#changed.delete(look);
        resolve(value);
      };
      const look = (): void => {
        if (isSo()) done(true);
      };
      const timer = setTimeout(() => done(isSo()), patience);
      this.#changed.add(look);
    });
  }

  /** The next `len` octets, as text; fewer when they don't come. */
  async read(len: number, patience = 5000): Promise<string> {
    await this.until(() => this.#received - this.#taken >= len || this.ended || this.error !== undefined, patience);
    const all = Buffer.concat(this.#parts).subarray(this.#taken, this.#taken + len);
    this.#taken += all.length;
    return all.toString('latin1');
  }

  write(octets: string | Uint8Array): void {
    this.socket.write(octets);
  }

  /** Our FIN, behind what is queued. */
  close(): void {
    this.socket.end();
  }

  /** RST. */
  abort(): void {
    this.socket.resetAndDestroy();
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close');
  }
}
