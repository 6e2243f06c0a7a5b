/** A measurement for programs: one document when it is over, or a line for each thing as it happens. */
import type { Faults } from '../../link/faults.ts';
import { bitRate, carried, type Interval, type PerfMode, type PerfPlan, type Row } from './model.ts';
import type { PerfResult } from './run.ts';

export const PERF_SCHEMA = 'tcpx.perf/1';

/** What was measured, and over what. null: not known of the kernel's sockets. */
export interface PerfStart {
  readonly tcpx: string;
  readonly node: string;
  readonly kernel: string;
  /** As the user wrote it. */
  readonly target: string;
  readonly mode: PerfMode;
  /** Whose TCP was ours: tcpx's or this machine's kernel's. */
  readonly through: 'tcpx' | 'net';
  readonly local: readonly string[];
  readonly remote: string;
  readonly interface: string | null;
  readonly driver: string | null;
  readonly guard: string | null;
  /** Most octets of payload given to the driver at once, for it or the hardware to cut; 0: none is cut. */
  readonly offload: number | null;
  readonly congestion: string | null;
  readonly mss: number | null;
  readonly streams: number;
  /** Octets of a write. */
  readonly length: number;
  readonly seconds: number | null;
  readonly octets: number | null;
  readonly faults?: { readonly seed: number; readonly in: Faults; readonly out: Faults };
}

export interface PerfFailure {
  readonly message: string;
  readonly hint: string | null;
  readonly exitCode: number;
}

export interface PerfEnd {
  readonly seconds: number;
  /** null when only receiving: what the other side wrote is not known. */
  readonly written: Total | null;
  /** What the peer acknowledged, what was received, or what came back from the echo. */
  readonly arrived: Total;
  readonly retransmits: number | null;
  /** Of this process, seconds. */
  readonly cpu: { readonly user: number; readonly system: number };
  readonly streams: readonly {
    readonly id: number;
    readonly written: number;
    readonly arrived: number;
    readonly retransmits: number | null;
  }[];
}

interface Total {
  readonly octets: number;
  readonly seconds: number;
  readonly bitsPerSecond: number;
}

export interface PerfDocument {
  readonly schema: typeof PERF_SCHEMA;
  /** null: it failed before a connection was there. */
  readonly start: PerfStart | null;
  readonly intervals: readonly Interval[];
  /** null: as above. */
  readonly end: PerfEnd | null;
  readonly failure: PerfFailure | null;
}

export type PerfLine =
  | ({ readonly type: 'start'; readonly schema: typeof PERF_SCHEMA } & PerfStart)
  | ({ readonly type: 'interval' } & Interval)
  | ({ readonly type: 'end' } & PerfEnd)
  | ({ readonly type: 'failure' } & PerfFailure);

export function endOf({ mode }: Pick<PerfPlan, 'mode'>, result: PerfResult): PerfEnd {
  const { streams, seconds, deliveredSeconds, cpu } = result;
  const each = streams.map(({ id, written, reading }) => ({
    id,
    written,
    arrived: carried(mode, reading),
    retransmits: mode === 'receive' ? null : (reading.tcp?.retransmits ?? null),
  }));
  const sum = (what: (s: (typeof each)[number]) => number): number => each.reduce((n, s) => n + what(s), 0);
  const total = (octets: number, time: number): Total => ({
    octets,
    seconds: round(time),
    bitsPerSecond: Math.round(bitRate(octets, time)),
  });
  return {
    seconds: round(seconds),
    written:
      mode === 'receive'
        ? null
        : total(
            sum((s) => s.written),
            seconds,
          ),
    arrived: total(
      sum((s) => s.arrived),
      mode === 'receive' ? seconds : deliveredSeconds,
    ),
    retransmits: each.some((s) => s.retransmits === null) ? null : sum((s) => s.retransmits ?? 0),
    cpu,
    streams: each,
  };
}

/** Times to the microsecond, rates to the bit. */
export function roundedInterval({ from, to, streams, sum }: Interval): Interval {
  const row = (r: Row): Row => ({ ...r, bitsPerSecond: Math.round(r.bitsPerSecond) });
  return { from: round(from), to: round(to), streams: streams.map(row), sum: row(sum) };
}

const round = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;
