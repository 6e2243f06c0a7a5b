/** Timestamps and protection against wrapped sequence numbers, RFC 7323 §3 to §5. Values are int32, modulo 2^32. */
import { seqLeq } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import type { TcpSegment } from '../wire/tcp.ts';
import type { Tcb } from './tcb.ts';

/** Octets of header that timestamps take on every segment, padding included. */
export const TIMESTAMPS_LEN = 12;

/** A 24-day silence makes TS.Recent worthless, RFC 7323 §5.5. */
const PAWS_IDLE = 24 * 24 * 3600 * 1_000_000;

/** TSval now: a clock of 1 ms, begun at an offset that tells nothing of our uptime (§7.1). */
export function timestamp(tcb: Tcb, now: Micros): number {
  return (Math.floor(now / 1000) + tcb.tsOffset) | 0;
}

/** µs since the last retransmission left, when `seg` echoes it; 0 when it echoes anything else. */
export function echoedRtt(tcb: Tcb, seg: TcpSegment, now: Micros): number {
  if (!tcb.timestampsAgreed || !seg.hasTimestamps || seg.tsEcr === 0) return 0;
  const sinceSent = (seg.tsEcr - tcb.rtxStamp) | 0;
  const rtt = (timestamp(tcb, now) - seg.tsEcr) | 0;
  return sinceSent >= 0 && rtt >= 0 ? Math.max(1, rtt) * 1000 : 0;
}

/**
 * RFC 7323 §3.2 drops a segment without the option, in silence; Linux lets it pass, and Linux 3.x to 4.14 may leave it out of
 * the ACK that ends the handshake.
 */
export function lacksTimestamp(tcb: Tcb, seg: TcpSegment): boolean {
  return tcb.isRfc && tcb.timestampsAgreed && !seg.hasTimestamps;
}

/** RFC 7323 §5.3 R1: in sequence once, but from before. */
export function failsPaws(tcb: Tcb, seg: TcpSegment, now: Micros): boolean {
  if (!tcb.timestampsAgreed || !seg.hasTimestamps) return false;
  return ((seg.tsVal - tcb.tsRecent) | 0) < 0 && now - tcb.tsRecentAt < PAWS_IDLE;
}

/** RFC 7323 §4.3 (3): the timestamp of the segment that the last ACK was about. */
export function updateTsRecent(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  if (!tcb.timestampsAgreed || !seg.hasTimestamps || !seqLeq(seg.seq, tcb.lastAckSent)) return;
  if (((seg.tsVal - tcb.tsRecent) | 0) < 0 && now - tcb.tsRecentAt < PAWS_IDLE) return;
  tcb.tsRecent = seg.tsVal;
  tcb.tsRecentAt = now;
}
