/**
 * What each segment of a connection is, by what the capture showed of both directions before it: sent again, overtaken, a
 * probe, a repeated ACK. The definitions are those of Wireshark's TCP analysis where they say enough (its user's guide has
 * them), and stricter where the octets seen, the gaps between them and the ACKs tell what they leave to timing; docs/trace.md
 * lists where the two differ, and why.
 *
 * Numbers are int32 and compared modulo 2^32. Nothing here depends on where the capture was made, but what it can show does.
 */
import { type Micros, micros, ms } from '../../base/time.ts';
import { ABSENT, TcpFlag } from '../../wire/tcp.ts';
import { Gaps } from './gaps.ts';
import { Kind } from './kinds.ts';
import { NO_SAMPLE, Outstanding } from './outstanding.ts';
import type { SeenSegment } from './seen-segment.ts';

/** A duplicate ACK is answered at once: what comes later was not sent because of it. */
const FAST_ANSWER = ms(20);
/** What is overtaken comes within a round trip; as long as none was measured, within this. */
const USUAL_DISORDER = ms(3);
const CONTROL = TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST;

/** What has been seen of one direction. */
export class Direction {
  /** Anything at all; the numbers below mean something. */
  seen = false;
  /** The first number: relative ones count from it. */
  base = 0;
  /** SND.NXT as the capture shows it: after the highest octet, SYN or FIN. */
  next = 0;
  readonly gaps = new Gaps();
  readonly outstanding = new Outstanding();

  /** Undefined until there was an ACK. */
  ack: number | undefined;
  ackAt: Micros = micros(0);
  /** Octets, scaled; ABSENT until there was one. */
  window: number = ABSENT;
  /** Duplicates of the last ACK. */
  duplicates = 0;
  /** The shift count of this direction's windows: ABSENT as long as nobody knows it. */
  scale: number = ABSENT;
  /** Kinds of the last segment. */
  last = 0;
  /** Where a zero-window probe with an octet ended, until that is acknowledged. */
  probeEnd: number | undefined;
}

export class Analysis {
  /** The time of the last RTT sample, valid when the segment has that kind. */
  rtt: Micros = NO_SAMPLE;
  /** The handshake's round trip, SYN to ACK of its answer; undefined until it was seen. */
  handshakeRtt: Micros | undefined;

  /** The kinds of `seg`, sent in direction `own`; `other` is the way back. */
  take(seg: SeenSegment, t: Micros, own: Direction, other: Direction): number {
    if (!own.seen) this.#begin(seg, own);
    let kinds = this.#windows(seg, own, other);
    if ((kinds & Kind.ZERO_WINDOW_PROBE) === 0) kinds |= this.#order(seg, t, own, other);
    kinds |= this.#acks(seg, t, own, other);
    this.#remember(seg, t, own, other, kinds);
    own.last = kinds;
    return kinds;
  }

