/** A run of the battery as a table, fitted to the width there is, and as a document for programs. */
import type { Paint } from '../log-style.ts';
import type { Findings } from './battery.ts';
import type { Expected, Finding, Json, Probe } from './model.ts';

export interface Column {
  /** Over the column: the peer's address, 'Linux 6.18', 'tcpx'. */
  readonly title: string;
  readonly key: 'peer' | 'kernel' | 'tcpx';
  readonly findings: Findings;
}

export interface Report {
  readonly probes: readonly Probe[];
  readonly columns: readonly Column[];
  /** Of the kernel's settings, beside its column. */
  readonly expected: ReadonlyMap<string, Expected>;
}

export interface RenderOptions {
  readonly paint: Paint;
  /** Columns of the terminal. */
  readonly width: number;
  /** A column of its own for what the settings say. */
  readonly showSettings: boolean;
}

const GAP = 2;

/** The kernel's finding against its settings; undefined where none has a say, or nothing could be told. */
export function agreement({ columns, expected }: Report, probe: Probe): boolean | undefined {
  const finding = columns.find((c) => c.key === 'kernel')?.findings.get(probe.name);
  const wanted = expected.get(probe.name);
  if (finding === undefined || finding.unknown || wanted === undefined) return undefined;
  return wanted.agrees(finding.data);
}

/** Lines. A row's cells are wrapped between words. */
export function renderReport(report: Report, o: RenderOptions): readonly string[] {
  const { paint } = o;
  const settings = o.showSettings && report.columns.some((c) => c.key === 'kernel');
  const header = [
    '',
    ...report.columns.flatMap((c) => (settings && c.key === 'kernel' ? [c.title, 'its settings say'] : [c.title])),
    'rule',
  ];
  const rows = report.probes.map((probe) => cellsOf(report, probe, settings));
  const widths = fit([header, ...rows], o.width);
  const lines = layOut(header, widths).map((line) => paint.bold(line));
  let group = '';
  report.probes.forEach((probe, i) => {
    if (probe.group !== group) {
      group = probe.group;
      lines.push('', paint.bold(group));
    }
    const agrees = agreement(report, probe);
    const colour = agrees === false ? paint.red : sameThroughout(report, probe) ? (text: string) => text : paint.yellow;
    lines.push(...layOut(rows[i]!, widths).map(colour));
  });
  return lines;
}

function cellsOf(report: Report, probe: Probe, settings: boolean): readonly string[] {
  const cells = [probe.title];
  for (const { key, findings } of report.columns) {
    cells.push(findings.get(probe.name)?.value ?? '-');
    if (!settings || key !== 'kernel') continue;
    const agrees = agreement(report, probe);
    const text = report.expected.get(probe.name)?.text ?? '';
    cells.push(agrees === false ? `not as set: ${text}` : text);
  }
  return [...cells, probe.clause];
}

/** All columns that could tell say the same. */
export function sameThroughout({ columns }: Report, probe: Probe): boolean {
  const told = columns.map((c) => c.findings.get(probe.name)).filter((f) => f !== undefined && !f.unknown);
  return new Set(told.map((finding) => finding?.value)).size <= 1;
}

/** As wide as its longest cell; the widest narrower, but no narrower than its longest word, until all of them fit. */
function fit(rows: readonly (readonly string[])[], width: number): readonly number[] {
  const widest = (lengths: readonly number[]): number => Math.max(...lengths);
  const widths = rows[0]!.map((_, i) => widest(rows.map((row) => row[i]!.length)));
  const least = rows[0]!.map(
    (_, i) => 1 + widest(rows.flatMap((row) => row[i]!.split(' ').map((word) => word.length))),
  );
  for (;;) {
    const over = widths.reduce((sum, w) => sum + w, GAP * (widths.length - 1)) - width;
    const room = widths.map((w, i) => (w > least[i]! ? w : 0));
    const at = room.indexOf(widest(room));
    if (over <= 0 || room[at] === 0) return widths;
    widths[at]!--;
  }
}

function layOut(cells: readonly string[], widths: readonly number[]): string[] {
  const wrapped = cells.map((cell, i) => wrap(cell, widths[i]!));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, n) =>
    wrapped
      .map((lines, i) => `${n > 0 && i === 0 && lines[n] !== undefined ? ' ' : ''}${lines[n] ?? ''}`.padEnd(widths[i]!))
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    // What continues a row's title is set in by one.
    const room = lines.length === 0 ? width : width - 1;
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** One document, schema tcpx.probe/1: facts of the run, and for each probe its rule and what each column found. */
export function reportDocument(report: Report, facts: Readonly<Record<string, Json>>): Json {
  return {
    schema: 'tcpx.probe/1',
    type: 'probe',
    ...facts,
    probes: report.probes.map((probe) => {
      const agrees = agreement(report, probe);
      const setting = report.expected.get(probe.name);
      return {
        name: probe.name,
        title: probe.title,
        group: probe.group,
        rule: probe.clause,
        settings: probe.settings,
        ...Object.fromEntries(
          report.columns.map(({ key, findings }) => [key, findingDocument(findings.get(probe.name))]),
        ),
        ...(setting !== undefined && { expected: setting.text }),
        ...(agrees !== undefined && { asSet: agrees }),
      };
    }),
  };
}

function findingDocument(finding: Finding | undefined): Json {
  if (finding === undefined) return null;
  const { value, data, unknown } = finding;
  return unknown ? { value, unknown: true } : { value, data };
}
