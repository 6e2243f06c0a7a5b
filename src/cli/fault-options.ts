/**
 * The options that make a path worse, shared by `connect`, `listen` (on our own link: in, out) and `impair` (between two
 * interfaces: ab, ba): `--loss 2%`, `--loss 0.02:out`, `--delay 20ms`… A value without a direction is both directions'.
 */
import { randomInt } from 'node:crypto';
import { Option } from 'commander';
import { seededRandom } from '../base/random.ts';
import { type Clock, type Micros, micros } from '../base/time.ts';
import { DEFAULT_QUEUE, type FaultCounters, type Faults, newFaultCounters, type QueueLimit } from '../link/faults.ts';
import type { Link } from '../link/link.ts';
import { type FaultLink, faultTap } from '../link/taps/fault.ts';
import type { HeaderRecord, SummaryRecord } from '../tools/log-record.ts';
import { CliFailure, Exit } from './exit.ts';

/** The names of a path's two directions, as options and output spell them. */
export type Directions<D extends string> = readonly [D, D];
export const LINK_DIRECTIONS = ['in', 'out'] as const;

/** A value for each direction that has one. */
export type PerDirection<T> = Readonly<Record<string, T>>;

/** As commander gives them, by long name. */
export interface FaultOptions {
  readonly loss?: PerDirection<number>;
  readonly dup?: PerDirection<number>;
  readonly reorder?: PerDirection<number>;
  readonly corrupt?: PerDirection<number>;
  readonly delay?: PerDirection<Micros>;
  readonly jitter?: PerDirection<Micros>;
  readonly seed?: number;
}

export interface WireOptions {
  readonly rate?: PerDirection<number>;
  readonly queue?: PerDirection<QueueLimit>;
}

const usage = (message: string, hint: string): CliFailure => new CliFailure(message, { exitCode: Exit.USAGE, hint });

export function faultOptions(directions: Directions<string> = LINK_DIRECTIONS): readonly Option[] {
  const [one, other] = directions;
  const chance = (name: string, text: string, example: string): Option =>
    new Option(`--${name} <share>`, text).argParser(perDirection(`--${name}`, directions, shareValue, example));
  const time = (name: string, text: string, example: string): Option =>
    new Option(`--${name} <time>`, text).argParser(perDirection(`--${name}`, directions, timeValue, example));
  return [
    chance('loss', `lose that share of the packets: 2% or 0.02, both ways, or one: 2%:${one}, 2%:${other}`, '2%'),
    chance('dup', 'deliver that share of the packets twice', '1%'),
    chance('reorder', 'hold that share of the packets back until three others have passed, 10 ms at most', '1%'),
    chance('corrupt', 'change an octet in that share of the packets, where a checksum shows it', '0.1%'),
    time('delay', 'let every packet take longer: 20ms, 1.5s, 300us', '20ms'),
    time('jitter', 'and up to so much longer still, in order', '5ms'),
    new Option(
      '--seed <number>',
      'the same faults for the same seed and packets (default: chosen and printed)',
    ).argParser(seedValue),
  ];
}

/** What only a path between two interfaces has: a wire of its own. */
export function wireOptions(directions: Directions<string>): readonly Option[] {
  return [
    new Option(
      '--rate <rate>',
      'what the wire carries: 100mbit, 1gbit, 64kbit (bits per second, frames whole)',
    ).argParser(perDirection('--rate', directions, rateValue, '100mbit')),
    new Option(
      '--queue <limit>',
      'what may wait for the wire, then frames are dropped: 100 (packets, the default), 64KB',
    ).argParser(perDirection('--queue', directions, queueValue, '100')),
  ];
}

/** `VALUE` or `VALUE:DIRECTION`; the option may be given once for each direction. */
function perDirection<T>(
  name: string,
  directions: Directions<string>,
  parse: (text: string) => T | string,
  example: string,
): (text: string, before: PerDirection<T> | undefined) => PerDirection<T> {
  return (text, before) => {
    const [, valueText = text, direction] = /^(.*?)(?::(\w*))?$/.exec(text) ?? [];
    if (direction !== undefined && !directions.includes(direction))
      throw usage(
        `${name} '${text}' names no direction`,
        `directions are ${directions.join(' and ')}, for example ${name} ${example}:${directions[1]}`,
      );
    const value = parse(valueText);
    if (typeof value === 'string') throw usage(`${name} '${text}' ${value}`, `for example ${name} ${example}`);
    const of = direction === undefined ? directions : [direction];
    return { ...before, ...Object.fromEntries(of.map((d) => [d, value])) };
  };
}

/** 0 … 1. A string is what is wrong. */
export function shareValue(text: string): number | string {
  const [, digits, percent] = /^([0-9]*\.?[0-9]+)(%?)$/.exec(text) ?? [];
  if (digits === undefined) return 'is no share of the packets';
  const n = Number(digits);
  if (percent === '%') return n <= 100 ? n / 100 : 'is more than all packets';
  return n <= 1 ? n : `is more than all packets; ${digits}% is written with its sign`;
}

