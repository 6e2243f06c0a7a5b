/**
 * The document of `tcpx compare --json` for the report: its scenarios side by side. A document is somebody's file: what is
 * not as it should be is named; a field that may be absent is.
 */
import type { ComparedFinding, ComparedMark, ComparedRow, ComparedSegment, ReportComparison } from './model.ts';

/** The document is none, or a part of it is not what it should be. */
export class ComparisonFormatError extends Error {
  override readonly name = 'ComparisonFormatError';
}

type Json = Readonly<Record<string, unknown>>;

/** The scenarios of a parsed document. Throws ComparisonFormatError. */
export function documentComparisons(document: unknown): readonly ReportComparison[] {
  const top = object(document, 'the document');
  return array(top['scenarios'], 'scenarios').map((scenario, i) => comparison(object(scenario, `scenarios[${i}]`)));
}

function comparison(o: Json): ReportComparison {
  const name = text(o['name']);
  const kernel = run(o['kernel'], `${name}: kernel`);
  const tcpx = run(o['tcpx'], `${name}: tcpx`);
  const differences = list(o['differences']).map((d) => difference(object(d, `${name}: a difference`)));
  const complaint = o['complaint'] === undefined ? undefined : text(o['complaint']);
  const verdict = text(o['word'] ?? o['verdict'] ?? 'unknown');
  const summary = complaint ?? (o['summary'] === undefined ? undefined : text(o['summary']));
  return {
    name,
    verdict,
    mark: complaint === undefined ? markOf(verdict) : 'differs',
    ...(summary !== undefined && { summary }),
    sides: ['kernel', 'tcpx'],
    rows: list(o['rows']).map((r, i): ComparedRow => {
      const pair = object(r, `${name}: row ${i + 1}`);
      const mine = differences.filter((d) => d.row === i);
      return {
        left: shotAt(kernel, pair['kernel']),
        right: shotAt(tcpx, pair['tcpx']),
        mark: worst(mine.map((d) => d.mark)),
        remarks: mine.map(remarkText),
      };
    }),
    findings: findings(o, differences, name),
    notes: [...kernel.notes.map((note) => `kernel: ${note}`), ...tcpx.notes.map((note) => `tcpx: ${note}`)],
  };
}

interface Difference {
  readonly row: number | undefined;
  readonly property: string;
  readonly left: string;
  readonly right: string;
  readonly mark: ComparedMark;
  readonly verdict: string;
  readonly why: string;
}

/** A ruling names a word, a clause and the reason; what has none is not explained. */
function difference(o: Json): Difference {
  const ruling = isObject(o['ruling']) ? o['ruling'] : undefined;
  const verdict = ruling === undefined ? 'unexplained' : text(ruling['word']);
  const why = ruling === undefined ? [] : [text(ruling['clause']), text(ruling['why'])];
  const property = text(o['property']);
  const field = o['field'] === undefined ? property : text(o['field']);
  return {
    row: typeof o['row'] === 'number' ? o['row'] : undefined,
    property: field === property ? property : `${property}: ${field}`,
    left: text(o['kernel']),
    right: text(o['tcpx']),
    mark: markOf(verdict),
    verdict,
    why: why.filter((part) => part !== '').join(': '),
  };
}

/** The verdict on each property; where the document has none, the differences that concern the whole run. */
function findings(o: Json, differences: readonly Difference[], name: string): readonly ComparedFinding[] {
  if (o['verdicts'] === undefined) return differences.filter((d) => d.row === undefined);
  return list(o['verdicts']).map((v) => {
    const verdict = object(v, `${name}: a verdict`);
    const word = text(verdict['word']);
    return {
      property: text(verdict['property']),
      left: text(verdict['kernel']),
      right: text(verdict['tcpx']),
      mark: markOf(word),
      verdict: word,
      why: list(verdict['clauses']).map(text).join('; '),
    };
  });
}

const remarkText = (d: Difference): string => {
  const values = d.left === '' || d.right === '' ? '' : `: ${d.left} | ${d.right}`;
  return `${d.property}${values} (${d.verdict}${d.why === '' ? '' : `, ${d.why}`})`;
};

/** What an RFC allows or asks for, or the peer did, is as it may be. */
const EXCUSED: ReadonlySet<string> = new Set(['allowed', 'required', 'peer']);
const markOf = (word: string): ComparedMark => (word === 'same' ? 'same' : EXCUSED.has(word) ? 'excused' : 'differs');
const worst = (marks: readonly ComparedMark[]): ComparedMark =>
  marks.includes('differs') ? 'differs' : marks.includes('excused') ? 'excused' : 'same';

interface RunShots {
  readonly shots: readonly ComparedSegment[];
  readonly notes: readonly string[];
}

function run(value: unknown, where: string): RunShots {
  const o = object(value, where);
  const states = new Map<number, string>();
  for (const mark of list(o['states'])) {
    const { shot, state, source } = object(mark, `${where}: a state`);
    if (typeof shot !== 'number') continue;
    const before = states.get(shot);
    const named = `${source === 'inferred' ? '~' : ''}${text(state)}`;
    states.set(shot, before === undefined ? named : `${before} ${named}`);
  }
  return {
    shots: list(o['segments']).map((s, i) => segment(object(s, `${where}: segment ${i + 1}`), states.get(i))),
    notes: list(o['notes']).map(text),
  };
}

function segment(o: Json, state: string | undefined): ComparedSegment {
  const { t, dir, flags, seq, ack, wnd, len } = o;
  const from = number(seq);
  const numbers = number(len) > 0 ? `${from}:${from + number(len)}` : String(from);
  const options = list(o['options']).map(text).join(',');
  const parts = [
    `[${text(flags)}]`,
    `seq ${numbers}`,
    ...(typeof ack === 'number' ? [`ack ${ack}`] : []),
    `win ${number(wnd)}`,
    ...(options === '' ? [] : [`[${options}]`]),
  ];
  return { t: number(t), dir: dir === 'out' ? 'out' : 'in', text: parts.join(' '), state };
}

const shotAt = (of: RunShots, index: unknown): ComparedSegment | undefined =>
  typeof index === 'number' ? of.shots[index] : undefined;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function object(value: unknown, what: string): Json {
  if (isObject(value)) return value;
  throw new ComparisonFormatError(`${what} is no object`);
}

function array(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ComparisonFormatError(`${what} is no list`);
}

/** Absent is empty. */
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
const text = (value: unknown): string => (value === undefined || value === null ? '' : String(value));
