/** What every segment that leaves has in common: what it says of the receiving side, its timestamp, its trace. */
import type { Micros } from '../base/time.ts';
import { MAX_SACK_BLOCKS, type TcpSegment } from '../wire/tcp.ts';
import { offerWindow } from './output-rules.ts';
import type { Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import { timestamp } from './timestamps.ts';
import type { SendNote } from './trace.ts';
import { traceSegment } from './trace-segment.ts';
import { addUrgent } from './urgent.ts';

/** Octets of payload that fit beside the options this segment carries. */
export function roomForData(tcb: Tcb): number {
  return tcb.smss - sackOptionLen(tcb);
}

function sackOptionLen(tcb: Tcb): number {
  if (!tcb.sackAgreed || (tcb.reassembly.isEmpty && !tcb.hasDsack)) return 0;
  return 4 + 8 * maxSackBlocks(tcb);
}

/** RFC 2018 §3: 40 octets of options hold four blocks, three beside timestamps. */
function maxSackBlocks(tcb: Tcb): number {
  return tcb.timestampsAgreed ? MAX_SACK_BLOCKS - 1 : MAX_SACK_BLOCKS;
}

/** Everything a segment says of the receiving side; what was owed is thereby paid. */
export function addAck(tcb: Tcb, now: Micros, out: TcpSegment): void {
  out.ack = tcb.rcvNxt;
  out.wnd = offerWindow(tcb);
  if (tcb.timestampsAgreed) stamp(tcb, now, out);
  if (tcb.sackAgreed && (!tcb.reassembly.isEmpty || tcb.hasDsack)) addSack(tcb, out);
  acknowledged(tcb);
}

function addSack(tcb: Tcb, out: TcpSegment): void {
  let count = 0;
  if (tcb.hasDsack) {
    out.sack[0] = tcb.dsackLeft;
    out.sack[1] = tcb.dsackRight;
    tcb.hasDsack = false;
    count = 1;
  }
  out.sackCount = count + tcb.reassembly.writeSack(out.sack, 2 * count, maxSackBlocks(tcb) - count);
}

export function acknowledged(tcb: Tcb): void {
  tcb.lastAckSent = tcb.rcvNxt;
  tcb.ackOwed = 'none';
  tcb.ackNote = undefined;
  tcb.timers.stop(Timer.delayedAck);
  tcb.ackPolicy.onAckSent();
}

export function stamp(tcb: Tcb, now: Micros, out: TcpSegment): void {
  out.hasTimestamps = true;
  out.tsVal = timestamp(tcb, now);
  out.tsEcr = tcb.tsRecent;
}

/** What the link makes of one that carries `len` octets: as many as tcp_info counts. */
export function segmentsOnWire(tcb: Tcb, len: number): number {
  return Math.max(1, Math.ceil(len / tcb.wireMss));
}

export function sent(tcb: Tcb, now: Micros, out: TcpSegment, note: SendNote | undefined): void {
  tcb.segsOut += segmentsOnWire(tcb, out.payload.len);
  addUrgent(tcb, out);
  if (out.segLen > 0) tcb.lastSentAt = now;
  traceSegment(tcb, 'out', out, now, note);
}
