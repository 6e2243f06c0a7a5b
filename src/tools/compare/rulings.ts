/**
 * What an RFC says about each difference, told from the two runs alone: a rule looks at what each side did and at what its
 * own handshake agreed on, never at a list of what is known to differ. Where no rule speaks, a difference is unexplained.
 */
import type { Micros } from '../../base/time.ts';
import { type State, TRANSITIONS } from '../../tcp/machine.ts';
import { isPureAck } from './align.ts';
import { newOctets, type Repetition, segmentsPerAck, stateNames } from './facts.ts';
import type { Ruling, RulingWord, Shot } from './model.ts';
import { type Agreed, endOf, hasOption, numberOf, optionsLen, type Reading, type ShotKind } from './reading.ts';
import { ackDelay } from './times.ts';

/** Both runs, and how the path was made. */
export interface Runs {
  readonly kernel: Reading;
  readonly tcpx: Reading;
}

/** A segment of ours in each run; one of them may be missing. */
export interface Pair {
  readonly kernel: number | undefined;
  readonly tcpx: number | undefined;
}

const ruling = (word: RulingWord, clause: string, why: string): Ruling => ({ word, clause, why });
const allowed = (clause: string, why: string): Ruling => ruling('allowed', clause, why);

/** A MUST that each side keeps or breaks: undefined where both break it, for then nothing is explained by it. */
function must(clause: string, why: string, kernelKeeps: boolean, tcpxKeeps: boolean): Ruling | undefined {
  if (tcpxKeeps && !kernelKeeps) return ruling('required', clause, why);
  if (kernelKeeps && !tcpxKeeps) return ruling('forbidden', clause, why);
  return undefined;
}

export const THE_PEERS: Ruling = { word: 'peer', clause: '', why: "the peer's own doing" };

/** A field of two segments that stand side by side. */
export function fieldRuling(field: string, pair: Pair, runs: Runs): Ruling | undefined {
  const a = runs.kernel.run.shots[pair.kernel!]!;
  const b = runs.tcpx.run.shots[pair.tcpx!]!;
  const kind = runs.kernel.kinds[pair.kernel!]!;
  switch (field) {
    case 'options':
      return a.flags.includes('S') ? synOptions(a, b) : laterOptions(a, b, runs);
    case 'window':
      return windowRuling(a, b, runs);
    case 'length':
    case 'seq':
      if (kind === 'RST') return rstForm(a, b, runs);
      return kind === 'probe' ? probeForm(a, b, runs) : octetsRuling(b, kind, runs);
    case 'ack':
      return ackNumber(a, b, runs);
    case 'flags':
      return flagsRuling(a, b, kind, pair, runs);
    case 'ttl':
      return allowed('RFC 9293 §3.9.2 (MUST-49)', 'a TTL is whatever it is set to');
    case 'df':
      return allowed('RFC 1191 §3', 'a sender that discovers the path MTU sets DF; others need not');
    case 'tos':
      return tosRuling(a, b, kind);
    default:
      return undefined;
  }
}

const names = (s: Shot): readonly string[] => s.options.map((option) => option.split(' ')[0]!);
const sorted = (texts: readonly string[]): string =>
  texts
    .filter((t) => t !== 'nop' && t !== 'eol')
    .toSorted()
    .join();

const OPTIONAL: Readonly<Record<string, readonly [clause: string, why: string]>> = {
  TS: ['RFC 7323 §3.2', 'a SYN MAY carry timestamps'],
  wscale: ['RFC 7323 §2.2', 'a SYN MAY offer to scale windows'],
  sackOK: ['RFC 2018 §2', 'a SYN MAY permit SACK'],
  mss: ['RFC 9293 §3.7.1 (SHLD-5)', 'each SYN SHOULD carry the MSS, and without it 536 is meant'],
  tfo: ['RFC 7413 §4.1', 'a SYN may ask for a Fast Open cookie'],
};
const MOST_SHIFT = 14;

