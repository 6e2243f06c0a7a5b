/** Medians, and ratios of pairs. */

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Pair {
  readonly tcpx: number;
  readonly net: number;
}

export interface Compared {
  /** Medians. */
  readonly tcpx: number;
  readonly net: number;
  /** The median of the pairs': one right after the other, the two of a pair met the same machine. */
  readonly ratio: number;
  /** Least and most ratio of a pair. */
  readonly spread: readonly [number, number];
}

export function compare(pairs: readonly Pair[]): Compared {
  const tcpx = median(pairs.map((p) => p.tcpx));
  const net = median(pairs.map((p) => p.net));
  const ratios = pairs.map((p) => p.tcpx / p.net);
  return { tcpx, net, ratio: median(ratios), spread: [Math.min(...ratios), Math.max(...ratios)] };
}

/** Instants in µs and what had been counted by then, flat: t, n, t, n, … ascending. */
export type Counted = readonly number[];

/** What had been counted at `t`, between two samples as if evenly. */
export function countedAt(samples: Counted, t: number): number {
  let before = 0;
  let after = samples.length / 2 - 1;
  if (after < 0) return 0;
  if (t <= samples[0]!) return samples[1]!;
  if (t >= samples[2 * after]!) return samples[2 * after + 1]!;
  while (after - before > 1) {
    const middle = (before + after) >> 1;
    if (samples[2 * middle]! <= t) before = middle;
    else after = middle;
  }
  const [t0, n0, t1, n1] = [
    samples[2 * before]!,
    samples[2 * before + 1]!,
    samples[2 * after]!,
    samples[2 * after + 1]!,
  ];
  return t1 === t0 ? n1 : n0 + ((n1 - n0) * (t - t0)) / (t1 - t0);
}

export const countedBetween = (samples: Counted, t0: number, t1: number): number =>
  countedAt(samples, t1) - countedAt(samples, t0);

/** The smallest value that `share` of them don't exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
