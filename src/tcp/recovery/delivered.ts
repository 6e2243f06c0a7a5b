/**
 * What one ACK delivers, by SACK (RFC 2018, RFC 2883) and cumulatively: entries leave the scoreboard or are marked, and RACK,
 * the delivery rate, RTT and reordering hear of each. What follows from it is on-ack.ts's business.
 */
import { type Seq, seqDiff, seqLeq, seqLt, seqMax, toSeq } from '../../base/seq.ts';
import type { Micros } from '../../base/time.ts';
import type { TcpSegment } from '../../wire/tcp.ts';
import type { Tcb } from '../tcb.ts';
import { Mark } from './scoreboard.ts';
import { onDuplicateReported } from './undo.ts';

/** How many entries, beyond one a segment, the blocks of a peer may make of what is out. */
const MOST_CUTS = 1024;

/** What is known of the ACK that is being processed. One for all: the core is never re-entered. */
class AckWork {
  /** Before it: SND.UNA, pipe, RACK.fack, octets sacked. */
  una: Seq = toSeq(0);
  pipe = 0;
  fack: Seq = toSeq(0);
  sackedBefore = 0;
  /** Octets newly delivered, by SACK and cumulatively. */
  sacked = 0;
  cumulative = 0;
  /** Octets that turned out to be lost, a lost probe of the path's MTU left out. */
  lost = 0;
  /** µs of the newest segment delivered cumulatively that was sent once; -1 for none. And the same by SACK. */
  rtt = -1;
  sackRtt = -1;
  /** Something that was sent again was acknowledged: how long the rest waited for it can't be told. */
  ambiguous = false;
  /** Something arrived that was sent once, before the last timeout (RFC 5682 §3.1). */
  original = false;
  dsack = false;
  /** It reports the tail loss probe. */
  dsackOfProbe = false;

  begin(tcb: Tcb): void {
    const { board, rack, rate } = tcb;
    this.una = tcb.sndUna;
    this.pipe = board.pipe;
    this.fack = seqMax(rack.fack, tcb.sndUna);
    this.sackedBefore = board.sacked;
    this.sacked = 0;
    this.cumulative = 0;
    this.lost = 0;
    this.rtt = -1;
    this.sackRtt = -1;
    this.ambiguous = false;
    this.original = false;
    this.dsack = false;
    this.dsackOfProbe = false;
    rate.beginAck();
  }

  get delivered(): number {
    return this.sacked + this.cumulative;
  }
}

export const work = new AckWork();

/** Marks what the SACK option reports. */
export function takeSack(tcb: Tcb, seg: TcpSegment, now: Micros): void {
  const { sack, sackCount } = seg;
  const { board, sndUna, sndNxt } = tcb;
  const una = seqMax(sndUna, seg.ack);
  const from = takeDsack(tcb, seg) ? 1 : 0;
  for (let b = from; b < sackCount; b++) {
    const left = sack[2 * b]!;
    const right = sack[2 * b + 1]!;
    // Old ones, and those that no honest peer sends, say nothing.
    if (!seqLt(left, right) || !seqLt(una, left) || !seqLeq(right, sndNxt) || board.count === 0) continue;
    takeBlock(tcb, left, right, now);
  }
}

function takeBlock(tcb: Tcb, left: Seq, right: Seq, now: Micros): void {
  const { board, smss } = tcb;
  const mostEntries = 2 * Math.ceil(board.out / smss) + MOST_CUTS;
  let index = board.find(left);
  while (index < board.count) {
    const slot = board.slot(index);
    const seq = board.seqOf(slot);
    if (seqLeq(right, seq)) return;
    if (board.has(slot, Mark.sacked)) {
      index = board.pastRun(index);
      continue;
    }
    const beginsBefore = seqLt(seq, left);
    if (beginsBefore || seqLt(right, board.endOf(slot))) {
      if (board.count >= mostEntries) return;
      board.cut(index, beginsBefore ? left : right);
      if (beginsBefore) index++;
      continue;
    }
    const len = board.lenOf(slot);
    deliver(tcb, slot, len, now);
    if (!board.has(slot, Mark.again)) work.sackRtt = now - board.sentAt(slot);
    work.sacked += len;
    board.markSacked(slot);
    index++;
  }
}

/** RFC 2883 §4: the first block is below the ACK, or inside the second: the peer has it twice. */
function takeDsack(tcb: Tcb, seg: TcpSegment): boolean {
  const { sack, sackCount } = seg;
  const left = sack[0]!;
  const right = sack[1]!;
  if (!seqLt(left, right)) return false;
  const below = seqLt(left, seg.ack);
  const inside = sackCount > 1 && seqLeq(sack[2]!, left) && seqLeq(right, sack[3]!);
  if (!below && !inside) return false;
  // Of what was never sent, or so long ago that nothing is known of it any more, it is no news.
  if (!seqLeq(right, tcb.sndNxt) || seqDiff(tcb.sndUna, left) > tcb.maxSndWnd) return true;
  const { loss } = tcb;
  work.dsack = true;
  loss.dsacksIn++;
  if (loss.probeOut && loss.probeIsAgain && right === loss.probeEnd) work.dsackOfProbe = true;
  else tcb.rack.onDsack();
  onDuplicateReported(tcb, left, right);
  return true;
}

/** SND.UNA has moved: what lies below it leaves the scoreboard. */
export function takeCumulative(tcb: Tcb, now: Micros): void {
  const { board, sndUna } = tcb;
  let newestAt = -1;
  while (board.count > 0) {
    const slot = board.slot(0);
    const isWhole = seqLeq(board.endOf(slot), sndUna);
    const len = isWhole ? board.lenOf(slot) : seqDiff(sndUna, board.seqOf(slot));
    if (len <= 0) break;
    if (!board.has(slot, Mark.sacked)) {
      deliver(tcb, slot, len, now);
      work.cumulative += len;
      if (board.has(slot, Mark.again)) work.ambiguous = true;
      else if (isWhole || len >= tcb.smss) newestAt = Math.max(newestAt, board.sentAt(slot));
    }
    if (!isWhole) {
      board.trimFirst(sndUna);
      break;
    }
    board.dropFirst();
  }
  if (newestAt >= 0 && !work.ambiguous) work.rtt = now - newestAt;
}

/** `len` octets of the entry, not known to have arrived before, did. */
function deliver(tcb: Tcb, slot: number, len: number, now: Micros): void {
  const { board, rack, rate } = tcb;
  const end = board.endOf(slot);
  if (!board.has(slot, Mark.again)) {
    if (tcb.sackAgreed && seqLt(end, work.fack)) noteReordering(tcb, board.seqOf(slot));
    if (tcb.recovery === 'loss' && seqLeq(end, tcb.recover)) work.original = true;
  }
  rack.fack = seqMax(rack.fack, end);
  rack.onDelivered(board, slot, now);
  rate.onDelivered(board, slot, len, now);
}

/** RFC 8985 §6.2 step 3: it was sent once, and arrived after something sent later. */
export function noteReordering(tcb: Tcb, seq: Seq): void {
  const { rack, loss, smss } = tcb;
  const degree = Math.ceil(seqDiff(work.fack, seq) / smss);
  rack.reordering = Math.min(Math.max(rack.reordering, degree), tcb.config.sysctl.tcp_max_reordering);
  rack.reorderingSeen = true;
  loss.reorderings++;
}
