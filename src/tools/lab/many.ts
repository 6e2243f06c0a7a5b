/**
 * Claims side by side, each in a process and namespaces of its own: `lab run NAME --json` of this very program, read line by
 * line. Those that take longest begin first, and no more at once than the machine bears. Last, one by one and up to three
 * times each, come those that measure and those that were not shown beside the others; a run says how often it was tried.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Claim, LabRun, LabStep } from './claim.ts';
import { IN_LAB, IN_NEW_NAMESPACE } from './namespace.ts';

/** A line of `lab run --json`; the last one is a LabDocument. */
export type LabLine =
  /** `try`: of several claims, which run of it this is; absent for the first. */
  | { readonly type: 'step'; readonly scenario: string; readonly try?: number; readonly step: LabStep }
  | { readonly type: 'run'; readonly run: Omit<LabRun, 'steps'> };

export interface LabDocument {
  readonly scenarios: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly shown: readonly string[];
    readonly tries: number;
  }[];
}

/** Most of them wait most of the time. */
const AT_ONCE = 8;

export interface ManyOptions {
  /** Of this program, for one claim: arguments after its name. */
  readonly argv: (claim: Claim) => readonly string[];
  /** `nth`: which run of the claim it belongs to, from 1. */
  readonly onStep: (scenario: string, step: LabStep, nth: number) => void;
  readonly onRun: (run: LabRun) => void;
  readonly signal: AbortSignal;
}

/** Alone, of a claim that measures, or that did not come about beside others. */
const TRIES_ALONE = 3;

/** Plays a claim for the nth time. */
export type Play = (claim: Claim, o: ManyOptions, nth: number) => Promise<LabRun>;

/** The runs, in the order of `claims`. */
export async function runMany(
  claims: readonly Claim[],
  o: ManyOptions,
  play: Play = runApart,
): Promise<readonly LabRun[]> {
  const runs = new Map<string, LabRun>();
  const alone = claims.filter((claim) => claim.timed === true).map((claim) => ({ claim, before: 0 }));
  const done = (run: LabRun, tries: number): void => {
    const told = { ...run, tries };
    runs.set(run.name, told);
    o.onRun(told);
  };
  const waiting = claims.filter((claim) => claim.timed !== true).sort((a, b) => (b.seconds ?? 3) - (a.seconds ?? 3));
  const lane = async (): Promise<void> => {
    for (let claim = waiting.shift(); claim !== undefined && !o.signal.aborted; claim = waiting.shift()) {
      const run = await play(claim, o, 1);
      if (run.ok) done(run, 1);
      else alone.push({ claim, before: 1 });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, claims.length) }, lane));
  for (const { claim, before } of alone) {
    if (o.signal.aborted) break;
    let tries = before + 1;
    let run = await play(claim, o, tries);
    while (tries < before + TRIES_ALONE && !run.ok && !o.signal.aborted) run = await play(claim, o, ++tries);
    done(run, tries);
  }
  return claims.flatMap((claim) => runs.get(claim.name) ?? []);
}

function runApart(claim: Claim, o: ManyOptions, nth: number): Promise<LabRun> {
  const [command = '', ...start] = IN_NEW_NAMESPACE;
  const again = [process.execPath, ...process.execArgv, process.argv[1] ?? '', ...o.argv(claim)];
  const child = spawn(command, [...start, ...again], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...IN_LAB },
    signal: o.signal,
    killSignal: 'SIGTERM',
  });
  const steps: LabStep[] = [];
  let run: LabRun | undefined;
  let told = '';
  createInterface({ input: child.stdout }).on('line', (text) => {
    // Our own output: see LabLine.
    const line = JSON.parse(text) as LabLine | LabDocument;
    if (!('type' in line)) return;
    if (line.type === 'run') run = { ...line.run, steps };
    else {
      steps.push(line.step);
      o.onStep(line.scenario, line.step, nth);
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  return new Promise((resolve) => {
    child.once('error', (error) => {
      told += error.message;
    });
    child.once('close', () => resolve(run ?? brokenOff(claim, steps, told.trim())));
  });
}

function brokenOff(claim: Claim, steps: readonly LabStep[], told: string): LabRun {
  const { name, group, title, written } = claim;
  const failure = { en: `it ended early: ${told}`, zh: `提前结束：${told}` };
  const about = { name, group, title, written, claim: claim.claim };
  return { ...about, ok: false, failure, shown: [], steps, seconds: 0, tries: 1 };
}
