/** STATUS as programs for Linux read it: the fields of struct tcp_info, in its names, order and units. */

import { seqLt } from '../base/seq.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import type { CaState } from '../tcp/info.ts';
import { numberOfState } from '../tcp/linux-states.ts';
import type { State } from '../tcp/machine.ts';
import { Mark } from '../tcp/recovery/scoreboard.ts';
import type { Tcb } from '../tcp/tcb.ts';

/**
 * Times are µs, windows are whole segments, what is in flight is counted in segments as they left, `bytes` are octets, unless said otherwise. What tcpx
 * keeps no account of is left out rather than said to be 0: ages (last_data_sent, last_data_recv, last_ack_recv), what the
 * sender waited for (busy_time, rwnd_limited, sndbuf_limited), the receiver's own round trip and pace (rcv_rtt, rcv_space,
 * ato), delivered_ce, rehash, fastopen_client_fail and the totals of timeouts.
 */
export interface LinuxTcpInfo {
  /** TCP_ESTABLISHED is 1, as in the kernel's tcp_states.h. */
  readonly tcpi_state: number;
  /** Not in Linux: the same by its name. */
  readonly state: State;
  readonly tcpi_ca_state: number;
  /** Timeouts since something was acknowledged last. */
  readonly tcpi_retransmits: number;
  /** Of a shut window, without an answer. */
  readonly tcpi_probes: number;
  /** Doublings of the RTO. */
  readonly tcpi_backoff: number;
  /** Bits: 1 timestamps, 2 SACK, 4 window scaling. */
  readonly tcpi_options: number;
  readonly tcpi_snd_wscale: number;
  readonly tcpi_rcv_wscale: number;
  readonly tcpi_delivery_rate_app_limited: number;
  readonly tcpi_rto: number;
  readonly tcpi_snd_mss: number;
  readonly tcpi_rcv_mss: number;
  readonly tcpi_unacked: number;
  readonly tcpi_sacked: number;
  readonly tcpi_lost: number;
  readonly tcpi_retrans: number;
  /** 0, as in Linux, which counts no forward acknowledgments any more. */
  readonly tcpi_fackets: number;
  /** 0, as in Linux, which does not remember it. */
  readonly tcpi_last_ack_sent: number;
  /** Octets of the largest packet that the path is known to carry. */
  readonly tcpi_pmtu: number;
  /** Octets that the window may grow to for now. */
  readonly tcpi_rcv_ssthresh: number;
  readonly tcpi_rtt: number;
  readonly tcpi_rttvar: number;
  /** Segments; 2^31 - 1 before the first loss. */
  readonly tcpi_snd_ssthresh: number;
  readonly tcpi_snd_cwnd: number;
  readonly tcpi_advmss: number;
  readonly tcpi_reordering: number;
  readonly tcpi_total_retrans: number;
  /** Octets per second; -1: no limit (in Linux all bits). */
  readonly tcpi_pacing_rate: number;
  /** -1: no limit (in Linux all bits). */
  readonly tcpi_max_pacing_rate: number;
  readonly tcpi_bytes_acked: number;
  readonly tcpi_bytes_received: number;
  readonly tcpi_segs_out: number;
  readonly tcpi_segs_in: number;
  readonly tcpi_notsent_bytes: number;
  readonly tcpi_min_rtt: number;
  readonly tcpi_data_segs_in: number;
  readonly tcpi_data_segs_out: number;
  /** Octets per second. */
  readonly tcpi_delivery_rate: number;
  readonly tcpi_delivered: number;
  readonly tcpi_bytes_sent: number;
  readonly tcpi_bytes_retrans: number;
  readonly tcpi_dsack_dups: number;
  readonly tcpi_reord_seen: number;
  readonly tcpi_rcv_ooopack: number;
  /** Octets. */
  readonly tcpi_snd_wnd: number;
  readonly tcpi_rcv_wnd: number;
  /** Not in the struct: TCP_CONGESTION. */
  readonly congestion: string;
}

const CA_STATES: readonly CaState[] = ['Open', 'Disorder', 'CWR', 'Recovery', 'Loss'];
/** Octets of the IPv4 and TCP headers, and of the timestamps option. */
const HEADERS = 40;
const TIMESTAMPS = 12;
const NO_THRESHOLD = 0x7fff_ffff;

