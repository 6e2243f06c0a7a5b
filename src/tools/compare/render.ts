/**
 * A comparison as text: the kernel's run on the left, ours on the right, each segment beside the one it pairs with.
 * A row has as many lines as its longer half. Between the halves, `!` marks what an RFC forbids or nothing explains, `?` what else
 * differs.
 */
import { ipv4Text } from '../../wire/ipv4.ts';
import { type Paint, paintState } from '../log-style.ts';
import { comparisonTexts, type DifferenceGroup, groupDifferences } from './group.ts';
import {
  attemptsText,
  type Comparison,
  comparisonWord,
  type Difference,
  isSound,
  type Run,
  type Shot,
  type StateMark,
  shotText,
  type VerdictWord,
  wordOf,
} from './model.ts';

export interface RenderOptions {
  readonly paint: Paint;
  /** Columns to fit into. */
  readonly width: number;
}

/** Narrower than that and segments would be broken in the middle of a number. */
const MIN_WIDTH = 84;
const MAX_WIDTH = 160;
/** The number of a row, to the left of both halves. */
const NUMBER_WIDTH = 2;
const MARK_WIDTH = 3;
/** `~SYN-RECEIVED`. */
const STATE_WIDTH = 13;
const TIME_WIDTH = 8;
const BEFORE_TEXT = STATE_WIDTH + 1 + TIME_WIDTH + 3;
/** `unexplained: `. */
const LABEL_WIDTH = 13;
/** What every segment but a SYN carries once both ends agreed on timestamps: not worth a line. */
const USUAL_OPTIONS = 'nop,nop,TS';

/** A piece of a line and its colour, apart, so that widths are those of the text. */
interface Piece {
  readonly text: string;
  readonly color: (text: string) => string;
}
type Line = readonly Piece[];

/** One comparison, line by line. */
export function renderComparison(c: Comparison, o: RenderOptions): readonly string[] {
  const { paint } = o;
  const width = Math.max(MIN_WIDTH, Math.min(o.width, MAX_WIDTH));
  const half = Math.floor((width - NUMBER_WIDTH - 1 - MARK_WIDTH) / 2);
  const beside = (number: string, mark: string, kernel: readonly Line[], tcpx: readonly Line[]): readonly string[] => {
    const count = Math.max(kernel.length, tcpx.length);
    return Array.from({ length: count }, (_, i) => {
      const head = paint.dim((i === 0 ? number : '').padStart(NUMBER_WIDTH));
      return `${head} ${painted(kernel[i] ?? [], half)} ${mark} ${painted(tcpx[i] ?? [], 0)}`.trimEnd();
    });
  };
  const marks = rowMarks(c);
  const rows = shownRows(c, marks).flatMap((shown) => {
    if (typeof shown === 'string') return [paint.dim(shown)];
    const row = c.rows[shown]!;
    const mark = marks[shown]!;
    return beside(
      String(shown + 1),
      mark === '!' ? paint.red(mark) : mark === '?' ? paint.yellow(mark) : paint.dim(mark),
      shotLines(c.kernel, row.kernel, half, paint),
      shotLines(c.tcpx, row.tcpx, half, paint),
    );
  });
  return [
    ...beside('', ' ', [heading(c.kernel, paint)], [heading(c.tcpx, paint)]),
    ...rows,
    ...beside('', paint.dim('|'), unplacedLines(c.kernel, paint), unplacedLines(c.tcpx, paint)),
    ...c.verdicts.flatMap((v) => verdictLines(v, width, paint)),
    ...groupDifferences([c]).flatMap((group) => groupLines(group, c, width, paint)),
    ...c.chance.flatMap((d) => chanceLines(d, c, width, paint)),
    ...[c.kernel, c.tcpx].flatMap((run) => run.notes.map((note) => paint.dim(`  note: ${run.side}: ${note}`))),
    paint.dim(`  states: ${sourceText(c.kernel)}; ${sourceText(c.tcpx)}`),
    `  ${verdictColor(c, paint)(verdictText(c))}`,
  ];
}

