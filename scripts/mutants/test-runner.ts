/**
 * Vitest's runner, which leaves out tests that it is told to, and tries the mutants built into the sources: each test once
 * without any, then with each that lies on its way and is not caught yet. A test must pass without any afterwards, too.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type RunnerTask, type RunnerTestCase, type RunnerTestFile, type RunnerTestSuite, TestRunner } from 'vitest';
import { firstLine, ORDER_FILE, type Step, type TestName, type TestOrder } from './order.ts';
import { IN_FORCE, PLACES } from './switchable.ts';

/** Processor time for a test that takes none, and as many times what it takes otherwise. */
const LIMIT_MS = 3000;
const LIMIT_TIMES = 20;

const passed = new Uint8Array(1 << 16);
const globals = globalThis as Record<string, unknown>;
globals[PLACES] = passed;
globals[IN_FORCE] = 0;

/** Those of the process: the runner itself is made anew for every file. */
let order: TestOrder = { files: [] };
const caught = new Set<number>();
/** What files want done after each test. Modules are read once for all files, so those of the first would be the only one's. */
type Hook = ReturnType<typeof TestRunner.getSuiteHooks>['afterEach'][number];
const afterEachTest = new Set<Hook>();

// biome-ignore lint/style/noDefaultExport: Vitest loads it by its default export
export default class MutantTestRunner extends TestRunner {
  onCollected(files: RunnerTestFile[]): void {
    const { root } = this.config;
    const told = JSON.parse(readFileSync(join(root, ORDER_FILE), 'utf8')) as TestOrder;
    if (told.log !== order.log) caught.clear();
    order = told;
    for (const file of files) {
      const without = order.without?.[relative(root, file.filepath)];
      if (without !== undefined) leaveOut(file, new Set(without));
      for (const hook of TestRunner.getSuiteHooks(file).afterEach) afterEachTest.add(hook);
    }
    note({ at: 'load', places: takePassed() });
  }

  async runTask(task: RunnerTestCase): Promise<void> {
    const run = (): Promise<void> => runWhole(task);
    const test: TestName = { file: relative(this.config.root, task.file.filepath), name: nameOf(task) };
    const { mutants } = order;
    if (mutants === undefined) {
      await run();
      return note({ at: 'tested', test, places: [] });
    }
    takePassed();
    const begun = process.cpuUsage();
    const broken = await failure(run, 0);
    const ms = cpuMsSince(begun);
    const limitMs = LIMIT_MS + LIMIT_TIMES * ms;
    if (broken !== undefined) return note({ at: 'unfit', test, why: broken, after: 0 });
    if (ms > (order.quickMs ?? Number.POSITIVE_INFINITY)) return note({ at: 'put off', test, ms });
    const places = takePassed();
    const onTheWay = new Set(places);
    for (const { id, place } of mutants) {
      if (!onTheWay.has(place) || caught.has(id)) continue;
      note({ at: 'try', id, test, pid: process.pid, limitMs });
      const why = await failure(run, id);
      if (why === undefined) continue;
      caught.add(id);
      note({ at: 'caught', id, test, why });
      const left = await failure(run, 0);
      if (left !== undefined) return note({ at: 'unfit', test, why: left, after: id });
    }
    note({ at: 'tested', test, places });
  }
}

/** Processor time: on a busy machine it says more than the clock. */
function cpuMsSince(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}

async function runWhole(task: RunnerTestCase): Promise<void> {
  const after = async (): Promise<void> => {
    for (const hook of afterEachTest) await hook(task.context, task.suite ?? task.file);
  };
  try {
    await TestRunner.getTestFn(task)();
  } catch (error) {
    // They tidy up, too; what they find now follows from what was wrong before.
    await after().catch(() => undefined);
    throw error;
  }
  await after();
}

/** The first line of what went wrong with a mutant in force. */
async function failure(run: () => Promise<void>, id: number): Promise<string | undefined> {
  globals[IN_FORCE] = id;
  try {
    await run();
    return undefined;
  } catch (error) {
    return firstLine(error instanceof Error ? error.message : String(error));
  } finally {
    globals[IN_FORCE] = 0;
  }
}

function note(step: Step): void {
  if (order.log !== undefined) appendFileSync(order.log, `${JSON.stringify(step)}\n`);
}

function takePassed(): readonly number[] {
  const places: number[] = [];
  for (let i = passed.indexOf(1); i >= 0; i = passed.indexOf(1, i + 1)) places.push(i);
  passed.fill(0);
  return places;
}

function leaveOut(suite: RunnerTestSuite | RunnerTestFile, without: ReadonlySet<string>): void {
  for (const task of suite.tasks) {
    if (task.type === 'suite') leaveOut(task, without);
    else if (without.has(nameOf(task)) && task.mode === 'run') task.mode = 'skip';
  }
}

/** As TestCase.fullName has it; the file is the outermost suite. */
function nameOf(task: RunnerTask): string {
  const above = task.suite;
  return above === undefined ? task.name : `${nameOf(above)} > ${task.name}`;
}
