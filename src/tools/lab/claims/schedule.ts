/** When something was sent again, as claims print it. */
import type { Seen } from '../stage.ts';

/** Seconds between one and the next: '1.00, 2.00'. */
export function gapsText(segments: readonly Seen[]): string {
  return gapsOf(segments)
    .map((s) => s.toFixed(2))
    .join(', ');
}

export const gapsOf = (segments: readonly Seen[]): readonly number[] =>
  segments.slice(1).map((s, i) => (s.at - segments[i]!.at) / 1_000_000);

/** Each is what it should be, but for what a busy machine is late by. */
export const areAbout = (gaps: readonly number[], wanted: readonly number[]): boolean =>
  gaps.length === wanted.length && gaps.every((gap, i) => gap > wanted[i]! * 0.75 && gap < wanted[i]! * 1.15 + 0.25);