function synOptions(a: Shot, b: Shot): Ruling | undefined {
  const shift = (s: Shot): number => numberOf(s, 'wscale ') ?? 0;
  const tooFar = must(
    'RFC 7323 §2.3',
    `a shift count is at most ${MOST_SHIFT}`,
    shift(a) <= MOST_SHIFT,
    shift(b) <= MOST_SHIFT,
  );
  if (tooFar !== undefined) return tooFar;
  const only = [...new Set([...names(a), ...names(b)])].filter(
    (name) => OPTIONAL[name] !== undefined && names(a).includes(name) !== names(b).includes(name),
  );
  if (only.length > 0) {
    const known = only.map((name) => OPTIONAL[name]!);
    return allowed(known.map(([clause]) => clause).join(', '), known.map(([, why]) => why).join('; '));
  }
  if (sorted(a.options) === sorted(b.options)) return allowed('RFC 9293 §3.1', 'options may stand in any order');
  const differ = a.options.filter((option) => !b.options.includes(option)).map((option) => option.split(' ')[0]);
  if (differ.every((name) => name === 'wscale'))
    return allowed('RFC 7323 §2.3', 'the shift count is for the receiver to choose, by the largest window it may want');
  if (differ.every((name) => name === 'mss' || name === 'wscale') && numberOf(b, 'mss ')! < numberOf(a, 'mss ')!)
    return allowed('RFC 9293 §3.7.1 (MUST-67)', 'an MSS may be smaller than what could be received, not larger');
  return undefined;
}

/** Of segments behind the SYNs. */
function laterOptions(a: Shot, b: Shot, runs: Runs): Ruling | undefined {
  const isRst = a.flags.includes('R') || b.flags.includes('R');
  const [ka, ta] = [runs.kernel.agreed, runs.tcpx.agreed];
  if (hasOption(a, 'TS') !== hasOption(b, 'TS')) {
    if (isRst) return allowed('RFC 7323 §3.2', 'a RST SHOULD carry timestamps, and is good without');
    const keeps = (s: Shot, agreed: Agreed): boolean => hasOption(s, 'TS') === agreed.timestamps;
    const why = 'once both SYNs carried timestamps every segment must; else none does';
    return keeps(a, ka) && keeps(b, ta)
      ? allowed('RFC 7323 §3.2', `${why}: it follows from the SYNs`)
      : must('RFC 7323 §3.2', why, keeps(a, ka), keeps(b, ta));
  }
  if (hasOption(a, 'sack') || hasOption(b, 'sack')) {
    const keeps = (s: Shot, agreed: Agreed): boolean => !hasOption(s, 'sack') || agreed.sack;
    const broken = must('RFC 2018 §4', 'no SACK without SACK-permitted', keeps(a, ka), keeps(b, ta));
    if (broken !== undefined) return broken;
    if (ka.sack !== ta.sack) return allowed('RFC 2018 §2', 'SACK blocks only where both SYNs permit them');
    return allowed(
      'RFC 2018 §4, RFC 2883 §4',
      'which blocks an ACK has room for is a SHOULD, to report duplicates optional',
    );
  }
  return sorted(a.options) === sorted(b.options)
    ? allowed('RFC 9293 §3.1', 'options may stand in any order')
    : undefined;
}

/** The window's right edge is the receiver's to choose, and should not move to the left. */
function windowRuling(a: Shot, b: Shot, runs: Runs): Ruling | undefined {
  if (b.flags.includes('R')) return allowed('RFC 9293 §3.5.3', 'the window of a RST means nothing');
  const [kernel, tcpx] = [runs.kernel, runs.tcpx].map(shrinks);
  if (tcpx && !kernel) return allowed('RFC 9293 §3.8.6 (SHLD-14)', 'a window SHOULD NOT shrink; that of tcpx did');
  if (a.flags.includes('S')) return allowed('RFC 9293 §3.8.6', 'how much it will take is for the receiver to say');
  const steps = [runs.kernel, runs.tcpx].map(leastStep);
  const [kernelKeeps = true, tcpxKeeps = true] = [
    steps[0] === undefined || steps[0] >= (runs.kernel.agreed.receiveMss ?? 0) / 2,
    steps[1] === undefined || steps[1] >= (runs.tcpx.agreed.receiveMss ?? 0) / 2,
  ];
  return (
    must(
      'RFC 9293 §3.8.6.2.2 (MUST-39)',
      'a shut window opens by a whole segment or half the buffer',
      kernelKeeps,
      tcpxKeeps,
    ) ?? allowed('RFC 9293 §3.8.6', 'how much it will take is for the receiver to say')
  );
}

