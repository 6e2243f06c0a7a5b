/** A connection to measure: a Duplex, what can be read off it, and how it is left. Ours, or the kernel's through `net`. */
import { connect as netConnect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TcpSocket } from '../../socket/tcp-socket.ts';
import type { TcpReading } from './model.ts';

/** What a connection is like once it is established; undefined where nobody says. */
export interface SocketFacts {
  readonly local: string;
  readonly congestion: string | undefined;
  /** Octets of payload in a segment on the wire. */
  readonly mss: number | undefined;
}

export interface PerfSocket {
  /** Its 'connect', 'end', 'error' and 'close' are waited for, and 'time-wait' where there is one. */
  readonly stream: Duplex;
  /** Octets of ours that the peer has acknowledged (or, of a kernel's socket, that the kernel has taken). */
  octetsOut(): number;
  /** `octetsOut` says what the peer has acknowledged: then it needs no FIN of the peer to know that all has arrived. */
  readonly knowsAcks: boolean;
  tcp(): TcpReading | undefined;
  facts(): SocketFacts;
  /** RST, now. */
  abort(): void;
}

export function tcpxSocket(socket: TcpSocket): PerfSocket {
  const { endpoint } = socket;
  return {
    stream: socket,
    knowsAcks: true,
    octetsOut: () => endpoint.info().bytes_acked,
    tcp() {
      const { total_retrans, snd_cwnd, rtt } = endpoint.info();
      return { retransmits: total_retrans, cwnd: snd_cwnd, rtt };
    },
    facts() {
      const { congestion, snd_mss } = endpoint.info();
      return { local: `${socket.localAddress}:${socket.localPort}`, congestion, mss: snd_mss };
    },
    abort: () => void socket.resetAndDestroy(),
  };
}

export interface NetOptions {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly noDelay?: boolean;
}

/** The kernel's TCP, as a Node program has it. */
export function netSocket(o: NetOptions): PerfSocket {
  const socket = netConnect({ ...o, allowHalfOpen: true });
  return {
    stream: socket,
    knowsAcks: false,
    // What a write is still out for counts as waiting: the kernel may have taken part of it.
    octetsOut: () => socket.bytesWritten - socket.writableLength,
    tcp: () => undefined,
    facts: () => ({ local: `${socket.localAddress}:${socket.localPort}`, congestion: undefined, mss: undefined }),
    abort: () => void socket.resetAndDestroy(),
  };
}
