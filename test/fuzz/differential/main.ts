/**
 * `npm run fuzz -- --differential N`: N drawn scripts on tcpx and on this machine's kernel, compared segment by segment.
 * A difference is played again before it is believed, since a busy machine is late now and then; what stays and is not
 * known is shrunk and written down.
 */
import { seededRandom } from '../../../src/base/random.ts';
import type { Difference } from './compare.ts';
import { type Judged, judge, kindOf } from './judge.ts';
import { type Played, Player, play } from './play.ts';
import { FAMILIES, type Script, ScriptGenerator, type ScriptStep } from './script.ts';
import { KernelStages, VIRTUAL_PORTS, virtualStage } from './stages.ts';
import { scriptText } from './text.ts';

/** Scripts under way at once, in all. */
const AT_ONCE = 80;
/** Of those that differed, when they are played again: a machine that is less busy is less late. */
const AGAIN_AT_ONCE = 6;
/** Times a difference is seen before it is believed: where a timer is near, a late kernel differs more than once. */
const SEEN = 8;
const MOST_SHRINKS = 3;
/** Each seed has so many scripts of its own. */
const NUMBERS = 1_000_000;

export interface DifferentialOptions {
  /** Scripts to play. */
  readonly count: number;
  readonly seed: number;
  /** Scripts of the seed that are left out. */
  readonly skip: number;
}

export interface DifferentialResult {
  readonly scripts: number;
  /** Alike in everything. */
  readonly same: number;
  /** Compared to the end: alike, or with differences that leave the rest comparable. */
  readonly toTheEnd: number;
  /** Of all scripts; and of these, those that were over when the comparison ended. */
  readonly steps: number;
  readonly stepsCompared: number;
  /** The kernel's; and of these, those that were looked at. */
  readonly segments: number;
  readonly segmentsCompared: number;
  /** Known differences, by name. */
  readonly known: ReadonlyMap<string, number>;
  /** Numbers of the scripts that came out like that when they were played again only. */
  readonly unsteady: readonly number[];
  readonly unknown: readonly { readonly script: Script; readonly difference: Difference }[];
  readonly seconds: number;
}

/** Draws script `number` by playing it on tcpx. */
export async function drawScript(number: number): Promise<{ readonly script: Script; readonly played: Played }> {
  const random = seededRandom(number);
  const family = number % FAMILIES.length;
  const target = virtualStage(family);
  const generator = new ScriptGenerator(random, FAMILIES[family]!);
  const player = new Player(target, VIRTUAL_PORTS);
  const steps: ScriptStep[] = [];
  for (let i = 0; i < generator.length; i++) {
    const step = generator.next(player.seen);
    steps.push(step);
    await player.take(step);
  }
  await target.close();
  return { script: { number, family, steps }, played: player.played };
}

/** `times`: when each step was taken on the kernel. */
export async function onTcpx(script: Script, times?: readonly number[]): Promise<Played> {
  const target = virtualStage(script.family);
  const player = await play(script, target, VIRTUAL_PORTS, times === undefined ? {} : { times });
  await target.close();
  return player.played;
}

/** On the kernel as fast as it goes, and on tcpx at the same times. */
export async function onBoth(
  script: Script,
  stages: KernelStages,
  like: Played,
): Promise<{ readonly ours: Played; readonly theirs: Played }> {
  const { stage, ports } = stages.begin();
  const player = await play(script, stage, ports, { like });
  await stages.end(ports, player.open);
  return { theirs: player.played, ours: await onTcpx(script, player.times) };
}

interface Found extends Judged {
  /** What the kernel sent, in segments. */
  readonly sent: number;
}

async function judgeOnBoth(script: Script, stages: KernelStages, like: Played): Promise<Found> {
  const { ours, theirs } = await onBoth(script, stages, like);
  return { ...judge(ours, theirs, script), sent: theirs.sent.length };
}

/** Opens a namespace for each family. */
export async function openFamilies(): Promise<readonly KernelStages[]> {
  return Promise.all(FAMILIES.map((_, family) => KernelStages.open(family)));
}

export async function runDifferential(
  { count, seed, skip }: DifferentialOptions,
  families: readonly KernelStages[],
  onProgress: (done: number) => void = () => {},
): Promise<DifferentialResult> {
  const begin = performance.now();
  const tally = new Tally();
  const again: { readonly script: Script; readonly played: Played }[] = [];
  let next = skip;
  let done = 0;
  const first = async (): Promise<void> => {
    const { script, played } = await drawScript(seed * NUMBERS + next++);
    const found = await judgeOnBoth(script, families[script.family]!, played);
    if (found.unknown === undefined) tally.add(script, found);
    else again.push({ script, played });
    onProgress(++done);
  };
  await inLanes(AT_ONCE, () => next < skip + count, first);
  const more = async (): Promise<void> => {
    const { script, played } = again.pop()!;
    for (let n = 1; ; n++) {
      const found = await judgeOnBoth(script, families[script.family]!, played);
      // What is known need not be seen again.
      if (found.unknown !== undefined && n < SEEN) continue;
      if (found.unknown === undefined) tally.unsteady.push(script.number);
      tally.add(script, found);
      return;
    }
  };
  await inLanes(AGAIN_AT_ONCE, () => again.length > 0, more);
  return { ...tally.result, seconds: (performance.now() - begin) / 1000 };
}

