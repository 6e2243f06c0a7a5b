/** A ladder drawn in text, fitted to a width; in plain ASCII where the terminal has nothing better. */

import type { Ladder, LadderRow, LadderSegment } from './ladder.ts';
import { timeText } from './log-lines.ts';
import { type Paint, paintState } from './log-style.ts';

export interface LadderTextOptions {
  readonly paint: Paint;
  /** Columns to stay within; at least 80 are used. */
  readonly width: number;
  readonly ascii: boolean;
  /** Every row; else a long run of rows without a transition is shown by its ends. */
  readonly all: boolean;
}

interface Glyphs {
  readonly line: string;
  readonly right: string;
  readonly left: string;
  readonly rail: string;
}
const UNICODE: Glyphs = { line: '─', right: '▶', left: '◀', rail: '│' };
const ASCII: Glyphs = { line: '-', right: '>', left: '<', rail: '|' };

const STATE_WIDTH = 12;
const TIME_WIDTH = 10;
/** Rows shown at each end of a run in which no state changes. */
const RUN_ENDS = 6;

/** The lines of the drawing. */
export function ladderText(ladder: Ladder, o: LadderTextOptions): readonly string[] {
  return new LadderDrawing(o).draw(ladder);
}

/** One row alone, for a ladder that grows while its connection lives. */
export function ladderRowText(row: LadderRow, o: LadderTextOptions): string {
  return new LadderDrawing(o).row(row);
}

class LadderDrawing {
  readonly #o: LadderTextOptions;
  readonly #glyphs: Glyphs;
  /** Columns between the rails. */
  readonly #span: number;

  constructor(o: LadderTextOptions) {
    this.#o = o;
    this.#glyphs = o.ascii ? ASCII : UNICODE;
    // Time, our state and rail to the left; rail and the peer's state, with its mark, to the right.
    this.#span = Math.max(80, o.width) - (TIME_WIDTH + 2 + STATE_WIDTH + 2) - (2 + STATE_WIDTH + 1);
  }

  draw(ladder: Ladder): readonly string[] {
    const { open } = ladder;
    const [left, right] = ladder.names ?? ['us', 'peer'];
    const us = `${left} ${open.local}:${open.localPort}`;
    const peer = `${right} ${open.remote}:${open.remotePort}`;
    const width = this.#span + STATE_WIDTH * 2 + 5;
    const gap = Math.max(2, width - us.length - peer.length);
    const lines = [`${' '.repeat(TIME_WIDTH + 2)}${us}${' '.repeat(gap)}${peer}`];
    lines.push(this.#line('', ladder.ourStart, ' '.repeat(this.#span), ladder.peerStart ?? '?'));
    const runs = this.#o.all ? [] : quietRuns(ladder.rows);
    for (let i = 0; i < ladder.rows.length; ) {
      const run = runs.find((r) => r.from === i);
      if (run === undefined) lines.push(this.row(ladder.rows[i++]!));
      else {
        lines.push(
          this.#line(
            '',
            undefined,
            this.#o.paint.dim(center(runText(ladder.rows.slice(run.from, run.to)), this.#span)),
            undefined,
          ),
        );
        i = run.to;
      }
    }
    lines.push(
      '',
      this.#o.paint.dim(
        ladder.names === undefined
          ? "~ the peer's states are inferred from its segments with the table our own follow"
          : "~ both ends' states are inferred from the segments with the table our own follow",
      ),
    );
    return lines;
  }

  row(row: LadderRow): string {
    const { segment } = row;
    const middle =
      segment === undefined ? this.#o.paint.dim(center(row.remark ?? '', this.#span)) : this.#rung(segment);
    return this.#line(timeText(row.t), row.ours, middle, row.peer);
  }

  #line(time: string, ours: string | undefined, middle: string, peer: string | undefined): string {
    const { paint } = this.#o;
    const rail = paint.dim(this.#glyphs.rail);
    const right = peer === undefined ? '' : ` ${peer === '?' ? '?' : paintState(paint, `~${peer}`)}`;
    return `${paint.dim(time.padStart(TIME_WIDTH))}  ${paintState(paint, ours ?? '', STATE_WIDTH)} ${rail}${middle}${rail}${right}`;
  }

  #rung(segment: LadderSegment): string {
    const { line, right, left } = this.#glyphs;
    const { paint } = this.#o;
    const room = this.#span - 8;
    const text = rungText(segment, room);
    const rest = line.repeat(Math.max(1, this.#span - text.length - 6));
    if (segment.dir === 'out') return `${paint.cyan(line.repeat(3))} ${text} ${paint.cyan(rest + right)}`;
    return `${paint.magenta(left + rest)} ${text} ${paint.magenta(line.repeat(3))}`;
  }
}

