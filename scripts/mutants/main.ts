/** `npm run mutants`: do the tests notice when the protocol is changed a little? */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../../src/base/random.ts';
import { survivorsOf } from './again.ts';
import { type Drawn, draw, fateOf, split } from './draw.ts';
import { equivalentOf } from './equivalent.ts';
import { KINDS, type Kind, listMutants, type Mutant, mutantText } from './mutant.ts';
import { openSandbox } from './sandbox.ts';
import { type Trial, tryMutants, type Verdict } from './trial.ts';

const HELP = `usage: npm run mutants -- [options]

Draws small changes (a comparison, a constant) of src/tcp at random, and runs the fast tests in virtual time with each, in a
copy of the project. Prints how many were caught, and those that no test noticed. What is drawn and leaves the program the
same is told with the reason, which equivalent.json has, and another is drawn in its place. The last line says what became of
the first N drawn, those with a reason among them: caught, explained, and neither.

  --seed N         which are drawn (1)
  --count N|all    how many places are changed, one change at each (100); all of them, each in every way
  --again FILE…    those that survived instead: FILE is what a run with --json printed
  --files PATH…    only these sources, or those below a directory (src/tcp)
  --kinds KIND…    ${KINDS.join(' ')} (comparison,constant)
  --tests PATH…    only these tests, in this order
  --jobs N         processes (2)
  --all-tests      tests that take more than 5 s of processor time, too
  --list           only names them
  --json           one line of JSON for each mutant, then one of all
  --help

FILE…, PATH… and KIND… are separated by commas.
Exit codes: 0 each is caught or explained, 1 one survived unexplained, 2 wrong usage.
`;

/** The fast ones in virtual time; what is near the code first, then what passes most of it. */
const TESTS = [
  'test/unit/tcp',
  'test/tcp',
  'test/fuzz/recorded.test.ts',
  'test/unit/stack',
  'test/rfc/scenarios.test.ts',
  'test/unit/tools',
].join(',');

class WrongUsage extends Error {}

interface Options {
  readonly seed: number;
  readonly count: number;
  /** What earlier runs printed; undefined where mutants are drawn. */
  readonly again: string | undefined;
  readonly files: readonly string[];
  readonly kinds: readonly Kind[];
  readonly tests: readonly string[];
  readonly jobs: number;
  readonly allTests: boolean;
  readonly list: boolean;
  readonly json: boolean;
}

function optionsIn(args: readonly string[]): Options | 'help' {
  const { values } = parsed(args);
  if (values.help === true) return 'help';
  const kinds = values.kinds.split(',').map((name) => {
    const kind = KINDS.find((k) => k === name);
    if (kind === undefined) throw new WrongUsage(`no kind is called '${name}'; there are ${KINDS.join(' ')}`);
    return kind;
  });
  return {
    seed: whole('--seed', values.seed),
    count: values.count === 'all' ? Number.POSITIVE_INFINITY : whole('--count', values.count),
    again: values.again && textOf(values.again),
    files: sourcesIn(values.files, '.ts'),
    kinds,
    tests: sourcesIn(values.tests, '.test.ts'),
    jobs: Math.max(1, whole('--jobs', values.jobs)),
    allTests: values['all-tests'] === true,
    list: values.list === true,
    json: values.json === true,
  };
}

function parsed(args: readonly string[]) {
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string', default: '1' },
        count: { type: 'string', default: '100' },
        again: { type: 'string' },
        files: { type: 'string', default: 'src/tcp' },
        kinds: { type: 'string', default: 'comparison,constant' },
        tests: { type: 'string', default: TESTS },
        jobs: { type: 'string', default: '2' },
        'all-tests': flag,
        list: flag,
        json: flag,
        help: flag,
      },
    });
  } catch (error) {
    throw new WrongUsage(error instanceof Error ? error.message : String(error));
  }
}

/** Of files and directories, separated by commas, each of which is there. */
function pathsIn(text: string): readonly string[] {
  const paths = text.split(',');
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined) throw new WrongUsage(`there is no ${missing}`);
  return paths;
}

const textOf = (files: string): string =>
  pathsIn(files)
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');

function whole(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new WrongUsage(`${name} wants a whole number, not '${text}'`);
  return Number(text);
}

function sourcesIn(text: string, ending: string): readonly string[] {
  return pathsIn(text).flatMap((path) => {
    if (path.endsWith(ending)) return [path];
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith(ending))
      .sort()
      .map((name) => join(path, name));
  });
}

