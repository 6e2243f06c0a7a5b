/**
 * What HTTP costs in connections, handshakes, round trips and segments: real clients (Node's, over tcpx) of a real server
 * (Node's, on the kernel in the peer's namespace), counted on the path.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  type Agent,
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { type ClientHttp2Session, connect as http2Connect } from 'node:http2';
import { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../socket/host.ts';
import { TcpSocket } from '../../socket/tcp-socket.ts';
import { HTTP_PORTS, type Transport } from './http-ports.ts';
import type { Stage } from './stage.ts';

export type Http = '1.0' | '1.1' | '1.1 keep-alive' | '2';
export const HTTPS: readonly Http[] = ['1.0', '1.1', '1.1 keep-alive', '2'];
export const REQUESTS = 10;

export interface How {
  readonly http: Http;
  readonly transport: Transport;
  readonly fastOpen?: boolean;
  /** With a TLS session of an earlier connection. */
  readonly session?: Buffer | undefined;
}

/** Times in round trips. */
export interface Entry {
  readonly connections: number;
  readonly tlsHandshakes: number;
  readonly resumed: number;
  readonly firstByte: number;
  readonly total: number;
  /** On the path, both ways, until the last answer was there. */
  readonly segments: number;
  /** For connections to come. */
  readonly session: Buffer | undefined;
}

const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './http-process.ts' : './http-process.js', import.meta.url),
);

/** A server in the peer's namespace, with a certificate made for it, until the claim is over; resolves when it listens. */
export async function startServer(stage: Stage): Promise<void> {
  const made = stage.lab
    .namespace('local')
    .exec('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', '/CN=lab', '-keyout', '-', '-out', '-'],
    ]);
  const [key = ''] = /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/.exec(made) ?? [];
  const [cert = ''] = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(made) ?? [];
  const inside = stage.lab.namespace('peer').commandLine(process.execPath, [...process.execArgv, PROGRAM]);
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...inside], { stdio: ['pipe', 'pipe', 'inherit'] });
  stage.atEnd(() => child.kill('SIGKILL'));
  child.stdin.write(`${JSON.stringify({ key, cert })}\n`);
  await once(child.stdout, 'data');
}

/** `count` requests, one after the other where the protocol has it so. `rtt`: microseconds. */
export async function measure(stage: Stage, tcpx: Host, how: How, rtt: number, count = REQUESTS): Promise<Entry> {
  const client = new Client(stage, tcpx, how);
  const seenBefore = stage.lab.path.seen.length;
  const startedAt = stage.now;
  try {
    await client.ask(count);
    const total = stage.now - startedAt;
    await stage.lab.path.counters();
    const seen = stage.lab.path.seen.slice(seenBefore).filter((p) => p.segment !== undefined);
    return {
      connections: seen.filter((p) => p.from === 'local' && p.segment?.flags === 'S').length,
      tlsHandshakes: client.tlsHandshakes,
      resumed: client.resumed,
      firstByte: (client.firstByteAt - startedAt) / rtt,
      total: total / rtt,
      segments: seen.length,
      session: client.session,
    };
  } finally {
    client.close();
    await stage.settle();
  }
}

/** One client of one protocol over one transport. */
class Client {
  tlsHandshakes = 0;
  resumed = 0;
  firstByteAt = 0;
  session: Buffer | undefined;
  readonly #stage: Stage;
  readonly #tcpx: Host;
  readonly #how: How;
  readonly #agent: Agent | undefined;
  readonly #open = new Set<Duplex>();
  #http2: ClientHttp2Session | undefined;

