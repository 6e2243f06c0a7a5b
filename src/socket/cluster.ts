/**
 * A TCP on several cores: a stack in each of several worker threads, and sockets in this one. A worker opens connections
 * from source ports of its own, and takes those of a listening port whose peer's address and port fall to it (a filter in
 * the kernel decides, see link/filter.ts), so no segment ever crosses threads. Octets do: each way they are copied once
 * into a buffer that changes owner. Whoever wants none of that starts workers himself and opens a host in each.
 *
 * A worker that dies takes its connections with it and nothing else: their sockets fail with ECONNRESET, and another
 * worker takes its place.
 */
import { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { guardPort, type PortGuard } from '../link/guard.ts';
import { routeTo } from '../link/route.ts';
import type { SocketOptions } from '../tcp/config.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import {
  errorFrom,
  type FromWorker,
  type Names,
  ownOctets,
  type ToWorker,
  type WorkerSettings,
} from './cluster-messages.ts';

export interface ClusterOptions extends Omit<WorkerSettings, 'index' | 'of'> {
  /** Threads; a core each serves best. */
  readonly workers: number;
  /** A worker has died, and another has been started. `code` is its exit code. */
  readonly onDeath?: (index: number, code: number) => void;
}

export interface ClusterConnectOptions {
  readonly address: Ipv4;
  readonly port: number;
  /** Which worker's; each in turn when absent. */
  readonly worker?: number;
  readonly options?: Partial<SocketOptions>;
}

export interface ClusterListenOptions {
  readonly port: number;
  /** Of each worker's listener. */
  readonly backlog?: number;
  readonly options?: Partial<SocketOptions>;
}

/** Resolves when all workers are ready. Throws LinkFailure-like errors (code, hint) of the first that can't be. */
export async function openCluster(o: ClusterOptions): Promise<Cluster> {
  const cluster = new Cluster(o);
  try {
    await cluster.ready();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

export class Cluster {
  readonly #o: ClusterOptions;
  readonly #members: Member[];
  readonly #ports = new Map<number, { readonly guard: PortGuard; readonly message: ToWorker & { type: 'listen' } }>();
  readonly #onConnection = new Map<number, (socket: ClusterSocket) => void>();
  #lastId = 0;
  #turn = 0;
  #closed = false;

  /** Use openCluster. */
  constructor(o: ClusterOptions) {
    this.#o = o;
    this.#members = Array.from({ length: o.workers }, (_, index) => this.#start(index));
  }

  async ready(): Promise<void> {
    await Promise.all(this.#members.map((m) => m.ready));
  }

  /** Sockets that are open, by worker. */
  get counts(): readonly number[] {
    return this.#members.map((m) => m.sockets.size);
  }

  /** Emits 'connect', or an error; ECONNRESET when its worker dies. */
  connect(o: ClusterConnectOptions): ClusterSocket {
    const { worker = this.#turn++ % this.#members.length, ...how } = o;
    const member = this.#members[worker];
    if (member === undefined) throw new RangeError(`there is no worker ${worker}`);
    this.#lastId += 2;
    const id = this.#lastId;
    const socket = new ClusterSocket(member, id, worker);
    member.send({ type: 'connect', id, ...how });
    return socket;
  }

  /** Resolves when every worker listens. Throws LinkFailure: EADDRINUSE and so on, see guardPort. */
  async listen(o: ClusterListenOptions, onConnection: (socket: ClusterSocket) => void): Promise<void> {
    const { remote, source, interface: on, guard = 'auto' } = this.#o;
    const route = routeTo(remote, {
      ...(source !== undefined && { source }),
      ...(on !== undefined && { interface: on }),
    });
    const held = guardPort({ kind: guard, address: route.source, port: o.port });
    const message = { type: 'listen', ...o } as const;
    this.#ports.set(o.port, { guard: held, message });
    this.#onConnection.set(o.port, onConnection);
    await Promise.all(this.#members.map((m) => m.listen(message)));
  }

  /** Ends a worker at once, and another takes its place. */
  kill(worker: number): void {
    this.#members[worker]?.kill();
  }

  /** Resets what is open; resolves when the workers have ended. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const m of this.#members) m.send({ type: 'close' });
    await Promise.all(this.#members.map((m) => m.exited));
    for (const { guard } of this.#ports.values()) guard.close();
    this.#ports.clear();
  }

  #start(index: number): Member {
    const { workers, onDeath: _, ...settings } = this.#o;
    const member: Member = new Member(
      { ...settings, index, of: workers },
      (id, names) => {
        const socket = new ClusterSocket(member, id, index);
        socket.named(names);
        this.#onConnection.get(names.localPort)?.(socket);
      },
      (code) => {
        if (this.#closed) return;
        const next = this.#start(index);
        this.#members[index] = next;
        for (const { message } of this.#ports.values()) next.listen(message).catch(() => {});
        this.#o.onDeath?.(index, code);
      },
    );
    return member;
  }
}

/** A worker, seen from the front. */
class Member {
  readonly sockets = new Map<number, ClusterSocket>();
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  readonly #worker: Worker;
  /** Who waits for 'ready' or 'listening', in order. */
  readonly #waiting: { readonly done: () => void; readonly failed: (error: Error) => void }[] = [];
  #dead = false;

  constructor(
    settings: WorkerSettings,
    onAccepted: (id: number, names: Names) => void,
    onExit: (code: number) => void,
  ) {
    // In the sources it is .ts, built .js.
    const file = new URL(
      import.meta.url.endsWith('.ts') ? './cluster-worker.ts' : './cluster-worker.js',
      import.meta.url,
    );
    this.#worker = new Worker(file, { workerData: settings });
    this.ready = this.#answer();
    this.ready.catch(() => {});
    this.#worker.on('message', (m: FromWorker) => this.#onMessage(m, onAccepted));
    let failure: Error | undefined;
    this.#worker.on('error', (error: Error) => {
      failure = error;
    });
    this.exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#dead = true;
        for (const { failed } of this.#waiting.splice(0))
          failed(failure ?? new Error(`the worker ended (exit code ${code})`));
        for (const socket of [...this.sockets.values()]) socket.gone(lost(failure));
        resolve();
        onExit(code);
      });
    });
  }

  send(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.#dead) this.#worker.postMessage(message, transfer);
  }

  kill(): void {
    void this.#worker.terminate();
  }

  get isDead(): boolean {
    return this.#dead;
  }

  async listen(message: ToWorker & { type: 'listen' }): Promise<void> {
    await this.ready;
    const listening = this.#answer();
    this.send(message);
    await listening;
  }

  #answer(): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ done, failed });
    });
  }

  #onMessage(m: FromWorker, onAccepted: (id: number, names: Names) => void): void {
    switch (m.type) {
      case 'ready':
      case 'listening':
        this.#waiting.shift()?.done();
        return;
      case 'failed':
        this.#waiting.shift()?.failed(errorFrom(m.error));
        return;
      case 'accepted':
        onAccepted(m.id, m.names);
        return;
      case 'connected':
        this.sockets.get(m.id)?.connected(m.names);
        return;
      case 'data':
        this.sockets.get(m.id)?.data(m.octets);
        return;
      case 'written':
        this.sockets.get(m.id)?.written();
        return;
      case 'finished':
        this.sockets.get(m.id)?.finished();
        return;
      case 'ended':
        this.sockets.get(m.id)?.push(null);
        return;
      case 'gone':
        this.sockets.get(m.id)?.gone(m.error === undefined ? undefined : errorFrom(m.error));
        return;
    }
  }
}

