/** Vitest's runner, which runs the checks that it is told to: once, and then with each change to be tried in force. */
import { appendFileSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type RunnerTask, type RunnerTestCase, type RunnerTestFile, type RunnerTestSuite, TestRunner } from 'vitest';
import { IN_FORCE } from '../../../scripts/mutants/switchable.ts';
import { type CheckOrder, isOf, keyOf, ORDER_FILE, PASS, STEPS_FILE, type Step } from './order.ts';

const passed = new Uint8Array(1 << 17);
const globals = globalThis as Record<string, unknown>;
globals[IN_FORCE] = 0;

/** How many places a check may pass with a change in force before it is taken for endless. */
const ENOUGH = 1_000_000;
/** Of checks that pass more places than that, only so many changes are tried. */
const SLOW = 300_000;
const FEW = 5;
let count = 0;
let limit = Number.POSITIVE_INFINITY;

/** The switchable sources call it at each place. */
globals[PASS] = (place: number): void => {
  passed[place] = 1;
  if (++count > limit) throw new Error('it does not end');
};

// biome-ignore lint/style/noDefaultExport: Vitest loads it by its default export
export default class CheckRunner extends TestRunner {
  #order: CheckOrder = { checks: [], changed: [] };

  onCollected(files: RunnerTestFile[]): void {
    this.#order = JSON.parse(readFileSync(join(this.config.root, ORDER_FILE), 'utf8')) as CheckOrder;
    for (const file of files) this.#leaveOut(file);
  }

  async runTask(task: RunnerTestCase): Promise<void> {
    const run = TestRunner.getTestFn(task);
    passed.fill(0);
    count = 0;
    await run();
    const usual = count;
    const most = usual > SLOW ? FEW : Number.POSITIVE_INFINITY;
    const { tellsPlaces, tries } = this.#order;
    for (const key of this.#keysOf(task)) {
      if (tellsPlaces) this.#note({ at: 'passed', check: key, places: placesPassed() });
      for (const { row, ids } of tries?.[key] ?? []) {
        for (const id of ids.slice(0, most)) {
          this.#note({ at: 'try', check: key, row, id });
          if (!(await fails(run, id, 20 * usual + ENOUGH))) continue;
          this.#note({ at: 'caught', check: key, row, id });
          break;
        }
      }
    }
  }

  #leaveOut(suite: RunnerTestSuite | RunnerTestFile): void {
    for (const task of suite.tasks) {
      if (task.type === 'suite') this.#leaveOut(task);
      else if (task.mode === 'run' && this.#keysOf(task).length === 0) task.mode = 'skip';
    }
  }

  #keysOf(task: RunnerTask): readonly string[] {
    const file = relative(this.config.root, task.file.filepath);
    const name = nameOf(task);
    return this.#order.checks.filter((check) => check.file === file && isOf(check, name)).map(keyOf);
  }

  #note(step: Step): void {
    appendFileSync(join(this.config.root, STEPS_FILE), `${JSON.stringify(step)}\n`);
  }
}

/** What does not end shows nothing: there is more wrong with it than the rule. */
async function fails(run: () => unknown, id: number, enough: number): Promise<boolean> {
  globals[IN_FORCE] = id;
  count = 0;
  limit = enough;
  try {
    await run();
    return false;
  } catch {
    return count <= enough;
  } finally {
    globals[IN_FORCE] = 0;
    limit = Number.POSITIVE_INFINITY;
  }
}

function placesPassed(): readonly number[] {
  const places: number[] = [];
  for (let i = passed.indexOf(1); i >= 0; i = passed.indexOf(1, i + 1)) places.push(i);
  return places;
}

function nameOf(task: RunnerTask): string {
  const above = task.suite;
  return above === undefined ? task.name : `${nameOf(above)} > ${task.name}`;
}