async function main(options: Options): Promise<number> {
  const every = listMutants(options.files, options.kinds);
  const isExplained = (mutant: Mutant): boolean => reasonOf(mutant) !== undefined;
  const drawn = chosen(every, options, isExplained);
  if (options.list) {
    process.stdout.write(drawn.made.map((mutant) => `${mutantText(mutant)}\n`).join(''));
    return 0;
  }
  const trials = await tryAll(drawn.made, options);
  const verdicts = new Map(trials.flatMap((trial) => [...trial.verdicts]));
  for (const [test, why] of new Map(trials.flatMap((trial) => [...trial.unfit])))
    process.stderr.write(`left out, since it fails by itself: ${test}: ${why}\n`);
  return report(drawn, verdicts, options);
}

function chosen(every: readonly Mutant[], o: Options, isExplained: (mutant: Mutant) => boolean): Drawn {
  if (o.again === undefined) return draw(every, o.count, seededRandom(o.seed), isExplained);
  return split(survivorsOf(o.again, every), isExplained);
}

/** Each process has its share of the mutants, and a copy of its own. */
async function tryAll(mutants: readonly Mutant[], { tests, jobs, json, allTests }: Options): Promise<readonly Trial[]> {
  const shares = Array.from({ length: Math.min(jobs, mutants.length) }, (_, i) =>
    mutants.filter((_, k) => k % jobs === i),
  );
  const begun = performance.now();
  const states = shares.map((share) => [0, 0, share.length]);
  const isWatched = process.stderr.isTTY && !json;
  const trials = await Promise.all(
    shares.map(async (share, i) => {
      const box = openSandbox();
      try {
        return await tryMutants(box, share, tests, allTests, (...state) => {
          states[i] = state;
          if (isWatched) process.stderr.write(`\r${progressLine(states, performance.now() - begun)} `);
        });
      } finally {
        box.close();
      }
    }),
  );
  if (isWatched) process.stderr.write('\n');
  return trials;
}

function progressLine(states: readonly (readonly number[])[], elapsedMs: number): string {
  const sum = (at: number): number => states.reduce((total, state) => total + state[at]!, 0);
  const tests = Math.min(...states.map((state) => state[0]!));
  return `${(elapsedMs / 1000).toFixed(0).padStart(4)} s  ${tests} tests, ${sum(1)} caught, ${sum(2)} not yet`;
}

function report(drawn: Drawn, verdicts: ReadonlyMap<Mutant, Verdict>, { seed, json }: Options): number {
  const isCaught = (mutant: Mutant): boolean => verdicts.get(mutant)?.verdict === 'caught';
  const { made, explained } = drawn;
  const survivors = made.filter((mutant) => !isCaught(mutant));
  const caught = made.length - survivors.length;
  const first = fateOf(drawn, isCaught);
  if (json) {
    for (const mutant of made) process.stdout.write(`${JSON.stringify({ ...mutant, ...verdicts.get(mutant) })}\n`);
    for (const mutant of explained)
      process.stdout.write(`${JSON.stringify({ ...mutant, verdict: 'explained', why: reasonOf(mutant) })}\n`);
    process.stdout.write(
      `${JSON.stringify({ seed, made: made.length, caught, unexplained: survivors.length, explained: explained.length, first })}\n`,
    );
  } else {
    for (const mutant of explained)
      process.stdout.write(`the same: ${mutantText(mutant)}\n          ${reasonOf(mutant)}\n`);
    for (const mutant of survivors) {
      const verdict = verdicts.get(mutant);
      const tests = verdict?.verdict === 'survived' ? verdict.tests : 0;
      const why = tests === 0 ? 'no test comes by' : `${tests} tests come by, none notices`;
      process.stdout.write(`survived, unexplained: ${mutantText(mutant)}\n          ${why}\n`);
    }
    process.stdout.write(
      `seed ${seed}: ${caught} caught / ${made.length} made, ${survivors.length} survived unexplained; ${explained.length} drawn besides leave the program the same\n` +
        `of the first ${first.drawn} drawn: ${first.caught} caught, ${first.explained} explained, ${first.neither} neither\n`,
    );
  }
  return survivors.length === 0 ? 0 : 1;
}

function reasonOf(mutant: Mutant): string | undefined {
  return equivalentOf(mutant, readFileSync(mutant.file, 'utf8'))?.why;
}

try {
  const options = optionsIn(process.argv.slice(2));
  if (options === 'help') process.stdout.write(HELP);
  else process.exitCode = await main(options);
} catch (error) {
  if (!(error instanceof WrongUsage)) throw error;
  process.stderr.write(`mutants: ${error.message}\n  hint: npm run mutants -- --help\n`);
  process.exitCode = 2;
}