/** For each row: `!` what an RFC forbids or nothing explains, `?` what else differs, `|` alike. */
function rowMarks(c: Comparison): readonly string[] {
  const marks = c.rows.map(() => '|');
  for (const d of c.differences) {
    if (d.row === undefined || marks[d.row] === '!') continue;
    const word = wordOf(d);
    marks[d.row] = word !== undefined && !isSound(word) ? '!' : '?';
  }
  for (const { row } of c.chance) if (row !== undefined && marks[row] === '|') marks[row] = '?';
  return marks;
}

/** All of a short comparison; of a long one what is worth looking at, and how much is left out in between. */
function shownRows(c: Comparison, marks: readonly string[]): readonly (number | string)[] {
  const keep = new Set<number>();
  c.rows.forEach((row, i) => {
    const shot = row.kernel === undefined ? c.tcpx.shots[row.tcpx!]! : c.kernel.shots[row.kernel]!;
    const matters = /[SFR]/.test(shot.flags) || marks[i] === '!' || i < LONG_ENDS || i >= c.rows.length - LONG_ENDS;
    if (matters || c.rows.length <= LONG) for (let j = i - AROUND; j <= i + AROUND; j++) keep.add(j);
  });
  const shown: (number | string)[] = [];
  for (let i = 0; i < c.rows.length; i++) {
    if (keep.has(i)) shown.push(i);
    else {
      const from = i;
      while (i + 1 < c.rows.length && !keep.has(i + 1)) i++;
      shown.push(`   … ${i - from + 1} rows of data and its acknowledgments`);
    }
  }
  return shown;
}
const LONG = 60;
const LONG_ENDS = 12;
const AROUND = 1;

const VERDICT_NAME = 16;
const VERDICT_WORD = 12;

/** `  ACK policy      allowed     kernel at once, tcpx delayed 40 ms; RFC 9293 §3.8.6.3`. */
function verdictLines(v: Comparison['verdicts'][number], width: number, paint: Paint): readonly string[] {
  const what = v.kernel === v.tcpx ? v.kernel : `kernel ${v.kernel} | tcpx ${v.tcpx}`;
  const indent = 2 + VERDICT_NAME + VERDICT_WORD;
  const words = `${what}${v.clauses.length > 0 ? ` (${v.clauses.join('; ')})` : ''}`.split(' ');
  return wrapped(words, ' ', width - indent).map((line, i) =>
    i === 0
      ? `  ${v.property.padEnd(VERDICT_NAME)}${wordColor(v.word, paint)(v.word)}${' '.repeat(VERDICT_WORD - v.word.length)}${line}`
      : `${' '.repeat(indent)}${line}`,
  );
}

export function wordColor(word: VerdictWord, paint: Paint): (text: string) => string {
  if (!isSound(word)) return paint.red;
  return word === 'same' ? paint.green : paint.yellow;
}

/** In few words: `same: 6 segments, 5 states`. */
export function verdictText(c: Comparison): string {
  const text = c.complaint === undefined ? comparisonTexts(c) : `trouble: ${c.complaint}`;
  return `${text}${attemptsText(c)}`;
}

export function verdictColor(c: Comparison, paint: Paint): (text: string) => string {
  return c.complaint === undefined ? wordColor(comparisonWord(c), paint) : paint.red;
}

const heading = (run: Run, paint: Paint): Line => [
  {
    text: `${run.side} ${ipv4Text(run.local.address)}:${run.local.port} -> ${ipv4Text(run.remote.address)}:${run.remote.port}`,
    color: paint.bold,
  },
];

/** A segment, with the states it led to; nothing when this run has none here. */
function shotLines(run: Run, index: number | undefined, half: number, paint: Paint): readonly Line[] {
  if (index === undefined) return [];
  const shot = run.shots[index]!;
  const states = run.states.filter((mark) => mark.shot === index).map((mark) => statePiece(mark, paint));
  const texts = segmentLines(shot, half - BEFORE_TEXT);
  const count = Math.max(states.length, texts.length);
  return Array.from({ length: count }, (_, i) => {
    const state = states[i] ?? { text: ' '.repeat(STATE_WIDTH), color: String };
    const text = texts[i];
    if (text === undefined) return [state];
    const lead =
      i === 0
        ? `${(shot.t / 1_000_000).toFixed(6).padStart(TIME_WIDTH)} ${shot.dir === 'out' ? '>' : '<'} `
        : ' '.repeat(TIME_WIDTH + 3);
    return [state, { text: ` ${lead}`, color: paint.dim }, { text, color: String }];
  });
}

