/**
 * Connections to anywhere: a host (host.ts) for each way out of this machine, opened when the first connection goes that
 * way, and closed, ports and all, when none has been there for a while. The kernel's routes say which way, at each
 * connection, so a route that changes counts from the next one on. Whoever names a source port has a host for that alone.
 */
import { LinkFailure } from '../link/failure.ts';
import type { LinkError } from '../link/link.ts';
import { type Route, routeTo } from '../link/route.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import type { Stack } from '../stack/stack.ts';
import type { ConnectOptions } from '../stack/stack-options.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import { mayBeRaw } from './driver.ts';
import { type Host, type HostOptions, openHost, openHostNow } from './host.ts';
import { KeptHosts } from './kept-hosts.ts';

export interface HostPoolOptions extends Omit<HostOptions, 'remote' | 'remotePort' | 'sourcePort' | 'ports'> {
  /** Milliseconds without a connection, TIME-WAIT included, before a host is closed; 30 s when absent. */
  readonly idleTime?: number;
}

/** What a pool asks of the machine, or of a test. */
export interface HostPoolParts {
  readonly open: (o: HostOptions) => Promise<Host>;
  /** Absent: nothing is opened before a call returns. */
  readonly openNow?: (o: Omit<HostOptions, 'ownAddress' | 'driver'>) => Host;
  readonly route: typeof routeTo;
}

export interface PoolConnect extends ConnectOptions {
  /** One of this machine's; as HostPoolOptions.source says, or the kernel chooses, when absent. */
  readonly localAddress?: Ipv4;
}

interface Held {
  readonly host: Host;
  readonly stacks: readonly Stack[];
  close(): void;
}

/** Where a connection goes, of which the way is found. */
interface Way {
  readonly remote: Ipv4;
  readonly remotePort: number | undefined;
  readonly source: Ipv4 | undefined;
  readonly sourcePort: number | undefined;
}

const IDLE_TIME = 30_000;
/** Milliseconds that an answer of the kernel's counts: a crawl asks for one address many times a second. */
const ROUTE_AGE = 500;
const MOST_ROUTES = 4096;

export class HostPool {
  readonly #o: Omit<HostPoolOptions, 'idleTime'>;
  readonly #parts: HostPoolParts;
  readonly #held: KeptHosts<Held>;
  readonly #opening = new Map<string, Promise<Host>>();
  #routes = new Map<string, Route>();
  #routesAt = 0;
  #closed = false;

  constructor(
    o: HostPoolOptions = {},
    parts: HostPoolParts = { open: openHost, openNow: openHostNow, route: routeTo },
  ) {
    const { idleTime = IDLE_TIME, ...options } = o;
    this.#o = options;
    this.#parts = parts;
    this.#held = new KeptHosts(idleTime);
  }

  /** Those that are open. */
  *hosts(): IterableIterator<Host> {
    for (const { host } of this.#held.values()) yield host;
  }

  /**
   * Active OPEN to anywhere, before it returns where the host is open or can be opened at once. Throws, or rejects with,
   * LinkFailure or TcpError for what can't be asked: no route, not permitted, every port in use. Everything later is told
   * by the endpoint.
   */
  connect({ localAddress, ...o }: PoolConnect): Endpoint | Promise<Endpoint> {
    const { address: remote, port: remotePort, localPort: sourcePort } = o;
    const host = this.#hostOn({ remote, remotePort, source: localAddress ?? this.#o.source, sourcePort });
    return host instanceof Promise ? host.then(({ stack }) => stack.connect(o)) : host.stack.connect(o);
  }

  /** The host by which packets for `remote` leave. Rejects as `connect` does. */
  async hostFor(remote: Ipv4, remotePort?: number): Promise<Host> {
    return this.#hostOn({ remote, remotePort, source: this.#o.source, sourcePort: undefined });
  }

  /** Resets what is open and gives all ports back. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#held.close();
  }

  #hostOn(way: Way): Host | Promise<Host> {
    if (this.#closed) throw new LinkFailure('ENETDOWN', 'the host pool is closed', 'open another');
    const key = this.#keyOf(way);
    return this.#held.get(key)?.host ?? this.#opening.get(key) ?? this.#open(key, way);
  }

  /** Hosts are alike whose packets leave by one interface, from one address, in one size. */
  #keyOf(way: Way): string {
    if (this.#o.ownAddress !== undefined) return 'own';
    const { interface: name, source, mtu, advmss = 0, loopback } = this.#routeTo(way);
    return [name, ipv4Text(source), mtu, advmss, loopback, way.sourcePort ?? 'any'].join(' ');
  }

  #routeTo({ remote, source }: Way): Route {
    const now = performance.now();
    if (now - this.#routesAt > ROUTE_AGE || this.#routes.size >= MOST_ROUTES) {
      this.#routes = new Map();
      this.#routesAt = now;
    }
    const key = `${remote} ${source ?? ''}`;
    const known = this.#routes.get(key);
    if (known !== undefined) return known;
    const { interface: name } = this.#o;
    const route = this.#parts.route(remote, {
      ...(source !== undefined && { source }),
      ...(name !== undefined && { interface: name }),
    });
    this.#routes.set(key, route);
    return route;
  }

  #open(key: string, { remote, remotePort, source, sourcePort }: Way): Host | Promise<Host> {
    let held: Held | undefined;
    const options: HostOptions = {
      ...this.#o,
      remote,
      ...(remotePort !== undefined && { remotePort }),
      ...(source !== undefined && { source }),
      ...(sourcePort === undefined ? { ports: 'many' } : { sourcePort }),
      onLinkError: (error: LinkError): void => {
        this.#o.onLinkError?.(error);
        // Its connections have ended with the link; the next one that goes this way opens another.
        if (error.fatal) setImmediate(() => this.#held.drop(key, held));
      },
    };
    const keep = (host: Host): Host => {
      held = { host, stacks: [host.stack], close: () => host.close() };
      if (this.#closed) host.close();
      else this.#held.add(key, held);
      return host;
    };
    const now = this.#openNow(options);
    if (now !== undefined) return keep(now);
    const opening = this.#parts
      .open(options)
      .then(keep)
      .finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening;
  }

  /** Undefined where that takes time. */
  #openNow({ driver, ownAddress, ...o }: HostOptions): Host | undefined {
    const { openNow } = this.#parts;
    if (openNow === undefined || driver === 'raw' || ownAddress !== undefined) return undefined;
    try {
      return openNow(o);
    } catch (error) {
      if (driver === 'packet' || !mayBeRaw(error)) throw error;
      return undefined;
    }
  }
}
