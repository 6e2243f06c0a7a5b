/**
 * The window when the path turns out to carry another size of segment, RFC 5681 §3.1: for a smaller one it shrinks by the
 * ratio, so that what was one burst of segments does not become one of many more. Linux counts in segments and gets there by itself.
 */

/** All in octets. */
export function windowForSize(cwnd: number, from: number, to: number): number {
  return Math.max(to, to < from ? Math.floor((cwnd * to) / from) : cwnd);
}
