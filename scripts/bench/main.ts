/**
 * `npm run bench`: tcpx beside the kernel through Node's `net`, on this machine, in one run. The same client program measures
 * both, pair after pair, with nothing but the function that connects exchanged; the peer is the kernel, from C.
 */
import { CASES } from './cases.ts';
import { BenchFailure } from './failure.ts';
import { checkMachine, chooseCores } from './lab.ts';
import { machineFacts } from './machine.ts';
import { HELP, type Options, optionsIn } from './options.ts';
import { tableText } from './render.ts';
import { type CaseResult, Places, runCase } from './run.ts';

async function main(o: Options): Promise<number> {
  checkMachine(o.dist);
  const cores = chooseCores();
  const cases = CASES.filter((c) => o.only.length === 0 || o.only.includes(c.name)).filter(
    (c) => o.driver === undefined || c.driver === o.driver,
  );
  const machine = machineFacts(cores);
  const places = new Places(cores);
  const begun = performance.now();
  const results: CaseResult[] = [];
  const stop = (): void => {
    places.close();
    process.exit(130);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    for (const c of cases) {
      const progress = (what: string): void => {
        const elapsed = ((performance.now() - begun) / 1000).toFixed(0).padStart(4);
        process.stderr.write(`${elapsed} s  ${what}\n`);
      };
      results.push(await runCase(places, c, { ...o, progress }));
    }
  } finally {
    places.close();
  }
  const workloads = results.flatMap((r) => r.rows);
  if (o.json) process.stdout.write(`${JSON.stringify({ workloads, machine })}\n`);
  else process.stdout.write(tableText(workloads, machine));
  return results.some((r) => r.failure !== undefined) ? 1 : 0;
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
