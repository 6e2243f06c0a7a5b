/** A copy of the project in which sources are changed and the checks of requirements run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import type { Mutant } from '../../../scripts/mutants/mutant.ts';
import { openSandbox, type Sandbox } from '../../../scripts/mutants/sandbox.ts';
import type { Row } from '../rows.ts';
import { type Check, type CheckOrder, type CheckOutcome, STEPS_FILE, type Step } from './order.ts';

/** A scenario is a test of this file's. */
const SCENARIOS = 'test/rfc/scenarios.test.ts';

/** Processor time is what counts, but can't be asked for: with nothing written for so long, a check will not end. */
const SILENCE_S = 20;

/** Where a requirement has checks in virtual time, those that need a live kernel, or long, are left out: they would show no more. */
export function checksOf({ scenarios, tests }: Row): readonly Check[] {
  const quick = [
    ...scenarios.map(({ scenario }) => ({ file: SCENARIOS, name: `${scenario.file}: ` })),
    ...tests.filter((t) => !/^(interop|sim)\//.test(t.file)).map((t) => ({ file: `test/${t.file}`, name: t.name })),
  ];
  return quick.length > 0 ? quick : tests.map((t) => ({ file: `test/${t.file}`, name: t.name }));
}

export class Bench {
  readonly #box: Sandbox = openSandbox();
  #changed: string[] = [];
  #inForce: string | undefined;
  #worker: ChildProcess | undefined;

  /** One change at a time. */
  apply(mutant: Mutant): void {
    this.restore();
    this.#box.apply(mutant);
    this.#inForce = mutant.file;
    this.#changed.push(mutant.file);
  }

  replace(file: string, text: string): void {
    this.#box.replace(file, text);
    this.#changed.push(file);
  }

  restore(): void {
    this.#box.restore();
    if (this.#inForce !== undefined) this.#changed.push(this.#inForce);
    this.#inForce = undefined;
  }

  /** Undefined when it did not end. */
  async run(order: Omit<CheckOrder, 'changed'>): Promise<CheckOutcome | undefined> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const changed = [...new Set(this.#changed)];
    this.#changed = [];
    return new Promise((resolve, reject) => {
      let last = Date.now();
      let size = 0;
      const end = (outcome: CheckOutcome | undefined): void => {
        clearInterval(watch);
        worker.removeAllListeners();
        if (outcome === undefined) this.#stop();
        resolve(outcome);
      };
      const watch = setInterval(() => {
        const now = this.#stepsSize();
        if (now !== size) last = Date.now();
        size = now;
        if (size > 0 && Date.now() - last > SILENCE_S * 1000) end(undefined);
      }, 1000);
      worker.once('message', (outcome) => end(outcome as CheckOutcome));
      worker.once('exit', () => end(undefined));
      worker.once('error', reject);
      worker.send({ ...order, changed });
    });
  }

  /** What the runner has written since the last time. */
  takeSteps(): readonly Step[] {
    const path = join(this.#box.dir, STEPS_FILE);
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8').split('\n');
    rmSync(path);
    // The last may be cut, where the process was ended.
    return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as Step);
  }

  close(): void {
    this.#stop();
    this.#box.close();
  }

  #stepsSize(): number {
    const path = join(this.#box.dir, STEPS_FILE);
    return existsSync(path) ? statSync(path).size : 0;
  }

  #start(): ChildProcess {
    const args = ['--max-old-space-size=2048', '--import', './test/support/ts-loader.mjs', 'test/rfc/breaks/worker.ts'];
    const child = spawn(process.execPath, args, {
      cwd: this.#box.dir,
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    return child;
  }

  /** With the process that runs the tests, in the same group. */
  #stop(): void {
    const { pid } = this.#worker ?? {};
    this.#worker = undefined;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It ended by itself just now.
    }
  }
}
