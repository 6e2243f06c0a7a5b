/**
 * The network of a process that says nothing of one: hosts of this machine's, opened when the first connection or server
 * needs them, kept while they are of use, and never what keeps the process alive: its sockets and servers do that.
 *
 * One host for each way out (interface and address), whose connections share a pool of guarded ports, and one for each
 * port that a user names. What is left of connections when the process ends by itself has been waited for (lingering.ts);
 * by `process.exit` our FIN leaves, as from a kernel, but is not sent again.
 */
import { LinkFailure } from '../link/failure.ts';
import { type Route, routeTo } from '../link/route.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import { TcpError } from '../stack/errors.ts';
import type { Listener } from '../stack/listener.ts';
import type { Stack } from '../stack/stack.ts';
import type { Sysctl } from '../tcp/config.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { mayBeRaw } from './driver.ts';
import { type Host, type HostOptions, openHost, openHostNow } from './host.ts';
import { Keeper, Lingering } from './lingering.ts';
import { type ListenHost, type ListenHostOptions, openListenHost, openListenHostNow } from './listen-host.ts';
import type { Listening, Network, NetworkConnect, NetworkListen } from './network.ts';
import { type Transition, TransitionTracer } from './transitions.ts';

/** What differs from the defaults, for all hosts of a network; see HostOptions. */
export interface NetworkOptions
  extends Pick<HostOptions, 'driver' | 'guard' | 'offload' | 'buffers' | 'profile' | 'tracer' | 'capture' | 'tap'> {
  readonly sysctl?: Partial<Sysctl>;
}

/** How long a route is believed, ms. */
const ROUTE_AGE = 1000;
const MOST_ROUTES = 4096;
/** How often it is looked whether a host is still of use. */
const LOOK_MS = 10_000;

interface Ours {
  readonly stacks: readonly Stack[];
  /** Servers that listen on it. */
  servers: number;
  /** Had nothing to do when it was looked at last. */
  idle: boolean;
  close(): void;
}

interface KnownRoute {
  readonly route: Route;
  readonly askedAt: number;
}

