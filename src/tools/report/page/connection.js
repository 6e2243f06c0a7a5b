/** The connection that is looked at: its rows in words, the states they pass through, its moves. */
/** @import { PageConnection } from '../page-data.ts' */
import { connection, tell, view } from './dom.js';

export const REMARK = 0;
export const OUT = 1;
export const IN = 2;
export const NOTE = 3;

/**
 * The states of both ends after each row, as words; made once for each version of a connection.
 * @type {WeakMap<PageConnection, readonly [Uint16Array, Uint16Array]>}
 */
const known = new WeakMap();

/** @param {PageConnection} c */
export function statesOf(c) {
  const made = known.get(c) ?? [filled(c.rows.ours, c.start[0]), filled(c.rows.peer, c.start[1])];
  known.set(c, made);
  return made;
}

/**
 * @param {readonly number[]} entered
 * @param {number} start
 */
function filled(entered, start) {
  const states = new Uint16Array(entered.length);
  let state = start;
  for (let i = 0; i < entered.length; i++) {
    if (entered[i] !== 0) state = entered[i] ?? 0;
    states[i] = state;
  }
  return states;
}

/**
 * @param {PageConnection} c
 * @param {number | undefined} index
 */
export const wordAt = (c, index) => c.words[index ?? 0] ?? '';

/**
 * The segment of a row in tcpdump's manner, what matters most first.
 * @param {PageConnection} c
 * @param {number} i
 */
export function segmentText(c, i) {
  const { rows } = c;
  const flags = wordAt(c, rows.flags[i]);
  const seq = rows.seq[i] ?? 0;
  const len = rows.len[i] ?? 0;
  const parts = [`[${flags || 'none'}]`];
  if (len > 0) parts.push(`seq ${seq}:${seq + len}`);
  else if (/[SFR]/.test(flags)) parts.push(`seq ${seq}`);
  if (rows.ack[i] !== null) parts.push(`ack ${rows.ack[i]}`);
  const note = wordAt(c, rows.note[i]);
  if (note !== '') parts.push(`(${note})`);
  if (len > 0) parts.push(`len ${len}`);
  parts.push(`win ${rows.wnd[i]}`);
  const options = wordAt(c, rows.options[i]);
  if (options !== '') parts.push(options);
  if (rows.tsVal[i] !== null) parts.push(`TS ${rows.tsVal[i]} ${rows.tsEcr[i]}`);
  return parts.join(' ');
}

/**
 * All the words of a row, for searching.
 * @param {PageConnection} c
 * @param {number} i
 */
export function rowText(c, i) {
  const { rows } = c;
  const kind = rows.kind[i];
  const middle = kind === OUT || kind === IN ? segmentText(c, i) : wordAt(c, rows.note[i]);
  const flags = wordAt(c, rows.flags[i]);
  const names = [...flags].map((letter) => FLAG_NAMES[letter] ?? '').join(' ');
  return `${middle} ${names} ${wordAt(c, rows.ours[i])} ${wordAt(c, rows.peer[i])}`.toLowerCase();
}

/** @type {Readonly<Record<string, string>>} */
const FLAG_NAMES = { S: 'SYN', F: 'FIN', R: 'RST', P: 'PSH', '.': 'ACK', U: 'URG', E: 'ECE', W: 'CWR' };

/** @param {string} flags */
export const flagNames = (flags) => [...flags].map((letter) => FLAG_NAMES[letter] ?? letter).join(' ');

/** @typedef {{ row: number, from: string, to: string, event: string, rule: string }} Move */

/**
 * One end's moves in their order.
 * @param {PageConnection} c
 * @param {number} end
 * @returns {readonly Move[]}
 */
export function movesOf(c, end) {
  const { moves } = c;
  return moves.row.flatMap((row, i) => {
    if (moves.end[i] !== end) return [];
    const at = (/** @type {readonly number[]} */ column) => wordAt(c, column[i]);
    return [{ row, from: at(moves.from), to: at(moves.to), event: at(moves.event), rule: at(moves.rule) }];
  });
}

/** Chooses a row, and with it how far the states have come. @param {number} row */
export function chooseRow(row) {
  const c = connection();
  if (c === undefined || row < 0 || row >= c.rows.t.length) return;
  view.row = row;
  view.step = movesOf(c, view.end).findLastIndex((move) => move.row <= row);
  tell('row');
}

/** Chooses a move of the end whose states are shown; -1 is before the first. @param {number} step */
export function chooseStep(step) {
  const c = connection();
  if (c === undefined) return;
  const moves = movesOf(c, view.end);
  view.step = Math.max(-1, Math.min(step, moves.length - 1));
  view.row = moves[view.step]?.row ?? (c.rows.t.length > 0 ? 0 : -1);
  tell('row');
}

/** The first row at or after a time, microseconds. @param {PageConnection} c @param {number} t */
export function rowAt(c, t) {
  const times = c.rows.t;
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < t) low = middle + 1;
    else high = middle;
  }
  const before = low > 0 && t - (times[low - 1] ?? 0) < (times[low] ?? Number.POSITIVE_INFINITY) - t ? low - 1 : low;
  return Math.min(before, times.length - 1);
}
