/**
 * What an ACK means for recovery, in the order in which it has to be asked: was a reduction needless, is an episode over,
 * what is lost, does an episode begin, how much may be in flight now. RFC 5681, 6582, 6675, 8985, 9937, 5682.
 */
import { seqAdd, seqDiff, seqLeq } from '../../base/seq.ts';
import { later, type Micros } from '../../base/time.ts';
import type { TcpSegment } from '../../wire/tcp.ts';
import { emptySample } from '../congestion/controller.ts';
import { setSmss } from '../path-mtu.ts';
import type { Tcb } from '../tcb.ts';
import { Timer } from '../timers.ts';
import { work } from './delivered.ts';
import { enterRecovery, finishLoss, finishRecovery } from './episode.ts';
import { frtoOnAck } from './frto.ts';
import { onDuplicateAck, onNewAckInRecovery } from './newreno.ts';
import { prrOnAck } from './prr.ts';
import { detectLoss } from './rack.ts';
import { detectBySack } from './sack-loss.ts';
import { Mark } from './scoreboard.ts';
import { probeOnAck } from './tail-probe.ts';
import { echoesOriginal, undo } from './undo.ts';
import { isWindowUsed, slowStartLimit } from './window.ts';

/** One for all connections: it is filled and read within a call. */
const sample = emptySample();

/**
 * An ACK has been taken, `acked` octets cumulatively. `isDup`: a duplicate by RFC 5681 §2. `rtt`: µs, 0 when it gave no
 * sample.
 */
export function onAck(
  tcb: Tcb,
  seg: TcpSegment,
  acked: number,
  isDup: boolean,
  rtt: number,
  ece: boolean,
  now: Micros,
): void {
  const rateSample = tcb.rate.endAck(tcb.rack.minRtt, now);
  if (acked > 0) {
    keepComparable(tcb);
    if (tcb.pathMtu.acknowledged(tcb.sndUna)) setSmss(tcb);
  }
  const wasRecovering = tcb.recovery === 'recovery';
  // RFC 4015 §3.4: where the network says that there is congestion, the reduction was not for nothing.
  if (ece) tcb.loss.canUndo = false;
  const isUndone = tryUndo(tcb, seg, acked, now);
  if (tcb.sackAgreed) onSackAck(tcb, acked, isDup, isUndone, now);
  else if (isDup) onDuplicateAck(tcb, now);
  else if (!isUndone) onPlainAck(tcb, acked, now);
  // An ACK of the episode, its last included, is no reason to grow.
  if (!tcb.sackAgreed && wasRecovering && !tcb.congestion.ownsRecovery) return;
  if (work.delivered > 0) tellController(tcb, acked, rtt, rateSample, ece, wasRecovering, now);
}

function onSackAck(tcb: Tcb, acked: number, isDup: boolean, isUndone: boolean, now: Micros): void {
  const { loss, rack, rate } = tcb;
  rack.adapt(rate.prior, rate.delivered);
  if (loss.probeOut) probeOnAck(tcb, isDup && work.delivered === 0 && !work.dsack, now);
  if (tcb.recovery === 'open' && work.sackedBefore === 0) tcb.flightBeforeDups = work.pipe;
  if (!isUndone) endEpisode(tcb, acked, isDup, now);
  if (work.delivered > 0) findLosses(tcb, now);
  if (tcb.recovery === 'recovery') prrOnAck(tcb, work.delivered, acked > 0 && work.lost === 0);
}

function onPlainAck(tcb: Tcb, acked: number, now: Micros): void {
  tcb.dupAcks = 0;
  if (tcb.recovery === 'recovery') onNewAckInRecovery(tcb, acked, now);
  else if (tcb.recovery === 'loss' && seqLeq(tcb.recover, tcb.sndUna)) finishLoss(tcb);
}

function tryUndo(tcb: Tcb, seg: TcpSegment, acked: number, now: Micros): boolean {
  const { loss } = tcb;
  if (!loss.canUndo) return false;
  if (loss.dsackedAll) {
    undo(tcb, 'DSACK', now);
    return true;
  }
  if (tcb.recovery === 'open' || acked <= 0 || !echoesOriginal(tcb, seg)) return false;
  const isOver = seqLeq(tcb.recover, tcb.sndUna);
  // While a retransmission is out, its DSACK may tell more.
  if (tcb.recovery === 'recovery' && tcb.board.resent > 0 && !isOver) return false;
  undo(tcb, 'timestamps', now);
  return true;
}

