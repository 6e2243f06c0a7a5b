/**
 * The log for people: one line per transition with its cause and its rule, and the segment that caused it or carries
 * it out, in tcpdump's notation. A segment that arrives is held until it is known whether it moves the state; a
 * transition that a call made is held until the segment that carries it out leaves.
 */
import { ruleText } from '../tcp/machine.ts';
import type { SegmentRecord, TraceRecord } from '../tcp/trace.ts';
import { segmentText } from '../wire/tcp-text.ts';
import { carrierOf, carries, type SegmentTrace, type StateRecord } from './carrier.ts';
import {
  dropLines,
  failureLines,
  faultSummaryLines,
  listenLines,
  octetsText,
  openLines,
  summaryLine,
  timeText,
} from './log-lines.ts';
import type { HeaderRecord, LogRecord, LogSink } from './log-record.ts';
import { type Paint, paintState } from './log-style.ts';
import { SegmentBases } from './segment-bases.ts';

export type Verbosity = 'quiet' | 'normal' | 'verbose';

export interface TextLogOptions {
  readonly paint: Paint;
  readonly verbosity: Verbosity;
  /** Sequence numbers and timestamps as on the wire instead of from each side's beginning. */
  readonly absolute: boolean;
  /** 'line': all about a transition on one line. 'stacked': its segment below it, for terminals of some 100 columns. */
  readonly layout: 'line' | 'stacked';
  /** Lines that concern a connection say which: c1, c2… */
  readonly numbered?: boolean;
}

/** What is known of one connection. */
interface Shown {
  /** In front of its lines. */
  readonly name: string;
  readonly bases: SegmentBases;
  /** Arrived, not shown yet: it may be what moves the state. */
  arrived: SegmentTrace | undefined;
  /** Lines that go below `arrived`: what it meant for RTT and congestion is recorded before what it meant for the state. */
  readonly below: string[];
  /** Made by a call, not shown yet: the segment that carries it out may follow. */
  called: StateRecord | undefined;
  /** The flag that a segment still to come will carry for a transition already shown; '' when there is none. */
  carrier: string;
  synchronized: boolean;
}

export class TextLog implements LogSink {
  readonly #o: TextLogOptions;
  readonly #out: (line: string) => void;
  readonly #connections = new Map<number, Shown>();
  /** Those that may hold something back. */
  readonly #unsettled = new Set<Shown>();
  /** Shown with the first connection's ends, or the first port that is listening. */
  #header: HeaderRecord | undefined;
  /** There is a port that is listening: connections come to it. */
  #listening = false;
  #seen = 0;
  readonly #closed: number[] = [];

  /** `out` gets one line at a time, without the newline. */
  constructor(o: TextLogOptions, out: (line: string) => void) {
    this.#o = o;
    this.#out = out;
  }

