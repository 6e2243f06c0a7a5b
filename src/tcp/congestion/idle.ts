/**
 * The window after a pause, RFC 5681 §4.1 in the gentler form of RFC 2861, as Linux has it (tcp_cwnd_restart): each RTO
 * without anything sent halves it, down to the initial window; what was known is kept in ssthresh by the caller.
 */

/** `cwnd` and `initial` in octets, `idle` and `rto` in the same unit of time, `idle` the longer. */
export function afterIdle(cwnd: number, initial: number, idle: number, rto: number): number {
  const least = Math.min(initial, cwnd);
  const halvings = Math.ceil(idle / rto) - 1;
  return halvings > 40 ? least : Math.max(least, Math.floor(cwnd / 2 ** halvings));
}
