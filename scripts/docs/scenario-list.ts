/** The list of scenarios in docs/scenarios.md, printed from what their files say of themselves. */
import type { Plan } from '../../src/tools/scenario/plan.ts';

const BEGIN = '<!-- of npm run docs -->';
const END = '<!-- end -->';

/** `page` with the list anew; at its end, where it has none yet. */
export function withScenarioList(page: string, plans: readonly Plan[]): string {
  const list = [BEGIN, ...listLines(plans), END].join('\n');
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) return `${page.trimEnd()}\n\n## All of them\n\n${list}\n`;
  return page.slice(0, from) + list + page.slice(to + END.length);
}

function listLines(plans: readonly Plan[]): readonly string[] {
  const byFolder = new Map<string, Plan[]>();
  for (const plan of plans) {
    const folder = plan.scenario.file.split('/')[0] ?? '';
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), plan]);
  }
  return [
    `${plans.length} scenarios; \`tcpx conform close\` plays those of a folder, \`tcpx conform close/last-ack\` one.`,
    ...[...byFolder].flatMap(([folder, of]) => [
      '',
      `### ${folder}`,
      '',
      '| | |',
      '|---|---|',
      ...of.map(({ scenario }) => `| ${scenario.name} | ${cell(scenario.about.title ?? '')} |`),
    ]),
  ];
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
