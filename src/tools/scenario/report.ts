/** What came of playing scenarios: text for people, TAP, JUnit's XML, and a JSON document. */
import type { Paint } from '../log-style.ts';
import type { Scenario, TargetName } from './model.ts';
import type { Failure, RunResult } from './run.ts';

/**
 * 'differs': it fails on the kernel, which is known to do otherwise. 'skip': it does not make sense there, or can't be
 * played there.
 */
export type Verdict = 'pass' | 'fail' | 'differs' | 'skip';

export interface Played {
  readonly scenario: Scenario;
  readonly target: TargetName;
  readonly verdict: Verdict;
  readonly failure: Failure | undefined;
  /** Why it was skipped, or what the kernel does otherwise. */
  readonly note: string | undefined;
  /** Microseconds. */
  readonly took: number;
  readonly printed: readonly string[];
}

export function playedOf(scenario: Scenario, run: RunResult): Played {
  const differs = scenario.about.kernelDiffers;
  const known = run.target === 'kernel' && differs !== undefined;
  return {
    scenario,
    target: run.target,
    verdict: run.failure === undefined ? 'pass' : known ? 'differs' : 'fail',
    failure: run.failure,
    note: run.failure !== undefined && known ? differs : undefined,
    took: run.took,
    printed: run.printed,
  };
}

export const skipped = (scenario: Scenario, target: TargetName, note: string): Played => ({
  scenario,
  target,
  verdict: 'skip',
  failure: undefined,
  note,
  took: 0,
  printed: [],
});

const titleOf = ({ about, name }: Scenario): string => about.title ?? name;

/** One line, and for a failure what was expected, what came and what happened before. */
export function playedLines(p: Played, paint: Paint): readonly string[] {
  const color = { pass: paint.green, fail: paint.red, differs: paint.yellow, skip: paint.dim }[p.verdict];
  const head = `${color(p.verdict.padEnd(7))} ${p.target.padEnd(7)} ${p.scenario.file.replace(/\.pkt$/, '')}`;
  const lines = [`${head}  ${paint.dim(titleOf(p.scenario))}`];
  if (p.note !== undefined) lines.push(`        ${p.note}`);
  lines.push(...p.printed.map((line) => `        ${line}`));
  if (p.failure !== undefined && p.verdict === 'fail')
    lines.push(...failureLines(p.scenario, p.failure).map((line) => `  ${line}`));
  return lines;
}

/** `file:line: message`, the line itself, both sides, and the trace. */
export function failureLines(scenario: Scenario, f: Failure): readonly string[] {
  const text = scenario.lines[f.place.line - 1]?.trim() ?? '';
  return [
    `${scenario.file}:${f.place.line}: ${f.message}`,
    `  ${text}`,
    ...(f.expected === undefined ? [] : [`  expected ${f.expected}`]),
    ...(f.was === undefined ? [] : [`  was      ${f.was}`]),
    ...f.details.map((detail) => `  ${detail}`),
    ...(f.trace.length === 0 ? [] : ['  since the step before:', ...f.trace.map((line) => `    ${line.trim()}`)]),
  ];
}

export interface Totals {
  readonly pass: number;
  readonly fail: number;
  readonly differs: number;
  readonly skip: number;
}

export function totalsOf(played: readonly Played[]): Totals {
  const count = (verdict: Verdict): number => played.filter((p) => p.verdict === verdict).length;
  return { pass: count('pass'), fail: count('fail'), differs: count('differs'), skip: count('skip') };
}

export function summaryText(t: Totals): string {
  const parts = [`${t.pass} passed`, `${t.fail} failed`];
  if (t.differs > 0) parts.push(`${t.differs} where the kernel is known to differ`);
  if (t.skip > 0) parts.push(`${t.skip} skipped`);
  return parts.join(', ');
}

/** Test Anything Protocol, version 13. */
export function tapText(played: readonly Played[]): string {
  const lines = ['TAP version 13', `1..${played.length}`];
  for (const [i, p] of played.entries()) {
    const isOk = p.verdict !== 'fail';
    const directive =
      p.verdict === 'skip' ? ` # SKIP ${p.note ?? ''}` : p.verdict === 'differs' ? ` # TODO ${p.note ?? ''}` : '';
    const name = `${p.target} ${p.scenario.file}: ${titleOf(p.scenario)}`.replaceAll('#', '\\#');
    lines.push(`${isOk && p.verdict !== 'differs' ? 'ok' : 'not ok'} ${i + 1} - ${name}${directive}`);
    lines.push(...p.printed.map((line) => `# ${line}`));
    if (p.failure !== undefined) {
      // YAML: a text between quotes as JSON has it, and a block of lines as they are.
      const details = failureLines(p.scenario, p.failure).map((line) => `    ${line}`.trimEnd());
      lines.push('  ---', `  message: ${JSON.stringify(p.failure.message)}`, '  details: |', ...details, '  ...');
    }
  }
  return `${lines.join('\n')}\n`;
}

const xml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    // Characters that XML 1.0 has no way to write.
    .replaceAll(/[^\t\n\r\u0020-\ufffd]/g, '?');

/** A suite for each target. */
export function junitText(played: readonly Played[]): string {
  const suites = [...new Set(played.map((p) => p.target))].map((target) => {
    const cases = played.filter((p) => p.target === target);
    const t = totalsOf(cases);
    return [
      `  <testsuite name="${target}" tests="${cases.length}" failures="${t.fail}" errors="0" skipped="${t.skip + t.differs}">`,
      ...cases.map(caseXml),
      '  </testsuite>',
    ].join('\n');
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="tcpx conform">\n${suites.join('\n')}\n</testsuites>\n`;
}

function caseXml(p: Played): string {
  const folder =
    p.scenario.file
      .replace(/\/?[^/]*$/, '')
      .replace(/^[./]+/, '')
      .replaceAll('/', '.') || 'scenario';
  const head = `    <testcase classname="${xml(`${p.target}.${folder}`)}" name="${xml(`${p.scenario.name}: ${titleOf(p.scenario)}`)}" time="${(p.took / 1e6).toFixed(6)}"`;
  const inner = `${outcomeXml(p)}${p.printed.length === 0 ? '' : `<system-out>${xml(p.printed.join('\n'))}</system-out>`}`;
  return inner === '' ? `${head}/>` : `${head}>${inner}</testcase>`;
}

function outcomeXml(p: Played): string {
  if (p.verdict === 'pass') return '';
  return p.verdict === 'fail' && p.failure !== undefined
    ? `<failure message="${xml(p.failure.message)}">${xml(failureLines(p.scenario, p.failure).join('\n'))}</failure>`
    : `<skipped message="${xml(p.note ?? '')}"/>`;
}

const CONFORM_SCHEMA = 'tcpx.conform/1';

export function conformDocument(played: readonly Played[]): Readonly<Record<string, unknown>> {
  return {
    schema: CONFORM_SCHEMA,
    ...totalsOf(played),
    scenarios: played.map((p) => ({
      name: p.scenario.name,
      file: p.scenario.file,
      title: titleOf(p.scenario),
      covers: p.scenario.about.covers,
      target: p.target,
      verdict: p.verdict,
      seconds: p.took / 1e6,
      ...(p.note !== undefined && { note: p.note }),
      ...(p.printed.length > 0 && { printed: p.printed }),
      ...(p.failure !== undefined && { failure: p.failure }),
    })),
  };
}
