/**
 * Which octets are sent again, and when: fast retransmit and NewReno's fast recovery (RFC 5681 §3.2, RFC 6582), and
 * what follows a retransmission timeout (RFC 5681 §3.1). It sets `rtxNxt…rtxEnd`; output.ts sends what they name.
 */
import { seqAdd, seqDiff, seqLeq, seqMax, seqMin } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import { setSmss } from './path-mtu.ts';
import type { Tcb } from './tcb.ts';

/** Duplicate ACKs that mean a loss rather than reordering (RFC 5681 §2). */
const DUP_THRESH = 3;

/** A duplicate ACK, RFC 5681 §2: nothing new, no data, no window change, and something outstanding. */
export function onDuplicateAck(tcb: Tcb, now: Micros): void {
  tcb.dupAcks++;
  if (tcb.recovery === 'recovery') {
    tcb.inflation += tcb.smss;
    return;
  }
  if (tcb.dupAcks === 1) tcb.flightBeforeDups = tcb.flightSize;
  // RFC 6582 §3.2 step 2: up to what was out at the last loss, duplicates may be of what we sent again ourselves.
  if (tcb.dupAcks !== DUP_THRESH || tcb.recovery === 'loss' || seqLeq(tcb.sndUna, tcb.recover)) return;
  const probe = tcb.pathMtu.lost(tcb.sndUna);
  if (probe > 0) {
    // The probe was too large for the path: its octets go again in segments that fit, and the window stays (RFC 4821 §7.6.2).
    retransmit(tcb, probe);
    return;
  }
  tcb.recover = tcb.sndNxt;
  tcb.recovery = 'recovery';
  // RFC 5681 §3.2 step 2: what limited transmit has let out does not count.
  tcb.congestion.onLoss(tcb.flightBeforeDups, now);
  tcb.inflation = DUP_THRESH * tcb.smss;
  retransmitFirst(tcb);
  traceCongestion(tcb, 'three duplicate ACKs');
}

/** SND.UNA has moved by `acked` octets (more than 0); `flightBefore` is FlightSize before that. */
export function onNewAck(tcb: Tcb, acked: number, flightBefore: number, rtt: number, now: Micros): void {
  tcb.dupAcks = 0;
  keepComparable(tcb);
  tcb.rtxNxt = seqMax(tcb.rtxNxt, tcb.sndUna);
  tcb.rtxEnd = seqMax(tcb.rtxEnd, tcb.rtxNxt);
  if (tcb.pathMtu.acknowledged(tcb.sndUna)) setSmss(tcb);
  if (tcb.recovery === 'recovery') {
    if (seqLeq(tcb.recover, tcb.sndUna)) {
      endRecovery(tcb);
      tcb.congestion.onRecovered(tcb.flightSize, now);
      traceCongestion(tcb, 'recovered');
      return;
    }
    // Partial ACK: the next hole is at SND.UNA (RFC 6582 §3.2 step 3).
    tcb.inflation = Math.max(0, tcb.inflation - acked) + (acked >= tcb.smss ? tcb.smss : 0);
    retransmitFirst(tcb);
    return;
  }
  if (tcb.recovery === 'loss' && seqLeq(tcb.recover, tcb.sndUna)) {
    endRecovery(tcb);
    traceCongestion(tcb, 'recovered after timeout');
  }
  const sample = tcb.ackSample;
  sample.acked = acked;
  sample.cumulative = acked;
  sample.priorInFlight = flightBefore;
  sample.inFlight = tcb.flightSize;
  sample.lost = 0;
  sample.rtt = rtt;
  sample.srtt = tcb.rtt.srtt;
  sample.minRtt = tcb.rtt.minRtt;
  sample.recovering = tcb.recovery === 'loss';
  sample.cwndLimited = tcb.cwndLimited || sample.recovering;
  sample.delivered = tcb.bytesAcked;
  sample.una = tcb.placeOfSeq(tcb.sndUna);
  sample.nxt = tcb.placeOfSeq(tcb.sndNxt);
  sample.now = now;
  tcb.congestion.onAck(sample);
}

/** The retransmission timer expired: everything outstanding is presumed lost and sent again in slow start. */
export function onRetransmitTimeout(tcb: Tcb, now: Micros): void {
  tcb.pathMtu.lost(tcb.sndUna);
  tcb.congestion.onRto(tcb.flightSize, tcb.timeouts === 1, now);
  tcb.recovery = 'loss';
  tcb.recover = tcb.sndNxt;
  tcb.inflation = 0;
  tcb.dupAcks = 0;
  tcb.rtxNxt = tcb.sndUna;
  tcb.rtxEnd = tcb.sndNxt;
  tcb.rtxNote = 'retransmission';
  traceCongestion(tcb, 'retransmission timeout');
}

/** Octets presumed to be on the way: after a timeout only what was sent since, otherwise FlightSize. */
export function pipe(tcb: Tcb): number {
  return tcb.recovery === 'loss' ? seqDiff(tcb.rtxNxt, tcb.sndUna) : tcb.flightSize;
}

/** The congestion window as it stands for sending: inflated in recovery, and by RFC 3042 for the first two duplicates. */
export function usableCwnd(tcb: Tcb): number {
  const limitedTransmit = tcb.recovery === 'open' ? Math.min(tcb.dupAcks, DUP_THRESH - 1) * tcb.smss : 0;
  return tcb.congestion.cwnd + tcb.inflation + limitedTransmit;
}

/** The path carries less than we sent: what is out goes again in smaller segments, and is no sign of congestion (RFC 1191 §6.5). */
export function resendAll(tcb: Tcb): void {
  tcb.rtxNxt = tcb.sndUna;
  tcb.rtxEnd = tcb.sndNxt;
  tcb.rtxNote = 'retransmission';
}

/** Marks that nothing has moved for a quarter of the sequence space follow SND.UNA, or they would seem to lie ahead of it. */
function keepComparable(tcb: Tcb): void {
  const far = 2 ** 30;
  if (tcb.recovery === 'open' && seqDiff(tcb.sndUna, tcb.recover) > far) tcb.recover = seqAdd(tcb.sndUna, -far);
  if (seqDiff(tcb.sndUna, tcb.ecnRecover) > far) tcb.ecnRecover = seqAdd(tcb.sndUna, -far);
}

function retransmitFirst(tcb: Tcb): void {
  retransmit(tcb, tcb.smss);
}

function retransmit(tcb: Tcb, len: number): void {
  tcb.rtxNxt = tcb.sndUna;
  tcb.rtxEnd = seqMin(seqAdd(tcb.sndUna, len), tcb.sndNxt);
  tcb.rtxNote = 'fast retransmit';
}

function endRecovery(tcb: Tcb): void {
  tcb.recovery = 'open';
  tcb.inflation = 0;
  tcb.rtxEnd = tcb.rtxNxt;
}

function traceCongestion(tcb: Tcb, why: string): void {
  if (!tcb.tracer.enabled) return;
  const { cwnd, ssthresh } = tcb.congestion;
  tcb.tracer.record({ t: tcb.now, conn: tcb.id, type: 'congestion', why, cwnd, ssthresh: finite(ssthresh) });
}

/** JSON knows no infinity: -1 stands for a threshold that was never set. */
const finite = (n: number): number => (Number.isFinite(n) ? n : -1);