export function linuxTcpInfo(endpoint: Endpoint): LinuxTcpInfo {
  const info = endpoint.info();
  // Nothing is under way where these are not kept.
  const { variables } = endpoint.connection;
  // Linux's windows are counts: of a part of a segment it knows nothing.
  const windowOf = (octets: number): number => Math.floor(octets / Math.max(1, info.snd_mss));
  const marked = (mark?: number): number => (variables === undefined ? 0 : segmentsOut(variables, mark));
  return {
    tcpi_state: numberOfState(info.state),
    state: info.state,
    tcpi_ca_state: CA_STATES.indexOf(info.ca_state),
    tcpi_retransmits: variables?.timeouts ?? 0,
    tcpi_probes: variables?.probesUnanswered ?? 0,
    tcpi_backoff: info.backoff,
    tcpi_options: (info.timestamps ? 1 : 0) | (info.sack ? 2 : 0) | (info.snd_wscale + info.rcv_wscale > 0 ? 4 : 0),
    tcpi_snd_wscale: info.snd_wscale,
    tcpi_rcv_wscale: info.rcv_wscale,
    tcpi_delivery_rate_app_limited: info.delivery_rate_app_limited ? 1 : 0,
    tcpi_rto: info.rto,
    tcpi_snd_mss: info.snd_mss,
    tcpi_rcv_mss: info.rcv_mss,
    tcpi_unacked: marked(),
    tcpi_sacked: marked(Mark.sacked),
    tcpi_lost: marked(Mark.lost),
    tcpi_retrans: marked(Mark.resent),
    tcpi_fackets: 0,
    tcpi_last_ack_sent: 0,
    tcpi_pmtu: HEADERS + (variables?.pathMtu.mss ?? info.snd_mss + (info.timestamps ? TIMESTAMPS : 0)),
    tcpi_rcv_ssthresh: variables?.receiveBuffer.capacity ?? info.rcv_wnd,
    tcpi_rtt: info.rtt,
    tcpi_rttvar: info.rttvar,
    tcpi_snd_ssthresh: info.snd_ssthresh < 0 ? NO_THRESHOLD : windowOf(info.snd_ssthresh),
    tcpi_snd_cwnd: windowOf(info.snd_cwnd),
    tcpi_advmss: info.advmss,
    tcpi_reordering: info.reordering,
    tcpi_total_retrans: info.total_retrans,
    tcpi_pacing_rate: info.pacing_rate,
    tcpi_max_pacing_rate: -1,
    tcpi_bytes_acked: info.bytes_acked,
    tcpi_bytes_received: info.bytes_received,
    tcpi_segs_out: info.segs_out,
    tcpi_segs_in: info.segs_in,
    tcpi_notsent_bytes: info.notsent_bytes,
    tcpi_min_rtt: info.min_rtt,
    tcpi_data_segs_in: info.data_segs_in,
    tcpi_data_segs_out: info.data_segs_out,
    tcpi_delivery_rate: info.delivery_rate,
    tcpi_delivered: Math.ceil(info.delivered / Math.max(1, info.snd_mss)),
    tcpi_bytes_sent: info.bytes_sent,
    tcpi_bytes_retrans: info.bytes_retrans,
    tcpi_dsack_dups: info.dsack_dups,
    tcpi_reord_seen: info.reord_seen,
    tcpi_rcv_ooopack: info.rcv_ooopack,
    tcpi_snd_wnd: info.snd_wnd,
    tcpi_rcv_wnd: info.rcv_wnd,
    congestion: info.congestion,
  };
}

/** Segments that are out, or those of them that carry `mark`; the SYN is one. */
function segmentsOut({ board, finSent, finSeq, synSent, synAcked, smss }: Readonly<Tcb>, mark?: number): number {
  let count = mark === undefined && synSent && !synAcked ? 1 : 0;
  for (let i = 0; i < board.count; i++) {
    const slot = board.slot(i);
    if (mark !== undefined && !board.has(slot, mark)) continue;
    // A FIN takes no room in the segment that it goes with.
    const fin = finSent && seqLt(finSeq, board.endOf(slot)) ? 1 : 0;
    count += Math.max(1, Math.ceil((board.lenOf(slot) - fin) / smss));
  }
  return count;
}
