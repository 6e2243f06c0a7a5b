/**
 * `npm run rfc`: every requirement, checked on tcpx and, where a scenario can, on this kernel. Writes docs/rfc-matrix.md
 * and docs/rfc-matrix.json.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { flagsGiven } from '../../scripts/flags.ts';
import { openKernelTarget } from '../../src/tools/scenario/kernel-target.ts';
import { loadScenarios } from '../../src/tools/scenario/library.ts';
import type { TargetName } from '../../src/tools/scenario/model.ts';
import type { Plan } from '../../src/tools/scenario/plan.ts';
import { type OpenTarget, openTcpx, playOn } from '../../src/tools/scenario/play.ts';
import type { Played } from '../../src/tools/scenario/report.ts';
import { readBreaks } from './breaks/breaks.ts';
import { breaksMain } from './breaks/main.ts';
import { matrixJson, matrixMarkdown, rowResults, summaryOf, type TestOutcome } from './matrix.ts';
import { type NamedTest, requirementRows } from './rows.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Scenarios on the kernel wait rather than compute: some at once. */
const AT_ONCE = 4;

const USAGE = `usage: npm run rfc -- [--no-kernel] [--no-tests] [--json]
       npm run rfc -- --breaks [ID…] [--json] [-v]

  --no-kernel     leaves the kernel out, which needs root
  --no-tests      scenarios only
  --json          ends with one line of JSON
  --breaks [ID…]  do the checks fail on a core with the rule broken? -v: what each check said
  --help
`;

const args = process.argv.slice(2);
if (args.includes('--breaks')) process.exit(await breaksMain(args));
const options = flagsGiven('rfc', ['--no-kernel', '--no-tests', '--json'], USAGE);
const { plans, problems } = loadScenarios([]);
if (problems.length > 0) throw new Error(problems.map((p) => `${p.file}: ${p.error.message}`).join('\n'));
const rows = requirementRows(plans);

const onTcpx = await playAll('tcpx', openTcpx, 1);
const onKernel = options.has('--no-kernel')
  ? new Map<string, Played>()
  : await playAll('kernel', openKernelTarget, AT_ONCE);
const tests = options.has('--no-tests') ? new Map<string, TestOutcome>() : runTests(rows.flatMap((row) => row.tests));

const results = rowResults(rows, onTcpx, onKernel, tests);
const summary = summaryOf(results);
writeFileSync(join(ROOT, 'docs/rfc-matrix.md'), matrixMarkdown(results, summary, plans, readBreaks()));
writeFileSync(join(ROOT, 'docs/rfc-matrix.json'), matrixJson(results, summary));
for (const { requirement, tcpx } of results)
  if (tcpx.verdict === 'fail') process.stderr.write(`fail ${requirement.id}: ${tcpx.by.join(', ')}\n`);
process.stdout.write(
  options.has('--json')
    ? `${JSON.stringify(summary)}\n`
    : `${summary.rows} requirements: ${summary.tested} checked, ${summary.notApplicable} not applicable, ${summary.rows - summary.tested - summary.notApplicable} still without a check; ${summary.kernelRun} ran on the kernel, too\n`,
);
process.exitCode = summary.failingMust.length === 0 ? 0 : 1;

/** By file. */
async function playAll(target: TargetName, open: OpenTarget, atOnce: number): Promise<ReadonlyMap<string, Played>> {
  const played = new Map<string, Played>();
  const waiting: Plan[] = [...plans];
  const worker = async (): Promise<void> => {
    for (let plan = waiting.shift(); plan !== undefined; plan = waiting.shift())
      played.set(plan.scenario.file, await playOn(plan, target, open));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return played;
}

/** What vitest says of the tests named, by file and name. */
function runTests(named: readonly NamedTest[]): ReadonlyMap<string, TestOutcome> {
  const dir = mkdtempSync(join(tmpdir(), 'tcpx-rfc-'));
  const out = join(dir, 'tests.json');
  const files = [...new Set(named.map((t) => `test/${t.file}`))];
  spawnSync(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--config',
      'test/vitest.config.ts',
      '--reporter=json',
      `--outputFile=${out}`,
      ...files,
    ],
    { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  // vitest's JSON reporter, of which only this is read.
  const report = JSON.parse(readFileSync(out, 'utf8')) as {
    readonly testResults: readonly {
      readonly name: string;
      readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
    }[];
  };
  rmSync(dir, { recursive: true });
  const outcomes = new Map<string, TestOutcome>();
  for (const { file, name } of named) {
    const all = report.testResults.filter((r) => r.name.endsWith(`/test/${file}`)).flatMap((r) => r.assertionResults);
    const found = all.filter((t) => t.fullName.includes(name));
    const verdict = found.length === 0 ? 'missing' : found.every((t) => t.status === 'passed') ? 'pass' : 'fail';
    outcomes.set(`${file}: ${name}`, verdict);
  }
  return outcomes;
}
