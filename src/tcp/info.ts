/** STATUS, RFC 9293 §3.10.6, with the names and units of Linux's struct tcp_info. */
import { seqInt, seqLt } from '../base/seq.ts';
import type { State } from './machine.ts';
import { pacingRate } from './recovery/pacing.ts';
import { congestionWindow } from './recovery/window.ts';
import type { Tcb } from './tcb.ts';

/** Linux's names for where loss recovery stands: Disorder is before it is clear whether anything is lost, CWR after an ECN mark. */
export type CaState = 'Open' | 'Disorder' | 'CWR' | 'Recovery' | 'Loss';

/** Times are µs, sizes octets; `tcpi_` is left off the names. */
export interface TcpInfo {
  readonly state: State;
  readonly ca_state: CaState;
  readonly rto: number;
  readonly backoff: number;
  readonly rtt: number;
  readonly rttvar: number;
  readonly min_rtt: number;
  /** Not in Linux: largest and mean of all samples. */
  readonly max_rtt: number;
  readonly mean_rtt: number;
  readonly snd_mss: number;
  readonly rcv_mss: number;
  readonly advmss: number;
  /** Octets here, segments in Linux. */
  readonly snd_cwnd: number;
  /** Octets; -1 before the first loss. */
  readonly snd_ssthresh: number;
  readonly snd_wnd: number;
  readonly rcv_wnd: number;
  readonly snd_wscale: number;
  readonly rcv_wscale: number;
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly unacked: number;
  /** Octets here, segments in Linux, of what is unacknowledged: taken for lost; sent again and on the way; reported by SACK. */
  readonly lost: number;
  readonly retrans: number;
  readonly sacked: number;
  /** Segments by which one was late, at most; and how often one was. */
  readonly reordering: number;
  readonly reord_seen: number;
  /** DSACKs received. */
  readonly dsack_dups: number;
  /** Octets here, segments in Linux: delivered so far, cumulatively or by SACK. */
  readonly delivered: number;
  /** Octets per second, of the last sample; and whether the writer was its limit. */
  readonly delivery_rate: number;
  readonly delivery_rate_app_limited: boolean;
  /** Octets per second; -1: segments leave as the window allows. */
  readonly pacing_rate: number;
  readonly notsent_bytes: number;
  readonly total_retrans: number;
  readonly bytes_sent: number;
  readonly bytes_retrans: number;
  readonly bytes_acked: number;
  readonly bytes_received: number;
  readonly segs_out: number;
  readonly segs_in: number;
  readonly data_segs_out: number;
  readonly data_segs_in: number;
  /** Data segments that arrived ahead of RCV.NXT. */
  readonly rcv_ooopack: number;
  /** Segments that brought nothing new. */
  readonly rcv_duppack: number;
  readonly congestion: string;
  /** Not in Linux: what the controller is doing, in its own words; tail loss probes sent, and reductions taken back. */
  readonly congestion_phase: string;
  readonly tail_probes: number;
  readonly spurious: number;
  /** Not in Linux: SND.UNA, as uint32. */
  readonly snd_una: number;
}

export function tcpInfo(tcb: Tcb): TcpInfo {
  const { rtt, congestion, board, rack, rate, loss } = tcb;
  const pace = pacingRate(tcb);
  return {
    state: tcb.state,
    ca_state: caState(tcb),
    rto: rtt.rto,
    backoff: rtt.backoff,
    rtt: Math.round(rtt.srtt),
    rttvar: Math.round(rtt.rttvar),
    min_rtt: rtt.minRtt,
    max_rtt: rtt.maxRtt,
    mean_rtt: rtt.sampleCount === 0 ? 0 : Math.round(rtt.sumRtt / rtt.sampleCount),
    snd_mss: tcb.smss,
    rcv_mss: tcb.ackPolicy.rcvMss,
    advmss: tcb.ownMss(tcb.config.path.receiveMss),
    snd_cwnd: congestionWindow(tcb),
    snd_ssthresh: Number.isFinite(congestion.ssthresh) ? congestion.ssthresh : -1,
    snd_wnd: tcb.sndWnd,
    rcv_wnd: tcb.rcvWnd,
    snd_wscale: tcb.sndWscale,
    rcv_wscale: tcb.rcvWscale,
    timestamps: tcb.timestampsAgreed,
    sack: tcb.sackAgreed,
    unacked: tcb.flightSize,
    lost: board.lost,
    retrans: board.resent,
    sacked: board.sacked,
    reordering: rack.reordering,
    reord_seen: loss.reorderings,
    dsack_dups: loss.dsacksIn,
    delivered: rate.delivered,
    delivery_rate: rate.rate,
    delivery_rate_app_limited: rate.rateAppLimited,
    pacing_rate: Number.isFinite(pace) ? Math.round(pace) : -1,
    notsent_bytes: tcb.unsent,
    total_retrans: tcb.totalRetrans,
    bytes_sent: tcb.bytesSent,
    bytes_retrans: tcb.bytesRetrans,
    bytes_acked: tcb.bytesAcked,
    bytes_received: tcb.bytesReceived,
    segs_out: tcb.segsOut,
    segs_in: tcb.segsIn,
    data_segs_out: tcb.dataSegsOut,
    data_segs_in: tcb.dataSegsIn,
    rcv_ooopack: tcb.oooSegsIn,
    rcv_duppack: tcb.dupSegsIn,
    congestion: congestion.name,
    congestion_phase: congestion.phase,
    tail_probes: loss.tailProbes,
    spurious: loss.spurious,
    snd_una: seqInt(tcb.sndUna) >>> 0,
  };
}

function caState(tcb: Tcb): CaState {
  if (tcb.recovery !== 'open') return tcb.recovery === 'loss' ? 'Loss' : 'Recovery';
  if (tcb.board.sacked > 0 || tcb.dupAcks > 0) return 'Disorder';
  // An ECN mark has taken the window down, and what was out then still is.
  return tcb.ecnAgreed && seqLt(tcb.sndUna, tcb.ecnRecover) ? 'CWR' : 'Open';
}
