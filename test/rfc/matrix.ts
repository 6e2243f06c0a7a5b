/** The requirement matrix: what came of each row, as a page and as JSON. */
import type { Plan } from '../../src/tools/scenario/plan.ts';
import type { Played } from '../../src/tools/scenario/report.ts';
import { type Breaks, breakText, readBreaks } from './breaks/breaks.ts';
import { type Correction, type Requirement, type Row, readCorrections } from './rows.ts';

export type TestOutcome = 'pass' | 'fail' | 'missing';

/** 'differs': the kernel is known to do otherwise. 'none': nothing checks it, or nothing was run. */
export type RowVerdict = 'pass' | 'fail' | 'differs' | 'n/a' | 'none';

export interface SideResult {
  readonly verdict: RowVerdict;
  /** Scenarios and tests that say so. */
  readonly by: readonly string[];
  readonly notes: readonly string[];
}

export interface RowResult {
  readonly requirement: Requirement;
  readonly under: readonly string[];
  readonly tcpx: SideResult;
  readonly kernel: SideResult;
}

export interface Summary {
  readonly rows: number;
  readonly tested: number;
  readonly notApplicable: number;
  readonly failingMust: readonly string[];
  readonly failingShould: readonly string[];
  readonly kernelRun: number;
}

const nameOf = (plan: Plan): string => plan.scenario.file.replace(/\.pkt$/, '');

export function rowResults(
  rows: readonly Row[],
  onTcpx: ReadonlyMap<string, Played>,
  onKernel: ReadonlyMap<string, Played>,
  tests: ReadonlyMap<string, TestOutcome>,
): readonly RowResult[] {
  return rows.map((row) => ({
    requirement: row.requirement,
    under: row.under,
    tcpx: ownResult(row, onTcpx, tests),
    kernel: played(row.scenarios, onKernel),
  }));
}

function ownResult(row: Row, onTcpx: ReadonlyMap<string, Played>, tests: ReadonlyMap<string, TestOutcome>): SideResult {
  const scenarios = played(row.scenarios, onTcpx);
  const named = row.tests.map((t) => `${t.file}: ${t.name}`);
  const outcomes = named.flatMap((name) => tests.get(name) ?? []);
  const by = [...scenarios.by, ...named];
  if (by.length === 0 && row.notApplicable !== undefined)
    return { verdict: 'n/a', by, notes: [`${row.notApplicable.kind}: ${row.notApplicable.why}`] };
  const bad = scenarios.verdict === 'fail' || outcomes.some((o) => o !== 'pass');
  const good = scenarios.verdict === 'pass' || outcomes.length > 0;
  return { verdict: bad ? 'fail' : good ? 'pass' : 'none', by, notes: scenarios.notes };
}

function played(plans: readonly Plan[], on: ReadonlyMap<string, Played>): SideResult {
  const ran = plans.flatMap((plan) => {
    const result = on.get(plan.scenario.file);
    return result === undefined || result.verdict === 'skip' ? [] : [{ plan, result }];
  });
  const verdict = (['fail', 'differs'] as const).find((v) => ran.some((r) => r.result.verdict === v));
  return {
    verdict: verdict ?? (ran.length > 0 ? 'pass' : 'none'),
    by: ran.map((r) => nameOf(r.plan)),
    notes: [...new Set(ran.flatMap((r) => r.result.note ?? []))],
  };
}

export function summaryOf(results: readonly RowResult[]): Summary {
  const failing = (levels: RegExp): readonly string[] =>
    results.filter((r) => r.tcpx.verdict === 'fail' && levels.test(r.requirement.level)).map((r) => r.requirement.id);
  return {
    rows: results.length,
    tested: results.filter((r) => r.tcpx.verdict === 'pass' || r.tcpx.verdict === 'fail').length,
    notApplicable: results.filter((r) => r.tcpx.verdict === 'n/a').length,
    failingMust: failing(/^MUST/),
    failingShould: failing(/^(SHOULD|RECOMMENDED)/),
    kernelRun: results.filter((r) => r.kernel.verdict !== 'none').length,
  };
}