/** The segment and, below, its options where they say anything. */
function segmentLines(shot: Shot, width: number): readonly string[] {
  const options = shot.options.join(',');
  return [
    ...wrapped(shotText(shot).split(' '), ' ', width),
    ...(options === USUAL_OPTIONS ? [] : wrapped(shot.options, ',', width)),
  ];
}

export function wrapped(words: readonly string[], separator: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + separator.length + word.length <= width)
      lines[lines.length - 1] = last + separator + word;
    else lines.push(word);
  }
  return lines;
}

const statePiece = (mark: StateMark, paint: Paint): Piece => ({
  text: stateText(mark).padEnd(STATE_WIDTH),
  color: (text) => paintState(paint, text),
});

/** `~` in front of what was inferred. */
export const stateText = (mark: StateMark): string => (mark.source === 'inferred' ? `~${mark.state}` : mark.state);

/** States that no segment shows. */
const unplacedLines = (run: Run, paint: Paint): readonly Line[] =>
  run.states.filter((mark) => mark.shot === undefined).map((mark) => [statePiece(mark, paint)]);

function painted(line: Line, width: number): string {
  const len = line.reduce((sum, piece) => sum + piece.text.length, 0);
  return line.map((piece) => piece.color(piece.text)).join('') + ' '.repeat(Math.max(0, width - len));
}

/** One kind of difference, with the row it first shows in. */
function groupLines(group: DifferenceGroup, c: Comparison, width: number, paint: Paint): readonly string[] {
  const d = group.first;
  const word = wordOf(d) ?? 'peer';
  const label = `${word}:`;
  const color = word === 'peer' ? paint.dim : wordColor(word, paint);
  const what = `${whereText(d, c)}${differenceText(d)}`;
  const more = group.count > 1 ? `, and ${group.count - 1} more like it` : '';
  const why = d.ruling === undefined || d.ruling.clause === '' ? '' : ` (${d.ruling.clause}: ${d.ruling.why})`;
  return labelled(label, color, `${what}${more}${why}`, width);
}

/** What another attempt doesn't show. */
function chanceLines(d: Difference, c: Comparison, width: number, paint: Paint): readonly string[] {
  const what = d.row === undefined ? `${d.property} ` : whereText(d, c);
  return labelled('chance:', paint.dim, `${what}${differenceText(d)} (not in each attempt)`, width);
}

function labelled(label: string, color: (text: string) => string, text: string, width: number): readonly string[] {
  const indent = LABEL_WIDTH + 2;
  return wrapped(text.split(' '), ' ', width - indent).map((line, i) =>
    i === 0 ? `  ${color(label)}${' '.repeat(LABEL_WIDTH - label.length)}${line}` : `${' '.repeat(indent)}${line}`,
  );
}

/** `4 > S ` of the row it shows in. */
function whereText(d: Difference, c: Comparison): string {
  const row = d.row === undefined ? undefined : c.rows[d.row];
  if (row === undefined) return '';
  const shot = row.kernel === undefined ? c.tcpx.shots[row.tcpx!]! : c.kernel.shots[row.kernel]!;
  return `${d.row! + 1} ${shot.dir === 'out' ? '>' : '<'} ${shot.flags} `;
}

/** `options: kernel mss 1460, tcpx mss 536`; `only tcpx: . 1 ack 1 win 63`. */
export function differenceText(d: Difference): string {
  if (d.field === 'segment') return `only ${d.kernel === '' ? `tcpx: ${d.tcpx}` : `kernel: ${d.kernel}`}`;
  return `${d.field}: kernel ${d.kernel || 'none'}, tcpx ${d.tcpx || 'none'}`;
}

/** Where a run's states are known from. */
function sourceText(run: Run): string {
  if (run.side === 'tcpx') return 'tcpx from its log';
  const known = run.states.filter((mark) => mark.source !== 'inferred').length;
  if (known === run.states.length) return `kernel all ${known} observed`;
  return `kernel ${known} of ${run.states.length} observed, ~ inferred from segments`;
}
