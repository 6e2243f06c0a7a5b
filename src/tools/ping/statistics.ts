/** Round trips of SYNs, and what they come to, in ping's terms. Times are microseconds. */

/** What came back for a SYN: a SYN-ACK, a RST (somebody is there, nothing listens), or nothing that says anybody is there. */
export type Answer =
  | { readonly kind: 'open' | 'refused'; readonly rtt: number }
  | { readonly kind: 'lost' }
  /** An ICMP error, by its errno name. */
  | { readonly kind: 'unreachable'; readonly code: string };

export interface PingSummary {
  readonly transmitted: number;
  /** SYN-ACKs and RSTs. */
  readonly received: number;
  readonly refused: number;
  readonly errors: number;
  /** Of what was transmitted, in per cent. */
  readonly lossPercent: number;
  /** Absent when nothing was received; `mdev` is the standard deviation, as ping has it. */
  readonly rtt?: { readonly min: number; readonly avg: number; readonly max: number; readonly mdev: number };
}

export class PingStatistics {
  #transmitted = 0;
  #refused = 0;
  #errors = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;
  #sum = 0;
  #squares = 0;
  #received = 0;

  add(answer: Answer): void {
    this.#transmitted++;
    if (answer.kind === 'unreachable') this.#errors++;
    if (answer.kind !== 'open' && answer.kind !== 'refused') return;
    if (answer.kind === 'refused') this.#refused++;
    this.#received++;
    this.#min = Math.min(this.#min, answer.rtt);
    this.#max = Math.max(this.#max, answer.rtt);
    this.#sum += answer.rtt;
    this.#squares += answer.rtt ** 2;
  }

  get summary(): PingSummary {
    const transmitted = this.#transmitted;
    const received = this.#received;
    const avg = this.#sum / received;
    const mdev = Math.sqrt(Math.max(0, this.#squares / received - avg ** 2));
    return {
      transmitted,
      received,
      refused: this.#refused,
      errors: this.#errors,
      lossPercent: transmitted === 0 ? 0 : (100 * (transmitted - received)) / transmitted,
      ...(received > 0 && { rtt: { min: this.#min, avg, max: this.#max, mdev } }),
    };
  }
}

/** '0.412': milliseconds, three digits behind the point, as ping has them. */
export const millisText = (us: number): string => (us / 1000).toFixed(3);

/** The last two lines. `seconds`: how long it took. */
export function summaryText(place: string, s: PingSummary, seconds: number): string {
  const counts = [
    `${s.transmitted} SYNs transmitted`,
    `${s.received} answered${s.refused > 0 ? ` (${s.refused} refused)` : ''}`,
    ...(s.errors > 0 ? [`${s.errors} errors`] : []),
    `${Number(s.lossPercent.toPrecision(6))}% loss`,
    `time ${Math.round(seconds * 1000)}ms`,
  ];
  const { rtt } = s;
  const times = rtt && [rtt.min, rtt.avg, rtt.max, rtt.mdev].map(millisText).join('/');
  return `--- ${place} tcp ping statistics ---\n${counts.join(', ')}${times === undefined ? '' : `\nrtt min/avg/max/mdev = ${times} ms`}`;
}
