/** A run as it is kept, and docs/performance.md: what is between its markers is written anew, what is around them stays. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BenchFailure } from './failure.ts';
import type { Machine } from './machine.ts';
import { type Plot, plotsOf } from './plots.ts';
import { GROUPS, type Profiled } from './profile.ts';
import { type CaseResult, type Row, significant } from './run.ts';

/** All that was found out; plain JSON. */
export interface Run {
  readonly machine: Machine;
  readonly results: readonly CaseResult[];
  readonly profiles: readonly Profiled[];
}

const PLOTS = 'performance';

/** `directory`: that of performance.md. Returns the files written. */
export function writeDocs(run: Run, directory: string): readonly string[] {
  const file = join(directory, 'performance.md');
  const plots = plotsOf(run);
  const text = filled(readFileSync(file, 'utf8'), sectionsOf(run, plots));
  mkdirSync(join(directory, PLOTS), { recursive: true });
  writeFileSync(file, text);
  for (const { file: name, svg } of plots) writeFileSync(join(directory, PLOTS, name), svg);
  return [file, ...plots.map((plot) => join(directory, PLOTS, plot.file))];
}

/** Puts each section between `<!-- bench: NAME -->` and `<!-- bench: end -->`. Throws BenchFailure when one has no place. */
export function filled(text: string, sections: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [name, section] of Object.entries(sections)) {
    const begin = `<!-- bench: ${name} -->\n`;
    const end = '<!-- bench: end -->';
    const from = result.indexOf(begin);
    const to = result.indexOf(end, from);
    if (from < 0 || to < 0)
      throw new BenchFailure(`performance.md has no place for '${name}'`, `it is between ${begin.trim()} and ${end}`);
    result = `${result.slice(0, from + begin.length)}${section}\n${result.slice(to)}`;
  }
  return result;
}

function sectionsOf(run: Run, plots: readonly Plot[]): Readonly<Record<string, string>> {
  return {
    machine: machineMarkdown(run.machine),
    table: tableMarkdown(run.results.flatMap((r) => r.rows)),
    plots: plots.map((plot) => `![${plot.caption}](${PLOTS}/${plot.file})`).join('\n\n'),
    profile: run.profiles.length === 0 ? 'Not profiled.' : profileMarkdown(run.profiles),
  };
}

function machineMarkdown(machine: Machine): string {
  const lines = Object.entries(machine).map(([name, value]) => `| ${name} | ${cell(value)} |`);
  return ['| | |', '|---|---|', ...lines].join('\n');
}

const cell = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(cell).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, part]) => `${name} ${typeof part === 'object' ? `(${cell(part)})` : cell(part)}`)
    .join(', ');
};

export function tableMarkdown(rows: readonly Row[]): string {
  const number = (n: number | null): string => (n === null ? '–' : significant(n));
  const lines = rows.map((row) => {
    const unit = row.lowerIsBetter ? `${row.unit} ↓` : row.unit;
    const spread = row.spread === null ? '–' : row.spread.map((n) => n.toFixed(2)).join(' – ');
    const ratio = row.ratio === null ? '–' : `**${row.ratio.toFixed(2)}**`;
    return `| ${row.name} | ${row.driver} | ${unit} | ${number(row.tcpx)} | ${number(row.net)} | ${ratio} | ${spread} |`;
  });
  return [
    '| workload | driver | unit | tcpx | `net` | ratio | spread |',
    '|---|---|---|--:|--:|--:|--:|',
    ...lines,
  ].join('\n');
}

function profileMarkdown(profiles: readonly Profiled[]): string {
  const percent = (n: number): string => `${(n * 100).toFixed(1)} %`;
  const shares = GROUPS.map((group) => `| ${group} | ${profiles.map((p) => percent(p.shares[group])).join(' | ')} |`);
  const head = [`| | ${profiles.map((p) => p.name).join(' | ')} |`, `|---|${profiles.map(() => '--:').join('|')}|`];
  const tops = profiles.map(({ name, top }) => {
    const lines = top.map(({ what, share }) => `    ${percent(share).padStart(7)}  ${what}`);
    return [`Largest in \`${name}\`, each function's own time:`, '', ...lines].join('\n');
  });
  return [[...head, ...shares].join('\n'), ...tops].join('\n\n');
}
