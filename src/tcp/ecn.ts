/**
 * Explicit congestion notification, RFC 3168: routers mark segments (CE) instead of dropping them, the receiver says
 * so (ECE) until the sender says that it has slowed down (CWR).
 */
import { seqLeq } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import type { Tcb } from './tcb.ts';

/** Codepoints of the IP header's field, §5. */
const ECT_0 = 2;
const CE = 3;

const BOTH = TcpFlag.ECE | TcpFlag.CWR;

/** Asks for ECN on our SYN, but not again on a retransmitted one: some networks drop such SYNs (§6.1.1.1; Linux too). */
export function offerEcn(tcb: Tcb, out: TcpSegment, isAnswer: boolean): void {
  if (isAnswer) {
    if (tcb.ecnAgreed) out.flags |= TcpFlag.ECE;
  } else if (tcb.config.sysctl.tcp_ecn === 1 && tcb.synRetransmits === 0) {
    tcb.ecnOffered = true;
    out.flags |= BOTH;
  } else tcb.ecnOffered = false;
}

/** What the peer's SYN says, §6.1.1. A SYN with both bits asks; a SYN-ACK with ECE alone agrees. Neither is ever an error. */
export function takeEcnOffer(tcb: Tcb, seg: TcpSegment, isAnswer: boolean): void {
  const bits = seg.flags & BOTH;
  tcb.ecnAgreed = isAnswer ? tcb.ecnOffered && bits === TcpFlag.ECE : tcb.config.sysctl.tcp_ecn !== 0 && bits === BOTH;
}

/** The receiver's side, §6.1.3: CE is reported on every ACK until CWR comes. */
export function takeEcnMark(tcb: Tcb, seg: TcpSegment): void {
  if (!tcb.ecnAgreed) return;
  if (seg.has(TcpFlag.CWR)) tcb.ecnEcho = false;
  if (seg.ecn === CE && seg.payload.len > 0) {
    tcb.ecnEcho = true;
    tcb.ackOwed = 'now';
  }
}

/** The sender's side, §6.1.2: slow down once per window of data. */
export function takeEcnEcho(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  if (!tcb.ecnAgreed || !seg.has(TcpFlag.ECE) || tcb.recovery !== 'open') return;
  if (!seqLeq(tcb.ecnRecover, tcb.sndUna)) return;
  tcb.ecnRecover = tcb.sndNxt;
  tcb.congestion.onEcn(tcb.flightSize, now);
  tcb.cwrDue = true;
}

/** New data may be marked; what is sent again and bare ACKs may not (§6.1.4, §6.1.5). */
export function markEcn(tcb: Tcb, out: TcpSegment, isNewData: boolean): void {
  if (!tcb.ecnAgreed) return;
  if (tcb.ecnEcho) out.flags |= TcpFlag.ECE;
  if (!isNewData) return;
  out.ecn = ECT_0;
  if (tcb.cwrDue) out.flags |= TcpFlag.CWR;
  tcb.cwrDue = false;
}
