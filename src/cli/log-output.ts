/** Where a command's log goes: text or NDJSON on stderr, and NDJSON to a file beside it, all fed by the same records. */

import type { Micros } from '../base/time.ts';
import type { Addresses } from '../stack/endpoint.ts';
import type { StackTracer } from '../stack/stack-options.ts';
import type { TraceRecord } from '../tcp/trace.ts';
import { NdjsonLog } from '../tools/log-ndjson.ts';
import { type LogRecord, type LogSink, LogTally, type SummaryFacts } from '../tools/log-record.ts';
import { type ColorChoice, paintFor, useColor } from '../tools/log-style.ts';
import { TextLog, type Verbosity } from '../tools/log-text.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import type { CliFailure } from './exit.ts';
import type { Io } from './io.ts';
import { LineWriter } from './line-writer.ts';
import { OutFile } from './out-file.ts';

export interface LogOutputOptions {
  readonly json: boolean;
  readonly jsonFile: string | undefined;
  readonly verbosity: Verbosity;
  readonly absolute: boolean;
  readonly color: ColorChoice;
  /** Lines of the text begin with their connection's number. */
  readonly numbered?: boolean;
}

type StateRecord = Extract<TraceRecord, { type: 'state' }>;

/** Columns from which a transition and its segment share a line. */
const WIDE = 160;

/** The log of one run of a command. It is the stack's tracer, and takes the records around the trace as well. */
export class LogOutput implements LogSink, StackTracer {
  /** For the stack: there is always a reader, if only the summary. */
  readonly enabled = true;
  readonly tally = new LogTally();
  readonly #sinks: LogSink[] = [];
  readonly #stderr: LineWriter;
  readonly #file: OutFile | undefined;
  readonly #states = new Map<number, { readonly first: StateRecord; last: StateRecord }>();
  readonly #followed = new Set<number>();
  #lastTime = 0;
  #ended = false;

  /** Opens the file: throws CliFailure when it can't be written. */
  constructor(io: Io, o: LogOutputOptions) {
    this.#file = o.jsonFile === undefined ? undefined : new OutFile(o.jsonFile, io.env);
    let shown: LogSink | undefined;
    this.#stderr = new LineWriter(
      io.stderr,
      () => shown?.flush(),
      (count) => leftOutLine(o.json, this.#lastTime, count),
    );
    const toStderr = (line: string): void => this.#stderr.line(line);
    if (!o.json)
      shown = new TextLog(
        {
          paint: paintFor(useColor(o.color, io.stderr, io.env)),
          verbosity: o.verbosity,
          absolute: o.absolute,
          layout: layoutFor(io),
          numbered: o.numbered === true,
        },
        toStderr,
      );
    else if (o.verbosity === 'quiet') shown = failuresOnly(new NdjsonLog(toStderr));
    else shown = new NdjsonLog(toStderr);
    this.#sinks.push(shown);
    const file = this.#file;
    if (file !== undefined) this.#sinks.push(new NdjsonLog((line) => file.append(Buffer.from(`${line}\n`))));
  }

  /** From now on what is known of the connection is kept, for what is said about its end, until `forget`. */
  follow(conn: number): void {
    this.#followed.add(conn);
  }

  forget(conn: number): void {
    this.#followed.delete(conn);
    this.#states.delete(conn);
  }

  /** A connection's first and latest transition. */
  statesOf(conn: number): {
    readonly firstState: StateRecord | undefined;
    readonly lastState: StateRecord | undefined;
  } {
    const states = this.#states.get(conn);
    return { firstState: states?.first, lastState: states?.last };
  }

  /** What kept the file from being whole. */
  get failure(): CliFailure | undefined {
    return this.#file?.failure;
  }

  /** Microseconds of the latest record. */
  get lastTime(): number {
    return this.#lastTime;
  }

  // The stack's tracer.

  open(conn: number, addresses: Addresses, t: Micros): void {
    const { localAddress, localPort, remoteAddress, remotePort } = addresses;
    this.write({
      type: 'open',
      t,
      conn,
      local: ipv4Text(localAddress),
      localPort,
      remote: ipv4Text(remoteAddress),
      remotePort,
    });
  }

  record(record: TraceRecord): void {
    this.write(record);
  }

  write(record: LogRecord): void {
    if (this.#ended) return;
    this.tally.add(record);
    if (record.type === 'state') {
      this.#learn(record);
    }
    this.#lastTime = record.t;
    for (const sink of this.#sinks) sink.write(record);
    this.#stderr.wake();
  }

  /** Of one that nobody follows nothing is kept beyond its end: many may come that nobody accepts. */
  #learn(record: StateRecord): void {
    const { conn } = record;
    const states = this.#states.get(conn);
    if (record.to === 'CLOSED' && !this.#followed.has(conn)) this.#states.delete(conn);
    else if (states === undefined) this.#states.set(conn, { first: record, last: record });
    else states.last = record;
  }

  note(text: string): void {
    this.write({ type: 'note', t: this.#lastTime, text });
  }

  /** The summary: nothing is logged after it. */
  end(facts: SummaryFacts): void {
    this.write(this.tally.summary(this.#lastTime, facts));
    this.#ended = true;
  }

  flush(): void {
    for (const sink of this.#sinks) sink.flush();
    this.#stderr.flush();
  }

  /** Everything goes out. */
  close(): void {
    this.flush();
    this.#file?.close();
  }
}

const leftOutLine = (json: boolean, t: number, count: number): string => {
  const text = `${count} lines left out: the reader of this log is too slow`;
  return json ? JSON.stringify({ type: 'note', t, text } satisfies LogRecord) : `tcpx: ${text}`;
};

const failuresOnly = (sink: LogSink): LogSink => ({
  write: (record) => {
    if (record.type === 'failure') sink.write(record);
  },
  flush: () => sink.flush(),
});

/** One line per transition where it may be as long as it likes: in files and pipes, and on wide terminals. */
function layoutFor(io: Io): 'line' | 'stacked' {
  const columns = Number(io.env['COLUMNS']) || (io.stderr.isTTY === true ? (io.stderr.columns ?? 80) : WIDE);
  return columns >= WIDE ? 'line' : 'stacked';
}
