/** The verdicts of all scenarios in one table, and below it each kind of difference with what the RFCs say about it. */
import type { Paint } from '../log-style.ts';
import { groupDifferences } from './group.ts';
import {
  attemptsText,
  type Comparison,
  comparisonWord,
  PROPERTIES,
  type Property,
  type VerdictWord,
  wordOf,
} from './model.ts';
import { differenceText, wordColor, wrapped } from './render.ts';

const HEADS: Readonly<Record<Property, string>> = {
  'SYN options': 'SYN',
  ISN: 'ISN',
  'initial window': 'IW',
  'receive window': 'rwnd',
  'ACK policy': 'ACK',
  data: 'data',
  retransmission: 'rexmit',
  probes: 'probe',
  'close sequence': 'close',
  'RST form': 'RST',
  'TIME-WAIT': 'T-W',
  'IP header': 'IP',
  outcome: 'end',
};
const MARKS: Readonly<Record<VerdictWord, string>> = {
  same: '=',
  allowed: 'a',
  required: 'R',
  forbidden: 'X',
  unexplained: '?',
};
const NAME_WIDTH = 20;
const ATTEMPTS = '(N attempts): run N times; X and ? are what each of them shows';

export interface TableOptions {
  readonly paint: Paint;
  readonly width: number;
  /** Each kind of difference below it. */
  readonly rulings: boolean;
}

export function tableLines(comparisons: readonly Comparison[], o: TableOptions): readonly string[] {
  const { paint } = o;
  const head = PROPERTIES.map((p) => HEADS[p].padEnd(HEADS[p].length + 1)).join(' ');
  const rows = comparisons.map((c) => {
    const cells = PROPERTIES.map((p) => {
      const word = c.verdicts.find((v) => v.property === p)?.word;
      const mark = word === undefined ? '.' : MARKS[word];
      const color = word === undefined ? paint.dim : wordColor(word, paint);
      return color(mark) + ' '.repeat(HEADS[p].length);
    });
    const word = c.complaint === undefined ? comparisonWord(c) : 'trouble';
    const color = word === 'trouble' ? paint.red : wordColor(word, paint);
    return `${c.scenario.padEnd(NAME_WIDTH)}${cells.join(' ')} ${color(word)}${paint.dim(attemptsText(c))}`;
  });
  return [
    `${' '.repeat(NAME_WIDTH)}${head}`,
    ...rows,
    paint.dim('= same, a allowed, R required (the kernel departs), X forbidden, ? not explained, . not seen'),
    ...(comparisons.some((c) => c.attempts > 1) ? [paint.dim(ATTEMPTS)] : []),
    ...groupDifferences(o.rulings ? comparisons : []).flatMap((g) =>
      wordOf(g.first) === undefined ? [] : groupText(g, o),
    ),
  ];
}

const MOST_NAMES = 6;

function groupText(g: ReturnType<typeof groupDifferences>[number], { paint, width }: TableOptions): readonly string[] {
  const word = wordOf(g.first)!;
  const { property, ruling } = g.first;
  const names =
    g.scenarios.length > MOST_NAMES
      ? `${g.scenarios.slice(0, MOST_NAMES).join(', ')} and ${g.scenarios.length - MOST_NAMES} more`
      : g.scenarios.join(', ');
  const rule = ruling === undefined ? 'no rule covers it' : `${ruling.clause}: ${ruling.why}`;
  return [
    '',
    `${wordColor(word, paint)(word)} ${paint.bold(property)}: ${rule}`,
    ...wrapped(
      `${differenceText(g.first)} (${names}${g.count > 1 ? `; ${g.count} times` : ''})`.split(' '),
      ' ',
      width - 2,
    ).map((line) => `  ${line}`),
  ];
}
