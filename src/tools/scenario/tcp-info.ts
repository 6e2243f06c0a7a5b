/** TCP_INFO by the names and in the units of Linux's struct tcp_info: of our stack, and from the kernel's octets. */
import { linuxTcpInfo } from '../../socket/tcp-info.ts';
import type { Endpoint } from '../../stack/endpoint.ts';

/** The numbers alone: what tcpx says beside them, Linux does not. */
export function tcpInfoOf(endpoint: Endpoint): Readonly<Record<string, number>> {
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(linuxTcpInfo(endpoint)))
    if (typeof value === 'number') numbers[name] = value;
  return numbers;
}

/** Where fields of struct tcp_info lie (include/uapi/linux/tcp.h): octets from its start, and how many they have. */
const FIELDS: Readonly<Record<string, readonly [at: number, len: 1 | 4 | 8]>> = {
  tcpi_state: [0, 1],
  tcpi_ca_state: [1, 1],
  tcpi_retransmits: [2, 1],
  tcpi_probes: [3, 1],
  tcpi_backoff: [4, 1],
  tcpi_options: [5, 1],
  tcpi_rto: [8, 4],
  tcpi_ato: [12, 4],
  tcpi_snd_mss: [16, 4],
  tcpi_rcv_mss: [20, 4],
  tcpi_unacked: [24, 4],
  tcpi_sacked: [28, 4],
  tcpi_lost: [32, 4],
  tcpi_retrans: [36, 4],
  tcpi_fackets: [40, 4],
  tcpi_last_data_sent: [44, 4],
  tcpi_last_data_recv: [52, 4],
  tcpi_last_ack_recv: [56, 4],
  tcpi_pmtu: [60, 4],
  tcpi_rcv_ssthresh: [64, 4],
  tcpi_rtt: [68, 4],
  tcpi_rttvar: [72, 4],
  tcpi_snd_ssthresh: [76, 4],
  tcpi_snd_cwnd: [80, 4],
  tcpi_advmss: [84, 4],
  tcpi_reordering: [88, 4],
  tcpi_rcv_rtt: [92, 4],
  tcpi_rcv_space: [96, 4],
  tcpi_total_retrans: [100, 4],
  tcpi_pacing_rate: [104, 8],
  tcpi_max_pacing_rate: [112, 8],
  tcpi_bytes_acked: [120, 8],
  tcpi_bytes_received: [128, 8],
  tcpi_segs_out: [136, 4],
  tcpi_segs_in: [140, 4],
  tcpi_notsent_bytes: [144, 4],
  tcpi_min_rtt: [148, 4],
  tcpi_data_segs_in: [152, 4],
  tcpi_data_segs_out: [156, 4],
  tcpi_delivery_rate: [160, 8],
  tcpi_busy_time: [168, 8],
  tcpi_rwnd_limited: [176, 8],
  tcpi_sndbuf_limited: [184, 8],
  tcpi_delivered: [192, 4],
  tcpi_delivered_ce: [196, 4],
  tcpi_bytes_sent: [200, 8],
  tcpi_bytes_retrans: [208, 8],
  tcpi_dsack_dups: [216, 4],
  tcpi_reord_seen: [220, 4],
  tcpi_rcv_ooopack: [224, 4],
  tcpi_snd_wnd: [228, 4],
  tcpi_rcv_wnd: [232, 4],
};
/** snd_wscale and rcv_wscale share an octet. */
const WSCALES_AT = 6;

/** What a scenario's code may ask for. */
export const isTcpInfoName = (name: string): boolean =>
  Object.hasOwn(FIELDS, name) || /^tcpi_(snd|rcv)_wscale$/.test(name);

export function decodeTcpInfo(octets: Uint8Array): Readonly<Record<string, number>> {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const info: Record<string, number> = {};
  for (const [name, [at, len]] of Object.entries(FIELDS)) {
    if (at + len > octets.length) continue;
    info[name] = len === 1 ? octets[at]! : len === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
  }
  if (octets.length > WSCALES_AT) {
    info['tcpi_snd_wscale'] = octets[WSCALES_AT]! & 0xf;
    info['tcpi_rcv_wscale'] = octets[WSCALES_AT]! >>> 4;
  }
  return info;
}
