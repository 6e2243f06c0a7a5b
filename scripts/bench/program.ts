/** A program of the bench: NDJSON on its stdout, read line by line as it comes; what else it says is kept for its obituary. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** One line; `event`, or `type` where tcpx itself speaks, says what it is. */
export type Said = Readonly<Record<string, unknown>>;

export class Program {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #said: Said[] = [];
  #stderr = '';
  #over: string | undefined;
  #waiting: (() => void)[] = [];

  constructor(command: string, args: readonly string[], name: string) {
    this.#name = name;
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      this.#said.push(JSON.parse(line) as Said);
      this.#wake();
    });
    child.on('error', (error) => this.#end(error.message));
    child.on('close', (code, signal) => this.#end(`exit ${code ?? signal}`));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The first line yet unread with that `event`, and `such`; it is read by that. Rejects when the program ends before, or after `withinMs`. */
  async said(event: string, withinMs: number, such: (said: Said) => boolean = () => true): Promise<Said> {
    const until = performance.now() + withinMs;
    const timer = setTimeout(() => this.#wake(), withinMs + 1);
    try {
      for (;;) {
        const at = this.#said.findIndex((s) => (s['event'] ?? s['type']) === event && such(s));
        if (at >= 0) return this.#said.splice(at, 1)[0]!;
        if (this.#over !== undefined) throw this.#failure(`ended (${this.#over}) without '${event}'`);
        if (performance.now() > until) throw this.#failure(`did not say '${event}' within ${withinMs} ms`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** End of its input. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Resolves when it is over; kills it if that takes longer than `withinMs`. */
  async ended(withinMs = 5000): Promise<void> {
    const timer = setTimeout(() => this.kill('SIGKILL'), withinMs);
    while (this.#over === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    clearTimeout(timer);
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.#over === undefined) this.#child.kill(signal);
  }

  #end(how: string): void {
    this.#over ??= how;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #failure(what: string): Error {
    const said = this.#stderr.trim();
    return new Error(`${this.#name} ${what}${said === '' ? '' : `:\n${said}`}`);
  }
}
