/**
 * One connection that is served by a connection elsewhere, from its first octet to its record: the client says where it
 * wants to go (or all go the same way), the far side is dialled, the two are joined.
 */
import type { Socket } from 'node:net';
import type { TcpSocket } from '../../socket/tcp-socket.ts';
import { ipv4Text } from '../../wire/ipv4.ts';
import type { Dial, Dialed } from './dial.ts';
import { Relay, type RelayEnding } from './relay.ts';
import { type Credentials, Reply, replyOf, Socks5Handshake, socksReply } from './socks5.ts';

/** A socket of the kernel's, or of ours, with allowHalfOpen. */
export type Client = Socket | TcpSocket;

/** How it is found out where a client wants to go. */
export type Request =
  | { readonly by: 'socks'; readonly credentials?: Credentials }
  | { readonly by: 'rule'; readonly host: string; readonly port: number };

/** What there is to say of one that is over. */
export interface ProxyRecord {
  readonly id: number;
  /** ADDR:PORT. */
  readonly client: string;
  /** HOST:PORT as asked for; absent when it was never said. */
  readonly target?: string;
  /** ADDR:PORT of both ends of the far connection, where there was one. */
  readonly local?: string;
  readonly remote?: string;
  readonly octetsOut: number;
  readonly octetsIn: number;
  readonly seconds: number;
  readonly ending: ProxyEnding;
}

export type ProxyEnding =
  | RelayEnding
  /** There was no far connection; `reply` is what a SOCKS client was told. */
  | { readonly how: 'not connected'; readonly code: string; readonly message: string; readonly reply?: Reply }
  /** What the client said, or didn't, was nothing to serve. */
  | { readonly how: 'not served'; readonly message: string }
  | { readonly how: 'client left' };

export interface ProxiedOptions {
  readonly dial: Dial;
  /** Milliseconds without an octet; undefined: for ever. */
  readonly idleTime?: number;
  /** Milliseconds that a client has for saying what it wants; 30 s when absent. */
  readonly patience?: number;
}

const PATIENCE = 30_000;

export class Proxied {
  readonly #id: number;
  readonly #client: Client;
  readonly #clientName: string;
  readonly #o: ProxiedOptions;
  readonly #done: (record: ProxyRecord) => void;
  readonly #beganAt = performance.now();
  readonly #gone = new AbortController();
  #handshake: Socks5Handshake | undefined;
  #patience: NodeJS.Timeout | undefined;
  #target: string | undefined;
  #far: { readonly local: string; readonly remote: string } | undefined;
  #relay: Relay | undefined;
  #isOver = false;
  readonly #onReadable = (): void => this.#listen();
  readonly #onLeft = (): void => this.#finish({ how: 'client left' });

  /** `done` is called once, when both ends are closed or have been told to. */
  constructor(id: number, client: Client, request: Request, o: ProxiedOptions, done: (record: ProxyRecord) => void) {
    this.#id = id;
    this.#client = client;
    this.#clientName = `${client.remoteAddress}:${client.remotePort}`;
    this.#o = o;
    this.#done = done;
    client.on('error', nothing).once('close', this.#onLeft);
    // Somebody has to read, or nobody hears that the client has gone.
    client.on('readable', this.#onReadable);
    if (request.by === 'rule') {
      void this.#connect(request.host, request.port);
      return;
    }
    this.#handshake = new Socks5Handshake(request.credentials);
    client.once('end', this.#onLeft);
    this.#patience = setTimeout(
      () => this.#finish({ how: 'not served', message: 'the client did not say what it wants' }),
      o.patience ?? PATIENCE,
    );
  }

  /** RST both ways. */
  stop(): void {
    if (this.#relay !== undefined) this.#relay.stop();
    else this.#finish({ how: 'stopped' });
  }

  /** What the client says before there is someone to pass it on to. */
  #listen(): void {
    const handshake = this.#handshake;
    const octets = handshake === undefined ? null : (this.#client.read() as Uint8Array | null);
    if (handshake === undefined || octets === null) return;
    const step = handshake.take(octets);
    if (step.answer !== undefined) this.#client.write(step.answer);
    if (step.want === 'more') return;
    this.#handshake = undefined;
    clearTimeout(this.#patience);
    this.#client.off('end', this.#onLeft);
    if (step.want === 'end') {
      this.#finish({ how: 'not served', message: step.why });
      return;
    }
    if (step.rest.length > 0) this.#client.unshift(step.rest);
    void this.#connect(step.host, step.port, true);
  }

  async #connect(host: string, port: number, bySocks = false): Promise<void> {
    this.#target = `${host}:${port}`;
    let far: Dialed;
    try {
      far = await this.#o.dial(host, port, this.#gone.signal);
    } catch (error) {
      this.#notConnected(error, bySocks);
      return;
    }
    if (this.#isOver) {
      far.socket.on('error', nothing).resetAndDestroy();
      return;
    }
    const { localAddress, localPort, remoteAddress } = far;
    this.#far = { local: `${ipv4Text(localAddress)}:${localPort}`, remote: `${ipv4Text(remoteAddress)}:${port}` };
    this.#client.off('readable', this.#onReadable).off('close', this.#onLeft);
    if (bySocks) this.#client.write(socksReply(Reply.SUCCEEDED, localAddress, localPort));
    this.#relay = new Relay(this.#client, far.socket, this.#o.idleTime);
    this.#finish((await this.#relay.ended).ending);
  }

  #notConnected(error: unknown, bySocks: boolean): void {
    const code = codeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    if (!bySocks) {
      this.#finish({ how: 'not connected', code, message });
      return;
    }
    const reply = replyOf(code);
    if (!this.#isOver) this.#client.write(socksReply(reply));
    this.#finish({ how: 'not connected', code, message, reply });
  }

  #finish(ending: ProxyEnding): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#patience);
    if (this.#relay === undefined) this.#dismiss(ending);
    this.#done({
      id: this.#id,
      client: this.#clientName,
      ...(this.#target !== undefined && { target: this.#target }),
      ...this.#far,
      octetsOut: this.#relay?.outward ?? 0,
      octetsIn: this.#relay?.inward ?? 0,
      seconds: (performance.now() - this.#beganAt) / 1000,
      ending,
    });
  }

  /** The far side never was: the client is told, by what was written already or by a RST. */
  #dismiss(ending: ProxyEnding): void {
    const client = this.#client;
    this.#gone.abort();
    client.off('close', this.#onLeft).off('readable', this.#onReadable);
    const wasAnswered = ending.how === 'not served' || (ending.how === 'not connected' && ending.reply !== undefined);
    if (!wasAnswered) {
      client.resetAndDestroy();
      return;
    }
    // Unread octets would make a RST of the FIN, and take the answer with them.
    client.resume().end();
    const timer = setTimeout(() => client.destroy(), LINGER);
    client.once('close', () => clearTimeout(timer));
  }
}

/** Milliseconds that a client which was refused has for closing its side. */
const LINGER = 2000;

const nothing = (): void => {};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
}
