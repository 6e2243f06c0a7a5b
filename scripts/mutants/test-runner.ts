/**
 * Vitest's runner with a list of the tests that matter (worker.ts writes it), which notes, when the sources are
 * instrumented, what places each test passes.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type RunnerTask, type RunnerTestFile, type RunnerTestSuite, TestRunner } from 'vitest';
import { ORDER_FILE, PLACES, type TestOrder } from './order.ts';

/** One for each place; set by the instrumented sources. */
const passed = new Uint8Array(1 << 16);
(globalThis as Record<string, unknown>)[PLACES] = passed;

/** Before and between the tests of a file: while it was read, and in hooks. */
const OUTSIDE = '';

// biome-ignore lint/style/noDefaultExport: Vitest loads it by its default export
export default class MutantTestRunner extends TestRunner {
  #order: TestOrder = { files: [] };

  onCollected(files: RunnerTestFile[]): void {
    const { root } = this.config;
    this.#order = JSON.parse(readFileSync(join(root, ORDER_FILE), 'utf8')) as TestOrder;
    for (const file of files) {
      const only = this.#order.tests?.[relative(root, file.filepath)];
      if (only !== undefined) skipOthers(file, new Set(only));
    }
  }

  override async onBeforeRunTask(task: RunnerTask): Promise<void> {
    this.#note(task, OUTSIDE);
    return super.onBeforeRunTask(task);
  }

  override onAfterRunTask(task: RunnerTask): void {
    super.onAfterRunTask(task);
    this.#note(task, nameOf(task));
  }

  #note(task: RunnerTask, name: string): void {
    const { places } = this.#order;
    if (places === undefined) return;
    const at: number[] = [];
    for (let i = passed.indexOf(1); i >= 0; i = passed.indexOf(1, i + 1)) at.push(i);
    passed.fill(0);
    const file = relative(this.config.root, task.file.filepath);
    if (at.length > 0) appendFileSync(places, `${JSON.stringify({ file, name, at })}\n`);
  }
}

function skipOthers(suite: RunnerTestSuite | RunnerTestFile, only: ReadonlySet<string>): void {
  for (const task of suite.tasks) {
    if (task.type === 'suite') skipOthers(task, only);
    else if (!only.has(nameOf(task)) && task.mode === 'run') task.mode = 'skip';
  }
}

/** As TestCase.fullName has it. */
function nameOf(task: RunnerTask): string {
  const above = task.suite;
  return above === undefined || above.type === ('file' as string) || above.suite === undefined
    ? task.name
    : `${nameOf(above)} > ${task.name}`;
}
