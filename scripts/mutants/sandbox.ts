/**
 * A copy of the project in the system's temporary directory, in which sources may be changed and tests run: the tree itself
 * is left alone, and what others change there meanwhile doesn't matter.
 *
 *   const box = openSandbox();
 *   box.apply(mutant);                                   // one at a time: apply puts the last one's file back
 *   await box.runTests({ files: ['test/tcp/rack.test.ts'] });
 *   await box.runProgram('test/rfc/some-program.ts', ['argument']);
 *   box.restore();
 *   box.close();
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applyMutant, type Mutant } from './mutant.ts';
import type { TestOrder, TestOutcome } from './order.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What tests and programs read. */
const COPIED = ['src', 'test', 'scripts', 'scenarios', 'docs', 'package.json', 'tsconfig.json', 'README.md'];
const LOADER = './test/support/ts-loader.mjs';
/** A run that takes longer has not ended, as far as anybody can tell. */
const TIME_LIMIT_S = 120;
/** An endless list must not take the machine with it. */
const HEAP_MIB = 2048;

export interface ProgramOutcome {
  /** Null when it was stopped. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface Sandbox {
  /** The copy's root. */
  readonly dir: string;
  /** Puts a mutant in force, in place of the last one. */
  apply(mutant: Mutant): void;
  /** Replaces the text of a file until the next `apply` or `restore`. */
  replace(file: string, text: string): void;
  /** The sources as they were. */
  restore(): void;
  /** Ends the tests that run: they fail. */
  interrupt(): void;
  /** In one process that is kept; nobody else runs there meanwhile. Past the limit the process is ended. */
  runTests(order: TestOrder, limitSeconds?: number): Promise<TestOutcome>;
  /** A TypeScript program with its arguments, in the copy's root. */
  runProgram(file: string, args: readonly string[], limitSeconds?: number): Promise<ProgramOutcome>;
  close(): void;
}

export function openSandbox(root = ROOT): Sandbox {
  const dir = mkdtempSync(join(tmpdir(), 'tcpx-mutants-'));
  for (const name of COPIED)
    if (existsSync(join(root, name))) cpSync(join(root, name), join(dir, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  return new Copy(dir);
}

class Copy implements Sandbox {
  readonly dir: string;
  /** By file, what is to be put back. */
  readonly #originals = new Map<string, string>();
  #worker: ChildProcess | undefined;
  /** Files that the worker has read and that have changed since. */
  readonly #changed = new Set<string>();

  constructor(dir: string) {
    this.dir = dir;
  }

  apply(mutant: Mutant): void {
    this.restore();
    this.replace(mutant.file, applyMutant(readFileSync(join(this.dir, mutant.file), 'utf8'), mutant));
  }

  replace(file: string, text: string): void {
    const path = join(this.dir, file);
    if (!this.#originals.has(file)) this.#originals.set(file, readFileSync(path, 'utf8'));
    writeFileSync(path, text);
    this.#changed.add(path);
  }

  restore(): void {
    for (const [file, text] of this.#originals) {
      writeFileSync(join(this.dir, file), text);
      this.#changed.add(join(this.dir, file));
    }
    this.#originals.clear();
  }

  async runTests(order: TestOrder, limitSeconds = TIME_LIMIT_S): Promise<TestOutcome> {
    const worker = this.#worker ?? this.#start(['scripts/mutants/worker.ts'], true);
    this.#worker = worker;
    const changed = [...this.#changed];
    this.#changed.clear();
    return new Promise((resolve, reject) => {
      const end = (outcome: TestOutcome | undefined, why: string): void => {
        clearTimeout(limit);
        worker.removeAllListeners();
        if (outcome === undefined) this.#stop();
        resolve(outcome ?? { verdict: 'failed', why, tests: [], broken: [] });
      };
      const limit = setTimeout(() => end(undefined, `not done in ${limitSeconds} s`), limitSeconds * 1000);
      worker.once('message', (outcome) => end(outcome as TestOutcome, ''));
      worker.once('exit', (code) => end(undefined, `the process ended with status ${code}`));
      worker.once('error', reject);
      worker.send({ ...order, changed });
    });
  }

  async runProgram(file: string, args: readonly string[], limitSeconds = TIME_LIMIT_S): Promise<ProgramOutcome> {
    const child = this.#start([file, ...args], false);
    const [out, err]: [string[], string[]] = [[], []];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => out.push(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => err.push(text));
    return new Promise((resolve, reject) => {
      let timedOut = false;
      const limit = setTimeout(() => {
        timedOut = true;
        endGroup(child);
      }, limitSeconds * 1000);
      child.once('error', reject);
      child.once('close', (exitCode) => {
        clearTimeout(limit);
        resolve({ exitCode, stdout: out.join(''), stderr: err.join(''), timedOut });
      });
    });
  }

  interrupt(): void {
    this.#stop();
  }

  close(): void {
    this.#stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** In a group of its own, with those that it starts, at the lowest priority. */
  #start(args: readonly string[], ipc: boolean): ChildProcess {
    const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, '--import', LOADER, ...args], {
      cwd: this.dir,
      detached: true,
      stdio: ipc ? ['ignore', 'ignore', 'ignore', 'ipc'] : ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, UV_THREADPOOL_SIZE: String(availableParallelism()) },
    });
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    return child;
  }

  #stop(): void {
    if (this.#worker !== undefined) endGroup(this.#worker);
    this.#worker = undefined;
  }
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended by itself just now.
  }
}
