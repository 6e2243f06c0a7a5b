/** Runs checks in its working directory when its parent tells it to. Vitest stays loaded; each order has a fresh process. */
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createVitest, type Vitest } from 'vitest/node';
import { type CheckOrder, type CheckOutcome, type CheckResult, isOf, keyOf, ORDER_FILE } from './order.ts';

const root = process.cwd();
let vitest: Vitest | undefined;

async function run(order: CheckOrder): Promise<CheckOutcome> {
  vitest ??= await createVitest('test', {
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
    testTimeout: 600_000,
    runner: join(root, 'test/rfc/breaks/runner.ts'),
  });
  for (const file of order.changed) vitest.invalidateFile(join(root, file));
  writeFileSync(join(root, ORDER_FILE), JSON.stringify(order));
  const files = [...new Set(order.checks.map((check) => check.file))];
  const project = vitest.getRootProject();
  const { testModules } = await vitest.runTestSpecifications(
    files.map((file) => project.createSpecification(join(root, file))),
  );
  const results: CheckResult[] = [];
  const broken: string[] = [];
  for (const module of testModules) {
    const file = relative(root, module.moduleId);
    for (const error of module.errors()) broken.push(`${file}: ${error.message}`);
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      const why = errors?.[0]?.message.split('\n', 1)[0] ?? '';
      for (const check of order.checks)
        if (check.file === file && isOf(check, test.fullName))
          results.push({ check: keyOf(check), test: test.fullName, state, why });
    }
  }
  return { results, broken };
}

process.on('message', (order: CheckOrder) => {
  run(order).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => process.send?.({ results: [], broken: [String(error)] } satisfies CheckOutcome),
  );
});
process.on('disconnect', () => process.exit());
