/** What `npm run fuzz` is asked for. */
export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Runs of this seed that are left out, since they were played before. */
  readonly skip: number;
  /** Segments to put in, in all; no bound when absent. */
  readonly segments: number | undefined;
  readonly workers: number;
  /** Scenarios to play on the kernel as well, instead of all else. */
  readonly differential: number | undefined;
  /** Play this run alone. */
  readonly only: number | undefined;
  readonly json: boolean;
}

export const USAGE = `usage: npm run fuzz -- [--seconds N] [--seed N] [--segments N] [--skip N] [--workers N] [--only RUN] [--json]
       npm run fuzz -- --differential N [--seed N] [--skip N] [--json]

  --seconds N        how long (60)
  --seed N           the first run's number; the same seed gives the same runs (the time of day)
  --segments N       until so many have gone in, however long it takes
  --skip N           not the first N runs, or scenarios, of the seed, to go on where another run ended
  --workers N        threads (one for each core)
  --only RUN         one run, by its number; if it breaks a rule, it is shrunk and written down
  --differential N   so many scenarios on tcpx and on this machine's kernel, as root; what differs is shrunk and written down
  --json             the summary as one line of JSON, last
  --help
`;

/** Throws UsageError. */
export function fuzzOptions(args: readonly string[], cores: number, now: number): FuzzOptions {
  const numbers = new Map<string, number>();
  let json = false;
  for (let i = 0; i < args.length; i++) {
    const [name, given] = args[i]!.split('=', 2) as [string, string | undefined];
    if (name === '--json') json = true;
    else if (NAMES.has(name)) {
      const text = given ?? args[++i];
      if (text === undefined || !/^[0-9]+(e[0-9]+)?$/.test(text))
        throw new UsageError(`${name} takes a whole number${text === undefined ? '' : `, not '${text}'`}`);
      numbers.set(name, Number(text));
    } else throw new UsageError(`there is no option '${args[i]}'`);
  }
  for (const name of numbers.keys())
    if (numbers.has('--differential') && !OF_DIFFERENTIAL.has(name))
      throw new UsageError(`${name} says nothing to --differential`);
  const segments = numbers.get('--segments');
  return {
    seconds: numbers.get('--seconds') ?? (segments === undefined ? 60 : Number.POSITIVE_INFINITY),
    seed: numbers.get('--seed') ?? now % 1_000_000,
    segments,
    skip: numbers.get('--skip') ?? 0,
    workers: Math.max(1, numbers.get('--workers') ?? cores),
    differential: numbers.get('--differential'),
    only: numbers.get('--only'),
    json,
  };
}

const NAMES: ReadonlySet<string> = new Set([
  '--seconds',
  '--seed',
  '--segments',
  '--skip',
  '--workers',
  '--differential',
  '--only',
]);

const OF_DIFFERENTIAL: ReadonlySet<string> = new Set(['--differential', '--seed', '--skip']);

export class UsageError extends Error {
  override readonly name = 'UsageError';
}