  #begin(seg: SeenSegment, own: Direction): void {
    own.seen = true;
    own.base = seg.seq;
    own.next = seg.seq;
  }

  /** Probes, and what is said about windows. */
  #windows(seg: SeenSegment, own: Direction, other: Direction): number {
    const control = (seg.flags & CONTROL) !== 0;
    if (control) return 0;
    const inPlace = seg.seq === own.next;
    const closed = other.window === 0;
    let kinds = seg.wnd === 0 ? Kind.ZERO_WINDOW : 0;
    // One octet into a closed window (RFC 9293 §3.8.6.1).
    if (seg.len === 1 && inPlace && closed) return kinds | Kind.ZERO_WINDOW_PROBE;
    if (seg.len <= 1 && seg.seq === ((own.next - 1) | 0) && other.seen) {
      // Linux probes without an octet; the number in front of the next asks for an ACK like a keep-alive's.
      if (closed && seg.len === 0) kinds |= Kind.ZERO_WINDOW_PROBE;
      // An octet that is still on its way is sent again, and keeps nothing alive.
      else if (other.ack !== undefined && reached(other.ack, own.next)) kinds |= Kind.KEEP_ALIVE;
    }
    if (seg.len > 0 && other.ack !== undefined && other.scale !== ABSENT && other.window !== ABSENT) {
      if (((seg.seq + seg.len) | 0) === ((other.ack + other.window) | 0)) kinds |= Kind.WINDOW_FULL;
    }
    return kinds;
  }

  /** Where the segment's octets lie among those that were seen. */
  #order(seg: SeenSegment, t: Micros, own: Direction, other: Direction): number {
    if (seg.has(TcpFlag.RST)) return 0;
    const ahead = (seg.seq - own.next) | 0;
    if (ahead > 0) return Kind.NOT_CAPTURED;
    const { segLen } = seg;
    if (ahead === 0 || segLen === 0) return 0;
    if (this.#isKeepAlive(seg, own, other)) return 0;
    // One octet of it was a probe's, which the window did not take.
    if (own.probeEnd !== undefined && seg.len > 1 && seg.seq === ((own.probeEnd - 1) | 0)) return 0;
    const end = (seg.seq + segLen) | 0;
    if (seg.len > 0 && other.ack !== undefined && reached(other.ack, (seg.seq + seg.len) | 0))
      return Kind.RETRANSMISSION | Kind.SPURIOUS_RETRANSMISSION;
    const asked = other.duplicates >= 2 && other.ack === seg.seq;
    if (asked && t - other.ackAt < FAST_ANSWER) return Kind.RETRANSMISSION | Kind.FAST_RETRANSMISSION;
    const openedAt = own.gaps.openedAt(seg.seq, end);
    if (openedAt !== undefined && t - openedAt < (this.handshakeRtt ?? USUAL_DISORDER)) return Kind.OUT_OF_ORDER;
    return Kind.RETRANSMISSION;
  }

  #isKeepAlive(seg: SeenSegment, own: Direction, other: Direction): boolean {
    return (
      (seg.flags & CONTROL) === 0 &&
      seg.len <= 1 &&
      seg.seq === ((own.next - 1) | 0) &&
      other.ack !== undefined &&
      reached(other.ack, own.next)
    );
  }

  /** What the acknowledgment says, and repeats. */
  #acks(seg: SeenSegment, t: Micros, own: Direction, other: Direction): number {
    if (!seg.has(TcpFlag.ACK)) return 0;
    let kinds = 0;
    if ((seg.flags & CONTROL) === 0 && seg.len === 0 && seg.seq === own.next && seg.ack === own.ack)
      kinds |= this.#repeats(seg, own, other);
    if (isDsack(seg)) kinds |= Kind.D_SACK;
    if (!other.seen) return kinds;
    // A RST's number is not always one that was received.
    if (!seg.has(TcpFlag.RST)) {
      const beyond = !reached(other.next, seg.ack) && seg.ack !== other.probeEnd;
      if (beyond || other.gaps.acknowledged(seg.ack)) kinds |= Kind.ACKED_UNSEEN;
    }
    const rtt = other.outstanding.acknowledged(seg.ack, t);
    // What made the other end answer may not be in the capture.
    if (rtt === NO_SAMPLE || kinds & Kind.ACKED_UNSEEN) return kinds;
    this.rtt = rtt;
    return kinds | Kind.RTT_SAMPLE;
  }

  /** The number of the ACK before, once more and alone. */
  #repeats(seg: SeenSegment, own: Direction, other: Direction): number {
    const window = scaled(seg, own);
    if (window === 0) return own.window === 0 && other.last & Kind.ZERO_WINDOW_PROBE ? Kind.ZERO_WINDOW_PROBE_ACK : 0;
    if (window !== own.window) return Kind.WINDOW_UPDATE;
    if (other.last & Kind.KEEP_ALIVE) return Kind.KEEP_ALIVE_ACK;
    return Kind.DUPLICATE_ACK;
  }

  #remember(seg: SeenSegment, t: Micros, own: Direction, other: Direction, kinds: number): void {
    this.#handshake(seg, own, other);
    this.#sequence(seg, t, own, kinds);
    if (!seg.has(TcpFlag.ACK) || seg.has(TcpFlag.RST)) return;
    if (kinds & Kind.DUPLICATE_ACK) own.duplicates++;
    else if (seg.ack !== own.ack) own.duplicates = 0;
    own.ack = seg.ack;
    own.ackAt = t;
    own.window = scaled(seg, own);
    // The probe's octet was taken after all.
    if (other.probeEnd !== undefined && reached(seg.ack, other.probeEnd)) {
      if (reached(other.probeEnd, other.next)) other.next = other.probeEnd;
      other.probeEnd = undefined;
    }
  }

  #sequence(seg: SeenSegment, t: Micros, own: Direction, kinds: number): void {
    const { segLen } = seg;
    if (seg.has(TcpFlag.RST)) return;
    if (kinds & Kind.ZERO_WINDOW_PROBE) {
      if (seg.len === 0) return;
      const probeEnd = (seg.seq + seg.len) | 0;
      own.outstanding.add(seg.seq, probeEnd, t, own.probeEnd === probeEnd);
      own.probeEnd = probeEnd;
      return;
    }
    const end = (seg.seq + segLen) | 0;
    const ahead = (seg.seq - own.next) | 0;
    if (ahead > 0) own.gaps.open(own.next, seg.seq, t);
    else if (ahead < 0) own.gaps.fill(seg.seq, end);
    if (segLen > 0 && (kinds & Kind.KEEP_ALIVE) === 0) {
      const again = (kinds & Kind.RETRANSMISSION) !== 0;
      if (again) own.outstanding.sentAgain(seg.seq, end);
      if (ahead < 0) own.outstanding.outOfOrder();
      if ((kinds & Kind.SPURIOUS_RETRANSMISSION) === 0) own.outstanding.add(seg.seq, end, t, again);
    }
    if (((end - own.next) | 0) > 0) own.next = end;
  }

  /** RFC 7323 §2.2: windows are scaled when both SYNs say so. */
  #handshake(seg: SeenSegment, own: Direction, other: Direction): void {
    if (!seg.has(TcpFlag.SYN)) return;
    own.scale = seg.wscale === ABSENT ? NO_SCALE : Math.min(seg.wscale, MAX_SCALE);
    if (!seg.has(TcpFlag.ACK)) return;
    if (own.scale === NO_SCALE || other.scale === NO_SCALE) {
      own.scale = NO_SCALE;
      if (other.scale !== ABSENT) other.scale = NO_SCALE;
    }
  }
}

/** A SYN without the option. */
const NO_SCALE = -2;
/** RFC 7323 §2.3. */
const MAX_SCALE = 14;

/** The window in octets; the SYN's own is never scaled. As sent, where the shift count is not known. */
function scaled(seg: SeenSegment, own: Direction): number {
  return seg.has(TcpFlag.SYN) || own.scale < 0 ? seg.wnd : seg.wnd * 2 ** own.scale;
}

/** RFC 2883 §4: a first block that is acknowledged already, or lies within the second. */
function isDsack(seg: SeenSegment): boolean {
  if (seg.sackCount === 0) return false;
  const left = seg.sack[0]!;
  const right = seg.sack[1]!;
  if (reached(seg.ack, right)) return true;
  return seg.sackCount > 1 && reached(left, seg.sack[2]!) && reached(seg.sack[3]!, right);
}

/** `number` is at `goal` or beyond it, modulo 2^32. */
const reached = (number: number, goal: number): boolean => ((number - goal) | 0) >= 0;
