/**
 * A recorded log run through the core again. The log's inputs (calls, segments that arrived, timers, ICMP) are given to
 * a fresh connection at their recorded times, and each record it then makes must be the log's next, in every field.
 *
 * The core is a value: the same inputs at the same times give the same outputs. So a difference means another version
 * of the core, a log that was tampered with, or a bug. Octets are not in the log; zeros of the same length stand in.
 */
import { toSeq } from '../base/seq.ts';
import { type Micros, micros } from '../base/time.ts';
import type { ConnectionConfig, SocketOptions } from '../tcp/config.ts';
import { Connection } from '../tcp/connection.ts';
import type { SegmentRecord, TraceRecord } from '../tcp/trace.ts';
import { TcpSegment } from '../wire/tcp.ts';
import type { LogLine } from './log-ndjson.ts';
import { fillSegment } from './segment-octets.ts';

/** Both sides of a difference: the record in the log, and what the core did there; undefined where it did nothing. */
export interface ReplayDifference {
  readonly line: number;
  readonly recorded: TraceRecord | undefined;
  readonly replayed: TraceRecord | undefined;
}

export interface ReplayResult {
  /** Undefined when the outcome is the same. */
  readonly difference: ReplayDifference | undefined;
  readonly connections: number;
  /** Records given to the core, and records compared with what it made of them. */
  readonly inputs: number;
  readonly compared: number;
  readonly transitions: number;
  readonly segmentsIn: number;
  readonly segmentsOut: number;
}

/** Microseconds in which a program writes again without letting go of the thread. */
const SOON = 50;

/** The log can't be replayed though it is one: a call nobody knows, a connection that never opened. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError';

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
  }
}

/** Told after each record that came out the same: where its connection stands then. */
export type ReplayWatcher = (record: TraceRecord, connection: Pick<Connection, 'info'>) => void;

/** Replays up to the first difference; `soon` as Replay's. Errors of the reader pass through. */
export async function replayLog(lines: AsyncIterable<LogLine>, soon = SOON): Promise<ReplayResult> {
  const replay = new Replay(undefined, soon);
  for await (const { line, record } of lines) {
    if (!isTrace(record)) continue;
    if (!replay.take(line, record)) break;
  }
  return replay.finish();
}

const NO_TRACE_TYPES: ReadonlySet<string> = new Set(['header', 'listen', 'open', 'link', 'note', 'failure', 'summary']);
const isTrace = (record: LogLine['record']): record is TraceRecord => !NO_TRACE_TYPES.has(record.type);

/** A replay that is given its records one at a time. */
export class Replay {
  readonly #watch: ReplayWatcher | undefined;
  readonly #soon: number;
  readonly #connections = new Map<number, ReplayedConnection>();
  #line = 0;
  #lastTime: Micros = micros(0);
  #difference: ReplayDifference | undefined;
  #inputs = 0;
  #compared = 0;
  #transitions = 0;
  #segmentsIn = 0;
  #segmentsOut = 0;

  /** `soon`: microseconds within which a program may write again before it was asked for segments; 0: it never did. */
  constructor(watch?: ReplayWatcher, soon = SOON) {
    this.#watch = watch;
    this.#soon = soon;
  }

  /** False when it differs from what the core does. */
  take(line: number, record: TraceRecord): boolean {
    this.#line = line;
    this.#lastTime = record.t;
    this.#count(record);
    const connection = this.#connection(line, record);
    // What the core has still to answer for comes first; only then is the next record something it must be told.
    connection.decide(record);
    if (connection.made.length === 0) {
      connection.settle(record);
      if (connection.made.length === 0 && connection.feed(line, record)) this.#inputs++;
    }
    const replayed = connection.made.shift();
    connection.noteLast(record);
    this.#compared++;
    if (replayed === undefined || !sameRecord(record, replayed)) return this.#differ(line, record, replayed);
    this.#watch?.(record, connection.core);
    return true;
  }

