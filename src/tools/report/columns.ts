/** A report's connection as the page's columns, with what follows from its segments: numbers past 2^32, windows, what is in flight. */
import type { SendNote } from '../../tcp/trace.ts';
import type { TextSegment } from '../../wire/tcp-text.ts';
import type { LadderRow, LadderSegment } from '../ladder.ts';
import type { ReportConnection, ReportMove, ReportNote } from './model.ts';
import { movesOf } from './moves.ts';
import {
  type PageConnection,
  type PageMoves,
  type PageRows,
  ROW_IN,
  ROW_NOTE,
  ROW_OUT,
  ROW_REMARK,
} from './page-data.ts';

export function connectionColumns(c: ReportConnection): PageConnection {
  const { open, names, ourStart, peerStart } = c.ladder;
  const words = new Words();
  const { rows, places } = rowColumns(c.ladder.rows, c.notes ?? [], words);
  const congestion = c.samples?.congestion ?? [];
  const rtt = c.samples?.rtt ?? [];
  return {
    title: c.title,
    names: names ?? ['us', 'peer'],
    ends: [endText(open.local, open.localPort), endText(open.remote, open.remotePort)],
    start: [words.index(ourStart), words.index(peerStart ?? '?')],
    inferred: c.inferred ?? names !== undefined,
    remarks: c.remarks ?? [],
    rows,
    moves: moveColumns(c.moves ?? movesOf(c.ladder), places, words),
    congestion: {
      t: congestion.map((s) => s.t),
      cwnd: congestion.map((s) => s.cwnd),
      ssthresh: congestion.map((s) => s.ssthresh ?? null),
    },
    rtt: {
      t: rtt.map((s) => s.t),
      end: rtt.map((s) => (s.end === 'ours' ? 0 : 1)),
      rtt: rtt.map((s) => s.rtt),
      srtt: rtt.map((s) => s.srtt ?? null),
      rto: rtt.map((s) => s.rto ?? null),
    },
    words: words.all,
  };
}

const endText = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** Each text once; '' is 0. */
class Words {
  readonly all: string[] = [''];
  readonly #index = new Map([['', 0]]);

  index(text: string | undefined): number {
    if (text === undefined) return 0;
    const known = this.#index.get(text);
    if (known !== undefined) return known;
    this.#index.set(text, this.all.length);
    return this.all.push(text) - 1;
  }
}

/** What one direction has shown so far. */
interface Direction {
  /** The last sequence number, counted on past 2^32. */
  at: number;
  /** After the highest octet, SYN or FIN that was sent. */
  next: number;
  /** The highest acknowledgment of it. */
  acked: number;
  /** The shift its SYN asked for; undefined as long as there was none. */
  scale: number | undefined;
  seenSyn: boolean;
}

const newDirection = (): Direction => ({ at: 0, next: 0, acked: 0, scale: undefined, seenSyn: false });

type Columns = { -readonly [K in keyof PageRows]: PageRows[K] extends readonly (infer T)[] ? T[] : never };

// biome-ignore format: one list
const emptyColumns = (): Columns => ({
  t: [], kind: [], flags: [], seq: [], len: [], ack: [], wnd: [], edge: [], options: [], tsVal: [], tsEcr: [],
  note: [], ours: [], peer: [], trouble: [], flightOut: [], flightIn: [],
});

/** `places`: where each of the ladder's rows has come to stand, notes being between them. */
function rowColumns(
  ladder: readonly LadderRow[],
  notes: readonly ReportNote[],
  words: Words,
): { readonly rows: PageRows; readonly places: readonly number[] } {
  const rows = new RowColumns(words);
  const places: number[] = [];
  let next = 0;
  for (const row of ladder) {
    for (; next < notes.length && notes[next]!.t <= row.t; next++) rows.note(notes[next]!);
    places.push(rows.columns.t.length);
    rows.row(row);
  }
  for (; next < notes.length; next++) rows.note(notes[next]!);
  return { rows: rows.columns, places };
}

class RowColumns {
  readonly columns = emptyColumns();
  readonly #words: Words;
  readonly #out = newDirection();
  readonly #in = newDirection();

  constructor(words: Words) {
    this.#words = words;
  }

  note({ t, text }: ReportNote): void {
    this.#push({ t, kind: ROW_NOTE, note: this.#words.index(text) });
  }

