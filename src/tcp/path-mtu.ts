/**
 * What the path carries: told by routers (RFC 1191), or found out where they are silent (RFC 4821). Sizes are octets
 * of MSS: TCP payload and options in one packet.
 *
 * Segments that vanish over and over, while small ones would pass, are a black hole: after tcp_retries1 timeouts the
 * size falls to tcp_base_mss, then by halves (Linux's tcp_mtu_probing). From there a search climbs back: one segment
 * larger than the rest is sent among the data; if it is acknowledged the path carries it, if it is lost that says
 * nothing of congestion.
 */
import type { Keepable, Keeper } from '../base/keeper.ts';
import { type Seq, seqAdd, seqDiff, seqLeq, toSeq } from '../base/seq.ts';
import { type Micros, NEVER, seconds } from '../base/time.ts';
import type { Tcb } from './tcb.ts';
import { TIMESTAMPS_LEN } from './timestamps.ts';

/**
 * What a suspected black hole leaves at least: every IPv4 host takes 576 octets (RFC 791), and below that a path is not too
 * narrow but bad. Linux goes down to 48, where heavy loss alone then keeps it. A router's word may lead lower.
 */
const FLOOR = 512;
/** The search ends when what is left between its bounds is less (Linux's tcp_probe_threshold). */
const THRESHOLD = 8;
/** After its end, and after a router's word, how long until a larger size is tried (RFC 1191 §6.3; Linux's tcp_probe_interval). */
const PROBE_INTERVAL = seconds(600);
/** Segments beyond the probe that must be ready, so that its loss shows in duplicate ACKs (RFC 4821 §7.4). */
const SEGMENTS_BEHIND = 3;

export class PathMtu implements Keepable {
  /** What segments are cut to. */
  mss: number;
  /** Carried for certain; the search goes on above it. */
  #low: number;
  /** Not carried above this, as far as is known. */
  #high: number;
  readonly #most: number;
  #searching = false;
  #nextProbeAt: Micros = NEVER;
  /** The probe on its way: its size (0 for none) and the octets it carries. */
  #probe = 0;
  #wanted = 0;
  #probeSeq: Seq = toSeq(0);
  #probeEnd: Seq = toSeq(0);

  constructor(most: number) {
    this.mss = most;
    this.#low = most;
    this.#high = most;
    this.#most = most;
  }

  keep(k: Keeper): void {
    this.mss = k.number(this.mss);
    this.#low = k.number(this.#low);
    this.#high = k.number(this.#high);
    this.#searching = k.flag(this.#searching);
    this.#nextProbeAt = k.number(this.#nextProbeAt) as Micros;
    this.#probe = k.number(this.#probe);
    this.#wanted = k.number(this.#wanted);
    this.#probeSeq = k.seq(this.#probeSeq);
    this.#probeEnd = k.seq(this.#probeEnd);
  }

  /** A router's word; not trusted to raise anything. */
  tooBig(mss: number, now: Micros): void {
    this.mss = Math.min(this.mss, mss);
    this.#high = this.mss;
    this.#low = this.mss;
    this.#probe = 0;
    this.#searching = false;
    this.#nextProbeAt = (now + PROBE_INTERVAL) as Micros;
  }

  /** Nothing passes any more. `base`: octets that nearly every path carries. */
  blackHole(base: number, now: Micros): void {
    const next = this.#searching ? Math.floor(this.#low / 2) : base;
    if (!this.#searching) this.#high = this.mss;
    this.#searching = true;
    this.#probe = 0;
    this.mss = Math.min(this.mss, Math.max(FLOOR, next));
    this.#low = this.mss;
    this.#nextProbeAt = now;
  }

  /** The size to try next; 0 when there is nothing to try now. */
  wantedProbe(now: Micros): number {
    if (this.#probe !== 0 || now < this.#nextProbeAt) return 0;
    if (!this.#searching) {
      // The interval is over: perhaps the path has changed for the better.
      this.#high = this.#most;
      this.#searching = true;
    }
    if (this.#high - this.#low < THRESHOLD) {
      this.#searching = false;
      this.#nextProbeAt = this.#low < this.#most ? ((now + PROBE_INTERVAL) as Micros) : NEVER;
      return 0;
    }
    this.#wanted = Math.floor((this.#low + this.#high + 1) / 2);
    return this.#wanted;
  }

  /** `len` octets of payload left at `seq` in one segment. */
  probeSent(len: number, seq: Seq): void {
    this.#probe = this.#wanted;
    this.#probeSeq = seq;
    this.#probeEnd = seqAdd(seq, len);
  }

  /** SND.UNA has moved; true when the path turned out to carry more. */
  acknowledged(sndUna: Seq): boolean {
    if (this.#probe === 0 || !seqLeq(this.#probeEnd, sndUna)) return false;
    this.mss = this.#probe;
    this.#low = this.#probe;
    this.#probe = 0;
    return true;
  }

  /** What is at SND.UNA is presumed lost; the probe's octets when it was the probe, 0 when not. */
  lost(sndUna: Seq): number {
    if (this.#probe === 0) return 0;
    const wasProbe = sndUna === this.#probeSeq;
    const len = seqDiff(this.#probeEnd, this.#probeSeq);
    // Lost with it or before it, something else was wrong: then nothing is known of its size.
    if (wasProbe) this.#high = this.#probe - 1;
    this.#probe = 0;
    return wasProbe ? len : 0;
  }
}

/** Eff.snd.MSS of RFC 9293 §3.7.1: what the peer takes and the path carries, less the options of every segment. */
export function setSmss(tcb: Tcb): void {
  const options = tcb.timestampsAgreed ? TIMESTAMPS_LEN : 0;
  tcb.smss = Math.max(8, Math.min(tcb.peerMss, tcb.ownMss(tcb.pathMtu.mss)) - options);
  tcb.congestion.onMssChange(tcb.smss);
}

/** Octets of payload of the probe that is to leave now; 0 for none. Only a sender in good order, with much to send, may probe. */
export function probeLen(tcb: Tcb, now: Micros): number {
  if (tcb.config.sysctl.tcp_mtu_probing === 0 || tcb.recovery !== 'open') return 0;
  if (tcb.dupAcks > 0 || tcb.board.sacked > 0) return 0;
  const mss = tcb.pathMtu.wantedProbe(now);
  if (mss === 0) return 0;
  const options = tcb.timestampsAgreed ? TIMESTAMPS_LEN : 0;
  const len = Math.min(mss, tcb.peerMss) - options;
  return len > tcb.smss && tcb.unsent >= len + SEGMENTS_BEHIND * tcb.smss ? len : 0;
}