  finish(): ReplayResult {
    if (this.#difference === undefined) {
      for (const connection of this.#connections.values()) {
        const left = connection.made[0] ?? connection.wantsToSend(this.#lastTime);
        if (left !== undefined) this.#differ(this.#line, undefined, left);
      }
    }
    return {
      difference: this.#difference,
      connections: this.#connections.size,
      inputs: this.#inputs,
      compared: this.#compared,
      transitions: this.#transitions,
      segmentsIn: this.#segmentsIn,
      segmentsOut: this.#segmentsOut,
    };
  }

  #count(record: TraceRecord): void {
    if (record.type === 'state') this.#transitions++;
    else if (record.type === 'segment' && record.dir === 'in') this.#segmentsIn++;
    else if (record.type === 'segment') this.#segmentsOut++;
  }

  #connection(line: number, record: TraceRecord): ReplayedConnection {
    const known = this.#connections.get(record.conn);
    if (known !== undefined) return known;
    const config = record.type === 'call' ? record.args?.['config'] : undefined;
    if (config === undefined)
      throw new ReplayError(line, `connection ${record.conn} begins without an OPEN; expected one with its config`);
    // JSON boundary: the config as the core recorded it.
    const fresh = new ReplayedConnection(record.conn, config as ConnectionConfig, this.#soon);
    this.#connections.set(record.conn, fresh);
    return fresh;
  }

  #differ(line: number, recorded: TraceRecord | undefined, replayed: TraceRecord | undefined): false {
    this.#difference ??= { line, recorded, replayed };
    return false;
  }
}

const isSend = (record: TraceRecord): boolean => record.type === 'call' && record.call.startsWith('SEND');

const isInput = (record: TraceRecord): boolean =>
  record.type === 'segment' ? record.dir === 'in' : ['timer', 'icmp', 'call'].includes(record.type);

class ReplayedConnection {
  /** Records the core has made and the log has not been asked for yet. */
  readonly made: TraceRecord[] = [];
  readonly core: Connection;
  readonly #out = new TcpSegment();
  readonly #in = new TcpSegment();
  readonly #soon: number;
  #last: TraceRecord | undefined;
  /** What it was told last was that a timer had expired. */
  #wasTimer = false;
  #undecided: Extract<TraceRecord, { type: 'segment' }> | undefined;

  constructor(conn: number, config: ConnectionConfig, soon: number) {
    this.#soon = soon;
    this.core = new Connection(conn, config, { enabled: true, record: (record) => this.made.push(record) });
  }

