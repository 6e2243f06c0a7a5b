/**
 * Looks for breaks: of all small changes to the code that a requirement's check passes, those first that few other checks
 * pass and whose comments name the RFC. The first under which the check fails is taken.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Numbered, numbered, PLACES, switchable } from '../../../scripts/mutants/switchable.ts';
import type { Row } from '../rows.ts';
import { Bench, checksOf } from './bench.ts';
import { type Break, breakOf, ROOT } from './breaks.ts';
import { type Change, changesOf } from './changes.ts';
import { keyOf, PASS, type Tries } from './order.ts';

/** Where rules are kept. */
const FOLDERS = ['src/tcp', 'src/stack', 'src/wire', 'src/ip'];
/** Changes tried for one requirement before it is given up. */
const TRIES = 150;

/** Where a text notes that a place is passed: there the runner counts. */
const NOTE = new RegExp(`${PLACES}\\[(\\d+)\\] = 1`, 'g');

interface Candidate extends Numbered, Change {}

/** Of those wanted, by requirement; what is special to one is judged among all. `tell` hears how it goes. */
export async function findBreaks(
  wanted: readonly Row[],
  all: readonly Row[],
  tell: (line: string) => void,
): Promise<ReadonlyMap<string, Break>> {
  const bench = new Bench();
  try {
    const sources = new Map(sourceFiles().map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));
    const changes = [...sources].flatMap(([file, text]) => changesOf(file, text));
    const candidates = numbered(changes.map((c) => c.mutant)).map((one, i) => ({ ...changes[i]!, ...one }));
    for (const [file, text] of sources) {
      const own = candidates.filter((c) => c.mutant.file === file);
      bench.replace(file, switchable(text, own).replaceAll(NOTE, `${PASS}($1)`));
    }
    const passed = await placesPassed(bench, all);
    const ranked = rank(wanted, candidates, passed);
    tell(`${candidates.length} changes, ${wanted.length} requirements`);
    const found = await search(bench, wanted, ranked, tell);
    return new Map([...found].map(([id, c]) => [id, breakOf(sources.get(c.mutant.file)!, c.mutant)]));
  } finally {
    bench.close();
  }
}

function sourceFiles(): readonly string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .sort()
      .map((file) => `${folder}/${file}`),
  );
}

/** By requirement. Throws when a check fails as it is. */
async function placesPassed(bench: Bench, rows: readonly Row[]): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const checks = rows.flatMap(checksOf).filter((check) => !check.file.startsWith('test/interop/'));
  const outcome = await bench.run({
    checks: [...new Map(checks.map((c) => [keyOf(c), c])).values()],
    tellsPlaces: true,
  });
  if (outcome === undefined) throw new Error('the checks do not end');
  const bad = outcome.results.find((result) => result.state === 'failed');
  if (bad !== undefined) throw new Error(`it fails as it is: ${bad.check}: ${bad.test}: ${bad.why}`);
  if (outcome.broken.length > 0) throw new Error(outcome.broken.join('; '));
  const ofCheck = new Map<string, number[]>();
  for (const step of bench.takeSteps())
    if (step.at === 'passed') ofCheck.set(step.check, [...(ofCheck.get(step.check) ?? []), ...step.places]);
  return new Map(
    rows.map((row) => [row.requirement.id, new Set(checksOf(row).flatMap((check) => ofCheck.get(keyOf(check)) ?? []))]),
  );
}

type Ranked = ReadonlyMap<string, readonly Candidate[]>;

/** Each row's candidates, the best first. */
function rank(
  rows: readonly Row[],
  candidates: readonly Candidate[],
  passed: ReadonlyMap<string, ReadonlySet<number>>,
): Ranked {
  const breadth = new Map<number, number>();
  for (const places of passed.values()) for (const place of places) breadth.set(place, (breadth.get(place) ?? 0) + 1);
  const ranked = new Map<string, readonly Candidate[]>();
  for (const { requirement } of rows) {
    const { id, rfc, section } = requirement;
    const places = passed.get(id) ?? new Set();
    const score = ({ about, place }: Candidate): number => {
      const weight = about.includes(id)
        ? 0.02
        : about.includes(`${rfc} §${section}`)
          ? 0.1
          : about.includes(rfc)
            ? 0.4
            : 1;
      return (breadth.get(place) ?? 0) * weight;
    };
    const own = candidates.filter((c) => places.has(c.place)).map((c) => [score(c), c] as const);
    // The sort is stable: where nothing else decides, what leaves a statement out comes first.
    ranked.set(
      id,
      own
        .sort(([a], [b]) => a - b)
        .slice(0, TRIES)
        .map(([, c]) => c),
    );
  }
  return ranked;
}

async function search(
  bench: Bench,
  rows: readonly Row[],
  ranked: Ranked,
  tell: (line: string) => void,
): Promise<ReadonlyMap<string, Candidate>> {
  const found = new Map<string, Candidate>();
  const tried = new Map<string, Set<number>>();
  const endless = new Set<number>();
  // A change that stops the process is not tried again; the others go on after it.
  for (let isDone = false; !isDone; ) {
    const tries: Record<string, Tries[]> = {};
    const open = rows.filter((row) => !found.has(row.requirement.id));
    for (const row of open) {
      const { id } = row.requirement;
      for (const check of checksOf(row)) {
        const done = tried.get(`${id} ${keyOf(check)}`);
        const ids = (ranked.get(id) ?? []).map((c) => c.id).filter((n) => !done?.has(n) && !endless.has(n));
        if (ids.length > 0) tries[keyOf(check)] = [...(tries[keyOf(check)] ?? []), { row: id, ids }];
      }
    }
    const checks = open.flatMap(checksOf).filter((check) => keyOf(check) in tries);
    if (checks.length === 0) break;
    isDone =
      (await bench.run({ checks: [...new Map(checks.map((c) => [keyOf(c), c])).values()], tries })) !== undefined;
    const steps = bench.takeSteps();
    const last = steps.at(-1);
    if (!isDone && last?.at === 'try') endless.add(last.id);
    for (const step of steps) {
      if (step.at === 'passed') continue;
      const key = `${step.row} ${step.check}`;
      if (step.at === 'try') tried.set(key, (tried.get(key) ?? new Set()).add(step.id));
      const one = ranked.get(step.row)?.find((c) => c.id === step.id);
      const before = found.get(step.row);
      if (step.at !== 'caught' || one === undefined) continue;
      const at = (c: Candidate): number => ranked.get(step.row)!.indexOf(c);
      if (before === undefined || at(one) < at(before)) found.set(step.row, one);
    }
    tell(`${found.size} of ${rows.length} found`);
  }
  return found;
}