/** As much of a segment as fits: what is left out first matters least. */
function rungText(segment: LadderSegment, room: number): string {
  const { seg, note } = segment;
  const numbers: string[] = [`[${seg.flags || 'none'}]`];
  if (seg.len > 0) numbers.push(`seq ${seg.seq}:${(seg.seq + seg.len) >>> 0}`);
  else if (/[SFR]/.test(seg.flags)) numbers.push(`seq ${seg.seq}`);
  if (seg.flags.includes('.')) numbers.push(`ack ${seg.ack}`);
  const parts: { readonly text: string; readonly worth: number }[] = [{ text: numbers.join(' '), worth: 9 }];
  if (note !== undefined) parts.push({ text: `(${note})`, worth: 8 });
  if (seg.len > 0) parts.push({ text: `len ${seg.len}`, worth: 7 });
  parts.push({ text: `win ${seg.wnd}`, worth: 6 });
  if (seg.mss !== undefined) parts.push({ text: `mss ${seg.mss}`, worth: 5 });
  if (seg.wscale !== undefined) parts.push({ text: `wscale ${seg.wscale}`, worth: 4 });
  if (seg.sackOk) parts.push({ text: 'sackOK', worth: 3 });
  if (seg.sack !== undefined)
    parts.push({ text: `sack ${seg.sack.map(([from, to]) => `${from}:${to}`).join(' ')}`, worth: 5 });
  if (seg.ts !== undefined) parts.push({ text: `TS ${seg.ts[0]} ${seg.ts[1]}`, worth: 2 });
  let kept = parts;
  const text = (): string => kept.map((p) => p.text).join(' ');
  while (kept.length > 1 && text().length > room) {
    const least = Math.min(...kept.map((p) => p.worth));
    kept = kept.filter((p) => p.worth !== least);
  }
  return text().slice(0, room);
}

interface Run {
  readonly from: number;
  readonly to: number;
}

/** The middles of long runs of rows in which no state changes. */
function quietRuns(rows: readonly LadderRow[]): readonly Run[] {
  const runs: Run[] = [];
  let start = 0;
  for (let i = 0; i <= rows.length; i++) {
    const row = rows[i];
    if (row !== undefined && row.ours === undefined && row.peer === undefined && row.keep !== true) continue;
    if (i - start > 2 * RUN_ENDS + 1) runs.push({ from: start + RUN_ENDS, to: i - RUN_ENDS });
    start = i + 1;
  }
  return runs;
}

function runText(rows: readonly LadderRow[]): string {
  let out = 0;
  let back = 0;
  let octetsOut = 0;
  let octetsIn = 0;
  for (const { segment } of rows) {
    if (segment?.dir === 'out') {
      out++;
      octetsOut += segment.seg.len;
    } else if (segment?.dir === 'in') {
      back++;
      octetsIn += segment.seg.len;
    }
  }
  return `... ${out} segments out (${octetsOut} octets), ${back} in (${octetsIn}) ...`;
}

function center(text: string, width: number): string {
  const fitting = text.slice(0, width);
  const before = Math.floor((width - fitting.length) / 2);
  return `${' '.repeat(before)}${fitting}${' '.repeat(width - fitting.length - before)}`;
}
