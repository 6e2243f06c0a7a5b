/**
 * One case of the comparison of `net` and tcpx: a program for either, and the record of what it saw. Records are kept
 * apart for each object, since only their own order is promised; ports are given names, since they differ each time.
 */
import { createHash } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type net from 'node:net';

export type Net = typeof net;

export interface Case {
  /** A sentence. */
  readonly name: string;
  /** Names of what it is about, as members.ts lists them. */
  readonly covers: readonly string[];
  readonly run: (t: Trial) => Promise<unknown>;
  /** Where tcpx is meant to be otherwise: of which of `covers`, why, and what its record is. */
  readonly differs?: {
    readonly members: readonly string[];
    readonly reason: string;
    readonly record: (net: Records) => Records;
  };
  /** It sends to an address that is there in a namespace only. */
  readonly inNamespace?: true;
  /** It is about addresses of the loopback interface. */
  readonly onLoopback?: true;
}

/** Where servers listen, and where clients reach them. */
export interface Ends {
  readonly own: string;
  readonly far: string;
}

const LOOPBACK: Ends = { own: '127.0.0.1', far: '127.0.0.1' };

export type Records = Readonly<Record<string, readonly unknown[]>>;

const PATIENCE_MS = 10_000;
const SOCKET_EVENTS = [
  'lookup',
  'connectionAttempt',
  'connectionAttemptFailed',
  'connectionAttemptTimeout',
  'connect',
  'ready',
  'timeout',
  'error',
  'close',
];
const SERVER_EVENTS = ['listening', 'error', 'drop', 'close'];

export class Trial {
  readonly net: Net;
  readonly own: string;
  readonly far: string;
  readonly #records: Record<string, unknown[]> = {};
  readonly #names = new Map<number, string>();
  readonly #closed = new WeakSet<object>();
  readonly #open: { destroy?: () => void; close?: () => void }[] = [];

  #over = false;

  constructor(api: Net, ends: Ends) {
    this.net = api;
    this.own = ends.own;
    this.far = ends.far;
  }

  get records(): Records {
    return this.#records;
  }

  note(who: string, ...what: readonly unknown[]): void {
    if (this.#over) return;
    this.#records[who] ??= [];
    this.#records[who].push(what.map((each) => this.#plain(each)));
  }

  /** What `call` throws, or that it throws nothing. */
  throws(who: string, call: () => unknown): void {
    try {
      call();
      this.note(who, 'throws nothing');
    } catch (error) {
      this.note(who, 'throws', error);
    }
  }

  /** Each event of the socket is noted, but for 'data'; it is destroyed in the end. */
  watch<S extends net.Socket>(who: string, socket: S): S {
    this.#open.push(socket);
    socket.on('close', () => this.#closed.add(socket));
    for (const event of SOCKET_EVENTS)
      socket.on(event, (...args: unknown[]) => this.note(`events of ${who}`, event, ...args));
    // The two directions are each other's only in that one may end the other.
    socket.on('end', () => this.note(`reading of ${who}`, 'end'));
    socket.on('finish', () => this.note(`writing of ${who}`, 'finish'));
    return socket;
  }

  watchServer(who: string, server: net.Server): net.Server {
    this.#open.push(server);
    for (const event of SERVER_EVENTS)
      server.on(event, (...args: unknown[]) => this.note(`events of ${who}`, event, ...args));
    return server;
  }

  /** From now on the port is called so. */
  name(port: number | undefined, name: string): void {
    if (port !== undefined) this.#names.set(port, name);
  }

  /** Listens on any port: 'PORT' in the record. */
  async server(o: net.ServerOpts = {}, onConnection?: (socket: net.Socket) => void): Promise<net.Server> {
    const server = this.net.createServer(o, onConnection);
    this.#open.push(server);
    server.listen(0, this.own);
    await this.event(server, 'listening');
    this.name(portOf(server), 'PORT');
    return server;
  }

  /** A connection, both ends watched: 'client' and 'peer'. */
  async pair(
    o: net.ServerOpts & { readonly client?: net.SocketConstructorOpts & Partial<net.TcpSocketConnectOpts> } = {},
  ): Promise<{ readonly client: net.Socket; readonly peer: net.Socket; readonly server: net.Server }> {
    const { client: options = {}, ...serverOptions } = o;
    const server = await this.server(serverOptions);
    const connection = this.event(server, 'connection');
    const client = this.watch(
      'client',
      this.net.connect({ ...options, port: portOf(server), host: this.far } as net.TcpNetConnectOpts),
    );
    const connected = client.connecting ? this.event(client, 'connect') : undefined;
    const [peer] = (await connection) as [net.Socket];
    await connected;
    this.watch('peer', peer);
    this.name(client.localPort, 'CLIENT');
    return { client, peer, server };
  }

  async event(emitter: EventEmitter, name: string): Promise<unknown[]> {
    // Unlike `once` of node:events it doesn't mind an 'error'.
    return within(new Promise((resolve) => emitter.once(name, (...args: unknown[]) => resolve(args))), `'${name}'`);
  }

  /** 'close' of each, also where it has been: of sockets that are watched. */
  async closed(...sockets: readonly net.Socket[]): Promise<void> {
    for (const socket of sockets) if (!this.#closed.has(socket)) await this.event(socket, 'close');
  }

  /** What happens from now on is of no account. */
  end(): void {
    this.#over = true;
    for (const each of this.#open.reverse()) {
      each.destroy?.();
      each.close?.();
    }
  }

  #plain(value: unknown): unknown {
    if (value instanceof Error) return this.#error(value);
    if (typeof value === 'number') return this.#names.get(value) ?? value;
    if (typeof value === 'string') return this.#text(value);
    if (value instanceof Uint8Array) return Buffer.from(value).toString();
    if (Array.isArray(value)) return value.map((each) => this.#plain(each));
    if (typeof value === 'function') return 'a function';
    if (typeof value !== 'object' || value === null) return value === undefined ? 'undefined' : value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.#plain(each)]));
  }

  #text(text: string): string {
    let plain = text;
    for (const [port, name] of this.#names) plain = plain.replaceAll(String(port), name);
    return plain;
  }

  #error(error: Error): unknown {
    const { name, message } = error;
    const errors = error instanceof AggregateError ? { errors: error.errors.map((e: Error) => this.#error(e)) } : {};
    const own = Object.entries(error).map(([key, value]) => [key, key === 'cause' ? 'a cause' : this.#plain(value)]);
    return { class: error.constructor.name, name, message: this.#text(message), own, ...errors };
  }
}

export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function portOf(server: net.Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const sha = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');

/** All that comes until 'end'. */
export async function allOf(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await within(new Promise((resolve) => socket.once('end', resolve)), "'end'");
  return Buffer.concat(chunks);
}

/** Runs it on `api`. */
export async function runCase(c: Case, api: Net, ends: Ends = LOOPBACK): Promise<Records> {
  const t = new Trial(api, ends);
  try {
    await c.run(t);
  } finally {
    t.end();
  }
  return t.records;
}
