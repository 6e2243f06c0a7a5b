/**
 * The network of a process that says nothing of one: hosts of this machine's, opened when the first connection or server
 * needs them, kept while they are of use, and never what keeps the process alive: its sockets and servers do that.
 *
 * One host for each way out (interface and address), whose connections share a pool of guarded ports, and one for each
 * port that a user names. What is left of connections when the process ends by itself has been waited for (lingering.ts);
 * by `process.exit` our FIN leaves, as from a kernel, but is not sent again.
 */
import { LinkFailure } from '../link/failure.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import { TcpError } from '../stack/errors.ts';
import type { Listener } from '../stack/listener.ts';
import type { Sysctl } from '../tcp/config.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { mayBeRaw } from './driver.ts';
import type { Host, HostOptions } from './host.ts';
import { HostPool, type HostPoolOptions } from './host-pool.ts';
import { isUsed, type Kept, KeptHosts } from './kept-hosts.ts';
import { Keeper, Lingering } from './lingering.ts';
import { type ListenHost, type ListenHostOptions, openListenHost, openListenHostNow } from './listen-host.ts';
import type { Listening, Network, NetworkConnect, NetworkListen } from './network.ts';
import { type Transition, TransitionTracer } from './transitions.ts';

/** What differs from the defaults, for all hosts of a network; see HostOptions. */
export interface NetworkOptions
  extends Pick<HostOptions, 'driver' | 'guard' | 'offload' | 'buffers' | 'profile' | 'tracer' | 'capture' | 'tap'> {
  readonly sysctl?: Partial<Sysctl>;
}

/** Milliseconds before a port that nobody listens on, and no connection is left on, goes back to the kernel. */
const IDLE_TIME = 30_000;

/** A port that is ours, on one address or all. */
interface Door extends Kept {
  readonly host: ListenHost;
  /** Servers that listen on it. */
  servers: number;
}

export class HostNetwork implements Network {
  readonly #o: NetworkOptions;
  readonly #tracer: TransitionTracer;
  readonly #keeper = new Keeper();
  readonly #lingering = new Lingering(
    () => this.#keeper.hold(),
    () => this.#keeper.release(),
  );
  readonly #pool: HostPool;
  /** By address and port. */
  readonly #doors = new KeptHosts<Door>(IDLE_TIME);
  #lastId = 0;
  #closed = false;
  readonly #onExit = (): void => this.#sayGoodbye();

  constructor(o: NetworkOptions = {}) {
    this.#o = o;
    this.#tracer = new TransitionTracer(o.tracer);
    this.#pool = new HostPool(this.#hostOptions);
    process.once('exit', this.#onExit);
  }

  connect(o: NetworkConnect): Endpoint | Promise<Endpoint> {
    return this.#pool.connect(o);
  }

  listen(o: NetworkListen): Listening | Promise<Listening> {
    const known = o.port === 0 ? undefined : this.#doors.get(doorKey(o.address, o.port));
    if (known !== undefined) return this.#listenAt(known, o);
    const options: ListenHostOptions = {
      ...this.#hostOptions,
      ...(o.address !== undefined && { address: o.address }),
      port: o.port,
    };
    if (this.#o.driver !== 'raw') {
      try {
        return this.#listenAt(this.#addDoor(o.address, openListenHostNow(options)), o);
      } catch (error) {
        if (this.#o.driver === 'packet' || !mayBeRaw(error)) throw error;
      }
    }
    return openListenHost(options).then((host) => this.#listenAt(this.#addDoor(o.address, host), o));
  }

  hold(): void {
    this.#keeper.hold();
  }

  release(): void {
    this.#keeper.release();
  }

  leave(endpoint: Endpoint): void {
    this.#lingering.add(endpoint);
  }

  watch(endpoint: Endpoint, told: (transition: Transition) => void): () => void {
    return this.#tracer.watch(endpoint.id, told);
  }

  /** Those that are open, for whoever wants to look at their connections: see offerStatus. */
  *hosts(): IterableIterator<Host> {
    yield* this.#pool.hosts();
    for (const { host } of this.#doors.values()) yield* host.paths;
  }

  /** Resets what is open, and gives every port back to the kernel. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    process.off('exit', this.#onExit);
    this.#pool.close();
    this.#doors.close();
  }

  get #hostOptions(): HostPoolOptions {
    return { ...this.#o, tracer: this.#tracer, nextId: () => ++this.#lastId, background: true };
  }

  #addDoor(address: Ipv4 | undefined, host: ListenHost): Door {
    const door: Door = {
      host,
      stacks: host.paths.map(({ stack }) => stack),
      servers: 0,
      isWanted: () => door.servers > 0,
      close: () => host.close(),
    };
    this.#doors.add(doorKey(address, host.port), door);
    return door;
  }

  /** A port whose last server has closed, and which still has connections, can be listened on again. */
  #listenAt(door: Door, { address, backlog, options }: NetworkListen): Listening {
    const { port } = door.host;
    if (door.servers > 0) throw new TcpError('EADDRINUSE', `port ${port} is already listening`, 'choose another port');
    const listeners: readonly Listener[] = door.host.listen({
      ...(backlog !== undefined && { backlog }),
      ...(options !== undefined && { options }),
    });
    door.servers++;
    let isOpen = true;
    return {
      port,
      listeners,
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        for (const listener of listeners) listener.close();
        door.servers--;
        if (!isUsed(door)) this.#doors.drop(doorKey(address, port), door);
      },
    };
  }

  /** The process ends at once: what can leave still does. */
  #sayGoodbye(): void {
    for (const { stack } of this.hosts()) for (const endpoint of [...stack.endpoints()]) endpoint.close();
  }
}

const doorKey = (address: Ipv4 | undefined, port: number): string => `${address ?? 'any'} ${port}`;

let ours: HostNetwork | undefined;

/** The one of this process; `setProcessNetwork` before its first use says how it is to be. */
export function processNetwork(): HostNetwork {
  ours ??= new HostNetwork(environmentOptions());
  return ours;
}

/** For programs that want another driver, guard, profile, a log… for all their sockets. Before the first of them connects. */
export function setProcessNetwork(o: NetworkOptions): void {
  if (ours !== undefined)
    throw new TcpError('EINVAL', 'the process has its network already', 'set it before the first connect or listen');
  ours = new HostNetwork(o);
}

/** TCPX_DRIVER, TCPX_GUARD, TCPX_PROFILE, TCPX_CC: as the options of the commands. Throws LinkFailure EINVAL. */
function environmentOptions(env: Readonly<Record<string, string | undefined>> = process.env): NetworkOptions {
  const driver = oneOf(env, 'TCPX_DRIVER', ['packet', 'raw']);
  const guard = oneOf(env, 'TCPX_GUARD', ['auto', 'md5', 'nft', 'none']);
  const profile = oneOf(env, 'TCPX_PROFILE', ['linux', 'rfc']);
  const congestion = oneOf(env, 'TCPX_CC', ['cubic', 'reno', 'bbr']);
  return {
    ...(driver !== undefined && { driver }),
    ...(guard !== undefined && { guard }),
    ...(profile !== undefined && { profile }),
    ...(congestion !== undefined && { sysctl: { tcp_congestion_control: congestion } }),
  };
}

function oneOf<T extends string>(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  known: readonly T[],
): T | undefined {
  const value = env[name];
  if (value === undefined || value === '') return undefined;
  const found = known.find((each) => each === value);
  if (found !== undefined) return found;
  throw new LinkFailure('EINVAL', `${name} can't be '${value}'`, `one of ${known.join(', ')}`);
}
