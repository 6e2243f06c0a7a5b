/**
 * A pacing rate for controllers that know only a window: Linux's tcp_update_pacing_rate. Above the window per round
 * trip, so that pacing spreads segments and never is the limit: twice in slow start, where the window doubles, else 1.2 times.
 */

/** Octets per second; Infinity before the first RTT. `srtt` µs. */
export function windowRate(cwnd: number, ssthresh: number, srtt: number): number {
  return (cwnd / srtt) * (cwnd < ssthresh / 2 ? 2e6 : 1.2e6);
}
