/** The far side of a proxied connection: through a stack of ours, or through this machine's kernel. */
import { connect as netConnect } from 'node:net';
import type { HostPool } from '../../socket/host-pool.ts';
import { socketError, TcpSocket } from '../../socket/tcp-socket.ts';
import type { SocketOptions } from '../../tcp/config.ts';
import { type Ipv4, ipv4Text, parseIpv4 } from '../../wire/ipv4.ts';
import type { RelayEnd } from './relay.ts';

export interface Dialed {
  readonly socket: RelayEnd;
  /** Where it is connected from and to. */
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
}

/** Rejects with an error that has a `code`: an errno, ENOTFOUND or EAI_AGAIN of the name, ABORT_ERR of `signal`. */
export type Dial = (host: string, port: number, signal: AbortSignal) => Promise<Dialed>;

export interface DialOptions {
  readonly resolve: (host: string) => Promise<Ipv4>;
  /** Milliseconds for the handshake. */
  readonly connectTimeout: number;
}

export interface TcpxDialOptions extends DialOptions {
  readonly options?: Partial<SocketOptions>;
}

export const dialTcpx =
  (pool: HostPool, o: TcpxDialOptions): Dial =>
  async (host, port, signal) => {
    const address = await o.resolve(host);
    signal.throwIfAborted();
    const endpoint = await pool.connect({ address, port, ...(o.options !== undefined && { options: o.options }) });
    const socket = new TcpSocket(endpoint);
    await connected(socket, address, port, o.connectTimeout, signal);
    return {
      socket,
      localAddress: endpoint.localAddress,
      localPort: endpoint.localPort,
      remoteAddress: endpoint.remoteAddress,
    };
  };

export const dialKernel =
  (o: DialOptions): Dial =>
  async (host, port, signal) => {
    const address = await o.resolve(host);
    signal.throwIfAborted();
    // Passed on to the stream, which the types don't know.
    const stream = { highWaterMark: KERNEL_MARK };
    const socket = netConnect({ ...stream, host: ipv4Text(address), port, allowHalfOpen: true, noDelay: true });
    await connected(socket, address, port, o.connectTimeout, signal);
    const localAddress = parseIpv4(socket.localAddress ?? '') ?? address;
    return { socket, localAddress, localPort: socket.localPort ?? 0, remoteAddress: address };
  };

/**
 * Octets that a socket of the kernel's may hold in this process: a whole batch of segments of 64 KiB, for with less the
 * reading stops and goes on again in the middle of each.
 */
export const KERNEL_MARK = 1 << 21;

function connected(socket: RelayEnd, address: Ipv4, port: number, timeout: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => giveUp(socketError('ETIMEDOUT', 'connect', address, port)), timeout);
    const onAbort = (): void => giveUp(signal.reason as Error);
    const onError = (error: Error): void => {
      settle();
      reject(error);
    };
    const onClose = (): void => onError(socketError('ECONNABORTED', 'connect', address, port));
    function settle(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('close', onClose);
    }
    function giveUp(reason: Error): void {
      settle();
      socket.on('error', () => {}).resetAndDestroy();
      reject(reason);
    }
    signal.addEventListener('abort', onAbort);
    socket
      .once('connect', () => {
        settle();
        resolve();
      })
      .on('error', onError)
      .on('close', onClose);
  });
}