  constructor(stage: Stage, tcpx: Host, how: How) {
    this.#stage = stage;
    this.#tcpx = tcpx;
    this.#how = how;
    this.#agent = how.http === '1.1 keep-alive' ? new HttpAgent({ keepAlive: true, maxSockets: 1 }) : undefined;
    if (this.#agent !== undefined) Object.assign(this.#agent, { createConnection: () => this.#connect() });
    this.session = how.session;
  }

  async ask(count: number): Promise<void> {
    if (this.#how.http === '2') {
      const session = http2Connect('http://lab', { createConnection: () => this.#connect('h2') });
      this.#http2 = session;
      session.on('error', () => {});
      await Promise.all(Array.from({ length: count }, () => this.#ask2(session)));
      return;
    }
    for (let i = 0; i < count; i++) await (this.#how.http === '1.0' ? this.#ask0() : this.#ask1());
  }

  close(): void {
    this.#agent?.destroy();
    this.#http2?.destroy();
    for (const duplex of this.#open) duplex.destroy();
  }

  /** HTTP/1.0: the end of the connection is the end of the answer. Node's client doesn't speak it. */
  #ask0(): Promise<void> {
    const socket = this.#connect();
    socket.write('GET / HTTP/1.0\r\n\r\n');
    return new Promise((resolve, reject) => {
      socket.on('data', () => this.#onOctets());
      socket.once('end', () => {
        socket.end();
        resolve();
      });
      socket.once('error', reject);
    });
  }

  #ask1(): Promise<void> {
    return new Promise((resolve, reject) => {
      const sent: ClientRequest = httpRequest(
        {
          host: 'lab',
          // Without an agent it makes its own connection; an agent does so by a method of its own.
          ...(this.#agent === undefined ? { createConnection: () => this.#connect() } : { agent: this.#agent }),
          headers: { connection: this.#agent === undefined ? 'close' : 'keep-alive' },
        },
        (response: IncomingMessage) => {
          this.#onOctets();
          response.resume().once('end', resolve);
        },
      );
      sent.once('error', reject).end();
    });
  }

  #ask2(session: ClientHttp2Session): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = session.request({ ':path': '/' });
      stream.once('response', () => this.#onOctets());
      stream.once('end', resolve).once('error', reject).resume();
    });
  }

  #onOctets(): void {
    if (this.firstByteAt === 0) this.firstByteAt = this.#stage.now;
  }

  #connect(alpn?: string): Duplex {
    const { transport, http, fastOpen = false } = this.#how;
    const port = HTTP_PORTS[transport][http === '2' ? 'http2' : 'http1'];
    const tcp = new FirstFlight(this.#tcpx, this.#stage.lab.remote, port, fastOpen);
    this.#open.add(tcp);
    if (transport === 'tcp') return tcp;
    const tls = tlsConnect({
      socket: tcp,
      servername: 'lab',
      // Made a moment ago, for nobody else.
      rejectUnauthorized: false,
      ...(alpn !== undefined && { ALPNProtocols: [alpn] }),
      ...(this.#how.session !== undefined && { session: this.#how.session }),
    });
    this.#open.add(tls);
    tls.on('error', () => {});
    tls.once('secureConnect', () => {
      if (tls.isSessionReused()) this.resumed++;
      else this.tlsHandshakes++;
    });
    tls.on('session', (session) => {
      this.session = session;
    });
    return tls;
  }
}

/** A connection that, with Fast Open, waits for its first octets, so that they leave on the SYN. */
class FirstFlight extends Duplex {
  readonly #tcpx: Host;
  readonly #to: { readonly address: Stage['address']; readonly port: number };
  #socket: TcpSocket | undefined;

  constructor(tcpx: Host, address: Stage['address'], port: number, waits: boolean) {
    super({ allowHalfOpen: true });
    this.#tcpx = tcpx;
    this.#to = { address, port };
    if (!waits) this.#begin();
  }

  override _read(): void {}

  override _write(octets: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#socket !== undefined) {
      this.#socket.write(octets, done);
      return;
    }
    this.#begin(octets);
    done();
  }

  override _final(done: () => void): void {
    this.#socket?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket?.destroy();
    done(error);
  }

  // Node's HTTP has these of a socket; here they mean nothing.
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  #begin(data?: Uint8Array): void {
    const options = { TCP_NODELAY: true };
    const fast = data === undefined ? {} : { data, fastOpen: true };
    const socket = new TcpSocket(this.#tcpx.stack.connect({ ...this.#to, options, ...fast }));
    this.#socket = socket;
    socket.on('data', (octets: Uint8Array) => this.push(octets));
    socket.once('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.once('connect', () => this.emit('connect'));
  }
}