const shiftOf = (s: Shot, agreed: Agreed): number => (s.flags.includes('S') ? 0 : agreed.ourShift);
const windowOf = (s: Shot, agreed: Agreed): number => s.wnd * 2 ** shiftOf(s, agreed);

/** The right edge moved back by more than the window's own grain (RFC 7323 §2.4). */
function shrinks({ run, agreed }: Reading): boolean {
  let edge = 0;
  for (const s of run.shots) {
    if (s.dir === 'in' || s.ack === undefined || /[SR]/.test(s.flags)) continue;
    const right = s.ack + windowOf(s, agreed);
    if (right < edge - 2 ** agreed.ourShift) return true;
    edge = Math.max(edge, right);
  }
  return false;
}

/** The smallest window that followed one of 0. */
function leastStep({ run, agreed }: Reading): number | undefined {
  const ours = run.shots.filter((s) => s.dir === 'out' && !/[SR]/.test(s.flags));
  const opened = ours.filter((s, i) => i > 0 && ours[i - 1]!.wnd === 0 && s.wnd > 0);
  return opened.length === 0 ? undefined : Math.min(...opened.map((s) => windowOf(s, agreed)));
}

/** Where a stream is cut into segments, and where a connection's number stands because of it. */
function octetsRuling(b: Shot, kind: ShotKind, runs: Runs): Ruling | undefined {
  const [ours, theirs] = [runs.kernel, runs.tcpx].map((reading) => largest(reading) <= mostOctets(reading));
  const tooLong = must(
    'RFC 9293 §3.7.1 (MUST-16)',
    "no segment beyond the peer's MSS less its options",
    ours!,
    theirs!,
  );
  if (tooLong !== undefined) return tooLong;
  if (kind === 'data again') return allowed('RFC 9293 §3.8.1', 'what is sent again may be cut and joined anew');
  const sameStream = newOctets(runs.kernel) === newOctets(runs.tcpx);
  if (!sameStream && kind === 'data') return undefined;
  return b.dir === 'out' && sameStream
    ? allowed(
        'RFC 9293 §3.7.4, §3.9.1.2 (SHLD-28)',
        'the stream is the same; where it is cut is for the sender to choose',
      )
    : undefined;
}

const largest = ({ run }: Reading): number =>
  Math.max(0, ...run.shots.filter((s) => s.dir === 'out').map((s) => s.len + optionsLen(s)));
const mostOctets = ({ agreed }: Reading): number => agreed.sendMss ?? Number.POSITIVE_INFINITY;

function ackNumber(a: Shot, b: Shot, runs: Runs): Ruling | undefined {
  if (/R/.test(a.flags)) return rstForm(a, b, runs);
  // acknowledged by then in one run, and right after in the other
  return allowed('RFC 9293 §3.8.6.3', 'an ACK covers what has come by the time it leaves');
}

function flagsRuling(a: Shot, b: Shot, kind: ShotKind, pair: Pair, runs: Runs): Ruling | undefined {
  if (kind === 'RST') return rstForm(a, b, runs);
  const without = (s: Shot): string => s.flags.replace('P', '');
  if (without(a) !== without(b)) return ecnFlags(a, b);
  const emptiesQueue = isLastData(runs.kernel, pair.kernel!) && isLastData(runs.tcpx, pair.tcpx!);
  if (emptiesQueue)
    return must(
      'RFC 9293 §3.9.1.2 (MUST-61)',
      'PSH on the segment that empties the queue',
      a.flags.includes('P'),
      b.flags.includes('P'),
    );
  return allowed('RFC 9293 §3.9.1.2', 'PSH may stand on a segment more than the last of a write');
}

const ecnFlags = (a: Shot, b: Shot): Ruling | undefined => {
  const without = (s: Shot): string => s.flags.replace(/[PEW]/g, '');
  return without(a) === without(b) ? allowed('RFC 3168 §6.1.1', 'whether ECN is asked for is a choice') : undefined;
};

const isLastData = ({ run }: Reading, i: number): boolean =>
  run.shots[i]!.len > 0 && !run.shots.some((s, j) => j > i && s.dir === 'out' && s.len > 0);

