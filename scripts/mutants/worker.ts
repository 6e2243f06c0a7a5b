/**
 * Runs test files in its working directory when told to by its parent, and says how they did. Vitest stays loaded; each
 * order is run in one fresh process, all files in it one after another, so that a run of a few tests takes half a second.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createVitest, type TestModule, type TestSpecification, type Vitest } from 'vitest/node';
import { firstLine, ORDER_FILE, type TestOrder, type TestOutcome, type TestResult } from './order.ts';

const root = process.cwd();
let vitest: Vitest | undefined;
let wanted: readonly string[] = [];

/** Files in the order asked for; vitest's own would begin with what failed before. */
class AsTold {
  shard(specs: TestSpecification[]): TestSpecification[] {
    return specs;
  }

  sort(specs: TestSpecification[]): TestSpecification[] {
    const rank = (spec: TestSpecification): number => wanted.indexOf(spec.moduleId);
    return specs.toSorted((a, b) => rank(a) - rank(b));
  }
}

function start(): Promise<Vitest> {
  return createVitest('test', {
    config: false,
    root,
    watch: false,
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    isolate: false,
    maxWorkers: 1,
    fileParallelism: false,
    execArgv: process.execArgv.filter((arg) => arg.startsWith('--max')),
    reporters: [{}],
    // By the clock, which says little where others use the machine; what never ends is found by its processor time.
    testTimeout: 300_000,
    sequence: { sequencer: AsTold },
    runner: join(root, 'scripts/mutants/test-runner.ts'),
  });
}

async function run(order: TestOrder & { readonly changed: readonly string[] }): Promise<TestOutcome> {
  const isFresh = vitest === undefined;
  vitest ??= await start();
  if (!isFresh) for (const file of order.changed) vitest.invalidateFile(file);
  wanted = order.files.map((file) => join(root, file));
  writeFileSync(join(root, ORDER_FILE), JSON.stringify(order));
  vitest.config.bail = order.whole === true ? 0 : 1;
  for (const project of vitest.projects) project.config.bail = vitest.config.bail;
  const { testModules } = await vitest.runTestSpecifications(
    wanted.map((file) => vitest!.getRootProject().createSpecification(file)),
  );
  return outcomeOf(testModules.filter((module) => wanted.includes(module.moduleId)));
}

function outcomeOf(modules: readonly TestModule[]): TestOutcome {
  const tests: TestResult[] = [];
  const broken: string[] = [];
  for (const module of modules) {
    const file = module.moduleId.slice(root.length + 1);
    for (const error of module.errors()) broken.push(`${file}: ${firstLine(error.message)}`);
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      const ms = test.diagnostic()?.duration ?? 0;
      const why = errors?.[0] === undefined ? {} : { why: firstLine(errors[0].message) };
      tests.push({ file, name: test.fullName, state, ms, ...why });
    }
  }
  const first = tests.find((test) => test.state === 'failed');
  const why = first === undefined ? (broken[0] ?? '') : `${first.file}: ${first.name}`;
  return { verdict: why === '' ? 'passed' : 'failed', why, tests, broken };
}

process.on('message', (order: TestOrder & { readonly changed: readonly string[] }) => {
  run(order).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => {
      const why = String(error);
      process.send?.({ verdict: 'failed', why, tests: [], broken: [why] } satisfies TestOutcome);
    },
  );
});
process.on('disconnect', () => process.exit());
