/** Results as text. */
import type { Machine } from './machine.ts';
import { type Row, significant } from './run.ts';

export function tableText(rows: readonly Row[], machine: Machine): string {
  const lines = rows.map((row) => cells(row));
  const head = ['workload', 'driver', 'unit', 'tcpx', 'net', 'tcpx/net', 'spread', ''];
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i]!.length)));
  const text = (line: readonly string[]): string =>
    line
      .map((cell, i) => (i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  const facts = Object.entries(machine).map(
    ([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  return `${[text(head), ...lines.map(text), '', ...facts].join('\n')}\n`;
}

function cells(row: Row): readonly string[] {
  const number = (n: number | null): string => (n === null ? '-' : significant(n));
  const spread = row.spread === null ? '-' : row.spread.map((n) => n.toFixed(2)).join('–');
  return [
    row.name,
    row.driver,
    row.unit,
    number(row.tcpx),
    number(row.net),
    row.ratio === null ? '-' : row.ratio.toFixed(2),
    spread,
    row.lowerIsBetter ? 'lower is better' : '',
  ];
}
