/**
 * How fast the network delivers: delivery rate samples as BBR wants them (draft-ietf-ccwg-bbr §4.1, Linux's tcp_rate.c),
 * and packet-timed rounds. Each segment carries away how much had been delivered when it left; when it is delivered
 * itself, the difference over the longer of the two times, that of sending and that of acknowledging, is a rate.
 */
import type { Keepable, Keeper } from '../../base/keeper.ts';
import { type Seq, seqLt, toSeq } from '../../base/seq.ts';
import type { Micros } from '../../base/time.ts';
import { Field } from './entries.ts';
import { Mark, type Scoreboard } from './scoreboard.ts';

export class DeliveryRate implements Keepable {
  /** Octets delivered so far, cumulatively or by SACK. */
  delivered = 0;
  /** When that last grew, and when the segment left whose delivery was the newest then. */
  #deliveredAt = 0;
  #firstSentAt = 0;
  /** While `delivered` is not beyond this, what left last did not fill the pipe; 0: it did. */
  #appLimitedTo = 0;
  /** The round ends when something is delivered that left after this much was. */
  #roundEnd = 0;

  /** Octets per second of the last sample; 0 before the first. */
  rate = 0;
  rateAppLimited = false;

  // Of the newest segment that the present ACK delivers.
  #found = false;
  #prior = 0;
  #priorAt = 0;
  #sendElapsed = 0;
  #priorAppLimited = false;
  #newestSentAt = 0;
  #newestEnd: Seq = toSeq(0);

  keep(k: Keeper): void {
    this.delivered = k.number(this.delivered);
    this.#appLimitedTo = k.number(this.#appLimitedTo);
    this.#roundEnd = k.number(this.#roundEnd);
    this.rate = k.number(this.rate);
    this.rateAppLimited = k.flag(this.rateAppLimited);
  }

  /** A segment leaves, for the first time or again. */
  onSent(board: Scoreboard, slot: number, wasIdle: boolean, now: Micros): void {
    if (wasIdle) {
      this.#firstSentAt = now;
      this.#deliveredAt = now;
    }
    const { fields } = board;
    fields[slot + Field.delivered] = this.delivered;
    fields[slot + Field.deliveredAt] = this.#deliveredAt;
    fields[slot + Field.firstSentAt] = this.#firstSentAt;
  }

  /** Mark of a segment that leaves now. */
  get mark(): number {
    return this.#appLimitedTo > 0 ? Mark.appLimited : 0;
  }

  /** The writer has nothing more to send, and the windows would take more. */
  onAppLimited(pipe: number): void {
    this.#appLimitedTo = Math.max(1, this.delivered + pipe);
  }

  beginAck(): void {
    this.#found = false;
  }

  /** `len` octets of the entry are delivered. */
  onDelivered(board: Scoreboard, slot: number, len: number, now: Micros): void {
    const { fields } = board;
    this.delivered += len;
    this.#deliveredAt = now;
    const sentAt = board.sentAt(slot);
    const end = board.endOf(slot);
    const newer = sentAt > this.#newestSentAt || (sentAt === this.#newestSentAt && seqLt(this.#newestEnd, end));
    if (this.#found && !newer) return;
    this.#found = true;
    this.#newestSentAt = sentAt;
    this.#newestEnd = end;
    this.#prior = fields[slot + Field.delivered]!;
    this.#priorAt = fields[slot + Field.deliveredAt]!;
    this.#priorAppLimited = board.has(slot, Mark.appLimited);
    this.#sendElapsed = sentAt - fields[slot + Field.firstSentAt]!;
  }

  /** How much had been delivered when the newest segment just delivered left; -1 when nothing was. */
  get prior(): number {
    return this.#found ? this.#prior : -1;
  }

  /** The ACK has been taken; its rate in octets per second, 0 when it gives none. `minRtt` in µs. */
  endAck(minRtt: number, now: Micros): number {
    if (this.delivered > this.#appLimitedTo) this.#appLimitedTo = 0;
    if (!this.#found) return 0;
    this.#firstSentAt = this.#newestSentAt;
    const interval = Math.max(this.#sendElapsed, now - this.#priorAt);
    // What came in less than a round trip came in a burst that the network, or an ACK, had held back.
    if (interval <= 0 || interval < minRtt) return 0;
    const rate = Math.round(((this.delivered - this.#prior) * 1e6) / interval);
    if (!this.#priorAppLimited || rate >= this.rate) {
      this.rate = rate;
      this.rateAppLimited = this.#priorAppLimited;
    }
    return rate;
  }

  get priorAppLimited(): boolean {
    return this.#priorAppLimited;
  }

  /** True on the first ACK of a round trip. */
  takeRoundStart(): boolean {
    if (!this.#found || this.#prior < this.#roundEnd) return false;
    this.#roundEnd = this.delivered;
    return true;
  }
}
