/** Names that commands take as words, for completion. */
import { ALL_SCENARIOS } from '../tools/compare/scenarios.ts';
import { CLAIMS } from '../tools/lab/claims.ts';
import { PROBES } from '../tools/probe/battery.ts';
import { loadScenarios } from '../tools/scenario/library.ts';
import { kindNames } from './trace.ts';

const named = (all: readonly { readonly name: string }[]): readonly string[] => all.map(({ name }) => name);

/** Folders, scenarios and the requirements that they cover. */
function conformWords(): readonly string[] {
  const { plans } = loadScenarios([]);
  const paths = plans.map(({ scenario }) => scenario.file.replace(/\.pkt$/, ''));
  const folders = paths.map((path) => path.split('/')[0]!);
  return [...new Set([...folders, ...paths, ...plans.flatMap(({ scenario }) => scenario.about.covers)])];
}

/** Undefined: the command's arguments are no names, or the value of its option `flag` is no list of names. */
export function completionWords(command: string, flag?: string): readonly string[] | undefined {
  if (flag !== undefined) return command === 'trace' && flag === '--only' ? kindNames() : undefined;
  switch (command) {
    case 'probe':
      return named(PROBES);
    case 'compare':
      return named(ALL_SCENARIOS);
    case 'lab':
      return ['list', 'run', ...named(CLAIMS)];
    case 'conform':
      return conformWords();
    default:
      return undefined;
  }
}