const TIME_UNITS: Readonly<Record<string, number>> = { us: 1, µs: 1, ms: 1000, s: 1_000_000 };
const MOST_SECONDS = 60;

export function timeValue(text: string): Micros | string {
  const [, digits, unit = ''] = /^([0-9]*\.?[0-9]+)\s*([a-zµ]*)$/.exec(text) ?? [];
  if (digits === undefined) return 'is no time';
  if (unit === '') return 'has no unit; us, ms and s are known';
  const each = TIME_UNITS[unit];
  if (each === undefined) return `has a unit that is not known; us, ms and s are`;
  const us = Math.round(Number(digits) * each);
  return us <= MOST_SECONDS * 1_000_000 ? micros(us) : `is longer than ${MOST_SECONDS} s`;
}

const RATE_UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

/** Octets per second. */
export function rateValue(text: string): number | string {
  const [, digits, unit = ''] = /^([0-9]*\.?[0-9]+)\s*([a-z]*)$/i.exec(text) ?? [];
  if (digits === undefined) return 'is no rate';
  const each = RATE_UNITS[unit.toLowerCase()];
  if (each === undefined) return 'has no unit that is known; kbit, mbit and gbit are (bits per second)';
  const rate = (Number(digits) * each) / 8;
  return rate >= 1 ? rate : 'is no rate a packet could leave at';
}

const QUEUE_UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1000, MB: 1e6, KiB: 1024, MiB: 1 << 20 };
const MOST_PACKETS = 1_000_000;

export function queueValue(text: string): QueueLimit | string {
  const [, digits, unit = ''] = /^([0-9]+)\s*([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined) return 'is no queue length';
  const n = Number(digits);
  if (unit === '') return n <= MOST_PACKETS ? { packets: n } : `is more than ${MOST_PACKETS} packets`;
  const each = QUEUE_UNITS[unit];
  return each === undefined
    ? 'has a unit that is not known; KB, MB, KiB and MiB are, none means packets'
    : { octets: n * each };
}

function seedValue(text: string): number {
  const n = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (n <= 0xffff_ffff) return n;
  throw usage(`--seed '${text}' is not a whole number from 0 to 4294967295`, 'for example --seed 1');
}

/** What is to happen in `direction`; nothing is an empty object. */
export function faultsIn(o: FaultOptions & WireOptions, direction: string): Faults {
  const loss = o.loss?.[direction] ?? 0;
  const duplicate = o.dup?.[direction] ?? 0;
  const reorder = o.reorder?.[direction] ?? 0;
  const corrupt = o.corrupt?.[direction] ?? 0;
  const delay = o.delay?.[direction] ?? micros(0);
  const jitter = o.jitter?.[direction] ?? micros(0);
  const rate = o.rate?.[direction];
  return {
    ...(loss > 0 && { loss }),
    ...(duplicate > 0 && { duplicate }),
    ...(reorder > 0 && { reorder }),
    ...(corrupt > 0 && { corrupt }),
    ...(delay > 0 && { delay }),
    ...(jitter > 0 && { jitter }),
    ...(rate !== undefined && { rate, queue: o.queue?.[direction] ?? DEFAULT_QUEUE }),
  };
}

export const seedOf = (o: FaultOptions): number => o.seed ?? randomInt(2 ** 32);

/** Faults on our own links: their seed, their settings, a tap that makes them, and what they have done. */
export class LinkFaults {
  readonly seed: number;
  readonly in: Faults;
  readonly out: Faults;
  readonly #random;
  readonly #taps: FaultLink[] = [];

  constructor(o: FaultOptions) {
    this.seed = seedOf(o);
    this.in = faultsIn(o, 'in');
    this.out = faultsIn(o, 'out');
    this.#random = seededRandom(this.seed);
  }

  /** As the log's header says it. */
  get record(): NonNullable<HeaderRecord['faults']> {
    return { seed: this.seed, in: this.in, out: this.out };
  }

  /** For HostOptions; one more for each link. */
  readonly tap = (link: Link, clock: Clock): Link => {
    const tap = faultTap(link, { clock, random: this.#random, in: this.in, out: this.out });
    this.#taps.push(tap);
    return tap;
  };

  /** Of all links together. */
  get counters(): NonNullable<SummaryRecord['faults']> {
    return { in: this.#sum('in'), out: this.#sum('out') };
  }

  #sum(direction: 'in' | 'out'): FaultCounters {
    const sum = newFaultCounters();
    for (const { faults } of this.#taps) {
      for (const name of Object.keys(sum) as (keyof FaultCounters)[]) sum[name] += faults[direction][name];
    }
    return sum;
  }
}

/** Undefined when no fault is asked for. */
export function linkFaultsOf(o: FaultOptions): LinkFaults | undefined {
  const any = [o.loss, o.dup, o.reorder, o.corrupt, o.delay, o.jitter].some((values) => values !== undefined);
  return any ? new LinkFaults(o) : undefined;
}