export class HostNetwork implements Network {
  readonly #o: NetworkOptions;
  readonly #tracer: TransitionTracer;
  readonly #keeper = new Keeper();
  readonly #lingering = new Lingering(
    () => this.#keeper.hold(),
    () => this.#keeper.release(),
  );
  readonly #routes = new Map<string, KnownRoute>();
  /** By way out, and port where it has one. */
  readonly #ways = new Map<string, Ours & { readonly host: Host }>();
  readonly #opening = new Map<string, Promise<Host>>();
  /** By address and port. */
  readonly #doors = new Map<string, Ours & { readonly host: ListenHost }>();
  #timer: NodeJS.Timeout | undefined;
  #lastId = 0;
  #closed = false;
  readonly #onExit = (): void => this.#sayGoodbye();
  readonly #nextId = (): number => ++this.#lastId;

  constructor(o: NetworkOptions = {}) {
    this.#o = o;
    this.#tracer = new TransitionTracer(o.tracer);
    process.once('exit', this.#onExit);
  }

  connect(o: NetworkConnect): Endpoint | Promise<Endpoint> {
    const route = this.#route(o.address, o.localAddress);
    const key = `${route.interface} ${route.source} ${o.localPort ?? 'any'}`;
    const way = this.#ways.get(key);
    if (way !== undefined) return connectBy(way.host, o);
    const pending = this.#opening.get(key);
    if (pending !== undefined) return pending.then((host) => connectBy(host, o));
    const options: HostOptions = {
      ...this.#hostOptions,
      remote: o.address,
      source: route.source,
      ...(o.localPort === undefined ? { ports: 'many' } : { sourcePort: o.localPort }),
    };
    if (this.#o.driver !== 'raw') {
      try {
        return connectBy(this.#addWay(key, openHostNow(options)), o);
      } catch (error) {
        if (this.#o.driver === 'packet' || !mayBeRaw(error)) throw error;
      }
    }
    const opening = openHost(options)
      .then((host) => this.#addWay(key, host))
      .finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening.then((host) => connectBy(host, o));
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

  /** Resets what is open, and gives every port back to the kernel. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    process.off('exit', this.#onExit);
    clearInterval(this.#timer);
    for (const ours of [...this.#ways.values(), ...this.#doors.values()]) ours.close();
    this.#ways.clear();
    this.#doors.clear();
  }

  get #hostOptions(): Omit<HostOptions, 'remote'> {
    const { driver, ...o } = this.#o;
    return {
      ...o,
      ...(driver !== undefined && { driver }),
      tracer: this.#tracer,
      nextId: this.#nextId,
      background: true,
    };
  }

  /** The kernel is asked once a second for each destination. */
  #route(to: Ipv4, source: Ipv4 | undefined): Route {
    const key = `${to} ${source ?? ''}`;
    const now = performance.now();
    const known = this.#routes.get(key);
    if (known !== undefined && now - known.askedAt < ROUTE_AGE) return known.route;
    const route = routeTo(to, source === undefined ? {} : { source });
    if (this.#routes.size >= MOST_ROUTES) this.#routes.clear();
    this.#routes.set(key, { route, askedAt: now });
    return route;
  }

  #addWay(key: string, host: Host): Host {
    this.#ways.set(key, { host, stacks: [host.stack], servers: 0, idle: false, close: () => host.close() });
    this.#beginLooking();
    return host;
  }

  #addDoor(address: Ipv4 | undefined, host: ListenHost): Ours & { readonly host: ListenHost } {
    const stacks = host.paths.map(({ stack }) => stack);
    const door = { host, stacks, servers: 0, idle: false, close: () => host.close() };
    this.#doors.set(doorKey(address, host.port), door);
    this.#beginLooking();
    return door;
  }

  /** A port whose last server has closed, and which still has connections, can be listened on again. */
  #listenAt(door: Ours & { readonly host: ListenHost }, { backlog, options }: NetworkListen): Listening {
    const { port } = door.host;
    if (door.servers > 0) throw new TcpError('EADDRINUSE', `port ${port} is already listening`, 'choose another port');
    const listeners: readonly Listener[] = door.host.listen({
      ...(backlog !== undefined && { backlog }),
      ...(options !== undefined && { options }),
    });
    door.servers++;
    door.idle = false;
    let isOpen = true;
    return {
      port,
      listeners,
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        for (const listener of listeners) listener.close();
        door.servers--;
        if (!isUsed(door)) this.#drop(this.#doors, door);
      },
    };
  }

  #beginLooking(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /** What has had nothing to do for a while goes back to the kernel. */
  #look(): void {
    for (const kind of [this.#ways, this.#doors] as readonly Map<string, Ours>[]) {
      for (const ours of kind.values()) {
        const isIdle = !isUsed(ours);
        if (isIdle && ours.idle) this.#drop(kind, ours);
        else ours.idle = isIdle;
      }
    }
    if (this.#ways.size + this.#doors.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #drop(kind: Map<string, Ours>, ours: Ours): void {
    for (const [key, each] of kind) if (each === ours) kind.delete(key);
    ours.close();
  }

  /** The process ends at once: what can leave still does. */
  #sayGoodbye(): void {
    for (const { stacks } of [...this.#ways.values(), ...this.#doors.values()])
      for (const stack of stacks) for (const endpoint of [...stack.endpoints()]) endpoint.close();
  }
}

const doorKey = (address: Ipv4 | undefined, port: number): string => `${address ?? 'any'} ${port}`;

const isUsed = ({ stacks, servers }: Ours): boolean =>
  servers > 0 || stacks.some((stack) => stack.endpoints().next().done !== true);

function connectBy(host: Host, { address, port, localPort, options }: NetworkConnect): Endpoint {
  return host.stack.connect({
    address,
    port,
    ...(localPort !== undefined && { localPort }),
    ...(options !== undefined && { options }),
  });
}

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
