/**
 * One connection between this process's stdin and stdout and a peer: who is read when, what ends it, and what ^C means.
 * Back-pressure goes both ways: stdin is read no faster than the peer takes it, the peer no faster than stdout does.
 */
import type { Duplex } from 'node:stream';
import { codeOf } from './exit.ts';
import type { Io, Signal } from './io.ts';

/** What a session needs of a TcpSocket: beside a Duplex's events 'connect' and 'time-wait'. */
export interface SessionSocket extends Duplex {
  /** 'connect' is still to come. */
  readonly connecting: boolean;
  resetAndDestroy(): unknown;
}

export interface SessionOptions {
  /** Seconds; undefined: as long as the stack tries. */
  readonly connectTimeout: number | undefined;
  /** Seconds without data either way; undefined: no limit. */
  readonly idleTimeout: number | undefined;
  /** Stay until CLOSED. */
  readonly stayInTimeWait: boolean;
  /** Once connected, seconds that the peer has for closing its side; undefined: as long as it likes. */
  readonly leaveAfter?: number;
  /** A signal is told to the user elsewhere. */
  readonly quietSignals?: boolean;
  /** Tells the user something between log lines. */
  note(text: string): void;
}

export type SessionEnd =
  /** CLOSED in an orderly way, or left in TIME-WAIT. */
  | { readonly how: 'closed' | 'time-wait' }
  /** The connection ended with an error; `connected`: it had been established. */
  | { readonly how: 'failed'; readonly code: string; readonly message: string; readonly connected: boolean }
  | { readonly how: 'no answer' | 'idle' }
  | { readonly how: 'signal'; readonly signal: Signal }
  /** Nobody reads stdout any more. */
  | { readonly how: 'output gone'; readonly code: string };

export const closingNote = (signal: Signal): string =>
  `closing (FIN); ${signal === 'SIGINT' ? '^C again' : 'another signal'} aborts (RST)`;

export function runSession(socket: SessionSocket, io: Io, o: SessionOptions): Promise<SessionEnd> {
  return new Promise((resolve) => {
    new Session(socket, io, o, resolve).start();
  });
}

class Session {
  readonly #socket: SessionSocket;
  readonly #io: Io;
  readonly #o: SessionOptions;
  readonly #resolve: (end: SessionEnd) => void;
  readonly #undo: (() => void)[] = [];
  #connected = false;
  #peerEnded = false;
  #outputFlushed = false;
  #inTimeWait = false;
  #closing = false;
  #error: Error | undefined;
  #forced: SessionEnd | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #done = false;

  constructor(socket: SessionSocket, io: Io, o: SessionOptions, resolve: (end: SessionEnd) => void) {
    this.#socket = socket;
    this.#io = io;
    this.#o = o;
    this.#resolve = resolve;
  }

  start(): void {
    const { stdout } = this.#io;
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      this.#undo.push(this.#io.onSignal(signal, () => this.#onSignal(signal)));
    const outputGone = (error: Error): void => this.#abort({ how: 'output gone', code: codeOf(error) ?? 'EIO' });
    stdout.on('error', outputGone);
    this.#undo.push(() => stdout.off('error', outputGone));
    if (this.#o.connectTimeout !== undefined) {
      const timer = setTimeout(() => {
        if (!this.#connected) this.#abort({ how: 'no answer' });
      }, this.#o.connectTimeout * 1000);
      this.#undo.push(() => clearTimeout(timer));
    }

    const socket = this.#socket;
    socket.on('data', (octets: Uint8Array) => this.#fromPeer(octets));
    socket.once('end', () => {
      this.#peerEnded = true;
      // A write of nothing is called back when all before it is out.
      stdout.write('', () => {
        this.#outputFlushed = true;
        this.#settle();
      });
      if (!this.#socket.writableEnded && this.#io.stdin.isTTY === true)
        this.#o.note('the peer has closed its side; ^D or ^C closes ours');
    });
    socket.once('time-wait', () => {
      this.#inTimeWait = true;
      this.#settle();
    });
    socket.once('error', (error: Error) => {
      this.#error = error;
    });
    socket.once('close', () => this.#onClose());
    if (socket.connecting) socket.once('connect', () => this.#onConnect());
    else this.#onConnect();
  }

  #onConnect(): void {
    this.#connected = true;
    this.#touch();
    if (this.#o.leaveAfter !== undefined) {
      const timer = setTimeout(() => this.#finish({ how: 'closed' }), this.#o.leaveAfter * 1000);
      this.#undo.push(() => clearTimeout(timer));
    }
    const { stdin } = this.#io;
    const inputFailed = (error: Error): void => {
      this.#o.note(`stdin: ${error.message}; closing`);
      this.#socket.end();
    };
    const touch = (): void => this.#touch();
    stdin.on('error', inputFailed);
    stdin.on('data', touch);
    this.#undo.push(() => {
      stdin.off('error', inputFailed);
      stdin.off('data', touch);
      stdin.unpipe(this.#socket);
      stdin.pause();
    });
    // pipe() ends the socket at the end of input: that is the half-close.
    stdin.pipe(this.#socket);
  }

  #fromPeer(octets: Uint8Array): void {
    this.#touch();
    if (this.#io.stdout.write(octets)) return;
    this.#socket.pause();
    this.#io.stdout.once('drain', () => this.#socket.resume());
  }

  /** Something moved: the idle time begins anew. */
  #touch(): void {
    if (this.#o.idleTimeout === undefined || this.#done) return;
    if (this.#idleTimer !== undefined) {
      this.#idleTimer.refresh();
      return;
    }
    const timer = setTimeout(() => this.#onIdle(), this.#o.idleTimeout * 1000);
    this.#idleTimer = timer;
    this.#undo.push(() => clearTimeout(timer));
  }

  #onIdle(): void {
    // Nothing is expected any more, and the stack ends that state by itself.
    if (this.#inTimeWait) return;
    const end: SessionEnd = { how: 'idle' };
    if (this.#forced !== undefined || this.#closing || this.#socket.writableEnded) {
      this.#abort(end);
      return;
    }
    this.#forced = end;
    this.#o.note(`no data for ${this.#o.idleTimeout} s: closing`);
    this.#close();
    this.#idleTimer?.refresh();
  }

  #onSignal(signal: Signal): void {
    const first = !this.#closing;
    if (this.#inTimeWait) this.#finish({ how: 'time-wait' });
    else if (first && this.#connected) {
      if (this.#o.quietSignals !== true) this.#o.note(closingNote(signal));
      this.#close();
    } else this.#abort({ how: 'signal', signal });
  }

  #close(): void {
    this.#closing = true;
    this.#io.stdin.unpipe(this.#socket);
    this.#io.stdin.pause();
    this.#socket.end();
  }

  #abort(end: SessionEnd): void {
    if (this.#done) return;
    this.#socket.resetAndDestroy();
    this.#finish(end);
  }

  /** TIME-WAIT may come while data of the peer is still on its way to stdout. */
  #settle(): void {
    if (this.#inTimeWait && this.#peerEnded && this.#outputFlushed && !this.#o.stayInTimeWait)
      this.#finish(this.#forced ?? { how: 'time-wait' });
  }

  #onClose(): void {
    const error = this.#error;
    if (error === undefined) this.#finish(this.#forced ?? { how: 'closed' });
    else
      this.#finish({ how: 'failed', code: codeOf(error) ?? 'EIO', message: error.message, connected: this.#connected });
  }

  #finish(end: SessionEnd): void {
    if (this.#done) return;
    this.#done = true;
    for (const undo of this.#undo) undo();
    this.#resolve(end);
  }
}
