/**
 * Pure ACKs that come in one batch, one right behind the other: the last says all that those before it said, and is
 * looked at alone (as Linux does with those that have to wait for the socket's owner, tcp_add_backlog). Only where each
 * by itself would tell nothing more: nothing is out of order, lost or marked, and nobody writes a trace.
 */
import { type Seq, seqLeq, seqLt } from '../base/seq.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import type { Tcb } from './tcb.ts';

/** ACK and nothing else: no data, no SACK blocks, no echo of congestion. */
export function isPureAck(seg: TcpSegment): boolean {
  return seg.flags === TcpFlag.ACK && seg.payload.len === 0 && seg.sackCount === 0;
}

/** Both are pure ACKs. True: `older` need not be looked at. */
export function mayMerge(tcb: Tcb, older: TcpSegment, newer: TcpSegment): boolean {
  return (
    tcb.state === 'ESTABLISHED' &&
    tcb.recovery === 'open' &&
    !tcb.tracer.enabled &&
    isNext(tcb, older) &&
    isNext(tcb, newer) &&
    seqLt(older.ack, newer.ack) &&
    older.hasTimestamps === newer.hasTimestamps &&
    // A stamp that goes back is for PAWS to judge.
    ((newer.tsVal - older.tsVal) | 0) >= 0
  );
}

/** It is where the peer stands, and acknowledges something that was sent. */
function isNext(tcb: Tcb, seg: TcpSegment): boolean {
  const una: Seq = tcb.sndUna;
  return seg.seq === tcb.rcvNxt && seqLt(una, seg.ack) && seqLeq(seg.ack, tcb.sndNxt);
}
