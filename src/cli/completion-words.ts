/** Names that commands take as words, for completion. */
import { SCENARIOS as COMPARISONS } from '../tools/compare/scenarios.ts';
import { CLAIMS } from '../tools/lab/claims.ts';
import { PROBES } from '../tools/probe/battery.ts';
import { loadScenarios } from '../tools/scenario/library.ts';

const named = (all: readonly { readonly name: string }[]): readonly string[] => all.map(({ name }) => name);

/** Folders, scenarios and the requirements that they cover. */
function conformWords(): readonly string[] {
  const { plans } = loadScenarios([]);
  const paths = plans.map(({ scenario }) => scenario.file.replace(/\.pkt$/, ''));
  const folders = paths.map((path) => path.split('/')[0]!);
  return [...new Set([...folders, ...paths, ...plans.flatMap(({ scenario }) => scenario.about.covers)])];
}

/** Undefined: the command's arguments are no names. */
export function completionWords(command: string): readonly string[] | undefined {
  switch (command) {
    case 'probe':
      return named(PROBES);
    case 'compare':
      return named(COMPARISONS);
    case 'lab':
      return ['list', 'run', ...named(CLAIMS)];
    case 'conform':
      return conformWords();
    default:
      return undefined;
  }
}