  write(record: LogRecord): void {
    switch (record.type) {
      case 'header':
        this.#header = record;
        return;
      case 'listen':
        this.flush();
        this.#listening = true;
        if (this.#o.verbosity !== 'quiet')
          for (const line of listenLines(record, this.#header, this.#o.paint)) this.#out(line);
        this.#header = undefined;
        return;
      case 'open':
        this.flush();
        this.#seen++;
        if (this.#o.verbosity !== 'quiet')
          for (const line of openLines(record, this.#header, this.#o.paint, this.#nameOf(record.conn), this.#listening))
            this.#out(line);
        this.#header = undefined;
        return;
      case 'note':
        this.flush();
        if (this.#o.verbosity !== 'quiet') this.#out(`tcpx: ${record.text}`);
        return;
      case 'link':
        this.flush();
        this.#out(this.#o.paint.red(`${timeText(record.t)}  link ${record.code}: ${record.message}`));
        return;
      case 'failure':
        this.flush();
        for (const line of failureLines(record)) this.#out(line);
        return;
      case 'summary':
        this.flush();
        // Without a connection there is nothing to sum up.
        if (this.#o.verbosity !== 'quiet' && this.#seen > 0) {
          for (const line of [...faultSummaryLines(record), ...dropLines(record), summaryLine(record)]) this.#out(line);
        }
        return;
      default:
        if (this.#o.verbosity !== 'quiet') this.#trace(record);
    }
  }

  /** Shows what was held. */
  flush(): void {
    for (const shown of this.#unsettled) this.#settle(shown);
    this.#unsettled.clear();
  }

  #nameOf(conn: number): string {
    return this.#o.numbered === true ? `c${conn}`.padEnd(5) : '';
  }

  #connection(conn: number): Shown {
    let shown = this.#connections.get(conn);
    if (shown === undefined) {
      shown = {
        name: this.#nameOf(conn),
        bases: new SegmentBases(),
        arrived: undefined,
        below: [],
        called: undefined,
        carrier: '',
        synchronized: false,
      };
      this.#connections.set(conn, shown);
    }
    return shown;
  }

  #trace(record: TraceRecord): void {
    const shown = this.#connection(record.conn);
    this.#unsettled.add(shown);
    if (record.type === 'segment') this.#segment(shown, record);
    else if (record.type === 'state') this.#state(shown, record);
    else {
      const text = this.#remark(shown, record);
      if (text === undefined) return;
      const line = `${this.#head(shown, record.t)}${text}`;
      if (shown.arrived !== undefined && record.type !== 'drop') {
        shown.below.push(line);
        return;
      }
      this.#settle(shown);
      this.#out(line);
    }
  }

  #segment(shown: Shown, record: SegmentTrace): void {
    shown.bases.learn(record.dir, record.seg);
    if (record.dir === 'in') {
      this.#settle(shown);
      shown.arrived = record;
      return;
    }
    const { called } = shown;
    if (called !== undefined && carries(record, carrierOf(called))) {
      shown.called = undefined;
      this.#transition(shown, called, record);
      return;
    }
    this.#settle(shown);
    const late = carries(record, shown.carrier);
    if (late) shown.carrier = '';
    if (late || this.#o.verbosity === 'verbose' || this.#isOpening(shown, record))
      this.#line(shown, this.#segmentText(shown, record), record.t);
  }

  /** Whether the handshake is being tried again: worth a line, or a silent peer would look like a hang. */
  #isOpening(shown: Shown, record: SegmentTrace): boolean {
    return !shown.synchronized && record.note === 'retransmission';
  }

  #state(shown: Shown, record: StateRecord): void {
    if (record.to === 'CLOSED') this.#forgetSome(record.conn);
    if (record.to === 'ESTABLISHED') shown.synchronized = true;
    if (record.cause === 'segment') {
      const { arrived } = shown;
      shown.arrived = undefined;
      const below = shown.below.splice(0);
      this.#settle(shown);
      this.#transition(shown, record, arrived);
      for (const line of below) this.#out(line);
      return;
    }
    this.#settle(shown);
    if (carrierOf(record) === '') this.#transition(shown, record, undefined);
    else shown.called = record;
  }

  /** A server sees many come and go. What carries the end of one out may still follow, so the latest are kept. */
  #forgetSome(conn: number): void {
    this.#closed.push(conn);
    if (this.#closed.length <= 2 * KEPT_CLOSED) return;
    for (const old of this.#closed.splice(0, KEPT_CLOSED)) this.#connections.delete(old);
  }

  #settle(shown: Shown): void {
    const { arrived, called } = shown;
    shown.arrived = undefined;
    shown.called = undefined;
    if (arrived !== undefined && this.#o.verbosity === 'verbose')
      this.#line(shown, this.#segmentText(shown, arrived), arrived.t);
    for (const line of shown.below.splice(0)) this.#out(line);
    if (called !== undefined) {
      shown.carrier = carrierOf(called);
      this.#transition(shown, called, undefined);
    }
  }

  #transition(shown: Shown, record: StateRecord, segment: SegmentTrace | undefined): void {
    const { paint, layout } = this.#o;
    const states = `${paintState(paint, record.from, 12)} -> ${paintState(paint, record.to, 12)}`;
    const head = `${this.#head(shown, record.t)}${states}  ${paint.bold(record.event.padEnd(14))}`;
    const rule = ruleText(record.rule);
    if (segment === undefined) this.#out(`${head}  ${paint.dim(rule)}`);
    else {
      const text = this.#segmentText(shown, segment);
      if (layout === 'line') this.#out(`${head}  ${paint.dim(rule.padEnd(RULE_WIDTH))}  ${text}`);
      else {
        this.#out(`${head}  ${paint.dim(rule)}`);
        this.#out(`${INDENT}${' '.repeat(shown.name.length)}${text}`);
      }
    }
  }

  #line(shown: Shown, text: string, t: number): void {
    this.#out(`${this.#head(shown, t)}${text}`);
  }

  /** What every line of a connection begins with. */
  #head(shown: Shown, t: number): string {
    return `${this.#time(t)}  ${shown.name}`;
  }

  #segmentText(shown: Shown, record: SegmentTrace): string {
    const { paint } = this.#o;
    const seg: SegmentRecord = this.#o.absolute ? record.seg : shown.bases.relative(record.dir, record.seg);
    const arrow = record.dir === 'out' ? paint.cyan('>') : paint.magenta('<');
    const note = record.note === undefined ? '' : paint.yellow(`  (${record.note})`);
    return `${arrow} ${segmentText(seg)}${note}`;
  }

  /** Records that are neither segment nor transition; undefined where this verbosity leaves them out. */
  #remark(shown: Shown, record: Exclude<TraceRecord, { type: 'segment' | 'state' }>): string | undefined {
    const { paint } = this.#o;
    const verbose = this.#o.verbosity === 'verbose';
    switch (record.type) {
      case 'timer': {
        if (!verbose && (shown.synchronized || record.timer !== 'retransmit')) return undefined;
        const rto = record.rto === undefined ? '' : ` after ${secondsText(record.rto)}`;
        return paint.yellow(`${record.timer} timer expired${rto}`);
      }
      case 'rtt':
        return verbose
          ? paint.dim(
              `RTT ${msText(record.rtt)} ms, SRTT ${msText(record.srtt)}, RTTVAR ${msText(record.rttvar)}, RTO ${msText(record.rto)}`,
            )
          : undefined;
      case 'congestion':
        return verbose
          ? paint.dim(`cwnd ${octetsText(record.cwnd)}, ssthresh ${record.ssthresh}: ${record.why}`)
          : undefined;
      case 'drop':
        return verbose ? paint.yellow(`dropped: ${record.reason}`) : undefined;
      case 'icmp':
        return paint.yellow(`ICMP ${record.error}`);
      case 'error':
        return verbose ? paint.red(`error ${record.code}`) : undefined;
      case 'call':
        return undefined;
    }
  }

  #time(t: number): string {
    return this.#o.paint.dim(timeText(t));
  }
}

/** Closed connections of which something may still be said. */
const KEPT_CLOSED = 256;
/** The longest rule is 'RFC 9293 §3.10.7.4 second'. */
const RULE_WIDTH = 25;
const INDENT = ' '.repeat(12);

const msText = (us: number): string => (us / 1000).toFixed(3);
const secondsText = (us: number): string => `${us / 1_000_000} s`;
