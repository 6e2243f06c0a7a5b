/**
 * What `tcpx perf` measures. A reading says what is known of one stream at an instant; a row is the difference of two
 * readings; an interval has a row for each stream and one for all. Times are seconds since all streams were connected.
 */

/** Who sends: we to a peer that discards, a source to us, or we to an echo and it back. */
export type PerfMode = 'send' | 'receive' | 'echo';

export interface PerfPlan {
  readonly mode: PerfMode;
  /** How long; undefined: until `octets` are through. */
  readonly seconds: number | undefined;
  /** How much, in all streams together; undefined: until `seconds` are over. */
  readonly octets: number | undefined;
  /** Seconds from row to row; 0: no rows. */
  readonly interval: number;
  /** Octets of one write. */
  readonly length: number;
}

/** What only our own TCP says of itself: Node has no TCP_INFO of the kernel's sockets. */
export interface TcpReading {
  /** Segments sent again. */
  readonly retransmits: number;
  /** Octets. */
  readonly cwnd: number;
  /** Smoothed, µs; 0 before the first sample. */
  readonly rtt: number;
}

/** Counts since the stream was connected. */
export interface Reading {
  /** Acknowledged by the peer; of the kernel's sockets what they have taken. */
  readonly octetsOut: number;
  readonly octetsIn: number;
  readonly tcp: TcpReading | undefined;
}

export interface Row {
  /** Octets out when sending, in when receiving, back again from an echo. */
  readonly octets: number;
  readonly bitsPerSecond: number;
  /** null: not known here. */
  readonly retransmits: number | null;
  /** At the end of the interval; of a sum the sum. */
  readonly cwnd: number | null;
  /** µs, at the end of the interval; of a sum the mean. */
  readonly rtt: number | null;
}

export interface Interval {
  readonly from: number;
  readonly to: number;
  /** In the order of the streams' numbers, which begin with 1. */
  readonly streams: readonly Row[];
  readonly sum: Row;
}

/** The octets that a mode is about. */
export const carried = (mode: PerfMode, reading: Reading): number =>
  mode === 'send' ? reading.octetsOut : reading.octetsIn;

export const NO_READING: Reading = { octetsOut: 0, octetsIn: 0, tcp: undefined };

export const bitRate = (octets: number, seconds: number): number => (seconds > 0 ? (octets * 8) / seconds : 0);

/** The interval between two lists of readings, one of each stream. */
export function intervalOf(
  mode: PerfMode,
  from: number,
  to: number,
  before: readonly Reading[],
  after: readonly Reading[],
): Interval {
  const streams = after.map((reading, i) => rowOf(mode, to - from, before[i] ?? NO_READING, reading));
  return { from, to, streams, sum: sumOf(to - from, streams) };
}

function rowOf(mode: PerfMode, seconds: number, before: Reading, after: Reading): Row {
  const octets = carried(mode, after) - carried(mode, before);
  // Who only receives sends nothing that could be lost, its window is not at work, and no round trip is measured.
  const tcp = mode === 'receive' ? undefined : after.tcp;
  return {
    octets,
    bitsPerSecond: bitRate(octets, seconds),
    retransmits: tcp === undefined ? null : tcp.retransmits - (before.tcp?.retransmits ?? 0),
    cwnd: tcp?.cwnd ?? null,
    rtt: tcp === undefined || tcp.rtt === 0 ? null : tcp.rtt,
  };
}

export function sumOf(seconds: number, rows: readonly Row[]): Row {
  const octets = rows.reduce((sum, row) => sum + row.octets, 0);
  const rtts = known(rows.map((row) => row.rtt));
  return {
    octets,
    bitsPerSecond: bitRate(octets, seconds),
    retransmits: total(rows.map((row) => row.retransmits)),
    cwnd: total(rows.map((row) => row.cwnd)),
    rtt: rtts.length === 0 ? null : Math.round(rtts.reduce((sum, rtt) => sum + rtt, 0) / rtts.length),
  };
}

const known = (values: readonly (number | null)[]): readonly number[] => values.filter((value) => value !== null);

/** null unless all are known. */
function total(values: readonly (number | null)[]): number | null {
  const numbers = known(values);
  return numbers.length === 0 || numbers.length < values.length ? null : numbers.reduce((sum, n) => sum + n, 0);
}
