/** Times and counts as they stand in a column. */

/** Two significant digits: 1030000 is '1', 204000 '0.2', 3310000 '3.3'. */
export function secondsText(us: number): string {
  const s = us / 1e6;
  if (s >= 10) return s.toFixed(0);
  return s.toFixed(s >= 1 ? 1 : 2).replace(/\.?0+$/, '') || '0';
}

/** '0.2 0.4 0.8 s'. */
export const scheduleText = (us: readonly number[]): string => `${us.map(secondsText).join(' ')} s`;

/** '0.3 ms', '41 ms', '2.5 s'. */
export function spanText(us: number): string {
  if (us >= 1e6) return `${secondsText(us)} s`;
  const ms = us / 1000;
  return `${ms >= 10 ? ms.toFixed(0) : ms.toFixed(1).replace(/\.0$/, '')} ms`;
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** How long something lasted that was looked at a few times: it was still there at `from`, and no longer at `to`. */
export interface Bracket {
  readonly from: number;
  /** Undefined: it outlived the run. */
  readonly to: number | undefined;
}

export function bracketText({ from, to }: Bracket): string {
  if (to === undefined) return `more than ${secondsText(from)} s`;
  if (from === 0) return `less than ${secondsText(to)} s`;
  return `${secondsText(from)} to ${secondsText(to)} s`;
}

/** `us` lies in it, give or take what timers are coarse by. */
export function inBracket({ from, to }: Bracket, us: number): boolean {
  return us * 1.13 + 300_000 >= from && (to === undefined || us <= to);
}

/** Each within an eighth of its counterpart, which is how coarse Linux's longer timers are, and 60 ms. */
export function closeTo(found: readonly number[], wanted: readonly number[]): boolean {
  return found.length === wanted.length && found.every((us, i) => Math.abs(us - wanted[i]!) <= wanted[i]! / 8 + 60_000);
}

/** The first one about `first`, each after it about twice as long as the one before, up to `most`. */
export function isBackOff(gaps: readonly number[], first: number, most: number): boolean {
  return gaps.every((gap, i) => {
    const wanted = i === 0 ? first : Math.min(2 * gaps[i - 1]!, most);
    return gap > wanted * 0.85 - 10_000 && gap < wanted * 1.25 + 60_000;
  });
}
