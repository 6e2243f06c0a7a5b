/** What differs between two runs, each difference with what an RFC says about it, and a verdict on every property. */
import { ETHERNET_HEADER_LEN } from '../../wire/ethernet.ts';
import { alignRuns, isPureAck } from './align.ts';
import * as facts from './facts.ts';
import {
  type Comparison,
  type Difference,
  PROPERTIES,
  type Property,
  type Row,
  type Ruling,
  type Run,
  type Shot,
  shotText,
  type Verdict,
  type VerdictWord,
  wordOf,
  worst,
} from './model.ts';
import { PROPERTY_OF, type Reading, readRun, type ShotKind, synsOf } from './reading.ts';
import * as rulings from './rulings.ts';
import { ackDelay, sameTimeClass, secondsText, timeText } from './times.ts';

export interface Circumstances {
  readonly scenario: string;
  /** Both runs went over this machine's own loopback. */
  readonly loopback: boolean;
  /** Why the comparison means nothing; undefined when it does. */
  readonly complaint: string | undefined;
}

export function compareRuns(kernel: Run, tcpx: Run, circumstances: Circumstances): Comparison {
  const { scenario, complaint } = circumstances;
  const runs: rulings.Runs = { kernel: readRun(kernel), tcpx: readRun(tcpx) };
  const rows = alignRuns(kernel.shots, tcpx.shots);
  const differences = new Differences(runs, circumstances).of(rows);
  const verdicts = verdictsOf(runs, differences);
  return { scenario, kernel, tcpx, rows, differences, verdicts, complaint, attempts: 1, chance: [] };
}

/** Sent again, or a probe: compared by its schedule as a whole. */
const isScheduled = (kind: ShotKind): boolean => kind === 'probe' || kind.endsWith('again');

class Differences {
  readonly #runs: rulings.Runs;
  readonly #circumstances: Circumstances;
  readonly #found: Difference[] = [];

  constructor(runs: rulings.Runs, circumstances: Circumstances) {
    this.#runs = runs;
    this.#circumstances = circumstances;
  }

  of(rows: readonly Row[]): readonly Difference[] {
    for (const [i, row] of rows.entries()) this.#row(row, i);
    this.#whole(rows);
    return this.#found;
  }

