/** The seventh step of SEGMENT ARRIVES: the text, RFC 9293 §3.10.7.4, and when it is acknowledged. */
import { type Seq, seqAdd, seqDiff, seqLeq, seqLt, seqMax, seqMin } from '../base/seq.ts';
import { later, type Micros } from '../base/time.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';
import { drop, type Verdict } from './answers.ts';
import { endConnection, owesReset } from './ending.ts';
import { Happened, type Tcb } from './tcb.ts';
import { Timer } from './timers.ts';

export function processText(tcb: Tcb, seg: TcpSegment, now: Micros): Verdict {
  switch (tcb.state) {
    case 'ESTABLISHED':
    case 'FIN-WAIT-1':
    case 'FIN-WAIT-2':
      break;
    default:
      // After the peer's FIN there is no more text; what claims to be is ignored.
      return 'continue';
  }
  const len = seg.payload.len;
  if (len > 0 && tcb.userGone && seqLt(tcb.rcvNxt, seqAdd(seg.seq, len))) {
    // Nobody will read it, and the peer must know (RFC 9293 §3.6.1; SHLD-3).
    owesReset(tcb);
    endConnection(tcb, 'ABORT', 'ECONNRESET');
    return 'done';
  }
  if (seg.has(TcpFlag.FIN)) noteFin(tcb, seg);
  if (len > 0) takeText(tcb, seg, now);
  return 'continue';
}

/** A FIN counts when everything before it has arrived; one beyond the window is not there yet. */
function noteFin(tcb: Tcb, seg: TcpSegment): void {
  const at = seqAdd(seg.seq, seg.payload.len);
  // One that text has gone past was forged or mistaken, and must not hide the true one.
  const known = tcb.rcvFin !== undefined && seqLeq(tcb.rcvNxt, tcb.rcvFin);
  // Ahead of order, as data would be: answered at once, however often it comes.
  if (at !== tcb.rcvNxt && seg.payload.len === 0) tcb.ackOwed = 'now';
  // The one that is in order is the true one, whatever was claimed ahead of it.
  if ((known && !seqLeq(seg.seq, tcb.rcvNxt)) || !seqLeq(at, tcb.rcvAdv)) return;
  tcb.rcvFin = at;
}

function takeText(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  const whole = seg.payload;
  // Trim what came before RCV.NXT and what lies beyond the window.
  const skip = Math.max(0, seqDiff(tcb.rcvNxt, seg.seq));
  const fits = Math.min(whole.len, seqDiff(tcb.rcvAdv, seg.seq));
  const len = fits - skip;
  if (len <= 0) {
    tcb.ackOwed = 'now';
    return;
  }
  if (skip > 0) reportDuplicate(tcb, seg.seq, tcb.rcvNxt);
  const from = seqAdd(seg.seq, skip);
  const at = whole.ats[0]! + skip;
  if (from === tcb.rcvNxt) takeInOrder(tcb, seg, at, len, now);
  else takeAhead(tcb, from, whole.bufs[0]!.subarray(at, at + len), seg.owned);
}

/** `len` octets of the segment's, from `at` in its buffer on. */
function takeInOrder(tcb: Tcb, seg: TcpSegment, at: number, len: number, now: Micros): void {
  // Short of memory, a connection keeps its least share; what its reader leaves lying beyond that the peer must keep.
  if (tcb.pressed && tcb.receiveBuffer.unread >= tcb.config.sysctl.tcp_rmem[0]) {
    drop(tcb, 'no memory for what is not read');
    tcb.ackOwed = 'now';
    return;
  }
  const hadHoles = !tcb.reassembly.isEmpty;
  const bytes = seg.payload.bufs[0]!;
  // One octet must not hold on to 64 KiB.
  if (seg.owned && 2 * len >= bytes.buffer.byteLength) tcb.receiveBuffer.push(bytes.subarray(at, at + len));
  else tcb.receiveBuffer.copy(bytes, at, len);
  advance(tcb, len);
  for (let next = tcb.reassembly.takeAt(tcb.rcvNxt); next !== undefined; next = tcb.reassembly.takeAt(tcb.rcvNxt)) {
    tcb.receiveBuffer.push(next);
    advance(tcb, next.length);
  }
  tcb.happened |= Happened.readable;
  tcb.ackPolicy.onData(now, seg, tcb.rcvWnd, tcb.config.path.receiveMss, tcb.rtt.rto);
  // RFC 5681 §4.2: a segment that fills a hole is acknowledged at once, and two full segments are.
  const unacked = seqDiff(tcb.rcvNxt, tcb.lastAckSent);
  if (hadHoles || unacked > tcb.ackPolicy.rcvMss || tcb.ackPolicy.isQuick || tcb.options.TCP_QUICKACK)
    tcb.ackOwed = 'now';
  else if (tcb.ackOwed === 'none') {
    tcb.ackOwed = 'delayed';
    tcb.timers.set(Timer.delayedAck, later(now, tcb.ackPolicy.delay(tcb.rtt.srtt)));
  }
}

function advance(tcb: Tcb, len: number): void {
  tcb.rcvNxt = seqAdd(tcb.rcvNxt, len);
  tcb.bytesReceived += len;
}

/**
 * A hole lies before it: kept (SHLD-31) and reported at once by a duplicate ACK (RFC 5681 §4.2). A peer without SACK
 * counts them, so one is to leave for each: see Connection.isInDisorder.
 */
function takeAhead(tcb: Tcb, from: Seq, octets: Uint8Array, owned: boolean): void {
  tcb.oooSegsIn++;
  if (tcb.pressed || tcb.reassembly.cost > tcb.receiveBuffer.capacity) {
    // The peer still has it, and will send it again (RFC 2018 §8 allows a receiver to give up what it holds).
    drop(tcb, 'no memory for what is out of order');
    tcb.ackOwed = 'now';
    return;
  }
  const taken = tcb.reassembly.insert(from, octets, owned);
  if (taken === 0) reportDuplicate(tcb, from, seqAdd(from, octets.length));
  tcb.ackPolicy.onDisorder(tcb.rcvWnd);
  tcb.ackOwed = 'now';
  tcb.ackNote = 'duplicate ACK';
}

/** RFC 2883 §4.1: octets that had arrived before are reported, once, with the next ACK; those that meet, as one block. */
export function reportDuplicate(tcb: Tcb, left: Seq, right: Seq): void {
  if (!tcb.sackAgreed || !tcb.config.sysctl.tcp_dsack) return;
  const meets = tcb.hasDsack && seqLeq(left, tcb.dsackRight) && seqLeq(tcb.dsackLeft, right);
  tcb.dsackLeft = meets ? seqMin(left, tcb.dsackLeft) : left;
  tcb.dsackRight = meets ? seqMax(right, tcb.dsackRight) : right;
  tcb.hasDsack = true;
}
