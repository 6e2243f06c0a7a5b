/**
 * One stream of a measurement: writes as fast as the socket takes it, reads all that comes, and notices what must not
 * happen. What it writes is one buffer again and again, so an echo can be compared without keeping what was sent.
 */
import { patternPiece } from '../pattern.ts';
import type { PerfMode, Reading } from './model.ts';
import type { PerfSocket } from './socket.ts';

/** What ends a stream before its time. `code` is the socket's error. */
export type Trouble =
  | { readonly why: 'error'; readonly code: string; readonly message: string }
  /** The peer has sent its FIN. */
  | { readonly why: 'peer closed' }
  /** The first octet, counted from 0, that came back as another. */
  | { readonly why: 'echo differs'; readonly at: number };

/** What all streams together may still write or read. */
export interface Budget {
  octets: number;
}

export interface StreamEvents {
  /** Nothing is left to write, or to wait for from the peer. */
  onSpent(): void;
  onTrouble(stream: PerfStream, trouble: Trouble): void;
  /** Its last octet is where it belongs, and nothing more is wanted of it. */
  onOver(): void;
}

export class PerfStream {
  readonly id: number;
  readonly socket: PerfSocket;
  readonly #mode: PerfMode;
  readonly #data: Buffer;
  readonly #budget: Budget;
  readonly #events: StreamEvents;
  /** Octets given to the socket. */
  written = 0;
  received = 0;
  over = false;
  #started = false;
  #stopped = false;
  #peerEnded = false;
  #last: Reading | undefined;

  constructor(id: number, socket: PerfSocket, mode: PerfMode, data: Buffer, budget: Budget, events: StreamEvents) {
    this.id = id;
    this.socket = socket;
    this.#mode = mode;
    this.#data = data;
    this.#budget = budget;
    this.#events = events;
  }

  /** The socket is connected. */
  start(): void {
    const { stream } = this.socket;
    this.#started = true;
    stream.on('data', (octets: Buffer) => this.#onData(octets));
    stream.once('end', () => this.#onPeerEnd());
    stream.once('time-wait', () => this.#settle(true));
    stream.once('close', () => this.#settle(true));
    if (this.#mode === 'receive') return;
    stream.on('drain', () => this.#write());
    this.#write();
  }

  /** What the socket's 'error' says. */
  fail(error: Error): void {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
    this.#trouble({ why: 'error', code, message: error.message });
  }

  /** No more is written: our FIN goes out behind what is. Who only receives has had enough and says so by RST. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#mode === 'receive' && !this.#peerEnded) this.leave();
    else this.socket.stream.end();
    this.#settle(false);
  }

  /** All that was written has arrived, and come back from an echo. */
  get delivered(): boolean {
    if (this.#mode === 'echo') return this.received >= this.written;
    return this.#mode === 'receive' || this.reading().octetsOut >= this.written;
  }

  /** Looks whether it is over: acknowledgments don't tell of themselves. */
  look(): void {
    this.#settle(false);
  }

  reading(): Reading {
    return this.#last ?? { octetsOut: this.socket.octetsOut(), octetsIn: this.received, tcp: this.socket.tcp() };
  }

  /** Nothing more is wanted of it. */
  leave(): void {
    if (this.#started) this.#last ??= this.reading();
    this.socket.abort();
  }

  #write(): void {
    const data = this.#data;
    const { stream } = this.socket;
    while (!this.#stopped && !stream.destroyed) {
      const len = Math.min(data.length, this.#budget.octets);
      if (len === 0) {
        this.#events.onSpent();
        return;
      }
      this.#budget.octets -= len;
      this.written += len;
      if (!stream.write(len === data.length ? data : data.subarray(0, len))) return;
    }
  }

  #onData(octets: Buffer): void {
    if (this.over) return;
    if (this.#mode === 'echo' && !this.#compare(octets)) return;
    this.received += octets.length;
    if (this.#mode === 'receive') {
      this.#budget.octets -= octets.length;
      if (this.#budget.octets <= 0) this.#events.onSpent();
    } else this.#settle(false);
  }

  #compare(octets: Buffer): boolean {
    const data = this.#data;
    for (let done = 0; done < octets.length; ) {
      const at = (this.received + done) % data.length;
      const len = Math.min(octets.length - done, data.length - at);
      if (octets.compare(data, at, at + len, done, done + len) !== 0) {
        let first = 0;
        while (octets[done + first] === data[at + first]) first++;
        this.#trouble({ why: 'echo differs', at: this.received + done + first });
        return false;
      }
      done += len;
    }
    return true;
  }

  #onPeerEnd(): void {
    this.#peerEnded = true;
    if (this.#mode === 'receive' || !this.#stopped) this.#trouble({ why: 'peer closed' });
    else this.#settle(true);
  }

  /** `ended`: the peer's FIN or the end of the connection says that it has everything. */
  #settle(ended: boolean): void {
    if (this.over || !this.#stopped) return;
    if (ended || (this.delivered && (this.socket.knowsAcks || this.#mode !== 'send'))) this.#finish();
  }

  #trouble(trouble: Trouble): void {
    if (this.over) return;
    this.#events.onTrouble(this, trouble);
  }

  #finish(): void {
    this.over = true;
    this.#last ??= this.reading();
    this.#events.onOver();
  }
}

/** `len` octets to write over and over. */
export function patternBuffer(len: number): Buffer {
  const buffer = Buffer.allocUnsafe(len);
  for (let at = 0; at < len; ) {
    const piece = patternPiece(at, len - at);
    buffer.set(piece, at);
    at += piece.length;
  }
  return buffer;
}