type Done = (error?: Error | null) => void;

/** A connection of some worker's, as a Duplex. Emits 'connect'; ends and fails as a TcpSocket does. */
export class ClusterSocket extends Duplex {
  /** Which worker has it. */
  readonly worker: number;
  readonly #member: Member;
  readonly #id: number;
  #names: Names | undefined;
  #written: Done | undefined;
  #finished: Done | undefined;
  #connecting = true;
  #gone = false;
  #reset = false;
  /** Octets pushed that the reader has not asked beyond. */
  #untold = 0;

  constructor(member: Member, id: number, worker: number) {
    super({ allowHalfOpen: true, autoDestroy: true, emitClose: true });
    this.worker = worker;
    this.#member = member;
    this.#id = id;
    member.sockets.set(id, this);
    if (member.isDead) process.nextTick(() => this.gone(lost(undefined)));
  }

  get connecting(): boolean {
    return this.#connecting;
  }

  /** Address and port are known from 'connect' on. */
  get localAddress(): string | undefined {
    return this.#names && ipv4Text(this.#names.localAddress);
  }

  get localPort(): number | undefined {
    return this.#names?.localPort;
  }

  get remoteAddress(): string | undefined {
    return this.#names && ipv4Text(this.#names.remoteAddress);
  }

  get remotePort(): number | undefined {
    return this.#names?.remotePort;
  }

  /** RST now; nothing queued is sent. */
  resetAndDestroy(): this {
    this.#reset = true;
    return this.destroy();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    this.#written = done;
    const octets = ownOctets(chunk);
    this.#member.send({ type: 'write', id: this.#id, octets }, [octets.buffer]);
  }

  override _final(done: Done): void {
    this.#finished = done;
    this.#member.send({ type: 'end', id: this.#id });
  }

  override _read(): void {
    if (this.#untold === 0) return;
    this.#member.send({ type: 'taken', id: this.#id, len: this.#untold });
    this.#untold = 0;
  }

  override _destroy(error: Error | null, done: Done): void {
    if (!this.#gone) this.#member.send({ type: 'destroy', id: this.#id, reset: this.#reset || error !== null });
    this.#member.sockets.delete(this.#id);
    const waiting = [this.#written, this.#finished];
    this.#written = undefined;
    this.#finished = undefined;
    for (const told of waiting) told?.(error ?? new Error('destroyed before everything was sent'));
    done(error);
  }

  // What its worker says.

  named(names: Names): void {
    this.#names = names;
    this.#connecting = false;
  }

  connected(names: Names): void {
    this.named(names);
    this.emit('connect');
  }

  data(octets: Uint8Array): void {
    this.#untold += octets.length;
    // Asked for more at once, the stream has called _read.
    if (this.push(octets)) this._read();
  }

  written(): void {
    const done = this.#written;
    this.#written = undefined;
    done?.();
  }

  finished(): void {
    const done = this.#finished;
    this.#finished = undefined;
    done?.();
  }

  gone(error: Error | undefined): void {
    this.#gone = true;
    this.#member.sockets.delete(this.#id);
    // What came before an orderly end is still to be read.
    if (error !== undefined) this.destroy(error);
    else if (this.readableEnded || this.#reset) this.destroy();
    else this.once('end', () => this.destroy());
  }
}

/** The connection's worker is no more. */
function lost(cause: Error | undefined): Error {
  const error = new Error('read ECONNRESET: the worker of this connection has ended');
  return Object.assign(error, { code: 'ECONNRESET', syscall: 'read', ...(cause !== undefined && { cause }) });
}
