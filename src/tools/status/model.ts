/** What a process tells of its connections: lines of JSON over a Unix socket, a request in, then a head, a line for each, an end. */
import type { TcpInfo } from '../../tcp/info.ts';
import type { State } from '../../tcp/machine.ts';

export const STATUS_SCHEMA = 'tcpx.ss/1';

/** One line from who asks. */
export interface StatusRequest {
  /** A filter in ss's language (filter.ts); '' for all. */
  readonly filter: string;
  /** With what `-i` shows. */
  readonly info: boolean;
}

/** The first line of an answer. */
export interface ProcessStatus {
  readonly schema: typeof STATUS_SCHEMA;
  readonly pid: number;
  /** As it was called: `socks`, `connect example.com:80`. */
  readonly command: string;
  /** Seconds that it has run. */
  readonly uptime: number;
}

/** In ss's words: retransmission, keep-alive, TIME-WAIT (and FIN-WAIT-2), a shut window; others by our own names. */
export type TimerName = 'on' | 'keepalive' | 'timewait' | 'persist' | 'ack' | 'pacing' | 'reorder' | 'user';

/** A line for each connection, and for each port that listens. */
export interface ConnectionStatus {
  /** Number within its stack; 0 for a listener. */
  readonly id: number;
  readonly state: State;
  /** Octets that nobody has read; of a listener, connections that nobody has accepted. */
  readonly receiveQueue: number;
  /** Octets queued that the peer has not acknowledged; of a listener, how many may wait. */
  readonly sendQueue: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** '0.0.0.0' and 0 of a listener. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly interface: string;
  /** The soonest: µs until it fires, and how often it has fired in a row. */
  readonly timer?: { readonly name: TimerName; readonly in: number; readonly count: number };
  readonly info?: TcpInfo;
}

/** The last line, or a complaint instead of all. */
export type StatusEnd = { readonly end: true; readonly count: number } | { readonly error: string };
