/**
 * The model of a comparison: two runs of one scenario against one peer, laid side by side.
 *
 * A run is what was seen on the wire, with sequence numbers relative to each end's initial one and times to the first
 * segment, plus our end's states. Values that differ between any two connections (timestamps, ports, microseconds) are
 * not in it or are no difference.
 */
import type { Micros } from '../../base/time.ts';
import type { State } from '../../tcp/machine.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import type { Outcome } from './talk.ts';

export type Side = 'kernel' | 'tcpx';

/** One segment as the wire carries it: what the machine sent or delivered merged is cut where it would have been. */
export interface Shot {
  /** Microseconds since the run's first segment. */
  readonly t: Micros;
  /** The same on the clock that waiting is measured by (see capture.ts). */
  readonly pace: Micros;
  /** Silence before it on that clock: since the segment before it, or the user's last call when that came later. */
  readonly gap: Micros;
  /** As our end sees it. */
  readonly dir: 'in' | 'out';
  /** tcpdump's letters: S F R P . U E W. */
  readonly flags: string;
  /** Relative to its sender's first sequence number. */
  readonly seq: number;
  /** Relative to the first sequence number of the end it goes to; undefined without ACK. */
  readonly ack: number | undefined;
  /** The window field, unscaled. */
  readonly wnd: number;
  /** Payload octets. */
  readonly len: number;
  /** In their order on the wire, as tcpdump spells them, the timestamps' values left out: 'mss 1460', 'nop', 'TS'. */
  readonly options: readonly string[];
  readonly ttl: number;
  readonly dontFragment: boolean;
  /** The octet of RFC 2474 and 3168: DSCP and ECN. */
  readonly tos: number;
}

/** Where a state was known from: 'log': our own; 'observed': a reading of the kernel's tables; 'inferred': from the segments. */
export type StateSource = 'log' | 'observed' | 'inferred';

/** A state our end entered. `shot`: index of the segment that took it there, or showed that it is there. */
export interface StateMark {
  readonly state: State;
  readonly shot: number | undefined;
  readonly source: StateSource;
  /** When it was entered, or first seen: microseconds since the run's first segment. Undefined when it was inferred. */
  readonly at?: Micros | undefined;
}

export interface Run {
  readonly side: Side;
  readonly local: { readonly address: Ipv4; readonly port: number };
  readonly remote: { readonly address: Ipv4; readonly port: number };
  readonly shots: readonly Shot[];
  readonly states: readonly StateMark[];
  readonly outcome: Outcome;
  /** The next incarnation of the same connection, where the scenario makes one: how far its ISS is ahead. */
  readonly again?: Incarnation | undefined;
  /** What else there is to say about this run. */
  readonly notes: readonly string[];
}

export interface Incarnation {
  /** New ISS minus old ISS, modulo 2^32. */
  readonly issAhead: number;
  /** Between both SYNs. */
  readonly later: Micros;
}

/** What a verdict is given on, in the order in which they are told. */
export const PROPERTIES = [
  'SYN options',
  'ISN',
  'initial window',
  'receive window',
  'ACK policy',
  'data',
  'retransmission',
  'probes',
  'close sequence',
  'RST form',
  'TIME-WAIT',
  'IP header',
  'outcome',
] as const;
export type Property = (typeof PROPERTIES)[number];

/**
 * What an RFC says about tcpx doing otherwise than the kernel: 'required': it must, and the kernel doesn't; 'allowed': a
 * MAY, a SHOULD or nothing at all covers both; 'forbidden': the kernel does as it must, and tcpx doesn't.
 */
export type RulingWord = 'required' | 'allowed' | 'forbidden';

export interface Ruling {
  /** 'peer': it is the other end that did otherwise. */
  readonly word: RulingWord | 'peer';
  /** `RFC 9293 §3.8.6.3 (SHLD-18)`; '' for the peer's doing. */
  readonly clause: string;
  /** What it says, in a few words. */
  readonly why: string;
}

export interface Difference {
  readonly property: Property;
  /** What of it: 'options', 'window', 'segment', 'time', 'schedule'… */
  readonly field: string;
  /** Index in `rows`; undefined for what concerns the whole run. */
  readonly row: number | undefined;
  /** Both sides' value as text; '' for a segment that side does not have. */
  readonly kernel: string;
  readonly tcpx: string;
  /** Undefined: no rule covers it, so that it is not explained. */
  readonly ruling: Ruling | undefined;
}

/** Indices into the shots of each run; undefined where that run has no such segment. */
export interface Row {
  readonly kernel: number | undefined;
  readonly tcpx: number | undefined;
}

export type VerdictWord = 'same' | RulingWord | 'unexplained';

/** One property of both runs. */
export interface Verdict {
  readonly property: Property;
  readonly word: VerdictWord;
  /** What each did, in short. */
  readonly kernel: string;
  readonly tcpx: string;
  /** Of the rulings that make the word. */
  readonly clauses: readonly string[];
}

export interface Comparison {
  readonly scenario: string;
  readonly kernel: Run;
  readonly tcpx: Run;
  readonly rows: readonly Row[];
  readonly differences: readonly Difference[];
  /** Of each property that either run shows. */
  readonly verdicts: readonly Verdict[];
  /** Why the comparison means nothing: the scenario did not come about. */
  readonly complaint: string | undefined;
  /** How often the scenario was run, this one among them. */
  readonly attempts: number;
  /**
   * What was forbidden or unexplained in one attempt and not in another, one of each kind; not among `differences`. With a row
   * where this attempt shows it.
   */
  readonly chance: readonly Difference[];
}

/** ` (2 attempts)`, ` (3 attempts; 1 difference not in each)`; nothing for one. */
export function attemptsText({ attempts, chance }: Comparison): string {
  if (attempts === 1) return '';
  const some =
    chance.length === 0 ? '' : `; ${chance.length} ${chance.length === 1 ? 'difference' : 'differences'} not in each`;
  return ` (${attempts} attempts${some})`;
}

/** Worst first. */
const WORDS: readonly VerdictWord[] = ['forbidden', 'unexplained', 'required', 'allowed', 'same'];

export function worst(words: readonly VerdictWord[]): VerdictWord {
  return WORDS.find((word) => words.includes(word)) ?? 'same';
}

/** The word for a difference; undefined for the peer's doing. */
export function wordOf(d: Difference): VerdictWord | undefined {
  if (d.ruling === undefined) return 'unexplained';
  return d.ruling.word === 'peer' ? undefined : d.ruling.word;
}

/** Of all its properties. */
export const comparisonWord = (c: Comparison): VerdictWord => worst(c.verdicts.map((v) => v.word));

/** Nothing that an RFC forbids and nothing that no rule covers. */
export const isSound = (word: VerdictWord): boolean => word !== 'forbidden' && word !== 'unexplained';

/** `S. 0 ack 1 win 65160`: one line of plain text, without options. */
export function shotText(s: Shot): string {
  const range = s.len > 0 ? `${s.seq}:${s.seq + s.len}` : String(s.seq);
  return `${s.flags} ${range}${s.ack === undefined ? '' : ` ack ${s.ack}`} win ${s.wnd}`;
}