function endEpisode(tcb: Tcb, acked: number, isDup: boolean, now: Micros): void {
  const { loss } = tcb;
  const isOver = seqLeq(tcb.recover, tcb.sndUna);
  if (tcb.recovery === 'recovery') {
    if (isOver) finishRecovery(tcb, now);
  } else if (tcb.recovery === 'loss') {
    const isSpurious = frtoOnAck(tcb, acked, isDup) === 'spurious';
    if (isSpurious) loss.frto = 'off';
    if (isSpurious && loss.canUndo) undo(tcb, 'F-RTO', now);
    else if (isOver) finishLoss(tcb);
  }
}

/** Looks for what is lost; where something is, and no episode is under way, one begins. */
export function findLosses(tcb: Tcb, now: Micros): void {
  const { rack } = tcb;
  const usesRack = (tcb.config.sysctl.tcp_recovery & 1) !== 0;
  if (!usesRack) detectBySack(tcb, lose);
  else if (rack.advanced) {
    rack.advanced = false;
    const wait = detectLoss(tcb, now, lose);
    if (wait > 0) tcb.timers.set(Timer.reorder, later(now, wait as Micros));
    else tcb.timers.stop(Timer.reorder);
  }
  if (work.lost === 0 || tcb.recovery !== 'open') return;
  enterRecovery(tcb, usesRack ? 'RACK' : 'SACK', Math.max(tcb.flightBeforeDups, work.pipe), now);
}

function lose(tcb: Tcb, slot: number): void {
  const { board } = tcb;
  const isProbe = board.has(slot, Mark.mtuProbe);
  board.markLost(slot);
  // A probe of the path's MTU that is lost alone was too large, and says nothing of congestion (RFC 4821 §7.6.2).
  if (isProbe && tcb.pathMtu.lost(board.seqOf(slot)) > 0 && work.lost === 0) tcb.rtxNote = 'fast retransmit';
  else work.lost += board.lenOf(slot);
}

/** `acked` octets cumulatively; `rtt` and `rate` 0 where there is no sample; `wasRecovering` before this ACK. */
export function tellController(
  tcb: Tcb,
  acked: number,
  rtt: number,
  rate: number,
  ece: boolean,
  wasRecovering: boolean,
  now: Micros,
): void {
  const { board, rate: estimator } = tcb;
  sample.acked = tcb.isRfc ? Math.min(work.delivered, slowStartLimit(tcb)) : work.delivered;
  sample.cumulative = acked;
  sample.priorInFlight = work.pipe;
  sample.inFlight = board.pipe;
  sample.lost = work.lost;
  sample.rtt = rtt > 0 ? rtt : Math.max(0, work.sackRtt);
  sample.srtt = tcb.rtt.srtt;
  sample.minRtt = tcb.rtt.minRtt;
  sample.recovering = wasRecovering || tcb.recovery !== 'open';
  // Before it is clear whether anything is lost, only SND.UNA's progress is a reason to grow (RFC 3042; Linux).
  sample.cwndLimited = tcb.recovery === 'loss' || (isWindowUsed(tcb) && (acked > 0 || sample.recovering));
  sample.deliveryRate = rate;
  sample.appLimited = estimator.priorAppLimited;
  sample.delivered = estimator.delivered;
  sample.priorDelivered = Math.max(0, estimator.prior);
  sample.roundStart = estimator.takeRoundStart();
  sample.ece = ece;
  sample.una = tcb.placeOfSeq(tcb.sndUna);
  sample.nxt = tcb.placeOfSeq(tcb.sndNxt);
  sample.now = now;
  tcb.congestion.onAck(sample);
}

/** Marks that nothing has moved for a quarter of the sequence space follow SND.UNA, or they would seem to lie ahead of it. */
function keepComparable(tcb: Tcb): void {
  const far = 2 ** 30;
  const behind = seqAdd(tcb.sndUna, -far);
  if (tcb.recovery === 'open' && seqDiff(tcb.sndUna, tcb.recover) > far) tcb.recover = behind;
  if (seqDiff(tcb.sndUna, tcb.ecnRecover) > far) tcb.ecnRecover = behind;
  if (seqDiff(tcb.sndUna, tcb.loss.markedTo) > far) tcb.loss.markedTo = behind;
}
