/**
 * A comparison as text: the kernel's run on the left, ours on the right, each segment beside the one it pairs with.
 * A row has as many lines as its longer half; `!` between the halves marks what differs, `?` what differs and doesn't count.
 */
import { ipv4Text } from '../../wire/ipv4.ts';
import { type Paint, paintState } from '../log-style.ts';
import { type Comparison, type Difference, type Run, type Shot, type StateMark, shotText } from './model.ts';

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
/** `  differs: `. */
const LABEL_WIDTH = 12;
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
  const rows = c.rows.flatMap((row, i) => {
    const differences = c.differences.filter((d) => d.row === i);
    const mark = differences.some((d) => d.excuse === undefined)
      ? paint.red('!')
      : differences.length > 0
        ? paint.yellow('?')
        : paint.dim('|');
    return beside(
      String(i + 1),
      mark,
      shotLines(c.kernel, row.kernel, half, paint),
      shotLines(c.tcpx, row.tcpx, half, paint),
    );
  });
  return [
    ...beside('', ' ', [heading(c.kernel, paint)], [heading(c.tcpx, paint)]),
    ...rows,
    ...beside('', paint.dim('|'), unplacedLines(c.kernel, paint), unplacedLines(c.tcpx, paint)),
    ...c.differences.flatMap((d) => differenceLines(d, c, width, paint)),
    ...[c.kernel, c.tcpx].flatMap((run) => run.notes.map((note) => paint.dim(`  note: ${run.side}: ${note}`))),
    paint.dim(`  states: ${sourceText(c.kernel)}; ${sourceText(c.tcpx)}`),
    `  ${verdictColor(c, paint)(verdictText(c))}`,
  ];
}

/** In few words: `same: 6 segments, 5 states`. */
export function verdictText(c: Comparison): string {
  if (c.complaint !== undefined) return `trouble: ${c.complaint}`;
  const excused = c.differences.filter((d) => d.excuse !== undefined).length;
  const counted = c.differences.length - excused;
  const aside = excused === 0 ? '' : `, ${excused} more not counted`;
  if (counted > 0) return `different: ${counted} ${counted === 1 ? 'difference' : 'differences'}${aside}`;
  const size = `${c.tcpx.shots.length} segments, ${c.tcpx.states.length} states`;
  return `same: ${size}${aside.replace(' more', excused === 1 ? ' difference' : ' differences')}`;
}

export function verdictColor(c: Comparison, paint: Paint): (text: string) => string {
  if (c.complaint !== undefined) return paint.red;
  return c.same ? paint.green : paint.yellow;
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

function wrapped(words: readonly string[], separator: string, width: number): readonly string[] {
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

function differenceLines(d: Difference, c: Comparison, width: number, paint: Paint): readonly string[] {
  const label = d.excuse === undefined ? 'differs:' : `${d.excuse.kind}:`;
  const color = d.excuse === undefined ? paint.red : paint.yellow;
  const row = d.row === undefined ? undefined : c.rows[d.row]!;
  const shot =
    row === undefined ? undefined : row.kernel === undefined ? c.tcpx.shots[row.tcpx!] : c.kernel.shots[row.kernel];
  const where = shot === undefined ? [] : [String(d.row! + 1), shot.dir === 'out' ? '>' : '<', shot.flags];
  const what =
    d.property === 'segment'
      ? `only ${d.kernel === '' ? `tcpx: ${d.tcpx}` : `kernel: ${d.kernel}`}`
      : `${d.property}: kernel ${d.kernel}, tcpx ${d.tcpx}`;
  const why = d.excuse?.kind === 'allowed' ? ` (${d.excuse.why})` : '';
  const words = [...where, ...`${what}${why}`.split(' ')];
  return wrapped(words, ' ', width - LABEL_WIDTH).map(
    (line, i) =>
      `${i === 0 ? `  ${color(label)}`.padEnd(LABEL_WIDTH + color(label).length - label.length) : ' '.repeat(LABEL_WIDTH)}${line}`,
  );
}

/** Where a run's states are known from. */
function sourceText(run: Run): string {
  if (run.side === 'tcpx') return 'tcpx from its log';
  const known = run.states.filter((mark) => mark.source !== 'inferred').length;
  if (known === run.states.length) return `kernel all ${known} observed`;
  return `kernel ${known} of ${run.states.length} observed, ~ inferred from segments`;
}
