/** STATUS, RFC 9293 §3.10.6, with the names and units of Linux's struct tcp_info. */
import { seqInt } from '../base/seq.ts';
import type { State } from './machine.ts';
import { congestionWindow } from './recovery/window.ts';
import type { Tcb } from './tcb.ts';

/** Times are µs, sizes octets; `tcpi_` is left off the names. */
export interface TcpInfo {
  readonly state: State;
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
  /** Not in Linux: SND.UNA, as uint32. */
  readonly snd_una: number;
}

export function tcpInfo(tcb: Tcb): TcpInfo {
  const { rtt, congestion } = tcb;
  return {
    state: tcb.state,
    rto: rtt.rto,
    backoff: rtt.backoff,
    rtt: Math.round(rtt.srtt),
    rttvar: Math.round(rtt.rttvar),
    min_rtt: rtt.minRtt,
    max_rtt: rtt.maxRtt,
    mean_rtt: rtt.sampleCount === 0 ? 0 : Math.round(rtt.sumRtt / rtt.sampleCount),
    snd_mss: tcb.smss,
    rcv_mss: tcb.rcvMss,
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
    snd_una: seqInt(tcb.sndUna) >>> 0,
  };
}