  row(row: LadderRow): void {
    const states = { ours: this.#words.index(row.ours), peer: this.#words.index(row.peer) };
    const { segment } = row;
    if (segment === undefined) {
      const trouble = row.keep === true || row.remark === 'retransmit timer' ? 1 : 0;
      this.#push({ t: row.t, kind: ROW_REMARK, note: this.#words.index(row.remark), trouble, ...states });
      return;
    }
    const { seg, note } = segment;
    const [own, other] = segment.dir === 'out' ? [this.#out, this.#in] : [this.#in, this.#out];
    const { seq, ack, edge } = follow(seg, own, other);
    this.#push({
      t: row.t,
      kind: segment.dir === 'out' ? ROW_OUT : ROW_IN,
      flags: this.#words.index(seg.flags),
      seq,
      len: seg.len,
      ack,
      wnd: seg.wnd,
      edge,
      options: this.#words.index(optionsText(seg)),
      tsVal: seg.ts?.[0] ?? null,
      tsEcr: seg.ts?.[1] ?? null,
      note: this.#words.index(note),
      trouble: isTrouble(row, segment) ? 1 : 0,
      ...states,
    });
  }

  #push(o: { t: number; kind: number } & Partial<Record<keyof PageRows, number | null>>): void {
    const { columns } = this;
    for (const name of Object.keys(columns) as (keyof PageRows)[]) {
      // Every column holds numbers; those that may be null are null by default.
      (columns[name] as (number | null)[]).push(o[name] ?? (NULLS.has(name) ? null : 0));
    }
    const last = columns.t.length - 1;
    columns.flightOut[last] = Math.max(0, this.#out.next - this.#out.acked);
    columns.flightIn[last] = Math.max(0, this.#in.next - this.#in.acked);
  }
}

const NULLS: ReadonlySet<keyof PageRows> = new Set(['ack', 'edge', 'tsVal', 'tsEcr'] as const);

/** Counts `n` on from `at`, modulo 2^32 the same. */
const onward = (at: number, n: number): number => at + ((n - at) | 0);

function follow(
  seg: TextSegment,
  own: Direction,
  other: Direction,
): { readonly seq: number; readonly ack: number | null; readonly edge: number | null } {
  const isReset = seg.flags.includes('R');
  const isSyn = seg.flags.includes('S');
  const seq = onward(own.at, seg.seq);
  if (isSyn) {
    own.scale = seg.wscale;
    own.seenSyn = true;
  }
  if (!isReset) {
    own.at = seq;
    const end = seq + seg.len + (isSyn ? 1 : 0) + (seg.flags.includes('F') ? 1 : 0);
    own.next = Math.max(own.next, end);
  }
  if (!seg.flags.includes('.')) return { seq, ack: null, edge: null };
  const ack = onward(other.at, seg.ack);
  // What acknowledges the unseen shows where the other side is; a RST may carry anything.
  if (isReset) return { seq, ack, edge: null };
  other.acked = Math.max(other.acked, ack);
  other.next = Math.max(other.next, ack);
  return { seq, ack, edge: edgeOf(seg, ack, own, other) };
}

/** RFC 7323 §2.2: windows are scaled when both SYNs say so, the SYN's own never. */
function edgeOf(seg: TextSegment, ack: number, own: Direction, other: Direction): number | null {
  if (seg.flags.includes('S')) return ack + seg.wnd;
  if (!own.seenSyn || !other.seenSyn) return null;
  const scale = own.scale === undefined || other.scale === undefined ? 0 : Math.min(own.scale, 14);
  return ack + seg.wnd * 2 ** scale;
}

function optionsText(seg: TextSegment): string | undefined {
  const parts: string[] = [];
  if (seg.mss !== undefined) parts.push(`mss ${seg.mss}`);
  if (seg.wscale !== undefined) parts.push(`wscale ${seg.wscale}`);
  if (seg.sackOk) parts.push('sackOK');
  if (seg.sack !== undefined && seg.sack.length > 0)
    parts.push(`sack ${seg.sack.map(([left, right]) => `${left}:${right}`).join(' ')}`);
  if (seg.tfo !== undefined) parts.push(seg.tfo === '' ? 'tfo cookiereq' : `tfo cookie ${seg.tfo}`);
  if (seg.urg !== undefined) parts.push(`urg ${seg.urg}`);
  return parts.length === 0 ? undefined : parts.join(' ');
}

/** A log has no word for trouble: these of its notes are. */
const TROUBLE: ReadonlySet<string> = new Set([
  'retransmission',
  'fast retransmit',
  'tail loss probe',
  'zero-window probe',
  'challenge ACK',
  'duplicate ACK',
] as const satisfies readonly SendNote[]);

const isTrouble = (row: LadderRow, { seg, note }: LadderSegment): boolean =>
  row.keep === true || (note !== undefined && TROUBLE.has(note)) || seg.flags.includes('R');

function moveColumns(moves: readonly ReportMove[], places: readonly number[], words: Words): PageMoves {
  return {
    row: moves.map((m) => places[m.row] ?? 0),
    end: moves.map((m) => (m.end === 'ours' ? 0 : 1)),
    from: moves.map((m) => words.index(m.from)),
    to: moves.map((m) => words.index(m.to)),
    event: moves.map((m) => words.index(m.event)),
    rule: moves.map((m) => words.index(m.rule)),
  };
}
