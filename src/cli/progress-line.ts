/** How far a long file has been read, on one line of a terminal that is written over. */
import type { Io } from './io.ts';

const ERASE = '\r\x1b[K';
const BAR = 30;
/** Milliseconds between two of them. */
const EVERY = 100;
/** What is done sooner needs none. */
const NOT_BEFORE = 300;

export class ProgressLine {
  readonly #stderr: Io['stderr'];
  readonly #shown: boolean;
  readonly #begin = performance.now();
  #last = 0;
  #stands = false;

  /** Shown where stderr is a terminal that can, and stdout's text doesn't scroll through it. */
  constructor(io: Pick<Io, 'stderr' | 'env'>, wanted: boolean) {
    this.#stderr = io.stderr;
    this.#shown = wanted && io.stderr.isTTY === true && io.env['TERM'] !== 'dumb';
  }

  /** `of`: how many octets there are, where that is known. */
  update(octets: number, of: number | undefined): void {
    this.say((seconds) => progressText(octets, of, seconds));
  }

  /** What else there is to tell, given the seconds since the beginning. */
  say(text: (seconds: number) => string): void {
    if (!this.#shown) return;
    const elapsed = performance.now() - this.#begin;
    if (elapsed < NOT_BEFORE || elapsed - this.#last < EVERY) return;
    this.#last = elapsed;
    this.#stands = true;
    const most = (this.#stderr.columns || 80) - 1;
    this.#stderr.write(`${ERASE}${text(elapsed / 1000).slice(0, most)}`);
  }

  clear(): void {
    if (this.#stands) this.#stderr.write(ERASE);
    this.#stands = false;
  }
}

/** `tcpx: [##########--------------------]  33 %  412 MB/s  2 s left` */
export function progressText(octets: number, of: number | undefined, seconds: number): string {
  const rate = octets / seconds;
  const speed = `${(rate / 1e6).toFixed(0)} MB/s`;
  if (of === undefined || of === 0) return `tcpx: ${(octets / 1e6).toFixed(0)} MB  ${speed}`;
  const share = Math.min(1, octets / of);
  const filled = Math.round(share * BAR);
  const left = Math.ceil((of - octets) / rate);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `tcpx: [${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}] ${percent} %  ${speed}  ${left} s left`;
}
