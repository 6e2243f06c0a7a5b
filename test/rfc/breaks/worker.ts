/** Tries breaks when its parent tells it to, one after another: loads the sources anew with each, and runs the checks. */
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import type { BareTest } from './bare-vitest.ts';
import { brokenText, ROOT } from './breaks.ts';
import type { Check, CheckOutcome, Trial, TrialOutcome } from './order.ts';

const { port1: hooks, port2 } = new MessageChannel();
register('./hooks.mjs', import.meta.url, { data: { port: port2 }, transferList: [port2] });
hooks.unref();

let trials = 0;
const asTheyAre = new Map<string, Promise<readonly BareTest[]>>();

async function tryOut({ broken, checks }: Trial): Promise<TrialOutcome> {
  // Without a break nothing is loaded twice.
  const number = broken === undefined ? 0 : ++trials;
  if (broken !== undefined) {
    const url = pathToFileURL(join(ROOT, broken.file)).href;
    const heard = new Promise((resolve) => hooks.once('message', resolve));
    hooks.ref();
    hooks.postMessage({ number, url, text: brokenText(readFileSync(join(ROOT, broken.file), 'utf8'), broken) });
    await heard;
    hooks.unref();
  }
  // What the module holds is known by its name; it was loaded with other sources.
  const load = async <T>(file: string): Promise<T> =>
    (await import(`${pathToFileURL(join(ROOT, file)).href}?broken=${number}`)) as T;
  const files = broken === undefined ? asTheyAre : new Map<string, Promise<readonly BareTest[]>>();
  const testsOf = (file: string): Promise<readonly BareTest[]> => {
    const before = files.get(file);
    if (before !== undefined) return before;
    const loaded = (async () => {
      await load(`test/${file}`);
      return (await load<typeof import('./bare-vitest.ts')>('test/rfc/breaks/bare-vitest.ts')).takeTests();
    })();
    files.set(file, loaded);
    return loaded;
  };
  const outcomes: CheckOutcome[] = [];
  try {
    for (const check of checks) {
      if ('scenario' in check) outcomes.push(await scenarioOutcome(check.scenario, load));
      else outcomes.push(await testOutcome(check, await testsOf(check.file)));
    }
  } catch (error) {
    return { unloadable: firstLine(error) };
  }
  return { outcomes };
}

async function scenarioOutcome(file: string, load: <T>(file: string) => Promise<T>): Promise<CheckOutcome> {
  const { loadScenarios, SCENARIOS_DIR } = await load<typeof import('../../../src/tools/scenario/library.ts')>(
    'src/tools/scenario/library.ts',
  );
  const { openTcpx, playOn } =
    await load<typeof import('../../../src/tools/scenario/play.ts')>('src/tools/scenario/play.ts');
  const plan = loadScenarios([join(SCENARIOS_DIR, file)]).plans[0];
  if (plan === undefined) return { verdict: 'missing', why: '' };
  try {
    const { verdict, failure } = await playOn(plan, 'tcpx', openTcpx);
    return { verdict: verdict === 'fail' ? 'fail' : 'pass', why: failure?.message ?? '' };
  } catch (error) {
    return { verdict: 'fail', why: firstLine(error) };
  }
}

async function testOutcome(
  { name }: Extract<Check, { file: string }>,
  tests: readonly BareTest[],
): Promise<CheckOutcome> {
  const own = tests.filter((one) => one.name.includes(name));
  for (const one of own) {
    try {
      await one.run();
    } catch (error) {
      return { verdict: 'fail', why: firstLine(error) };
    }
  }
  return { verdict: own.length === 0 ? 'missing' : 'pass', why: '' };
}

const firstLine = (error: unknown): string =>
  String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? '';

process.on('message', (trial: Trial) => {
  tryOut(trial).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => process.send?.({ unloadable: firstLine(error) } satisfies TrialOutcome),
  );
});
process.on('disconnect', () => process.exit());