/** RFC 9293 §3.5.2 and §3.10.5: what a RST says. */
function rstForm(a: Shot, b: Shot, runs: Runs): Ruling | undefined {
  const good = (s: Shot, reading: Reading): boolean => {
    const { shots } = reading.run;
    const before = shots.slice(0, shots.indexOf(s));
    const next = Math.max(0, ...before.filter((x) => x.dir === 'out').map(endOf));
    const acks = new Set(before.filter((x) => x.dir === 'in').map((x) => x.ack));
    // of an ABORT, SND.NXT; of an answer, SEG.ACK, or 0 with an ACK
    return s.seq === next || acks.has(s.seq) || (s.seq === 0 && s.ack !== undefined);
  };
  return (
    must(
      'RFC 9293 §3.5.2, §3.10.5',
      "a RST's number is SND.NXT, or what the segment it answers acknowledges",
      good(a, runs.kernel),
      good(b, runs.tcpx),
    ) ?? allowed('RFC 9293 §3.5.2, §3.10.5', 'both numbers reset the peer; an ACK on a RST says nothing')
  );
}

function tosRuling(a: Shot, b: Shot, kind: ShotKind): Ruling | undefined {
  const ect = (s: Shot): boolean => (s.tos & 3) !== 0;
  if (ect(a) !== ect(b) && (kind === 'SYN' || kind === 'SYN again' || isPureAck(b)))
    return must('RFC 3168 §6.1.1, §6.1.4', 'a SYN and an ACK alone are not ECN-capable', !ect(a), !ect(b));
  return ect(a) === ect(b)
    ? allowed('RFC 2474 §4', 'a code point is the application’s and the network’s business')
    : allowed('RFC 3168 §6.1.2', 'ECN-capable only where both ends agreed on it');
}

/** A probe of a shut window, or a keep-alive: an octet that is repeated or new, or none. */
function probeForm(a: Shot, b: Shot, runs: Runs): Ruling | undefined {
  const good = (s: Shot, reading: Reading): boolean => {
    const una = Math.max(0, ...reading.run.shots.filter((x) => x.dir === 'in').map((x) => x.ack ?? 0));
    return s.len <= 1 || s.seq <= una;
  };
  return (
    must('RFC 9293 §3.8.6.1, §3.8.4', 'a probe carries an octet at most', good(a, runs.kernel), good(b, runs.tcpx)) ??
    allowed('RFC 9293 §3.8.4, §3.8.6.1', 'with an octet or without: both make the peer answer')
  );
}

const TIMEOUT = 190_000;

/** New octets or a FIN, which left sooner in one run: the sender waited for an ACK, or for its user. */
export function timeRuling(pair: Pair, runs: Runs): Ruling | undefined {
  const [a, b] = [runs.kernel.run.shots[pair.kernel!]!, runs.tcpx.run.shots[pair.tcpx!]!];
  const [slow, i] = a.gap > b.gap ? [runs.kernel, pair.kernel!] : [runs.tcpx, pair.tcpx!];
  const shot = slow.run.shots[i]!;
  if (!/^(data|FIN)$/.test(slow.kinds[i]!) || !isOutstanding(slow, i) || shot.gap >= TIMEOUT) return undefined;
  return shot.len + optionsLen(shot) < mostOctets(slow)
    ? allowed('RFC 9293 §3.7.4 (SHLD-7)', 'a segment that is not full SHOULD wait for the ACK of what is under way')
    : allowed('RFC 5681 §3.1', 'a full window waits for an ACK, and each sender has its own');
}

/** Octets of ours were under way before the wait that ended with segment `i`. */
function isOutstanding({ run }: Reading, i: number): boolean {
  const before = run.shots.slice(0, i);
  const sent = Math.max(0, ...before.filter((s) => s.dir === 'out').map(endOf));
  const acked = Math.max(0, ...before.filter((s) => s.dir === 'in').map((s) => s.ack ?? 0));
  return sent > acked;
}

