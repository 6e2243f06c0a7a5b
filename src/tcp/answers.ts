/** What a segment that can't be used gets: silence, an ACK that says where we stand, or a challenge (RFC 5961). */
import type { Micros } from '../base/time.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import type { Tcb } from './tcb.ts';

/** What a step says of the segment: go on to the next step, or be done with it. */
export type Verdict = 'continue' | 'done';

export function drop(tcb: Tcb, reason: string): void {
  if (tcb.tracer.enabled) tcb.tracer.record({ t: tcb.now, conn: tcb.id, type: 'drop', reason });
}

/**
 * "If an incoming segment is not acceptable, an acknowledgment should be sent in reply." Bare ACKs and SYNs are
 * answered at most once in tcp_invalid_ratelimit, so that two stacks never answer each other for ever (Linux).
 */
export function answerUnacceptable(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  if ((seg.segLen === 0 || seg.has(TcpFlag.SYN)) && !mayAnswerInvalid(tcb, now)) return;
  tcb.ackOwed = 'now';
  tcb.ackNote = 'duplicate ACK';
}

export function mayAnswerInvalid(tcb: Tcb, now: Micros): boolean {
  if (now - tcb.lastInvalidAckAt < tcb.config.sysctl.tcp_invalid_ratelimit * 1000) return false;
  tcb.lastInvalidAckAt = now;
  return true;
}

/** Linux makes another object of a half-open connection that opens, of a FIN-WAIT-2 whose user has gone, and for TIME-WAIT: nothing was answered for it. */
export function countInvalidAnew(tcb: Tcb): void {
  tcb.lastInvalidAckAt = Number.NEGATIVE_INFINITY as Micros;
}

/** RFC 5961: an ACK that makes an honest peer prove itself and tells a forger nothing. */
export function challenge(tcb: Tcb, reason: string): void {
  drop(tcb, reason);
  tcb.ackOwed = 'now';
  tcb.ackNote = 'challenge ACK';
}
