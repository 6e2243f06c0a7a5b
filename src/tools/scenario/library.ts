/** Where scenarios come from: files and directories of the user's, and those that come with the package. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ScenarioError } from './model.ts';
import { parseScenario } from './parse.ts';
import { type Plan, planScenario } from './plan.ts';

/** Both src/tools/scenario and dist/tools/scenario are three below the package's root. */
export const SCENARIOS_DIR = fileURLToPath(new URL('../../../scenarios/', import.meta.url));

/** What is wrong with a file. */
export interface FileProblem {
  readonly file: string;
  readonly error: ScenarioError;
}

export interface Loaded {
  readonly plans: readonly Plan[];
  readonly problems: readonly FileProblem[];
  /** Words that name neither a file nor anything that comes with the package. */
  readonly unknown: readonly string[];
}

/** All of them in the order of the words; none: all that come with the package. */
export function loadScenarios(words: readonly string[]): Loaded {
  const problems: FileProblem[] = [];
  const unknown: string[] = [];
  const plans = new Map<string, Plan>();
  const load = (path: string, shown: string): Plan | undefined => {
    try {
      return planScenario(parseScenario(readFileSync(path, 'utf8'), shown));
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      problems.push({ file: shown, error });
      return undefined;
    }
  };
  let own: readonly Plan[] | undefined;
  const library = (): readonly Plan[] => {
    own ??= scenarioFiles(SCENARIOS_DIR).flatMap((path) => load(path, ownName(path)) ?? []);
    return own;
  };
  const keep = (plan: Plan): unknown => plans.set(plan.scenario.file, plan);
  if (words.length === 0) library().forEach(keep);
  for (const word of words) {
    if (existsSync(word)) {
      const files = statSync(word).isDirectory() ? scenarioFiles(word) : [word];
      for (const file of files) {
        const plan = load(file, file);
        if (plan !== undefined) keep(plan);
      }
      if (files.length === 0) unknown.push(word);
      continue;
    }
    const found = library().filter((plan) => isNamed(plan, word));
    if (found.length === 0) unknown.push(word);
    found.forEach(keep);
  }
  return { plans: [...plans.values()], problems, unknown };
}

/** By what it covers, its name, or its folder: 'MUST-13', 'time-wait-fin', 'close', 'close/time-wait-fin'. */
function isNamed({ scenario }: Plan, word: string): boolean {
  const path = scenario.file.replace(/\.pkt$/, '');
  return scenario.about.covers.includes(word) || scenario.name === word || path === word || path.startsWith(`${word}/`);
}

const ownName = (path: string): string => relative(SCENARIOS_DIR, path).split(sep).join('/');

function scenarioFiles(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.pkt'))
    .sort()
    .map((file) => join(dir, file));
}
