/** Lines for a stream, one write a turn of the event loop: a log of every segment must not cost a system call each. */
import type { Writable } from 'node:stream';

/** Characters that may wait for one write. */
const BATCH = 1 << 16;
/** Octets that may wait for a slow reader. A log can't slow the packets down, so beyond this, lines are left out and counted. */
const MAX_WAITING = 1 << 24;

export class LineWriter {
  readonly #stream: Writable;
  /** Called before a batch goes out at the end of a turn: the moment to say what was held. */
  readonly #beforeFlush: () => void;
  readonly #leftOutLine: (count: number) => string;
  #text = '';
  #scheduled: NodeJS.Immediate | undefined;
  #leftOut = 0;

  /** `leftOutLine`: what to say about lines that were left out. */
  constructor(stream: Writable, beforeFlush: () => void, leftOutLine: (count: number) => string) {
    this.#stream = stream;
    this.#beforeFlush = beforeFlush;
    this.#leftOutLine = leftOutLine;
  }

  line(line: string): void {
    if (this.#stream.writableLength > MAX_WAITING) {
      this.#leftOut++;
      return;
    }
    if (this.#leftOut > 0) {
      this.#text += `${this.#leftOutLine(this.#leftOut)}\n`;
      this.#leftOut = 0;
    }
    this.#text += `${line}\n`;
    if (this.#text.length >= BATCH) this.#write();
    else this.wake();
  }

  /** Sees to it that `beforeFlush` is called this turn. */
  wake(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.flush();
    });
  }

  flush(): void {
    this.#beforeFlush();
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    this.#write();
  }

  #write(): void {
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    this.#stream.write(text);
  }
}