class Tally {
  readonly unsteady: number[] = [];
  readonly #unknown: { readonly script: Script; readonly difference: Difference }[] = [];
  readonly #known = new Map<string, number>();
  readonly #counts = {
    scripts: 0,
    same: 0,
    toTheEnd: 0,
    steps: 0,
    stepsCompared: 0,
    segments: 0,
    segmentsCompared: 0,
  };

  add(script: Script, found: Found): void {
    const counts = this.#counts;
    const { known, unknown } = found;
    counts.scripts++;
    if (known.length === 0 && unknown === undefined) counts.same++;
    if (found.isToTheEnd) counts.toTheEnd++;
    counts.steps += script.steps.length;
    counts.stepsCompared += found.steps;
    counts.segments += found.sent;
    counts.segmentsCompared += found.segments;
    for (const { name } of known) this.#known.set(name, (this.#known.get(name) ?? 0) + 1);
    if (unknown !== undefined) this.#unknown.push({ script, difference: unknown });
  }

  get result(): Omit<DifferentialResult, 'seconds'> {
    const unsteady = this.unsteady.toSorted((a, b) => a - b);
    return { ...this.#counts, known: this.#known, unsteady, unknown: this.#unknown };
  }
}

async function inLanes(lanes: number, goesOn: () => boolean, one: () => Promise<void>): Promise<void> {
  const lane = async (): Promise<void> => {
    while (goesOn()) await one();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Steps left out one by one, as long as the two still differ in the same way. */
export async function shrinkScript(script: Script, kernel: KernelStages, found: Difference): Promise<Script> {
  const kind = kindOf(found, script);
  let best = script;
  for (let i = best.steps.length - 1; i > 0; i--) {
    const candidate = { ...best, steps: best.steps.toSpliced(i, 1) };
    const { unknown } = await judgeOnBoth(candidate, kernel, await onTcpx(candidate));
    if (unknown !== undefined && kindOf(unknown, candidate) === kind) best = candidate;
  }
  return best;
}

export async function differential(o: DifferentialOptions, json: boolean): Promise<number> {
  process.stdout.write(`${o.count} scenarios on tcpx and on the kernel, seed ${o.seed}\n`);
  const families = await openFamilies();
  try {
    let told = 0;
    const result = await runDifferential(o, families, (done) => {
      if (done - told < 1000) return;
      told = done;
      process.stdout.write(`  ${done} of ${o.count}\n`);
    });
    process.stdout.write(`${resultText(result)}\n`);
    for (const { script, difference } of firstOfEach(result.unknown).slice(0, MOST_SHRINKS)) {
      const kernel = families[script.family]!;
      const least = await shrinkScript(script, kernel, difference);
      const { unknown } = await judgeOnBoth(least, kernel, await onTcpx(least));
      const now = unknown ?? difference;
      process.stdout.write(`\nscript ${script.number} differs (${now.what}, after step ${now.step + 1}):\n`);
      process.stdout.write(`  tcpx:   ${now.tcpx}\n  kernel: ${now.kernel}\n`);
      process.stdout.write(`again: npm run fuzz -- --differential 1 ${numberText(script.number)}\n`);
      process.stdout.write(`shrunk, for tcpx conform FILE --on both:\n\n${scriptText(least, await onTcpx(least))}\n`);
    }
    if (json) process.stdout.write(`${JSON.stringify(summary(result))}\n`);
    return result.unknown.length > 0 ? 1 : 0;
  } finally {
    await Promise.all(families.map((f) => f.close()));
  }
}

const numberText = (number: number): string => `--seed ${Math.floor(number / NUMBERS)} --skip ${number % NUMBERS}`;

function firstOfEach(all: DifferentialResult['unknown']): DifferentialResult['unknown'] {
  const kinds = new Map<string, DifferentialResult['unknown'][number]>();
  for (const one of all) {
    const kind = kindOf(one.difference, one.script);
    if (!kinds.has(kind)) kinds.set(kind, one);
  }
  return [...kinds.values()];
}

function summary(r: DifferentialResult): Readonly<Record<string, unknown>> {
  const unknown = r.unknown.map(({ script, difference: { what, step, tcpx, kernel, silent } }) => ({
    script: script.number,
    what,
    step,
    tcpx,
    kernel,
    silent,
  }));
  return { ...r, known: Object.fromEntries(r.known), unknown };
}

const percent = (n: number, of: number): string => `${((100 * n) / Math.max(1, of)).toFixed(1)} %`;

function resultText(r: DifferentialResult): string {
  const lines = [
    `${r.scripts} scenarios in ${r.seconds.toFixed(1)} s`,
    `the same: ${r.same}; compared to the end: ${r.toTheEnd} (${percent(r.toTheEnd, r.scripts)})`,
    `compared: ${r.stepsCompared} of ${r.steps} steps (${percent(r.stepsCompared, r.steps)}), ${r.segmentsCompared} of ${r.segments} segments of the kernel's`,
  ];
  if (r.unsteady.length > 0)
    lines.push(`unsteady: ${r.unsteady.length}, known or the same only when played again: ${r.unsteady.join(' ')}`);
  for (const [name, count] of [...r.known].sort((a, b) => b[1] - a[1])) lines.push(`known: ${count}  ${name}`);
  lines.push(`not known: ${r.unknown.length}`);
  return lines.join('\n');
}
