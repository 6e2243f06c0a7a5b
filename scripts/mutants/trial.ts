/**
 * Mutants tried in a sandbox. First all of them at once, built into the sources (switchable.ts), each on the tests that come
 * by it; then those that take effect while a module is read, each alone, on all tests. A mutant is caught when a test fails
 * with it, when the process ends, or when the test takes far more processor time than without.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Mutant } from './mutant.ts';
import type { Step, TestName, TestOrder } from './order.ts';
import type { Sandbox } from './sandbox.ts';
import { type Numbered, numbered, switchable } from './switchable.ts';

export type Verdict =
  | { readonly verdict: 'caught'; readonly by: TestName; readonly why: string }
  /** `tests`: how many came by. */
  | { readonly verdict: 'survived'; readonly tests: number };

export interface Trial {
  readonly verdicts: ReadonlyMap<Mutant, Verdict>;
  /** Tests that fail without any mutant, and why: they were left out. */
  readonly unfit: ReadonlyMap<string, string>;
}

export type Progress = (tests: number, caught: number, alive: number) => void;

const LOG = 'mutants-log.ndjson';
const LOOK_EVERY_MS = 500;
/** The slow tests see only what the quick ones have left. By themselves, in ms of processor time. */
const QUICK_MS = [50, 500, 5000];
/** A day: what watches decides. */
const NO_LIMIT_S = 86_400;
/** Without any sign of life, of a mutant alone. */
const SILENCE_MS = 180_000;
/** Linux counts processor time in hundredths. */
const TICK_MS = 10;

export async function tryMutants(
  box: Sandbox,
  mutants: readonly Mutant[],
  tests: readonly string[],
  allTests: boolean,
  progress: Progress,
): Promise<Trial> {
  const all = numbered(mutants);
  const state = new State(all, progress);
  buildIn(box, all);
  const log = join(box.dir, LOG);
  for (const quickMs of allTests ? [...QUICK_MS, Number.MAX_VALUE] : QUICK_MS) {
    let cut = true;
    while (cut && state.alive().length > 0) cut = await runOnce(box, state, tests, log, quickMs);
  }
  box.restore();
  for (const one of all) if (state.isAlive(one) && state.isOnLoad(one)) await tryAlone(box, one, state, tests, log);
  return { verdicts: new Map(all.map((one) => [one.mutant, state.verdictOf(one)])), unfit: state.unfit };
}

function buildIn(box: Sandbox, all: readonly Numbered[]): void {
  for (const file of new Set(all.map(({ mutant }) => mutant.file))) {
    const text = readFileSync(join(box.dir, file), 'utf8');
    box.replace(
      file,
      switchable(
        text,
        all.filter(({ mutant }) => mutant.file === file),
      ),
    );
  }
}

/** Until all tests are through, or a mutant has stopped the process: then it is true. */
async function runOnce(
  box: Sandbox,
  state: State,
  tests: readonly string[],
  log: string,
  quickMs: number,
): Promise<boolean> {
  const watch = new Watch(box, state, log);
  const order: TestOrder = {
    files: tests,
    without: state.without(quickMs),
    whole: true,
    log,
    mutants: state.alive(),
    quickMs,
  };
  const { broken } = await box.runTests(order, NO_LIMIT_S);
  const stopped = watch.end();
  if (!stopped && broken.length > 0) throw new Error(`tests can't be run: ${broken.join('; ')}`);
  return stopped;
}

/** What is computed once, when the module is read: the mutant itself in its place, and everything run anew. */
async function tryAlone(
  box: Sandbox,
  one: Numbered,
  state: State,
  tests: readonly string[],
  log: string,
): Promise<void> {
  box.apply(one.mutant);
  rmSync(log, { force: true });
  // By its name, and what is slow last: the first that fails ends the run.
  const name = basename(one.mutant.file, '.ts');
  const rank = (test: string): number => (basename(test).startsWith(name) ? 0 : 1) + (state.isSlow(test) ? 2 : 0);
  const nearest = tests.toSorted((a, b) => rank(a) - rank(b));
  let heard = performance.now();
  let len = 0;
  const timer = setInterval(() => {
    const now = existsSync(log) ? readFileSync(log).length : 0;
    if (now !== len) heard = performance.now();
    len = now;
    if (performance.now() - heard > SILENCE_MS) box.interrupt();
  }, LOOK_EVERY_MS);
  const {
    verdict,
    why,
    tests: done,
  } = await box.runTests({ files: nearest, without: state.unfitByFile(), log }, NO_LIMIT_S);
  clearInterval(timer);
  box.restore();
  const failed = done.find((test) => test.state === 'failed');
  if (verdict === 'failed') state.caught(one.id, failed ?? { file: '', name: 'all' }, failed?.why ?? why);
  else state.tested(one.place, done.filter((test) => test.state === 'passed').length);
}

