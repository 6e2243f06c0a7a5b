/** What a run shows of each property as a whole: what no single pair of segments tells, and what the verdicts print. */
import type { Micros } from '../../base/time.ts';
import type { State } from '../../tcp/machine.ts';
import { isPureAck } from './align.ts';
import type { Shot } from './model.ts';
import { endOf, type Reading, type ShotKind, synsOf } from './reading.ts';
import { ackDelay, timeClass } from './times.ts';

/** Something that was sent more than once. */
export interface Repetition {
  readonly what: 'SYN' | 'data' | 'FIN' | 'probe';
  /** Index of each transmission, the first one's too; of probes, the segment that they follow. */
  readonly shots: readonly number[];
  /** Between one transmission and the next. */
  readonly intervals: readonly Micros[];
}

export interface Flight {
  readonly segments: number;
  readonly octets: number;
}

/** A segment more than that was sent: it was the congestion window that ended the first flight, not the user. */
const BULK_SEGMENTS = 12;

/** What left before the first acknowledgment of data; undefined where less was sent than a window could hold. */
export function initialFlight({ run, kinds }: Reading): Flight | undefined {
  const data = run.shots.flatMap((shot, i) => (shot.dir === 'out' && kinds[i] === 'data' ? [{ shot, i }] : []));
  const first = data[0];
  if (first === undefined || data.length < BULK_SEGMENTS) return undefined;
  const acked = run.shots.findIndex((s) => s.dir === 'in' && s.ack !== undefined && s.ack > first.shot.seq);
  if (acked < 0) return undefined;
  const flight = data.filter(({ i }) => i < acked);
  return { segments: flight.length, octets: flight.reduce((sum, { shot }) => sum + shot.len, 0) };
}

const REPEATED: Readonly<Partial<Record<ShotKind, Repetition['what']>>> = {
  'SYN again': 'SYN',
  'data again': 'data',
  'FIN again': 'FIN',
};

/** Every segment of ours that was sent again, in order of the first repetition, by where it begins. */
export function repetitions({ run, kinds }: Reading): readonly Repetition[] {
  const sent = new Map<string, { what: Repetition['what']; shots: number[] }>();
  run.shots.forEach((shot, i) => {
    const what = REPEATED[kinds[i]!];
    if (shot.dir !== 'out' || what === undefined) return;
    // a FIN that left with data may come again with it or alone
    const key = what === 'FIN' ? `FIN ${endOf(shot)}` : `${what} ${shot.seq}`;
    const known = sent.get(key);
    if (known !== undefined) known.shots.push(i);
    else sent.set(key, { what, shots: [firstSent(run.shots, shot, i), i] });
  });
  return [...sent.values()].map(({ what, shots }) => ({ what, shots, intervals: intervalsOf(run.shots, shots) }));
}

/** The transmission before `i` that carried what `shot` begins with. */
function firstSent(shots: readonly Shot[], shot: Shot, i: number): number {
  const at = shot.len > 0 || shot.flags.includes('S') ? shot.seq : endOf(shot) - 1;
  const before = shots.findLastIndex((s, j) => j < i && s.dir === 'out' && s.seq <= at && endOf(s) > at);
  return before < 0 ? i : before;
}

function intervalsOf(shots: readonly Shot[], at: readonly number[]): readonly Micros[] {
  return at.slice(1).map((i, n) => (shots[i]!.t - shots[at[n]!]!.t) as Micros);
}

/**
 * Probes of a shut window and keep-alives, by what is between them: from the last segment of ours, or the peer's, that was
 * something else to the first one, and on.
 */
export function probeSchedule({ run, kinds }: Reading): Repetition | undefined {
  const at = run.shots.flatMap((s, i) => (s.dir === 'out' && kinds[i] === 'probe' ? [i] : []));
  if (at.length === 0) return undefined;
  const shots = [Math.max(0, at[0]! - 1), ...at];
  return { what: 'probe', shots, intervals: intervalsOf(run.shots, shots) };
}

/** Octets of ours that are new, in order: what the stream carried, however it was cut. */
export function newOctets({ run }: Reading): number {
  return run.shots.reduce((end, s) => (s.dir === 'out' && s.len > 0 ? Math.max(end, s.seq + s.len - 1) : end), 0);
}

/** How many full segments of the peer's one ACK of ours answers, on average; undefined where there were few. */
export function segmentsPerAck({ run, kinds, agreed }: Reading): number | undefined {
  const mss = agreed.receiveMss;
  if (mss === undefined) return undefined;
  const data = run.shots.filter((s) => s.dir === 'in' && s.len >= mss / 2).length;
  const acks = run.shots.filter((s, i) => s.dir === 'out' && kinds[i] === 'ACK' && isPureAck(s)).length;
  return data < BULK_SEGMENTS || acks === 0 ? undefined : data / acks;
}

/** From the first FIN or RST on: who sent what, `>` us. Repetitions are left out. */
export function closeText({ run, kinds }: Reading): string {
  const from = run.shots.findIndex((s) => /[FR]/.test(s.flags));
  if (from < 0) return '';
  const said = run.shots
    .slice(from)
    .filter((_, i) => /^(FIN|RST|ACK|data)$/.test(kinds[from + i]!))
    .map((s) => `${s.dir === 'out' ? '>' : '<'}${s.flags}`);
  return said.length > MOST_SAID ? `${said.slice(0, MOST_SAID).join(' ')} …` : said.join(' ');
}
const MOST_SAID = 8;

/** How long the peer's segments waited for an acknowledgment, each kind of delay once. */
export function ackText(reading: Reading): string {
  const { shots } = reading.run;
  const delays = shots.map((_, i) => ackDelay(shots, i)).filter((delay) => delay !== undefined);
  const classes = new Set(delays.map((delay) => (delay === 'never' ? 'never' : timeClass(delay))));
  const longest = Math.max(...delays.filter((delay) => delay !== 'never'), 0);
  const per = segmentsPerAck(reading);
  const named = [...classes].map((c) => (c === 'delayed' ? `delayed ${Math.round(longest / 1000)} ms` : c));
  return `${named.join(', ')}${per === undefined ? '' : `, ${per.toFixed(1)} segments each`}`;
}

/** How long the connection stayed in TIME-WAIT, where its end was seen; 'entered' where it was not; undefined: never there. */
export function timeWait({ run }: Reading): Micros | 'entered' | undefined {
  const i = run.states.findIndex((mark) => mark.state === 'TIME-WAIT');
  if (i < 0) return undefined;
  const from = run.states[i]!.at;
  const to = run.states[i + 1]?.at;
  return from === undefined || to === undefined ? 'entered' : ((to - from) as Micros);
}

/** The states our end went through. What follows TIME-WAIT is left out: only one who waits sees it. */
export function stateNames({ run }: Reading): readonly State[] {
  const names = run.states.map((mark) => mark.state);
  const waits = names.indexOf('TIME-WAIT');
  return waits < 0 ? names : names.slice(0, waits + 1);
}

export const synText = ({ run }: Reading): string => synsOf(run.shots).ours?.options.join(',') ?? '';
