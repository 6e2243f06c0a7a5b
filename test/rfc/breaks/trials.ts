/** Tries breaks in processes of their own, some side by side: what does not end is ended, and what is loaded is left behind. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Trial, TrialOutcome } from './order.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const LOADER = fileURLToPath(new URL('../../support/ts-loader.mjs', import.meta.url));
/** Sources that were loaded stay in memory: after so many trials a process makes room. */
const TRIALS_EACH = 60;
/** Of processor time: a busy machine is no endless check. */
const ENDLESS_S = 8;
const TICKS_PER_S = 100;

/** The outcome of each in the order given; `tell` hears of each as it comes. 'endless': a check did not end under it. */
export async function runTrials(
  trials: readonly Trial[],
  tell: (index: number, outcome: TrialOutcome | 'endless') => void,
  sideBySide = availableParallelism(),
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    let child: ChildProcess | undefined;
    try {
      for (let done = 0; next < trials.length; done++) {
        const index = next++;
        if (done % TRIALS_EACH === 0) child?.kill('SIGKILL');
        if (child === undefined || child.killed) child = startWorker();
        const outcome = await ask(child, trials[index]!);
        if (outcome === 'endless') child.kill('SIGKILL');
        tell(index, outcome);
      }
    } finally {
      child?.kill('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: Math.min(sideBySide, trials.length) }, work));
}

function startWorker(): ChildProcess {
  return fork(WORKER, { execArgv: ['--max-old-space-size=2048', '--import', LOADER], stdio: 'ignore' });
}

/** A process that ends by itself has not ended its check either: there is more wrong than a rule. */
function ask(child: ChildProcess, trial: Trial): Promise<TrialOutcome | 'endless'> {
  return new Promise((resolve) => {
    const since = processorTime(child.pid);
    const end = (outcome: TrialOutcome | 'endless'): void => {
      clearInterval(watch);
      child.removeAllListeners();
      resolve(outcome);
    };
    const watch = setInterval(() => {
      if (processorTime(child.pid) - since > ENDLESS_S) end('endless');
    }, 500);
    child.once('message', (outcome) => end(outcome as TrialOutcome));
    child.once('exit', () => end('endless'));
    child.once('error', () => end('endless'));
    child.send(trial);
  });
}

/** In seconds. */
function processorTime(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  } catch {
    return 0;
  }
}