/** A segment of ours that only one run has. */
export function segmentRuling(pair: Pair, runs: Runs): Ruling | undefined {
  const has = pair.kernel === undefined ? runs.tcpx : runs.kernel;
  const lacks = pair.kernel === undefined ? runs.kernel : runs.tcpx;
  const i = pair.kernel ?? pair.tcpx!;
  const shot = has.run.shots[i]!;
  switch (has.kinds[i]!) {
    case 'ACK':
      if (coveredElsewhere(shot, i, has, lacks)) return fewerAcks(runs);
      return isOldAck(shot, i, has) ? anotherAck(runs) : undefined;
    case 'FIN':
      return finEnd(runs.kernel) === finEnd(runs.tcpx)
        ? allowed(
            'RFC 9293 §3.10.4, §3.7.4 (SHLD-7)',
            'a FIN leaves with the last octets, or alone where they left before',
          )
        : undefined;
    case 'duplicate ACK':
      return anotherAck(runs);
    case 'window update':
      return windowRuling(shot, shot, runs);
    case 'data':
      return octetsRuling(shot, 'data', runs);
    default:
      return undefined;
  }
}

/** An ACK that says nothing new. */
function anotherAck(runs: Runs): Ruling {
  return (
    oncePerSegment(runs) ??
    allowed('RFC 5681 §4.2', 'a segment out of order SHOULD be answered at once, by one ACK at most')
  );
}

const isOldAck = (shot: Shot, i: number, { run }: Reading): boolean =>
  isPureAck(shot) && run.shots.slice(0, i).some((s) => s.dir === 'out' && (s.ack ?? 0) >= shot.ack!);

/** The number behind our FIN; undefined when we sent none. */
function finEnd({ run }: Reading): number | undefined {
  const fin = run.shots.find((s) => s.dir === 'out' && s.flags.includes('F'));
  return fin === undefined ? undefined : endOf(fin);
}

/** The other run acknowledged the same together with something else, or on a segment of another kind. */
function coveredElsewhere(shot: Shot, i: number, has: Reading, lacks: Reading): boolean {
  if (!isPureAck(shot)) return false;
  const covers = (s: Shot): boolean => s.dir === 'out' && s.ack !== undefined && s.ack >= shot.ack!;
  return !has.run.shots.slice(0, i).some(covers) && lacks.run.shots.some(covers);
}

/** One ACK for several segments. */
function fewerAcks(runs: Runs): Ruling {
  const each = Math.max(segmentsPerAck(runs.kernel) ?? 0, segmentsPerAck(runs.tcpx) ?? 0);
  return each > 2.5
    ? allowed(
        'RFC 9293 §3.10.7.4 (MUST-58, MUST-59)',
        'what came together is answered together, though an ACK SHOULD come for every second full segment (SHLD-19)',
      )
    : allowed('RFC 9293 §3.10.7.4 (MUST-58)', 'one ACK may answer several segments');
}

/** RFC 5681 §4.2: no more than one ACK for each segment, window updates aside. */
function oncePerSegment(runs: Runs): Ruling | undefined {
  const keeps = ({ run, kinds }: Reading): boolean => {
    const acks = run.shots.filter((s, i) => s.dir === 'out' && isPureAck(s) && /ACK/.test(kinds[i]!)).length;
    return acks <= run.shots.filter((s) => s.dir === 'in').length;
  };
  return must('RFC 5681 §4.2', 'one ACK at most for each segment that comes', keeps(runs.kernel), keeps(runs.tcpx));
}

const HALF_A_SECOND = 500_000;

/** What the peer's segment `pair` waited for its acknowledgment. */
export function ackDelayRuling(pair: Pair, runs: Runs): Ruling | undefined {
  const delays = [ackDelay(runs.kernel.run.shots, pair.kernel!), ackDelay(runs.tcpx.run.shots, pair.tcpx!)] as const;
  const [a, b] = delays.map((delay) => typeof delay === 'number' && delay < HALF_A_SECOND);
  return (
    must('RFC 9293 §3.8.6.3 (MUST-40)', 'an ACK waits less than half a second', a!, b!) ??
    (a && b
      ? allowed('RFC 9293 §3.8.6.3 (SHLD-18)', 'an ACK SHOULD wait, for how long is open below half a second')
      : undefined)
  );
}

/** RFC 6298 §5.5: each interval about twice the one before; a tail loss probe may come first (RFC 8985 §7). */
export function backsOff(intervals: readonly Micros[]): boolean {
  const doubles = (from: number): boolean => intervals.slice(from + 1).every((t, i) => t >= 1.6 * intervals[from + i]!);
  return doubles(0) || doubles(1);
}