/** docs/rfc-matrix.json. */
export function matrixJson(results: readonly RowResult[], summary: Summary): string {
  const document = {
    ...summary,
    requirements: results.map(({ requirement: r, under, tcpx, kernel }) => ({
      id: r.id,
      rfc: r.rfc,
      section: r.section,
      level: r.level,
      statement: r.statement,
      tcpx: tcpx.verdict,
      kernel: kernel.verdict === 'none' ? 'not run' : kernel.verdict,
      by: tcpx.by,
      under,
      notes: [...tcpx.notes, ...kernel.notes],
    })),
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

const WORDS: Readonly<Record<RowVerdict, string>> = {
  pass: 'yes',
  fail: '**no**',
  differs: 'differs',
  'n/a': '–',
  none: '',
};
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

export function matrixMarkdown(
  results: readonly RowResult[],
  s: Summary,
  plans: readonly Plan[],
  breaks: Breaks = readBreaks(),
): string {
  const rfcs = [...new Set(results.map((r) => r.requirement.rfc))];
  const lines = [
    '# Requirement by requirement',
    '',
    `${s.rows} requirements of RFC 9293 and ${rfcs.length - 1} other RFCs: ${s.tested} are checked, ${s.notApplicable} do not apply, ${s.rows - s.tested - s.notApplicable} have no check yet. ${s.kernelRun} of them`,
    'also ran on the kernel, with the same scenario. `npm run rfc` prints this page; `tcpx conform ID` plays the scenarios of one.',
    '',
    '*tcpx*: yes, **no**, – (does not apply, with the reason), or nothing where there is no check. *kernel*: what Linux does on the',
    'same input; "differs" is explained below, nothing means that it was not run. *by*: what checks it; "under" names the profile or the',
    'settings that every one of its scenarios begins with, where rules exclude each other or are off by default. *fails with*: a change',
    'to the sources that breaks the rule, under which the check was seen to fail ([all of them](../test/rfc/breaks/breaks.json));',
    '`npm run rfc -- --breaks ID` shows it.',
    '',
  ];
  for (const rfc of rfcs) {
    lines.push(
      `## RFC ${rfc}`,
      '',
      '| | level | § | requirement | tcpx | kernel | by | fails with |',
      '|---|---|---|---|---|---|---|---|',
    );
    for (const { requirement: r, under, tcpx, kernel } of results.filter((row) => row.requirement.rfc === rfc)) {
      const checks = tcpx.by.map((b) => `\`${b}\``).join(' ');
      const by =
        tcpx.verdict === 'n/a'
          ? tcpx.notes.join('; ')
          : under.length > 0
            ? `under ${under.join(', ')}: ${checks}`
            : checks;
      const its = breaks[r.id];
      const broken = its === undefined || tcpx.verdict === 'n/a' ? '' : `\`${breakText(its).replaceAll('`', "'")}\``;
      lines.push(
        `| ${r.id} | ${r.level} | ${r.section} | ${cell(r.statement)} | ${WORDS[tcpx.verdict]} | ${WORDS[kernel.verdict]} | ${cell(by)} | ${broken.replaceAll('|', '\\|')} |`,
      );
    }
    lines.push('');
  }
  return `${[...lines, ...departures(plans), ...corrected(readCorrections())].join('\n')}\n`;
}

function departures(plans: readonly Plan[]): readonly string[] {
  const known = plans.filter((plan) => plan.scenario.about.kernelDiffers !== undefined);
  if (known.length === 0) return [];
  return [
    '## Where the kernel does otherwise',
    '',
    'Here tcpx does what the scenario says, and Linux something else.',
    '',
    '| scenario | what tcpx does | what Linux does |',
    '|---|---|---|',
    ...known.map(
      (plan) =>
        `| \`${nameOf(plan)}\` | ${cell(plan.scenario.about.title ?? '')} | ${cell(plan.scenario.about.kernelDiffers ?? '')} |`,
    ),
  ];
}

function corrected(corrections: readonly Correction[]): readonly string[] {
  return [
    '',
    '## Rows that were corrected',
    '',
    `The rows began as notes on the RFCs. Read against the text, ${corrections.length} said something else, more or less than it does;`,
    '[corrections.json](../test/rfc/corrections.json) has what each said before.',
    '',
    '| | changed | why |',
    '|---|---|---|',
    ...corrections.map(({ id, is, why }) => `| ${id} | ${Object.keys(is).join(', ')} | ${cell(why)} |`),
  ];
}
