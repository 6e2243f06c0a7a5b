/**
 * The octets between a Duplex and an endpoint, both ways, and nothing of when a connection begins or is over: that is for
 * TcpSocket, which lives as long as its connection, and for Socket, which lives as `net`'s do.
 */
import { Duplex, type DuplexOptions } from 'node:stream';
import type { Endpoint } from '../stack/endpoint.ts';

/** What a Writable hands to `_writev`. */
export interface WriteChunk {
  readonly chunk: Uint8Array;
  readonly encoding: BufferEncoding;
}

export type WriteDone = (error?: Error | null) => void;

/** Octets. */
export const READABLE_MARK = 1 << 16;
/** Below it a copy costs less than keeping track. */
const SMALL_WRITE = 4096;
const PATIENCE_MS = 4;

export abstract class EndpointStream extends Duplex {
  /** Undefined: there is no connection yet, or none any more. */
  endpoint: Endpoint | undefined = undefined;
  /** Told when what was written last is the writer's again. */
  #writeDone: WriteDone | undefined;
  /** The user has said how much `write` may take. */
  readonly #hasOwnMark: boolean;
  /** The connection takes no more: the writer hears of it with the error, or the end. */
  #refused = false;
  /** Writes that had to wait, and which of them was waiting when `#patience` began. */
  #waits = 0;
  #waitsThen = 0;
  #patience: NodeJS.Timeout | undefined;
  /** The reader wants octets: `push` has not said stop. */
  #wanted = false;
  #ended = false;

  /** `hasOwnMark`: the writable mark stays as `options` have it; else it follows the endpoint's send buffer. */
  constructor(options: DuplexOptions, hasOwnMark: boolean) {
    super(options);
    this.#hasOwnMark = hasOwnMark;
  }

  override _read(): void {
    this.#wanted = true;
    if (this.endpoint !== undefined) this.pump(this.endpoint);
  }

  /** An endpoint there is. */
  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: WriteDone): void {
    const endpoint = this.endpoint!;
    this.#writeDone = done;
    this.#give(endpoint, chunk, false);
    this.tellWriter(endpoint);
    if (this.#writeDone !== undefined) this.#beginWaiting();
  }

  /** An endpoint there is. */
  override _writev(chunks: readonly WriteChunk[], done: WriteDone): void {
    const endpoint = this.endpoint!;
    this.#writeDone = done;
    const last = chunks.length - 1;
    for (let i = 0; i < last; i++) this.#give(endpoint, chunks[i]!.chunk, true);
    this.#give(endpoint, chunks[last]!.chunk, false);
    this.tellWriter(endpoint);
    if (this.#writeDone !== undefined) this.#beginWaiting();
  }

  /** A write has not been taken whole. */
  protected get isWriting(): boolean {
    return this.#writeDone !== undefined;
  }

  /** The reader waits for octets. */
  protected get isReading(): boolean {
    return this.#wanted && !this.#ended;
  }

  /** `push`, or what stands in for it; false: the reader wants no more for now. */
  protected deliver(octets: Uint8Array): boolean {
    return this.push(octets);
  }

  protected tellWriter(endpoint: Endpoint): void {
    const done = this.#writeDone;
    if (done === undefined || this.#refused || endpoint.lent > 0) return;
    this.#writeDone = undefined;
    if (!this.#hasOwnMark) setWritableMark(this, endpoint.sendCapacity);
    // Does he wait to write on? Then what he writes on hearing of it leaves together: else the first of it would leave alone, and all
    // the rest wait for its ACK. Not where the stream is ending, which Node then would never finish.
    const isWaiting = this.writableNeedDrain;
    if (isWaiting) this.cork();
    try {
      done();
    } finally {
      if (isWaiting) this.uncork();
    }
  }

  /** What has come goes to the reader, as long as it wants more. Ends the readable side at the peer's FIN. */
  protected pump(endpoint: Endpoint): void {
    while (this.#wanted && !this.#ended) {
      const octets = endpoint.receive();
      if (octets === 'empty') return;
      if (octets === 'end') {
        if (this.mayEnd(endpoint)) {
          this.#ended = true;
          this.deliverEnd();
        }
        return;
      }
      this.#wanted = this.deliver(endpoint.receiveBehind(octets));
    }
  }

  /** There is nothing more to read, and it may be told by 'end'. */
  protected mayEnd(endpoint: Endpoint): boolean {
    return endpoint.error === undefined;
  }

  protected deliverEnd(): void {
    this.push(null);
  }

  /** Nothing is taken from the connection before the next `_read`. */
  protected stopReading(): void {
    this.#wanted = false;
  }

  /** Nothing more goes either way: what was lent is copied. Returns the callback of the write that was not finished. */
  protected letGo(endpoint: Endpoint): WriteDone | undefined {
    const done = this.#writeDone;
    endpoint.keepLent();
    this.#writeDone = undefined;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    return done;
  }

  /** For another connection of the same stream. */
  protected beginAnew(): void {
    this.#refused = false;
    this.#wanted = false;
    this.#ended = false;
  }

  /** Few octets are copied at once, more only when they must be: see Endpoint.lend. `more` follows in this turn. */
  #give(endpoint: Endpoint, chunk: Uint8Array, more: boolean): void {
    const taken = chunk.length < SMALL_WRITE ? endpoint.send(chunk, more) : 0;
    if (taken === chunk.length) return;
    if (endpoint.lend(taken === 0 ? chunk : chunk.subarray(taken), more) === 0) this.#refused = true;
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
    if (this.#writeDone === undefined || this.destroyed || endpoint === undefined) return;
    this.#armPatience();
    if (isSame) endpoint.keepLent(true);
  }
}

/** Node lets everyone read a stream's mark, and itself reads it here at every write. */
function setWritableMark(stream: Duplex, octets: number): void {
  // Node's own state, which has no type
  const state = (stream as { _writableState?: { highWaterMark: number } })._writableState;
  if (state !== undefined && state.highWaterMark !== octets) state.highWaterMark = octets;
}