/** Follows the log of a run, and ends it when a test with a mutant does not come to an end. */
class Watch {
  readonly #box: Sandbox;
  readonly #state: State;
  readonly #log: string;
  readonly #timer: NodeJS.Timeout;
  #read = 0;
  #trying: (Step & { at: 'try' }) | undefined;
  #cpuAtStart = 0;

  constructor(box: Sandbox, state: State, log: string) {
    this.#box = box;
    this.#state = state;
    this.#log = log;
    rmSync(log, { force: true });
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** True when the process ended with a mutant in force. */
  end(): boolean {
    clearInterval(this.#timer);
    this.#follow();
    const trying = this.#trying;
    if (trying === undefined) return false;
    this.#state.caught(trying.id, trying.test, 'does not come to an end, or ends the process');
    return true;
  }

  #look(): void {
    const before = this.#trying;
    this.#follow();
    const trying = this.#trying;
    if (trying === undefined) return;
    const cpu = cpuMs(trying.pid);
    if (trying !== before) this.#cpuAtStart = cpu;
    else if (cpu - this.#cpuAtStart > trying.limitMs) this.#box.interrupt();
  }

  #follow(): void {
    if (!existsSync(this.#log)) return;
    const octets = readFileSync(this.#log);
    const end = octets.lastIndexOf('\n'.charCodeAt(0)) + 1;
    for (const line of octets.subarray(this.#read, end).toString().split('\n')) {
      if (line === '') continue;
      const step = JSON.parse(line) as Step;
      this.#trying = step.at === 'try' ? step : undefined;
      this.#state.take(step);
    }
    this.#read = end;
  }
}

/** Of a process, all its threads; what has ended used none. */
function cpuMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return 0;
  }
}

/** What is known of each mutant, and of each test. */
class State {
  readonly unfit = new Map<string, string>();
  readonly #all: readonly Numbered[];
  readonly #progress: Progress;
  readonly #caught = new Map<number, { readonly by: TestName; readonly why: string }>();
  readonly #onLoad = new Set<number>();
  /** Tests that came by, by place. */
  readonly #tests = new Map<number, number>();
  readonly #through = new Map<string, string[]>();
  readonly #unfitByFile: Record<string, string[]> = {};
  readonly #putOff: (Step & { at: 'put off' })[] = [];
  #count = 0;

  constructor(all: readonly Numbered[], progress: Progress) {
    this.#all = all;
    this.#progress = progress;
  }

  take(step: Step): void {
    if (step.at === 'load') for (const place of step.places) this.#onLoad.add(place);
    if (step.at === 'caught') this.caught(step.id, step.test, step.why);
    if (step.at === 'put off') this.#putOff.push(step);
    if (step.at !== 'tested' && step.at !== 'unfit') return;
    const { file, name } = step.test;
    this.#through.set(file, [...(this.#through.get(file) ?? []), name]);
    this.#count++;
    if (step.at === 'tested') {
      for (const place of step.places) this.tested(place, 1);
    } else {
      this.unfit.set(`${file}: ${name}`, step.after === 0 ? step.why : `after mutant ${step.after}: ${step.why}`);
      this.#unfitByFile[file] = [...(this.#unfitByFile[file] ?? []), name];
    }
    this.#progress(this.#count, this.#caught.size, this.#all.length - this.#caught.size);
  }

  caught(id: number, by: TestName, why: string): void {
    this.#caught.set(id, { by, why });
  }

  tested(place: number, count: number): void {
    this.#tests.set(place, (this.#tests.get(place) ?? 0) + count);
  }

  /** Those that are through, and those that take longer than this. */
  without(quickMs: number): Readonly<Record<string, readonly string[]>> {
    const without = new Map(this.#through);
    for (const { test, ms } of this.#putOff)
      if (ms > quickMs) without.set(test.file, [...(without.get(test.file) ?? []), test.name]);
    return Object.fromEntries(without);
  }

  /** Some test of this file takes its time. */
  isSlow(file: string): boolean {
    return this.#putOff.some(({ test }) => test.file === file);
  }

  unfitByFile(): Readonly<Record<string, readonly string[]>> {
    return this.#unfitByFile;
  }

  alive(): readonly Numbered[] {
    return this.#all.filter((one) => this.isAlive(one));
  }

  isAlive({ id }: Numbered): boolean {
    return !this.#caught.has(id);
  }

  isOnLoad({ place }: Numbered): boolean {
    return this.#onLoad.has(place);
  }

  verdictOf({ id, place }: Numbered): Verdict {
    const caught = this.#caught.get(id);
    if (caught !== undefined) return { verdict: 'caught', ...caught };
    return { verdict: 'survived', tests: this.#tests.get(place) ?? 0 };
  }
}
