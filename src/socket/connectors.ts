/** What undici, http2 and ioredis ask for their connections, answered with tcpx's. */
import type { SessionOptions } from 'node:http2';
import type { Duplex } from 'node:stream';
import type tls from 'node:tls';
import { connect } from '../net.ts';
import type { ConnectOpts } from './net-api.ts';
import type { Socket } from './net-socket.ts';
import { tlsConnectOver } from './over-tls.ts';
import { mendWriteAfterShutdown } from './write-after-shutdown.ts';

/** `tls.connect`, over tcpx. */
export const connectTls: typeof tls.connect = tlsConnectOver(connect);

/** For `http2.connect(url, { createConnection: connectHttp2 })`, plain or TLS as the URL says. */
export function connectHttp2(authority: URL, options: SessionOptions & tls.ConnectionOptions = {}): Duplex {
  const isSecure = authority.protocol === 'https:';
  const port = Number(authority.port || (isSecure ? 443 : 80));
  const host = hostOf(authority.hostname);
  if (!isSecure) {
    mendWriteAfterShutdown();
    return connect({ host, port });
  }
  return connectTls({ ...options, host, port, ...servername(options.servername, host), ALPNProtocols: ['h2'] });
}

/** IPv6 in a URL has brackets. */
const hostOf = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1');

/** A name and never an address, RFC 6066 §3. */
function servername(given: string | undefined, host: string): { readonly servername?: string } {
  const name = given ?? (/^[\d.]+$|:/.test(host) ? undefined : host);
  return name === undefined ? {} : { servername: name };
}

/** Of TLS, and of the connection. */
export type UndiciConnectOptions = tls.ConnectionOptions & {
  readonly allowH2?: boolean;
  /** Milliseconds until it is given up; 10 000 when absent, 0 never. */
  readonly timeout?: number;
  /** Milliseconds of silence before a keep-alive probe; 60 000 when absent. */
  readonly keepAliveInitialDelay?: number;
};

/** What undici says of the connection it wants. */
export interface UndiciTarget {
  readonly hostname: string;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string;
  readonly localAddress?: string | null;
  readonly httpSocket?: unknown;
}

type UndiciTold = (...result: [error: null, socket: never] | [error: Error, socket: null]) => void;

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
/** Names whose last TLS session is kept. */
const MOST_SESSIONS = 100;

/** For `new Agent({ connect: undiciConnect() })`, Pool and Client likewise; TLS sessions are taken up again. */
export function undiciConnect(o: UndiciConnectOptions = {}): (target: UndiciTarget, told: UndiciTold) => void {
  const { allowH2 = false, timeout = CONNECT_TIMEOUT_MS, keepAliveInitialDelay = KEEP_ALIVE_MS, ...rest } = o;
  const sessions = new Map<string, Buffer>();
  return (target, told) => {
    const isSecure = target.protocol === 'https:';
    const to: ConnectOpts = {
      host: hostOf(target.hostname),
      port: Number(target.port || (isSecure ? 443 : 80)),
      ...(target.localAddress && { localAddress: target.localAddress }),
    };
    const socket = isSecure ? secureTo(target, to) : connect(to);
    socket.setKeepAlive(true, keepAliveInitialDelay).setNoDelay(true);
    let timer: NodeJS.Timeout | undefined;
    const end = (result: Error | null): void => {
      clearTimeout(timer);
      socket.off('error', end);
      // undici's own type for what it takes is Node's class
      if (result === null) told(null, socket as never);
      else told(result, null);
    };
    if (timeout > 0) timer = setTimeout(() => socket.destroy(timedOut(target, timeout)), timeout);
    socket.once('error', end).once(isSecure ? 'secureConnect' : 'connect', () => end(null));
  };

  function secureTo({ servername: name, hostname, httpSocket }: UndiciTarget, to: ConnectOpts): tls.TLSSocket {
    const key = name || hostname;
    const session = sessions.get(key);
    const secure = connectTls({
      ...rest,
      ...to,
      ...servername(name || undefined, hostOf(hostname)),
      ...(session !== undefined && { session }),
      // of a proxy: a connection there is already
      ...(httpSocket !== undefined && { socket: httpSocket as Socket }),
      ALPNProtocols: allowH2 ? ['http/1.1', 'h2'] : ['http/1.1'],
    });
    secure.on('session', (fresh: Buffer) => {
      sessions.delete(key);
      sessions.set(key, fresh);
      for (const oldest of sessions.keys()) {
        if (sessions.size <= MOST_SESSIONS) break;
        sessions.delete(oldest);
      }
    });
    return secure;
  }
}

/** As undici says it: those who use it look for its code. */
function timedOut({ hostname, port }: UndiciTarget, timeout: number): Error {
  const error = new Error(`Connect Timeout Error (attempted address: ${hostname}:${port}, timeout: ${timeout}ms)`);
  return Object.assign(error, { name: 'ConnectTimeoutError', code: 'UND_ERR_CONNECT_TIMEOUT' });
}

interface RedisOptions {
  readonly host?: string;
  readonly port?: number;
  readonly family?: number;
  readonly tls?: tls.ConnectionOptions;
  readonly disconnectTimeout?: number;
}

/** As long as ioredis's own waits for the server to close. */
const DISCONNECT_TIMEOUT_MS = 2000;

class Connector {
  /** Asked for by ioredis, when it is about to try again. */
  firstError: Error | undefined = undefined;
  readonly #o: RedisOptions;
  #stream: Socket | tls.TLSSocket | undefined;

  constructor(options: unknown) {
    // what the client was made with
    this.#o = options as RedisOptions;
  }

  check(): boolean {
    return true;
  }

  connect(): Promise<Socket | tls.TLSSocket> {
    const { host = 'localhost', port = 6379, family, tls: secure } = this.#o;
    const to = { host, port, ...(family && { family }) };
    const stream = secure === undefined ? connect(to) : connectTls({ ...to, ...secure });
    stream.once('error', (error: Error) => {
      this.firstError = error;
    });
    this.#stream = stream;
    return Promise.resolve(stream);
  }

  disconnect(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const timer = setTimeout(() => stream.destroy(), this.#o.disconnectTimeout ?? DISCONNECT_TIMEOUT_MS);
    stream.once('close', () => clearTimeout(timer));
    stream.end();
  }
}

/**
 * For `new Redis({ Connector: RedisConnector })`. Its type says less than it is: ioredis wants a class derived from one of
 * its own, with protected members that no other class can have.
 */
export const RedisConnector = Connector as unknown as new (options: unknown) => never;
