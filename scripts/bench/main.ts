/**
 * `npm run bench`: tcpx beside the kernel through Node's `net`, on this machine, in one run. The same client program measures
 * both, pair after pair, with nothing but the function that connects exchanged; the peer is the kernel, from C.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CASES, type Case } from './cases.ts';
import { BenchFailure } from './failure.ts';
import { checkMachine, chooseCores } from './lab.ts';
import { machineFacts, stackFacts } from './machine.ts';
import { HELP, type Options, optionsIn } from './options.ts';
import { type Profiled, profileCase, profileText } from './profile.ts';
import { references } from './references.ts';
import { tableText } from './render.ts';
import { type Run, writeDocs } from './report.ts';
import { type CaseResult, Places, type RunOptions, runCase } from './run.ts';

const DOCS = fileURLToPath(new URL('../../docs', import.meta.url));

async function measure(o: Options): Promise<Run> {
  checkMachine(o.dist);
  const cores = chooseCores();
  const machine = machineFacts(cores);
  const cases = CASES.filter((c) => isWanted(c, o));
  const places = new Places(cores);
  const begun = performance.now();
  const progress = (what: string): void => {
    const elapsed = ((performance.now() - begun) / 1000).toFixed(0).padStart(4);
    process.stderr.write(`${elapsed} s  ${what}\n`);
  };
  const stop = (): void => {
    places.close();
    process.exit(130);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const ro: RunOptions = { ...o, progress };
  const results: CaseResult[] = [];
  const profiles: Profiled[] = [];
  try {
    for (const c of cases) results.push(await runCase(places, c, ro));
    const beside = await references(places, cases, o.quick);
    for (const c of o.profile ? cases.filter(isProfiled) : []) {
      progress(`${c.name}: once more, under the profiler`);
      profiles.push(await profileCase(places, c, ro));
    }
    return { machine: { ...machine, ...stackFacts(results, beside) }, results, profiles };
  } finally {
    places.close();
  }
}

const isWanted = (c: Case, o: Options): boolean =>
  (o.only.length === 0 ? !o.quick || c.pairs[0] > 0 : o.only.includes(c.name)) &&
  (o.driver === undefined || c.driver === o.driver);

const isProfiled = (c: Case): boolean => c.driver === 'packet' && (c.name === 'send' || c.name === 'receive');

async function main(o: Options): Promise<number> {
  // As --save wrote it.
  const run = o.from === undefined ? await measure(o) : (JSON.parse(readFileSync(o.from, 'utf8')) as Run);
  if (o.save !== undefined) writeFileSync(o.save, JSON.stringify(run));
  if (o.writeDocs) for (const file of writeDocs(run, DOCS)) process.stderr.write(`written: ${file}\n`);
  const workloads = run.results.flatMap((r) => r.rows);
  if (o.json) process.stdout.write(`${JSON.stringify({ workloads, machine: run.machine })}\n`);
  else process.stdout.write(`${tableText(workloads, run.machine)}\n${profileText(run.profiles)}`);
  const failed = run.results.filter((r) => r.failure !== undefined);
  for (const { name, driver, failure } of failed) process.stderr.write(`bench: ${name} (${driver}): ${failure}\n`);
  return failed.length > 0 ? 1 : 0;
}

try {
  const o = optionsIn(process.argv.slice(2));
  if (o === 'help') process.stdout.write(HELP);
  else process.exitCode = await main(o);
} catch (error) {
  if (!(error instanceof BenchFailure)) throw error;
  process.stderr.write(`bench: ${error.message}\n  hint: ${error.hint}\n`);
  process.exitCode = error.exitCode;
}
