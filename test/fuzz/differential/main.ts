/**
 * `npm run fuzz -- --differential N`: N drawn scripts on tcpx and on this machine's kernel, compared segment by segment.
 * A difference is played again before it is believed, since a busy machine is late now and then; what stays and is not
 * known is shrunk and written down.
 */
import { seededRandom } from '../../../src/base/random.ts';
import { formatStep } from '../../../src/tools/scenario/format.ts';
import { type Difference, difference, knownAs } from './compare.ts';
import { type Played, Player, play } from './play.ts';
import { FAMILIES, type Script, ScriptGenerator, type ScriptStep, STEP_US } from './script.ts';
import { KernelStages, VIRTUAL_PORTS, virtualStage } from './stages.ts';

/** Scripts under way at once, in all. */
const AT_ONCE = 80;
/** Of those that differed, when they are played again: a machine that is less busy is less late. */
const AGAIN_AT_ONCE = 6;
/** Times a difference is seen before it is believed: where a timer is near, a late kernel differs more than once. */
const SEEN = 8;
const MOST_SHRINKS = 3;

export interface DifferentialResult {
  readonly scripts: number;
  readonly same: number;
  readonly segments: number;
  /** Known differences, by name. */
  readonly known: ReadonlyMap<string, number>;
  /** Of all these, those that came out like that when they were played again only. */
  readonly unsteady: number;
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

/** On the kernel as fast as it goes, and on tcpx at the same times: what differs. */
export async function onBoth(
  script: Script,
  stages: KernelStages,
  like: Played,
): Promise<{ readonly ours: Played; readonly theirs: Played; readonly found: Difference | undefined }> {
  const { stage, ports } = stages.begin();
  const player = await play(script, stage, ports, { like });
  await stages.end(ports, player.open);
  const theirs = player.played;
  const ours = await onTcpx(script, player.times);
  return { ours, theirs, found: difference(ours, theirs) };
}

/** Opens a namespace for each family. */
export async function openFamilies(): Promise<readonly KernelStages[]> {
  return Promise.all(FAMILIES.map((_, family) => KernelStages.open(family)));
}

export async function runDifferential(
  count: number,
  seed: number,
  families: readonly KernelStages[],
  onProgress: (done: number) => void = () => {},
): Promise<DifferentialResult> {
  const begin = performance.now();
  const known = new Map<string, number>();
  const unknown: { readonly script: Script; readonly difference: Difference }[] = [];
  let same = 0;
  let unsteady = 0;
  let segments = 0;
  let next = 0;
  let done = 0;

  const again: { readonly script: Script; readonly played: Played }[] = [];
  const judge = (script: Script, found: Difference | undefined): 'over' | 'again' => {
    if (found === undefined) {
      same++;
      return 'over';
    }
    // What is known need not be seen again.
    const why = knownAs(found, script);
    if (why === undefined) return 'again';
    known.set(why.name, (known.get(why.name) ?? 0) + 1);
    return 'over';
  };
  const first = async (): Promise<void> => {
    const { script, played } = await drawScript(seed * 1_000_000 + next++);
    const { theirs, found } = await onBoth(script, families[script.family]!, played);
    segments += theirs.sent.length;
    if (judge(script, found) === 'again') again.push({ script, played });
    onProgress(++done);
  };
  await inLanes(AT_ONCE, () => next < count, first);
  const more = async (): Promise<void> => {
    const { script, played } = again.pop()!;
    for (let n = 1; ; n++) {
      const { found } = await onBoth(script, families[script.family]!, played);
      if (judge(script, found) === 'over') {
        unsteady++;
        return;
      }
      if (n < SEEN) continue;
      unknown.push({ script, difference: found! });
      return;
    }
  };
  await inLanes(AGAIN_AT_ONCE, () => again.length > 0, more);
  return { scripts: count, same, segments, known, unsteady, unknown, seconds: (performance.now() - begin) / 1000 };
}

async function inLanes(lanes: number, goesOn: () => boolean, one: () => Promise<void>): Promise<void> {
  const lane = async (): Promise<void> => {
    while (goesOn()) await one();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Steps left out one by one, as long as the two still differ in the same way. */
export async function shrinkScript(script: Script, kernel: KernelStages, found: Difference): Promise<Script> {
  let best = script;
  for (let i = best.steps.length - 1; i > 0; i--) {
    const candidate = { ...best, steps: best.steps.toSpliced(i, 1) };
    const { found: now } = await onBoth(candidate, kernel, await onTcpx(candidate));
    if (now?.what === found.what && knownAs(now, candidate) === undefined) best = candidate;
  }
  return best;
}

/** The script in packetdrill's language, with what tcpx sends. */
export function scriptText(script: Script, played: Played): string {
  const lines = Object.entries(FAMILIES[script.family]!).map(
    ([name, value]) => `\`sysctl -q net.ipv4.${name}=${value}\``,
  );
  script.steps.forEach((step, i) => {
    lines.push(`+${i === 0 ? 0 : STEP_US / 1e6} ${stepText(step)}`);
    for (const sent of played.sent) if (sent.step === i) lines.push(`   // > ${sent.text}`);
  });
  return lines.join('\n');
}

function stepText(step: ScriptStep): string {
  const place = { line: 1, column: 1 };
  if (step.do === 'in')
    return formatStep({ kind: 'in', when: { kind: 'any' }, place, packet: step.packet }).replace(/^\* /, '');
  return step.do === 'user' ? JSON.stringify(step.user) : step.do;
}

export async function differential(count: number, seed: number, json: boolean): Promise<number> {
  process.stdout.write(`${count} scenarios on tcpx and on the kernel, seed ${seed}\n`);
  const families = await openFamilies();
  try {
    let told = 0;
    const result = await runDifferential(count, seed, families, (done) => {
      if (done - told < 1000) return;
      told = done;
      process.stdout.write(`  ${done} of ${count}\n`);
    });
    process.stdout.write(`${resultText(result)}\n`);
    for (const { script, difference: found } of firstOfEach(result.unknown).slice(0, MOST_SHRINKS)) {
      const least = await shrinkScript(script, families[script.family]!, found);
      const { ours, found: last } = await onBoth(least, families[script.family]!, await onTcpx(least));
      const now = last ?? found;
      process.stdout.write(`\nscript ${script.number} differs (${now.what}, after step ${now.step + 1}):\n`);
      process.stdout.write(`  tcpx:   ${now.tcpx}\n  kernel: ${now.kernel}\n${scriptText(least, ours)}\n`);
    }
    if (json) process.stdout.write(`${JSON.stringify({ ...result, known: Object.fromEntries(result.known) })}\n`);
    return result.unknown.length > 0 ? 1 : 0;
  } finally {
    await Promise.all(families.map((f) => f.close()));
  }
}

function firstOfEach<T extends { readonly difference: Difference }>(all: readonly T[]): readonly T[] {
  const kinds = new Map<string, T>();
  for (const one of all) {
    const kind = `${one.difference.what} ${one.difference.tcpx} ${one.difference.kernel}`.replace(/[0-9]+/g, '#');
    if (!kinds.has(kind)) kinds.set(kind, one);
  }
  return [...kinds.values()];
}

function resultText(r: DifferentialResult): string {
  const lines = [
    `${r.scripts} scenarios in ${r.seconds.toFixed(1)} s, ${r.segments} segments of the kernel's compared`,
    `the same: ${r.same}; ${r.unsteady} of all not at the first try`,
  ];
  for (const [name, count] of [...r.known].sort((a, b) => b[1] - a[1])) lines.push(`known: ${count}  ${name}`);
  lines.push(`not known: ${r.unknown.length}`);
  return lines.join('\n');
}
