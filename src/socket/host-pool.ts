/**
 * Connections to anywhere: a host (host.ts) for each way out of this machine, opened when the first connection goes that
 * way, and closed, ports and all, when none has been there for a while. The kernel's routes say which way, at each
 * connection, so a route that changes counts from the next one on.
 */
import { LinkFailure } from '../link/failure.ts';
import type { LinkError } from '../link/link.ts';
import { type Route, routeTo } from '../link/route.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import type { ConnectOptions } from '../stack/stack.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import { type Host, type HostOptions, openHost } from './host.ts';

export interface HostPoolOptions extends Omit<HostOptions, 'remote' | 'remotePort' | 'sourcePort' | 'ports'> {
  /** Milliseconds without a connection, TIME-WAIT included, before a host is closed; 30 s when absent. */
  readonly idleTime?: number;
}

/** What a pool asks of the machine, or of a test. */
export interface HostPoolParts {
  readonly open: (o: HostOptions) => Promise<Host>;
  readonly route: typeof routeTo;
}

interface Held {
  readonly host: Promise<Host>;
  /** Once it is open. */
  opened: Host | undefined;
  /** Looks in a row that found no connection. */
  idleLooks: number;
}

const IDLE_TIME = 30_000;
/** Looks in an idle time. */
const LOOKS = 3;
/** Milliseconds that an answer of the kernel's counts: a crawl asks for one address many times a second. */
const ROUTE_AGE = 500;
const MOST_ROUTES = 4096;

export class HostPool {
  readonly #o: HostPoolOptions;
  readonly #parts: HostPoolParts;
  readonly #held = new Map<string, Held>();
  #routes = new Map<Ipv4, Route>();
  #routesAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(o: HostPoolOptions = {}, parts: HostPoolParts = { open: openHost, route: routeTo }) {
    this.#o = o;
    this.#parts = parts;
  }

  /** Those that are open. */
  *hosts(): IterableIterator<Host> {
    for (const { opened } of this.#held.values()) if (opened !== undefined) yield opened;
  }

  /**
   * Active OPEN to anywhere. Rejects with LinkFailure or TcpError for what can't be asked: no route, not permitted, every
   * port in use. Everything later is told by the endpoint.
   */
  async connect(o: Omit<ConnectOptions, 'localPort'>): Promise<Endpoint> {
    const host = await this.hostFor(o.address, o.port);
    return host.stack.connect(o);
  }

  /** The host by which packets for `remote` leave. */
  hostFor(remote: Ipv4, remotePort?: number): Promise<Host> {
    if (this.#closed) return Promise.reject(new LinkFailure('ENETDOWN', 'the host pool is closed', 'open another'));
    let key: string;
    try {
      key = this.#wayTo(remote);
    } catch (error) {
      return Promise.reject(error);
    }
    const held = this.#held.get(key) ?? this.#open(key, remote, remotePort);
    held.idleLooks = 0;
    return held.host;
  }

  /** Resets what is open and gives all ports back. Idempotent. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const key of [...this.#held.keys()]) this.#drop(key);
  }

  /** Hosts are alike whose packets leave by one interface, from one address, in one size. */
  #wayTo(remote: Ipv4): string {
    if (this.#o.ownAddress !== undefined) return 'own';
    const { interface: name, source, mtu, advmss = 0, loopback } = this.#routeTo(remote);
    return [name, ipv4Text(source), mtu, advmss, loopback].join(' ');
  }

  #routeTo(remote: Ipv4): Route {
    const now = performance.now();
    if (now - this.#routesAt > ROUTE_AGE || this.#routes.size >= MOST_ROUTES) {
      this.#routes = new Map();
      this.#routesAt = now;
    }
    const known = this.#routes.get(remote);
    if (known !== undefined) return known;
    const { source, interface: name } = this.#o;
    const route = this.#parts.route(remote, {
      ...(source !== undefined && { source }),
      ...(name !== undefined && { interface: name }),
    });
    this.#routes.set(remote, route);
    return route;
  }

  #open(key: string, remote: Ipv4, remotePort: number | undefined): Held {
    const onLinkError = (error: LinkError): void => {
      this.#o.onLinkError?.(error);
      // Its connections have ended with the link; the next one that goes this way opens another.
      if (error.fatal) setImmediate(() => this.#drop(key, held));
    };
    const { idleTime: _, ...o } = this.#o;
    const host = this.#parts.open({
      ...o,
      remote,
      ports: 'many',
      ...(remotePort !== undefined && { remotePort }),
      onLinkError,
    });
    const held: Held = { host, opened: undefined, idleLooks: 0 };
    this.#held.set(key, held);
    host.then(
      (opened) => {
        held.opened = opened;
        if (this.#held.get(key) !== held) opened.close();
      },
      () => {
        if (this.#held.get(key) === held) this.#held.delete(key);
      },
    );
    this.#timer ??= setInterval(() => this.#look(), (this.#o.idleTime ?? IDLE_TIME) / LOOKS).unref();
    return held;
  }

  #look(): void {
    for (const [key, held] of this.#held) {
      const isIdle = held.opened !== undefined && held.opened.stack.endpoints().next().done === true;
      held.idleLooks = isIdle ? held.idleLooks + 1 : 0;
      if (held.idleLooks > LOOKS) this.#drop(key);
    }
  }

  #drop(key: string, only?: Held): void {
    const held = this.#held.get(key);
    if (held === undefined || (only !== undefined && held !== only)) return;
    this.#held.delete(key);
    held.opened?.close();
  }
}
