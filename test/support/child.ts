/** A child process of a test: what it printed is kept, lines can be waited for, its end can be waited for. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One line of NDJSON. */
export type ChildEvent = Readonly<Record<string, unknown>>;

export class Child {
  readonly pid: number;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #label: string;
  readonly #out: Buffer[] = [];
  #stderr = '';
  readonly #exit: Promise<Exit>;
  #ended: Exit | undefined;
  #changed: (() => void)[] = [];

  constructor(child: ChildProcessWithoutNullStreams, label: string) {
    this.#process = child;
    this.#label = label;
    this.pid = child.pid ?? -1;
    child.stdin.on('error', () => {});
    child.stdout.on('data', (octets: Buffer) => {
      this.#out.push(octets);
      this.#change();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#change();
    });
    this.#exit = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        this.#ended = { code, signal };
        this.#change();
        resolve(this.#ended);
      });
    });
    this.#exit.catch(() => {});
  }

  /** Everything printed so far. */
  get stdout(): string {
    return this.stdoutOctets.toString('utf8');
  }

  get stdoutOctets(): Buffer {
    return Buffer.concat(this.#out);
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Undefined while it runs. */
  get ended(): Exit | undefined {
    return this.#ended;
  }

  write(octets: Uint8Array | string): void {
    this.#process.stdin.write(octets);
  }

  /** End of its standard input. */
  end(octets?: Uint8Array | string): void {
    if (octets === undefined) this.#process.stdin.end();
    else this.#process.stdin.end(octets);
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#process.kill(signal);
  }

  /** Resolves at its end; fails after `withinMs`, with what it printed. */
  exit(withinMs = 20_000): Promise<Exit> {
    return this.#until(() => this.#ended, 'exit', withinMs);
  }

  /** Waits until what it printed, on stdout or stderr, matches; the match. Fails when it ends without. */
  output(pattern: RegExp, withinMs = 20_000): Promise<RegExpExecArray> {
    return this.#until(
      () => pattern.exec(this.stdout) ?? pattern.exec(this.#stderr) ?? undefined,
      String(pattern),
      withinMs,
    );
  }

  /** Waits for the first line of NDJSON on stdout with that `event`. */
  event(name: string, withinMs = 20_000): Promise<ChildEvent> {
    return this.#until(() => this.events().find((event) => event['event'] === name), `event ${name}`, withinMs);
  }

  /** Whole lines of NDJSON on stdout so far; other lines are passed over. */
  events(): readonly ChildEvent[] {
    const lines = this.stdout.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as ChildEvent);
  }

  async #until<T>(look: () => T | undefined, what: string, withinMs: number): Promise<T> {
    const deadline = setTimeout(() => this.#change(), withinMs);
    const endAt = performance.now() + withinMs;
    try {
      for (;;) {
        const found = look();
        if (found !== undefined) return found;
        if (this.#ended !== undefined)
          throw this.#failure(`ended (${this.#ended.code ?? this.#ended.signal}) before ${what}`);
        if (performance.now() >= endAt) throw this.#failure(`no ${what} within ${withinMs} ms`);
        await new Promise<void>((resolve) => this.#changed.push(resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  #failure(why: string): Error {
    return new Error(
      `${this.#label}: ${why}\nstdout: ${this.stdout.slice(-2000)}\nstderr: ${this.#stderr.slice(-4000)}`,
    );
  }

  #change(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }
}
