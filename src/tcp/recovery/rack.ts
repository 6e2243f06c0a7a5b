/**
 * RACK, RFC 8985 §6: a segment is lost when one sent sufficiently later has been delivered. "Sufficiently" is a
 * reordering window that begins at nothing and follows what the path does. Times are µs.
 */
import type { Keepable, Keeper } from '../../base/keeper.ts';
import { type Seq, seqLt, toSeq } from '../../base/seq.ts';
import type { Micros } from '../../base/time.ts';
import type { Tcb } from '../tcb.ts';
import { Mark, NONE, type Scoreboard } from './scoreboard.ts';

/** Round trips further apart than this say nothing of the shortest (Linux's tcp_min_rtt_wlen). */
const MIN_RTT_WINDOW = 300_000_000;
/** Recoveries for which a reordering window that DSACKs have widened is kept (§6.2 step 4). */
const KEEP_WIDE = 16;
const MOST_STEPS = 255;
/**
 * Ours: once reordering was seen, it is given at least this long. On a path of microseconds a quarter of the round
 * trip is nothing beside the delays of the machines at its ends, and patience costs little there.
 */
const LEAST_WINDOW = 1000;
/** Least time to the timer's expiry: an ACK may lie in a queue of ours (Linux waits 2 ms longer than the RFC says). */
const LEAST_DELAY = 1000;

export class Rack implements Keepable {
  /** RACK.xmit_ts and RACK.end_seq: of the segment sent last of all delivered. */
  sentAt = 0;
  end: Seq = toSeq(0);
  /** RACK.rtt, of the same. */
  rtt = 0;
  minRtt = 0;
  #minRttAt = 0;
  /** RACK.fack: end of the farthest octet delivered. */
  fack: Seq = toSeq(0);
  reorderingSeen = false;
  /** How many segments behind the farthest a late one was, at most. */
  reordering = 3;
  /** RACK.reo_wnd_mult, and for how many recoveries it is kept. */
  #steps = 1;
  #keep = 0;
  #dsackPending = false;
  /** Octets delivered when the window was last widened: once a round trip is enough. */
  #widenedAt = 0;
  /** Something was delivered since losses were last looked for. */
  advanced = false;

  keep(k: Keeper): void {
    this.sentAt = k.number(this.sentAt);
    this.end = k.seq(this.end);
    this.rtt = k.number(this.rtt);
    this.minRtt = k.number(this.minRtt);
    this.#minRttAt = k.number(this.#minRttAt);
    this.fack = k.seq(this.fack);
    this.reorderingSeen = k.flag(this.reorderingSeen);
    this.reordering = k.number(this.reordering);
    this.#steps = k.number(this.#steps);
    this.#keep = k.number(this.#keep);
    this.#dsackPending = k.flag(this.#dsackPending);
    this.#widenedAt = k.number(this.#widenedAt);
    this.advanced = k.flag(this.advanced);
  }

  start(una: Seq): void {
    this.fack = una;
    this.end = una;
  }

  noteRtt(rtt: number, now: Micros): void {
    if (this.minRtt > 0 && rtt > this.minRtt && now - this.#minRttAt < MIN_RTT_WINDOW) return;
    this.minRtt = Math.max(1, rtt);
    this.#minRttAt = now;
  }

  /** §6.2 step 2: an entry is delivered. */
  onDelivered(board: Scoreboard, slot: number, now: Micros): void {
    const sentAt = board.sentAt(slot);
    const rtt = now - sentAt;
    // Sooner than the path allows after a retransmission: it was the original.
    if (rtt < this.minRtt && board.has(slot, Mark.again)) return;
    this.advanced = true;
    const end = board.endOf(slot);
    if (!isAfter(sentAt, end, this.sentAt, this.end)) return;
    this.rtt = rtt;
    this.sentAt = sentAt;
    this.end = end;
  }

  /** The peer received something twice: we may have been too hasty. */
  onDsack(): void {
    this.#dsackPending = true;
  }

  /** §6.2 step 4. `prior`: octets that had been delivered when the newest segment just delivered left. */
  adapt(prior: number, delivered: number): void {
    if (prior < 0) return;
    if (prior < this.#widenedAt) this.#dsackPending = false;
    if (this.#dsackPending) {
      this.#dsackPending = false;
      this.#steps = Math.min(this.#steps + 1, MOST_STEPS);
      this.#widenedAt = delivered;
      this.#keep = KEEP_WIDE;
    } else if (this.#keep === 0) this.#steps = 1;
  }

  onRecovered(): void {
    if (this.#keep > 0) this.#keep--;
  }

  /** RACK.reo_wnd. */
  window(tcb: Tcb): number {
    if (!this.reorderingSeen) {
      if (tcb.recovery !== 'open') return 0;
      const { board, smss } = tcb;
      const thresh = tcb.config.sysctl.tcp_reordering;
      if (board.sackedCount >= thresh || board.sacked >= thresh * smss) return 0;
    }
    const wide = Math.min((this.minRtt / 4) * this.#steps, tcb.rtt.srtt);
    return this.reorderingSeen ? Math.max(wide, LEAST_WINDOW) : wide;
  }
}

/** RACK_sent_after. */
function isAfter(at: number, end: Seq, otherAt: number, otherEnd: Seq): boolean {
  return at > otherAt || (at === otherAt && seqLt(otherEnd, end));
}

/**
 * RACK_detect_loss, §6.2 step 5: `lose` is told of each slot that is lost; returns in how many µs to look again, 0
 * when there is no need.
 */
export function detectLoss(tcb: Tcb, now: Micros, lose: (tcb: Tcb, slot: number) => void): number {
  const { rack, board } = tcb;
  const window = rack.window(tcb);
  let wait = 0;
  for (let slot = board.oldest; slot !== NONE; ) {
    if (!isAfter(rack.sentAt, rack.end, board.sentAt(slot), board.endOf(slot))) break;
    const next = board.sentAfter(slot);
    const remaining = board.sentAt(slot) + rack.rtt + window - now;
    if (remaining <= 0) lose(tcb, slot);
    else if (remaining > wait) wait = remaining;
    slot = next;
  }
  return wait === 0 ? 0 : Math.max(Math.ceil(wait), LEAST_DELAY);
}