  /**
   * Before something new comes the core has been asked for segments until it had none, and that can matter: a pace's
   * timer starts then. The log does not say when; but timers come alone, and what comes later is of another batch. Only
   * writes may follow each other closely with nothing leaving in between. And where nothing waits to be sent the user comes
   * first (stack/turns.ts): an ACK that is owed goes with what the user does, or stands in the log before it.
   */
  settle(record: TraceRecord): void {
    const last = this.#last;
    if (last === undefined || (record.type !== 'timer' && !this.#wasTimer && record.t === last.t)) return;
    if (!isInput(record)) return;
    if (isSend(record) && isSend(last) && record.t - last.t < this.#soon) return;
    const { state, sendQueued } = this.core;
    if (record.type === 'call' && sendQueued === 0 && (state === 'ESTABLISHED' || state === 'CLOSE-WAIT')) return;
    this.core.emit(last.t, this.#out);
  }

  /** Does what `record` says was done; false when it tells no more than a consequence. */
  feed(line: number, record: TraceRecord): boolean {
    const { t } = record;
    if (isInput(record)) this.#wasTimer = record.type === 'timer';
    switch (record.type) {
      case 'call':
        this.#call(line, record);
        return true;
      case 'segment':
        if (record.dir === 'out') {
          this.core.emit(t, this.#out);
          return false;
        }
        if (this.core.state === 'TIME-WAIT' && /^S[EW]*$/.test(record.seg.flags)) {
          this.#undecided = record;
          this.made.push(record);
          return true;
        }
        fillFrom(this.#in, record.seg);
        this.core.onSegment(this.#in, t);
        return true;
      case 'timer':
        this.core.onTimeout(t);
        return true;
      case 'icmp':
        this.#icmp(record.error, record.args, t);
        return true;
      default:
        return false;
    }
  }

  /** What becomes of a SYN in TIME-WAIT depends on whether somebody listens: the record behind it tells. */
  decide(next: TraceRecord | undefined): void {
    const record = this.#undecided;
    if (record === undefined) return;
    this.#undecided = undefined;
    fillFrom(this.#in, record.seg);
    if (next?.type === 'state' && next.event === 'rcv SYN') this.core.giveWay(this.#in, record.t);
    else this.core.onSegment(this.#in, record.t);
    // The segment itself, which has been compared.
    this.made.shift();
  }

  noteLast(record: TraceRecord): void {
    this.#last = record;
  }

  /** A segment the core would send though the log has ended. */
  wantsToSend(now: Micros): TraceRecord | undefined {
    this.decide(undefined);
    if (this.made.length > 0) return this.made[0];
    this.core.emit(now, this.#out);
    return this.made[0];
  }

  #call(line: number, record: Extract<TraceRecord, { type: 'call' }>): void {
    const { t, call, len = 0, args = {} } = record;
    switch (call) {
      case 'active OPEN':
      case 'passive OPEN':
        this.core.open(
          call === 'active OPEN' ? 'active' : 'passive',
          {
            iss: number(args['iss']),
            tsOffset: number(args['tsOffset']),
            ...(args['cookie'] === true && { cookie: true }),
            ...(typeof args['tfo'] === 'string' && { tfo: args['tfo'] }),
            ...(args['tfoMss'] !== undefined && { tfoMss: number(args['tfoMss']) }),
            ...(args['tfoAccept'] === true && { tfoAccept: true }),
          },
          t,
        );
        return;
      case 'SEND':
        // What was recorded is what was taken, of a call that copies or of one that doesn't.
        this.core.lend(new Uint8Array(len), t);
        return;
      case 'SEND urgent':
        this.core.send(new Uint8Array(len), t, true);
        return;
      case 'RECEIVE':
        this.core.receive(t);
        return;
      case 'CLOSE':
        this.core.close(t);
        return;
      case 'RELEASE':
        this.core.release(t);
        return;
      case 'ABORT':
        // JSON boundary: the code as the core recorded it.
        this.core.abort(t, args['error'] as Parameters<Connection['abort']>[1]);
        return;
      case 'REUSE':
        this.core.reuse(t);
        return;
      case 'PRESS':
        this.core.press(args['pressed'] === true, t);
        return;
      case 'SETSOCKOPT':
        // JSON boundary: an option's name and value as the core recorded them.
        this.core.setOption(args['name'] as keyof SocketOptions, args['value'] as never, t);
        return;
      default:
        throw new ReplayError(
          line,
          `call '${call}'; expected one of active OPEN, passive OPEN, SEND, RECEIVE, CLOSE, RELEASE, ABORT, SETSOCKOPT`,
        );
    }
  }

  #icmp(error: string, args: Readonly<Record<string, unknown>>, t: Micros): void {
    if (error === 'EMSGSIZE') this.core.onPathMss(number(args['mss']), toSeq(number(args['seq'])), t);
    // JSON boundary: the code as the core recorded it.
    else this.core.onIcmpError(error as Parameters<Connection['onIcmpError']>[0], toSeq(number(args['seq'])), t);
  }
}

const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

const ZEROS = new Uint8Array(65_536);

function fillFrom(seg: TcpSegment, record: SegmentRecord): void {
  fillSegment(seg, record);
  seg.ecn = record.ecn ?? 0;
  if (record.len > 0) seg.payload.push(record.len <= ZEROS.length ? ZEROS : new Uint8Array(record.len), 0, record.len);
}

/** Field by field, as JSON would keep them. */
export function sameRecord(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return Object.is(jsonValue(a), jsonValue(b));
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = fields(a);
  const right = fields(b);
  return (
    left.length === right.length &&
    left.every(
      ([name, value]) => Object.hasOwn(b, name) && sameRecord(value, (b as Readonly<Record<string, unknown>>)[name]),
    )
  );
}

const fields = (o: object): [string, unknown][] => Object.entries(o).filter(([, value]) => value !== undefined);
/** JSON knows no infinities and no minus zero. */
const jsonValue = (value: unknown): unknown =>
  typeof value === 'number' ? (Number.isFinite(value) ? value + 0 : null) : value;
