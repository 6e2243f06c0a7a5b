/**
 * The pages of docs/ that are printed from something: what each should say now, and the command that makes it say so. What the
 * kernel did, and what took long to find out, is taken from the file as it stands.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadScenarios } from '../../src/tools/scenario/library.ts';
import type { Plan } from '../../src/tools/scenario/plan.ts';
import type { Played } from '../../src/tools/scenario/report.ts';
import { diagramSvg } from '../../src/tools/state-machine/diagram.ts';
import {
  matrixJson,
  matrixMarkdown,
  type RowResult,
  type RowVerdict,
  rowResults,
  summaryOf,
} from '../../test/rfc/matrix.ts';
import { requirementRows } from '../../test/rfc/rows.ts';
import { stateMachineMarkdown } from '../state-machine/page.ts';
import { CELLS } from '../sweep/cells.ts';
import { documentText, kernelOutcomes, type SweepDocument, sweepResult } from '../sweep/document.ts';
import { sweepMarkdown } from '../sweep/page.ts';
import { playOnTcpx } from '../sweep/run.ts';
import { withScenarioList } from './scenario-list.ts';

export interface GeneratedDocument {
  /** Its name in docs/. */
  readonly file: string;
  readonly renewedBy: 'npm run docs' | 'npm run sweep' | 'npm run rfc';
  readonly text: () => Promise<string>;
}

export const pathOf = (file: string): string => fileURLToPath(new URL(`../../docs/${file}`, import.meta.url));
export const textNow = (file: string): string => readFileSync(pathOf(file), 'utf8');

export const DOCUMENTS: readonly GeneratedDocument[] = [
  { file: 'state-machine.md', renewedBy: 'npm run docs', text: async () => stateMachineMarkdown() },
  { file: 'state-machine.svg', renewedBy: 'npm run docs', text: async () => diagramSvg() },
  {
    file: 'scenarios.md',
    renewedBy: 'npm run docs',
    text: async () => withScenarioList(textNow('scenarios.md'), plans()),
  },
  { file: 'state-sweep.json', renewedBy: 'npm run sweep', text: async () => documentText(await sweep()) },
  { file: 'state-sweep.md', renewedBy: 'npm run sweep', text: async () => sweepMarkdown(await sweep()) },
  { file: 'rfc-matrix.json', renewedBy: 'npm run rfc', text: async () => rfcJson() },
  { file: 'rfc-matrix.md', renewedBy: 'npm run rfc', text: async () => rfcPage() },
];

function plans(): readonly Plan[] {
  const { plans: all, problems } = loadScenarios([]);
  if (problems.length > 0) throw new Error(problems.map((p) => `${p.file}: ${p.error.message}`).join('\n'));
  return all;
}

let played: Promise<SweepDocument> | undefined;

/** tcpx as it is now, beside what the kernel did last time. */
function sweep(): Promise<SweepDocument> {
  played ??= (async () => {
    // Written by `npm run sweep`.
    const last = JSON.parse(textNow('state-sweep.json')) as SweepDocument;
    const tcpx = await playOnTcpx(CELLS, 'linux');
    const rfc = await playOnTcpx(CELLS, 'rfc');
    return sweepResult({ tcpx, rfc, kernel: kernelOutcomes(last), release: last.kernel }).document;
  })();
  return played;
}

function rfcJson(): string {
  const results = rfcResults(plans());
  return matrixJson(results, summaryOf(results));
}

function rfcPage(): string {
  const all = plans();
  const results = rfcResults(all);
  return matrixMarkdown(results, summaryOf(results), all);
}

/** The rows and checks of today with the verdicts of the last run. */
function rfcResults(all: readonly Plan[]): readonly RowResult[] {
  // Written by `npm run rfc`.
  const last = JSON.parse(textNow('rfc-matrix.json')) as {
    readonly requirements: readonly { readonly id: string; readonly tcpx: RowVerdict; readonly kernel: string }[];
  };
  const verdicts = new Map(last.requirements.map((r) => [r.id, r]));
  const rows = requirementRows(all);
  const onTcpx = new Map(all.flatMap((plan) => passed(plan)));
  const tests = new Map(rows.flatMap((row) => row.tests.map((t) => [`${t.file}: ${t.name}`, 'pass'] as const)));
  return rowResults(rows, onTcpx, new Map(), tests).map((result, i): RowResult => {
    const known = verdicts.get(result.requirement.id);
    const kernel = known?.kernel ?? 'not run';
    const differs = rows[i]!.scenarios.flatMap(({ scenario }) => scenario.about.kernelDiffers ?? []);
    return {
      ...result,
      tcpx: { ...result.tcpx, verdict: known?.tcpx ?? 'none' },
      // As `npm run rfc` wrote it.
      kernel: {
        ...result.kernel,
        verdict: kernel === 'not run' ? 'none' : (kernel as RowVerdict),
        notes: kernel === 'differs' ? [...new Set(differs)] : [],
      },
    };
  });
}

/** As if it had been played; where it is not meant for tcpx it is not. */
function passed(plan: Plan): readonly (readonly [string, Played])[] {
  const { scenario } = plan;
  if (scenario.about.on !== undefined && !scenario.about.on.includes('tcpx')) return [];
  const run = { failure: undefined, note: undefined, took: 0, printed: [] };
  return [[scenario.file, { scenario, target: 'tcpx', verdict: 'pass', ...run }]];
}
