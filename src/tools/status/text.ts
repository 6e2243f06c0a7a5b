/** Connections as `ss -tioHp` shows them: the same columns and words, so that eyes and scripts know them. */
import type { TcpInfo } from '../../tcp/info.ts';
import type { Answered } from './ask.ts';
import { SS_STATES } from './filter.ts';
import type { ConnectionStatus } from './model.ts';

export interface StatusTextOptions {
  readonly header: boolean;
  readonly timers: boolean;
  readonly processes: boolean;
}

type Cells = readonly [state: string, recv: string, send: string, local: string, peer: string];

const HEAD: Cells = ['State', 'Recv-Q', 'Send-Q', 'Local Address:Port', 'Peer Address:Port'];

/** A line for each, and below it another where there is more to say of it. */
export function statusText(answers: readonly Answered[], o: StatusTextOptions): string {
  const rows = answers.flatMap(({ process, connections }) =>
    connections.map((connection) => ({ connection, cells: cellsOf(connection), process })),
  );
  const widths = [0, 1, 2, 3, 4].map((i) =>
    rows.reduce((most, { cells }) => Math.max(most, cells[i]!.length), o.header ? HEAD[i]!.length : 0),
  );
  const line = (cells: Cells, more: string): string =>
    `${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' ')}${more}`.trimEnd();
  const lines = o.header ? [line(HEAD, o.processes ? ' Process' : '')] : [];
  for (const { connection, cells, process } of rows) {
    const who = o.processes ? ` users:(("tcpx ${process.command}",pid=${process.pid}))` : '';
    const timer = o.timers && connection.timer !== undefined ? ` ${timerText(connection.timer)}` : '';
    lines.push(line(cells, `${who}${timer}`));
    if (connection.info !== undefined) lines.push(`\t ${infoText(connection.info)}`);
  }
  return lines.map((text) => `${text}\n`).join('');
}

function cellsOf(c: ConnectionStatus): Cells {
  const place = (address: string, port: number): string => `${address}:${port === 0 ? '*' : port}`;
  return [
    SS_STATES[c.state],
    String(c.receiveQueue),
    String(c.sendQueue),
    place(c.localAddress, c.localPort),
    place(c.remoteAddress, c.remotePort),
  ];
}

/** `timer:(on,204ms,1)`. */
function timerText({ name, in: left, count }: NonNullable<ConnectionStatus['timer']>): string {
  return `timer:(${name},${timeText(left)},${count})`;
}

/** As ss: 204ms, 58sec, 1min59sec, 2min. */
function timeText(us: number): string {
  const millis = Math.floor(us / 1000);
  if (millis < 10_000) {
    const seconds = Math.floor(millis / 1000);
    return seconds === 0 ? `${millis}ms` : `${seconds}.${String(millis % 1000).padStart(3, '0')}ms`;
  }
  const seconds = Math.floor(millis / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds}sec`;
  return seconds % 60 === 0 || minutes > 9 ? `${minutes}min` : `${minutes}min${seconds % 60}sec`;
}

/** ss's second line: times in ms, windows in segments. */
export function infoText(i: TcpInfo): string {
  const segments = (octets: number): number => Math.floor(octets / Math.max(1, i.snd_mss));
  const parts = [
    ...(i.timestamps ? ['ts'] : []),
    ...(i.sack ? ['sack'] : []),
    i.congestion,
    ...(i.snd_wscale > 0 || i.rcv_wscale > 0 ? [`wscale:${i.snd_wscale},${i.rcv_wscale}`] : []),
    `rto:${millis(i.rto)}`,
    ...(i.backoff > 0 ? [`backoff:${i.backoff}`] : []),
    ...(i.rtt > 0 ? [`rtt:${millis(i.rtt)}/${millis(i.rttvar)}`] : []),
    `mss:${i.snd_mss}`,
    `rcvmss:${i.rcv_mss}`,
    `advmss:${i.advmss}`,
    `cwnd:${segments(i.snd_cwnd)}`,
    ...(i.snd_ssthresh >= 0 ? [`ssthresh:${segments(i.snd_ssthresh)}`] : []),
    ...some('bytes_sent', i.bytes_sent),
    ...some('bytes_retrans', i.bytes_retrans),
    ...some('bytes_acked', i.bytes_acked),
    ...some('bytes_received', i.bytes_received),
    ...some('segs_out', i.segs_out),
    ...some('segs_in', i.segs_in),
    ...some('data_segs_out', i.data_segs_out),
    ...some('data_segs_in', i.data_segs_in),
    ...(i.rtt > 0 ? [`send ${rate((i.snd_cwnd * 1e6) / i.rtt)}`] : []),
    ...(i.pacing_rate > 0 ? [`pacing_rate ${rate(i.pacing_rate)}`] : []),
    ...(i.delivery_rate > 0 ? [`delivery_rate ${rate(i.delivery_rate)}`] : []),
    ...(i.delivery_rate_app_limited ? ['app_limited'] : []),
    ...some('unacked', segments(i.unacked + i.snd_mss - 1)),
    ...(i.retrans > 0 || i.total_retrans > 0 ? [`retrans:${segments(i.retrans)}/${i.total_retrans}`] : []),
    ...some('lost', segments(i.lost)),
    ...some('sacked', segments(i.sacked)),
    ...some('dsack_dups', i.dsack_dups),
    ...(i.reordering !== 3 ? [`reordering:${i.reordering}`] : []),
    ...some('reord_seen', i.reord_seen),
    ...some('notsent', i.notsent_bytes),
    ...some('rcv_ooopack', i.rcv_ooopack),
    `snd_wnd:${i.snd_wnd}`,
    `rcv_wnd:${i.rcv_wnd}`,
    ...(i.min_rtt > 0 && Number.isFinite(i.min_rtt) ? [`minrtt:${millis(i.min_rtt)}`] : []),
    ...(i.ca_state === 'Open' ? [] : [`ca_state:${i.ca_state}`]),
  ];
  return parts.join(' ');
}

const millis = (us: number): string => String(Number((us / 1000).toPrecision(6)));
const some = (name: string, n: number): readonly string[] => (n > 0 ? [`${name}:${n}`] : []);
/** Octets per second, in ss's bits per second. */
const rate = (octets: number): string => `${Math.round(octets * 8)}bps`;
