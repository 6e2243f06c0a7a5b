/** The work bench of a run: lines to the peer, time to pass, and a rate that is not exceeded. */
import type { Random } from '../../base/random.ts';
import { type Established, Line, type OpenOptions } from './line.ts';
import { CannotTell } from './model.ts';
import type { Path, Requests } from './path.ts';
import { readSegment } from './segment.ts';

export interface BenchOptions {
  readonly random: Random;
  /** Microseconds that probes wait for what takes its time: retransmissions, half-open connections, TIME-WAIT. */
  readonly patience: number;
  readonly requests: Requests;
  /** Most packets per second, above what may leave at once. */
  readonly rate?: number;
  readonly signal?: AbortSignal;
}

/** So many may leave at once. */
const BURST = 24;
const RATE = 100;

export class Bench {
  readonly path: Path;
  readonly patience: number;
  readonly requests: Requests;
  readonly #random: Random;
  readonly #gap: number;
  readonly #signal: AbortSignal | undefined;
  /** What waits, to be told when the run is stopped. */
  readonly #waiting = new Set<() => void>();
  readonly #lines = new Map<number, Line>();
  /** When the bucket of packets that may leave at once is full again. */
  #fullAt = 0;
  #ipId: number;

  constructor(path: Path, o: BenchOptions) {
    this.path = path;
    this.patience = o.patience;
    this.requests = o.requests;
    this.#random = o.random;
    this.#gap = 1e6 / (o.rate ?? RATE);
    this.#signal = o.signal;
    this.#ipId = o.random.uint32() & 0xffff;
    o.signal?.addEventListener('abort', () => {
      for (const stop of [...this.#waiting]) stop();
    });
    path.onPacket = (bytes, t) => {
      const arrived = readSegment(bytes, path.remote);
      if (arrived?.srcPort === path.remotePort) this.#lines.get(arrived.dstPort)?.arrive(arrived, t);
    };
  }

  now(): number {
    return this.path.now();
  }

  uint32(): number {
    return this.#random.uint32();
  }

  /** A port of our own, nothing sent yet. It ends with `end` of the line. */
  line(): Line {
    const lease = this.path.lease();
    const line = new Line(this, lease.port, () => {
      this.#lines.delete(lease.port);
      lease.close();
    });
    this.#lines.set(lease.port, line);
    return line;
  }

  /** A connection. Throws CannotTell. */
  async connect(o: OpenOptions = {}): Promise<Established> {
    const line = this.line();
    try {
      return await line.connect(o);
    } catch (error) {
      await line.end();
      throw error;
    }
  }

  /** Uses a connection, and resets it afterwards. */
  async with<T>(o: OpenOptions, use: (line: Established) => Promise<T>): Promise<T> {
    const line = await this.connect(o);
    try {
      return await use(line);
    } finally {
      await line.end();
    }
  }

  /** The same with a port on which nothing was said yet. */
  async withLine<T>(use: (line: Line) => Promise<T>): Promise<T> {
    const line = this.line();
    try {
      return await use(line);
    } finally {
      await line.end();
    }
  }

  /**
   * Resolves with the time when it has left. What opens a connection, or could, waits until the rate allows it; the rest goes
   * at once and counts: a third segment that waits would be a round trip of our making.
   */
  async send(isOpening: boolean, build: (ipId: number) => Uint8Array): Promise<number> {
    const now = this.now();
    const at = Math.max(now, this.#fullAt - BURST * this.#gap);
    this.#fullAt = Math.max(this.#fullAt, now) + this.#gap;
    if (isOpening && at > now) await this.sleepUntil(at);
    this.path.send(build(this.#ipId++));
    return this.now();
  }

  sleep(us: number): Promise<void> {
    return this.sleepUntil(this.now() + us);
  }

  async sleepUntil(at: number): Promise<void> {
    await this.wait(
      at,
      () => false,
      () => () => {},
    );
  }

  /** Until `ready`, which is asked whenever `listen`'s callback is called; false when it was not by `at`. */
  wait(at: number, ready: () => boolean, listen: (look: () => void) => () => void): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#signal?.aborted) {
        reject(new Stopped());
        return;
      }
      if (ready()) {
        resolve(true);
        return;
      }
      const settle = (end: () => void): void => {
        undoTimer();
        undoListen();
        this.#waiting.delete(stop);
        end();
      };
      const stop = (): void => settle(() => reject(new Stopped()));
      const undoListen = listen(() => {
        if (ready()) settle(() => resolve(true));
      });
      const undoTimer = this.path.at(at, () => settle(() => resolve(ready())));
      this.#waiting.add(stop);
    });
  }

  /** The request that makes the peer send. Throws CannotTell. */
  get dataRequest(): Uint8Array {
    return wanted(this.requests.data, 'needs data: --request TEXT');
  }

  get closeRequest(): Uint8Array {
    return wanted(this.requests.close, 'needs a peer that closes: --request TEXT');
  }
}

function wanted(request: Uint8Array | undefined, otherwise: string): Uint8Array {
  if (request === undefined) throw new CannotTell(otherwise);
  return request;
}

/** The run is ended from outside. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}