  #note(
    property: Property,
    field: string,
    row: number | undefined,
    kernel: string,
    tcpx: string,
    r: Ruling | undefined,
  ) {
    this.#found.push({ property, field, row, kernel, tcpx, ruling: r });
  }

  #row(row: Row, index: number): void {
    if (row.kernel === undefined || row.tcpx === undefined) {
      this.#onlyOne(row, index);
      return;
    }
    const { kernel, tcpx } = this.#runs;
    const a = kernel.run.shots[row.kernel]!;
    const b = tcpx.run.shots[row.tcpx]!;
    const kind = kernel.kinds[row.kernel]!;
    const check = (field: string, x: string, y: string, property: Property = PROPERTY_OF[kind]): void => {
      if (x === y) return;
      const ruling = a.dir === 'in' ? rulings.THE_PEERS : this.#field(field, row, a, b);
      this.#note(property, field, index, x, y, ruling);
    };
    check('flags', a.flags, b.flags);
    check('seq', String(a.seq), String(b.seq));
    check('ack', String(a.ack ?? 'none'), String(b.ack ?? 'none'), kind === 'RST' ? 'RST form' : 'ACK policy');
    check('window', String(a.wnd), String(b.wnd), kind === 'RST' ? 'RST form' : 'receive window');
    check('length', String(a.len), String(b.len));
    check('options', a.options.join(','), b.options.join(','));
    check('ttl', String(a.ttl), String(b.ttl), 'IP header');
    check('df', a.dontFragment ? 'set' : 'not set', b.dontFragment ? 'set' : 'not set', 'IP header');
    check('tos', `0x${a.tos.toString(16)}`, `0x${b.tos.toString(16)}`, 'IP header');
    this.#times(row, index, a, b, kind);
  }

  /** How long each waited. An acknowledgment's time counts from what it acknowledges. */
  #times(row: Row, index: number, a: Shot, b: Shot, kind: ShotKind): void {
    const { kernel, tcpx } = this.#runs;
    const scheduled = isScheduled(kind) || isScheduled(tcpx.kinds[row.tcpx!]!);
    if (!isPureAck(a) && !scheduled && !sameTimeClass(a.gap, b.gap)) {
      const ruling = a.dir === 'in' ? rulings.THE_PEERS : rulings.timeRuling(row, this.#runs);
      this.#note(PROPERTY_OF[kind], 'time', index, timeText(a.gap), timeText(b.gap), ruling);
    }
    const delays = [ackDelay(kernel.run.shots, row.kernel!), ackDelay(tcpx.run.shots, row.tcpx!)] as const;
    if (sameDelay(...delays)) return;
    const ruling = rulings.ackDelayRuling({ kernel: row.kernel, tcpx: row.tcpx }, this.#runs);
    this.#note('ACK policy', 'delay', index, delayText(delays[0]), delayText(delays[1]), ruling);
  }

  #field(field: string, row: Row, a: Shot, b: Shot): Ruling | undefined {
    const smaller =
      field === 'window' || field === 'options' ? smallerOnLoopback(a, b, this.#circumstances) : undefined;
    return smaller ?? rulings.fieldRuling(field, row, this.#runs);
  }

  #onlyOne(row: Row, index: number): void {
    const reading = row.kernel === undefined ? this.#runs.tcpx : this.#runs.kernel;
    const i = (row.kernel ?? row.tcpx)!;
    const shot = reading.run.shots[i]!;
    const kind = reading.kinds[i]!;
    if (shot.dir === 'out' && isScheduled(kind)) return;
    const ruling = shot.dir === 'in' ? rulings.THE_PEERS : rulings.segmentRuling(row, this.#runs);
    const text = shotText(shot);
    const [x, y] = row.kernel === undefined ? ['', text] : [text, ''];
    this.#note(PROPERTY_OF[kind], 'segment', index, x, y, ruling);
  }

  #whole(rows: readonly Row[]): void {
    const { kernel, tcpx } = this.#runs;
    const check = (property: Property, field: string, x: string, y: string, ruling: () => Ruling | undefined): void => {
      if (x !== y) this.#note(property, field, undefined, x, y, ruling());
    };
    this.#schedules(rows);
    const [fa, fb] = [facts.initialFlight(kernel), facts.initialFlight(tcpx)];
    check('initial window', 'first flight', flightText(fa), flightText(fb), () =>
      fa && fb ? rulings.initialWindowRuling(this.#runs, fa.octets, fb.octets) : undefined,
    );
    const [ia, ib] = [issRate(kernel.run), issRate(tcpx.run)];
    if (ia !== undefined && ib !== undefined && !alike(ia, ib))
      this.#note('ISN', 'clock', undefined, rateText(ia), rateText(ib), rulings.issRuling(ia, ib));
    const [wa, wb] = [facts.timeWait(kernel), facts.timeWait(tcpx)];
    if (!sameWait(wa, wb))
      this.#note('TIME-WAIT', 'duration', undefined, waitText(wa), waitText(wb), rulings.timeWaitRuling(wa, wb));
    check('close sequence', 'states', facts.stateNames(kernel).join(' '), facts.stateNames(tcpx).join(' '), () =>
      rulings.statesRuling(this.#runs),
    );
    check('outcome', 'outcome', outcomeText(kernel.run), outcomeText(tcpx.run), () => undefined);
    const received = (run: Run): string => String(run.outcome.octetsReceived);
    check('outcome', 'octets received', received(kernel.run), received(tcpx.run), () => rulings.THE_PEERS);
  }

  /** What was sent again, and probes: of each thing how often and when. */
  #schedules(rows: readonly Row[]): void {
    const { kernel, tcpx } = this.#runs;
    const pairs = pairRepetitions(facts.repetitions(kernel), facts.repetitions(tcpx), this.#runs);
    const probes = [facts.probeSchedule(kernel), facts.probeSchedule(tcpx)] as const;
    if (probes[0] !== undefined || probes[1] !== undefined) pairs.push(probes);
    for (const [a, b] of pairs) {
      if (sameSchedule(a, b)) continue;
      const row = rows.findIndex((r) => (a === undefined ? r.tcpx === b!.shots[1] : r.kernel === a.shots[1]));
      const property = (a ?? b)!.what === 'probe' ? 'probes' : 'retransmission';
      this.#note(
        property,
        'schedule',
        row < 0 ? undefined : row,
        repeatText(a),
        repeatText(b),
        rulings.scheduleRuling(a, b),
      );
    }
  }
}

type RepetitionPair = readonly [a: facts.Repetition | undefined, b: facts.Repetition | undefined];

/** Of both runs what begins at the same place; FINs pair in any case, for there is one. */
function pairRepetitions(
  a: readonly facts.Repetition[],
  b: readonly facts.Repetition[],
  runs: rulings.Runs,
): RepetitionPair[] {
  const key = (reading: Reading, r: facts.Repetition): string =>
    r.what === 'FIN' ? 'FIN' : `${r.what} ${reading.run.shots[r.shots[1]!]!.seq}`;
  const left = new Map(b.map((r) => [key(runs.tcpx, r), r]));
  const pairs = a.map((r): RepetitionPair => {
    const k = key(runs.kernel, r);
    const other = left.get(k);
    left.delete(k);
    return [r, other];
  });
  return [...pairs, ...[...left.values()].map((r): RepetitionPair => [undefined, r])];
}

function sameSchedule(a: facts.Repetition | undefined, b: facts.Repetition | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.intervals.length === b.intervals.length && a.intervals.every((t, i) => sameTimeClass(t, b.intervals[i]!));
}

const repeatText = (r: facts.Repetition | undefined): string =>
  r === undefined
    ? 'not sent again'
    : `${r.what} ${r.what === 'probe' ? '' : 'again '}after ${r.intervals.map(secondsText).join(', ')} s`;

type Delay = ReturnType<typeof ackDelay>;

function sameDelay(a: Delay, b: Delay): boolean {
  return typeof a === 'number' && typeof b === 'number' ? sameTimeClass(a, b) : a === b;
}

const delayText = (delay: Delay): string =>
  typeof delay === 'number' ? timeText(delay) : (delay ?? 'nothing to acknowledge');

const flightText = (flight: facts.Flight | undefined): string =>
  flight === undefined ? '' : `${flight.segments} segments, ${flight.octets} octets`;

/** Steps of the ISS in a microsecond, between two incarnations of one connection. */
const issRate = ({ again }: Run): number | undefined =>
  again === undefined ? undefined : (again.issAhead | 0) / again.later;
const rateText = (rate: number): string =>
  rate <= 0 ? 'not ahead of the last one' : `a step every ${Number((1 / rate).toPrecision(2))} µs`;
const alike = (a: number, b: number): boolean =>
  a > 0 && b > 0 ? Math.max(a, b) <= 1.5 * Math.min(a, b) : a <= 0 && b <= 0;

type Wait = ReturnType<typeof facts.timeWait>;
const sameWait = (a: Wait, b: Wait): boolean =>
  a === b || a === 'entered' || b === 'entered'
    ? (a === undefined) === (b === undefined)
    : a !== undefined && b !== undefined && Math.max(a, b) <= 1.1 * Math.min(a, b);
const waitText = (t: Wait): string =>
  t === undefined ? 'not entered' : t === 'entered' ? 'entered' : `${secondsText(t)} s`;

function outcomeText({ outcome: o }: Run): string {
  return `${o.connected ? 'connected' : 'not connected'}, ${o.octetsSent} octets sent, ${o.error ?? o.undone ?? 'closed'}`;
}

/** What each side did, in short; undefined where it shows nothing of the property. */
function summary(property: Property, reading: Reading): string | undefined {
  const { run, kinds } = reading;
  const some = (kind: ShotKind): Shot | undefined => run.shots.find((s, i) => s.dir === 'out' && kinds[i] === kind);
  switch (property) {
    case 'SYN options':
      return facts.synText(reading) || undefined;
    case 'ISN': {
      const rate = issRate(run);
      return rate === undefined ? undefined : rateText(rate);
    }
    case 'initial window':
      return flightText(facts.initialFlight(reading)) || undefined;
    case 'receive window': {
      const { ours } = synsOf(run.shots);
      return ours === undefined
        ? undefined
        : `${ours.wnd}${reading.agreed.ourShift > 0 ? `, then in ${2 ** reading.agreed.ourShift}s` : ''}`;
    }
    case 'ACK policy':
      return facts.ackText(reading) || undefined;
    case 'data': {
      const octets = facts.newOctets(reading);
      const segments = run.shots.filter((s, i) => s.dir === 'out' && s.len > 0 && !isScheduled(kinds[i]!)).length;
      return octets === 0 ? undefined : `${octets} octets in ${segments} segments`;
    }
    case 'retransmission': {
      const all = facts.repetitions(reading);
      return all.length === 0 ? undefined : someOf(all.map(repeatText));
    }
    case 'probes': {
      const probes = facts.probeSchedule(reading);
      return probes === undefined ? undefined : repeatText(probes);
    }
    case 'close sequence':
      return facts.closeText(reading) || undefined;
    case 'RST form': {
      const rst = some('RST');
      return rst === undefined ? undefined : shotText(rst);
    }
    case 'TIME-WAIT':
      return facts.timeWait(reading) === undefined ? undefined : waitText(facts.timeWait(reading));
    case 'IP header': {
      const first = run.shots.find((s) => s.dir === 'out');
      return first === undefined ? undefined : `ttl ${first.ttl}${first.dontFragment ? ', DF' : ''}, tos ${first.tos}`;
    }
    case 'outcome':
      return outcomeText(run);
  }
}

const MOST_TOLD = 3;
const someOf = (texts: readonly string[]): string =>
  texts.length <= MOST_TOLD
    ? texts.join('; ')
    : `${texts.slice(0, MOST_TOLD).join('; ')}; ${texts.length - MOST_TOLD} more`;

/** Of each property that a run shows, or that differs. */
export function verdictsOf(runs: rulings.Runs, differences: readonly Difference[]): readonly Verdict[] {
  return PROPERTIES.flatMap((property): readonly Verdict[] => {
    const own = differences.filter((d) => d.property === property && wordOf(d) !== undefined);
    const [kernel, tcpx] = [summary(property, runs.kernel), summary(property, runs.tcpx)];
    if (own.length === 0 && kernel === undefined && tcpx === undefined) return [];
    const word = worst(own.map((d): VerdictWord => wordOf(d)!));
    const clauses = [...new Set(own.flatMap((d) => (wordOf(d) === word ? [d.ruling?.clause ?? ''] : [])))];
    return [
      { property, word, kernel: kernel ?? 'none', tcpx: tcpx ?? 'none', clauses: clauses.filter((c) => c !== '') },
    ];
  });
}

/**
 * A frame of loopback's full size is longer than a capture holds for sure, by its Ethernet header and the octet that tells
 * a cut frame from a whole one: a tcpx that receives through a capture asks for less. Linux's first window follows the MSS there.
 */
function smallerOnLoopback(a: Shot, b: Shot, o: Circumstances): Ruling | undefined {
  if (!o.loopback || !a.flags.includes('S')) return undefined;
  const less = [mssOf(a) - mssOf(b), a.wnd - b.wnd];
  if (less.some((n) => n < 0 || n > ETHERNET_HEADER_LEN + 1) || othersThanMss(a) !== othersThanMss(b)) return undefined;
  return {
    word: 'allowed',
    clause: 'RFC 9293 §3.7.1 (MUST-67)',
    why: 'a loopback frame of full size is longer than a capture holds',
  };
}

const isMss = (option: string): boolean => option.startsWith('mss ');
const mssOf = (s: Shot): number => Number(s.options.find(isMss)?.slice(4) ?? 0);
const othersThanMss = (s: Shot): string => s.options.filter((option) => !isMss(option)).join();
