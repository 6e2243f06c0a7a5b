/**
 * The document of `tcpx compare --json` for the report: its scenarios side by side. A document is somebody's file: what is
 * not as it should be is named; a field that may be absent is.
 */
import { micros } from '../../base/time.ts';
import type { SegmentRecord } from '../../tcp/trace.ts';
import { buildLadder, type Ladder } from '../ladder.ts';
import type { LogRecord, OpenRecord } from '../log-record.ts';
import type { ComparedFinding, ComparedMark, ComparedRow, ComparedSegment, ReportComparison } from './compared.ts';
import type { ReportConnection } from './model.ts';

/** The document is none, or a part of it is not what it should be. */
export class ComparisonFormatError extends Error {
  override readonly name = 'ComparisonFormatError';
}

type Json = Readonly<Record<string, unknown>>;

/** The scenarios of a parsed document. Throws ComparisonFormatError. */
export function documentComparisons(document: unknown): readonly ReportComparison[] {
  return scenariosOf(document).map(comparison);
}

/** Each of their runs as a connection of its own. Throws ComparisonFormatError. */
export function documentConnections(document: unknown): readonly ReportConnection[] {
  return scenariosOf(document).flatMap((scenario) =>
    (['kernel', 'tcpx'] as const).flatMap((side) => {
      const name = `${text(scenario['name'])}: ${side}`;
      return runConnection(object(scenario[side], name), name, side);
    }),
  );
}

function scenariosOf(document: unknown): readonly Json[] {
  const top = object(document, 'the document');
  return array(top['scenarios'], 'scenarios').map((scenario, i) => object(scenario, `scenarios[${i}]`));
}

function comparison(o: Json): ReportComparison {
  const name = text(o['name']);
  const kernel = run(o['kernel'], `${name}: kernel`);
  const tcpx = run(o['tcpx'], `${name}: tcpx`);
  const differences = list(o['differences']).map((d) => difference(object(d, `${name}: a difference`)));
  const chance = list(o['chance']).map((d) => difference(object(d, `${name}: what came by chance`)));
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
      const byChance = chance.filter((d) => d.row === i);
      return {
        left: shotAt(kernel, pair['kernel']),
        right: shotAt(tcpx, pair['tcpx']),
        mark: worst([...mine.map((d) => d.mark), ...byChance.map(() => 'excused' as const)]),
        remarks: [...mine.map(remarkText), ...byChance.map((d) => `${remarkText(d)}, not in each attempt`)],
      };
    }),
    findings: findings(o, differences, name),
    ...(typeof o['attempts'] === 'number' && { attempts: o['attempts'] }),
    chance: chance.map(({ property, left, right, verdict, why }) => ({
      ...{ property, left, right, mark: 'excused', verdict: 'chance' },
      why: [verdict, why].filter((part) => part !== '').join(', '),
    })),
    notes: [...kernel.notes.map((note) => `kernel: ${note}`), ...tcpx.notes.map((note) => `tcpx: ${note}`)],
  };
}

interface Difference extends ComparedFinding {
  readonly row: number | undefined;
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

/** A run as a log would have it, but for our states, which the document knows better. */
function runConnection(o: Json, title: string, side: string): readonly ReportConnection[] {
  const shots = list(o['segments']).map((s, i) => object(s, `${title}: segment ${i + 1}`));
  const [local, localPort] = endOf(o['local']);
  const [remote, remotePort] = endOf(o['remote']);
  const open: OpenRecord = { type: 'open', t: 0, conn: 1, local, localPort, remote, remotePort };
  const segments = shots.map((s): LogRecord => {
    const record = { type: 'segment', conn: 1, dir: s['dir'] === 'out' ? 'out' : 'in', seg: segmentRecord(s) } as const;
    return { ...record, t: micros(number(s['t'])) };
  });
  const ladder = buildLadder([open, ...segments]);
  if (ladder === undefined || shots.length === 0) return [];
  const marks = list(o['states']).map((m) => object(m, `${title}: a state`));
  const inferred = marks.some((m) => m['source'] === 'inferred');
  return [{ title, ladder: withStates(ladder, marks, side), inferred }];
}

function withStates(ladder: Ladder, marks: readonly Json[], side: string): Ladder {
  let shot = -1;
  const rows = ladder.rows.map((row) => {
    if (row.segment === undefined) return row;
    shot++;
    const entered = marks.findLast((m) => m['shot'] === shot);
    return entered === undefined ? row : { ...row, ours: text(entered['state']) };
  });
  return { ...ladder, rows, names: [side, 'peer'] };
}

/** 'ADDR:PORT'. */
function endOf(value: unknown): readonly [address: string, port: number] {
  const [, address = '', port = '0'] = /^(.*):(\d+)$/.exec(text(value)) ?? [];
  return [address, Number(port)];
}

function segmentRecord(s: Json): SegmentRecord {
  const options = list(s['options']).map(text);
  const numberAfter = (name: string): number | undefined => {
    const found = options.find((option) => option.startsWith(`${name} `));
    return found === undefined ? undefined : Number(found.slice(name.length + 1));
  };
  const mss = numberAfter('mss');
  const wscale = numberAfter('wscale');
  return {
    seq: number(s['seq']) >>> 0,
    ack: number(s['ack']) >>> 0,
    flags: text(s['flags']),
    wnd: number(s['wnd']),
    len: number(s['len']),
    ...(mss !== undefined && { mss }),
    ...(wscale !== undefined && { wscale }),
    ...(options.includes('sackOK') && { sackOk: true as const }),
  };
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