/** Something that was sent again, at other intervals. */
export function scheduleRuling(a: Repetition | undefined, b: Repetition | undefined): Ruling | undefined {
  const [x, y] = [a?.intervals ?? [], b?.intervals ?? []];
  const what = (a ?? b)?.what;
  if (what === 'probe')
    return allowed('RFC 9293 §3.8.6.1 (SHLD-29, SHLD-30), §3.8.4', 'when to probe is a SHOULD, and a setting');
  const doubled = must('RFC 6298 §5 (5.5)', 'each timeout doubles the next', backsOff(x), backsOff(y));
  if (doubled !== undefined) return doubled;
  if (x.length > 0 && y.length > 0 && sameBut(x, y))
    return allowed('RFC 9293 §3.8.3 (MUST-21, SHLD-11)', 'how often before giving up is the user’s to set');
  if (what === 'SYN') return allowed('RFC 6298 §2 (2.1)', 'the first timeout SHOULD be one second');
  if (x.length === 0 || y.length === 0)
    return allowed(
      'RFC 8985 §6, §7',
      'probing the tail and finding losses by time are SHOULDs: a sender may repeat more, or wait',
    );
  return allowed('RFC 6298 §2 (2.4), RFC 8985 §7.2', 'the least timeout and the probe before it are SHOULDs');
}

/** One goes on longer, at the same intervals. */
function sameBut(a: readonly Micros[], b: readonly Micros[]): boolean {
  const n = Math.min(a.length, b.length);
  return a.length !== b.length && a.slice(0, n).every((t, i) => t < 1.5 * b[i]! && b[i]! < 1.5 * t);
}

/** Of a run that could send more than its first flight: what it sent before anything was acknowledged. */
export function initialWindowRuling(runs: Runs, a: number, b: number): Ruling | undefined {
  const most = ({ agreed }: Reading): number => {
    const mss = agreed.sendMss ?? 536;
    return Math.min(10 * mss, Math.max(2 * mss, 14_600));
  };
  const clause = 'RFC 6928 §2';
  return (
    must(clause, 'at most ten segments before the first ACK', a <= most(runs.kernel), b <= most(runs.tcpx)) ??
    (b <= most(runs.tcpx) ? allowed(clause, 'ten segments are the most; fewer will do') : undefined)
  );
}

/** Two ways through figure 5 of RFC 9293 §3.3.2, to one end. */
export function statesRuling(runs: Runs): Ruling | undefined {
  const [a, b] = [stateNames(runs.kernel), stateNames(runs.tcpx)];
  const walks = must('RFC 9293 §3.3.2', 'each state follows from the one before by figure 5', isWalk(a), isWalk(b));
  if (walks !== undefined) return walks;
  return a.at(-1) === b.at(-1) && isWalk(a)
    ? allowed('RFC 9293 §3.3.2', 'both ways lead through figure 5, as the peer’s segments came')
    : undefined;
}

function isWalk(states: readonly State[]): boolean {
  return states.every((to, i) => {
    const from = i === 0 ? 'CLOSED' : states[i - 1]!;
    return from === to || Object.values(TRANSITIONS[from]).some(([next]) => next === to);
  });
}

const SECOND = 1_000_000;
/** Twice RFC 9293's two minutes; what is shorter is an engineering choice as long as it is there. */
export function timeWaitRuling(
  a: Micros | 'entered' | undefined,
  b: Micros | 'entered' | undefined,
): Ruling | undefined {
  const waits = (t: typeof a): boolean => t === 'entered' || (t !== undefined && t > SECOND);
  return (
    must('RFC 9293 §3.6.1 (MUST-13)', 'who closes first stays in TIME-WAIT for 2 MSL', waits(a), waits(b)) ??
    (waits(a) && waits(b) ? allowed('RFC 9293 §3.4.2', 'the MSL is an engineering choice') : undefined)
  );
}

/** How much an ISS gained on the clock between two incarnations, per microsecond; RFC 9293 §3.4.1 has it step about every 4 µs. */
export function issRuling(a: number, b: number): Ruling | undefined {
  const about = (rate: number): boolean => rate > 0.125 && rate < 0.5;
  const clause = 'RFC 9293 §3.4.1 (MUST-8)';
  return must(clause, 'the clock of the ISS steps about every 4 µs', about(a), about(b));
}
