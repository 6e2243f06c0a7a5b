/** What a measurement writes: rows on stdout as text or JSON, remarks and the progress line on stderr. */

import { faultsText } from '../tools/fault-text.ts';
import {
  endOf,
  PERF_SCHEMA,
  type PerfDocument,
  type PerfEnd,
  type PerfFailure,
  type PerfLine,
  type PerfStart,
  roundedInterval,
} from '../tools/perf/json.ts';
import type { Interval, PerfPlan } from '../tools/perf/model.ts';
import type { PerfResult } from '../tools/perf/run.ts';
import { bitRateText, HEAD, intervalText, octetsText, summaryText } from '../tools/perf/text.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import type { CliFailure } from './exit.ts';
import { LINK_DIRECTIONS } from './fault-options.ts';
import type { Io } from './io.ts';
import type { PerfOptions } from './perf-options.ts';

const ERASE = '\r\x1b[K';

export class PerfOutput {
  readonly #o: PerfOptions;
  readonly #plan: PerfPlan;
  readonly #io: Io;
  readonly #form: 'text' | 'document' | 'stream';
  /** A progress line stands on the terminal. */
  #progress = false;
  #start: PerfStart | null = null;
  #end: PerfEnd | null = null;
  #failure: PerfFailure | null = null;
  readonly #intervals: Interval[] = [];

  constructor(o: PerfOptions, plan: PerfPlan, io: Io) {
    this.#o = o;
    this.#plan = plan;
    this.#io = io;
    this.#form = o.json ? 'document' : o.jsonStream ? 'stream' : 'text';
  }

  /** A row that is still growing is shown where somebody looks. */
  get showsProgress(): boolean {
    const { isTTY } = this.#io.stderr;
    return isTTY === true && this.#form === 'text' && this.#o.quiet !== true && this.#io.env['TERM'] !== 'dumb';
  }

  start(start: PerfStart): void {
    this.#start = start;
    this.#line({ type: 'start', schema: PERF_SCHEMA, ...start });
    this.#text([startText(start), ...(this.#rows ? [HEAD] : [])]);
  }

  interval(interval: Interval): void {
    const rounded = roundedInterval(interval);
    if (this.#form === 'document') this.#intervals.push(rounded);
    this.#line({ type: 'interval', ...rounded });
    if (this.#rows) this.#text(intervalText(interval));
  }

  progress(elapsed: number, { sum }: Interval): void {
    const { seconds, octets } = this.#plan;
    const of = seconds === undefined ? `of ${octetsText(octets ?? 0)}` : `of ${seconds} s`;
    this.#progress = true;
    this.#io.stderr.write(`${ERASE}tcpx: ${elapsed.toFixed(1)} s ${of}  ${bitRateText(sum.bitsPerSecond)}`);
  }

  end(result: PerfResult): void {
    this.#end = endOf(this.#plan, result);
    this.#line({ type: 'end', ...this.#end });
    const [, ...sum] = [HEAD, ...summaryText(this.#plan.mode, result)];
    this.#text(this.#rows ? ['', ...sum] : [HEAD, ...sum]);
  }

  failure({ message, hint, exitCode }: CliFailure): void {
    this.#failure = { message, hint: hint ?? null, exitCode };
    this.#line({ type: 'failure', ...this.#failure });
  }

  remark(text: string): void {
    this.#clear();
    this.#io.stderr.write(`tcpx: ${text}\n`);
  }

  close(): void {
    this.#clear();
    if (this.#form !== 'document') return;
    const document: PerfDocument = {
      schema: PERF_SCHEMA,
      start: this.#start,
      intervals: this.#intervals,
      end: this.#end,
      failure: this.#failure,
    };
    this.#io.stdout.write(`${JSON.stringify(document)}\n`);
  }

  get #rows(): boolean {
    return this.#o.quiet !== true && this.#plan.interval > 0;
  }

  #line(line: PerfLine): void {
    if (this.#form === 'stream') this.#io.stdout.write(`${JSON.stringify(line)}\n`);
  }

  #text(lines: readonly string[]): void {
    if (this.#form !== 'text' || lines.length === 0) return;
    this.#clear();
    this.#io.stdout.write(`${lines.join('\n')}\n`);
  }

  #clear(): void {
    if (!this.#progress) return;
    this.#progress = false;
    this.#io.stderr.write(ERASE);
  }
}

const DOES = { send: 'sending', receive: 'receiving', echo: 'sending to an echo' } as const;

/** Two lines: between whom and by what means, and how much of what. */
function startText(s: PerfStart): string {
  const more = s.local.length > 1 ? ` and ${s.local.length - 1} more` : '';
  const means =
    s.through === 'net'
      ? "  this kernel's TCP, through net"
      : `  on ${s.interface}  driver ${s.driver}  guard ${s.guard}  offload ${s.offload === 0 ? 'off' : `${s.offload} octets`}  ${s.congestion}  mss ${s.mss}`;
  const amount = s.seconds === null ? octetsText(s.octets ?? 0) : `for ${s.seconds} s`;
  const streams = s.streams === 1 ? 'one connection' : `${s.streams} connections`;
  const writes = s.mode === 'receive' ? '' : `, writes of ${s.length} octets`;
  return `${s.local[0]}${more} -> ${s.remote}${means}\n${DOES[s.mode]} ${amount}, ${streams}${writes}${s.faults === undefined ? '' : faultsLine(s.faults)}`;
}

function faultsLine(faults: NonNullable<PerfStart['faults']>): string {
  const of = LINK_DIRECTIONS.flatMap((d) =>
    Object.keys(faults[d]).length === 0 ? [] : [`${d} ${faultsText(faults[d])}`],
  );
  return `\nfaults: ${of.join('; ')}  seed ${faults.seed}`;
}

/** An address and port as they are written. */
export const placeText = (address: Parameters<typeof ipv4Text>[0], port: number): string =>
  `${ipv4Text(address)}:${port}`;
