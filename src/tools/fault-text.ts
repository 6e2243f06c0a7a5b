/** Faults of a path and what they did, in words. */
import { DEFAULT_QUEUE, type FaultCounters, type Faults, type QueueLimit } from '../link/faults.ts';

/** '2% lost, 1% doubled, 20 ms later': '' when nothing is to happen. */
export function faultsText(f: Faults): string {
  const share = (n: number | undefined, what: string): string[] =>
    n === undefined || n === 0 ? [] : [`${shareText(n)} ${what}`];
  return [
    ...share(f.loss, 'lost'),
    ...share(f.duplicate, 'doubled'),
    ...share(f.reorder, 'reordered'),
    ...share(f.corrupt, 'corrupted'),
    ...(f.delay === undefined ? [] : [`${timeText(f.delay)} later`]),
    ...(f.jitter === undefined ? [] : [`up to ${timeText(f.jitter)} of jitter`]),
    ...(f.rate === undefined ? [] : [`${rateText(f.rate)}, queue ${queueText(f.queue ?? DEFAULT_QUEUE)}`]),
  ].join(', ');
}

const shareText = (n: number): string => `${Number((n * 100).toPrecision(6))}%`;
const timeText = (us: number): string =>
  us < 1000 ? `${us} us` : us < 1_000_000 ? `${us / 1000} ms` : `${us / 1_000_000} s`;
const queueText = (q: QueueLimit): string => ('packets' in q ? `${q.packets} packets` : `${q.octets} octets`);

/** Octets per second as bits. */
export function rateText(octets: number): string {
  const bits = octets * 8;
  const [each, unit] = bits >= 1e9 ? [1e9, 'Gbit/s'] : bits >= 1e6 ? [1e6, 'Mbit/s'] : [1e3, 'kbit/s'];
  return `${Number((bits / each).toPrecision(4))} ${unit}`;
}

/** What was done in one direction, in words: '2 lost, 1 doubled'; '' when nothing was. */
export function countersText(c: Readonly<FaultCounters>): string {
  const parts: readonly (readonly [number, string])[] = [
    [c.lost, 'lost'],
    [c.overflowed, 'dropped at a full queue'],
    [c.duplicated, 'doubled'],
    [c.reordered, 'reordered'],
    [c.corrupted, 'corrupted'],
    [c.delayed, 'delayed'],
  ];
  return parts
    .filter(([n]) => n > 0)
    .map(([n, what]) => `${n} ${what}`)
    .join(', ');
}
