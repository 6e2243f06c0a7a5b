/**
 * From `connect` to ESTABLISHED, as `net` goes about it: looks the name up, tries one address after another, tells each
 * step. IPv4 only: of what a lookup finds the IPv6 addresses are passed over.
 */
import dns from 'node:dns';
import net from 'node:net';
import type { Endpoint } from '../stack/endpoint.ts';
import type { SocketOptions } from '../tcp/config.ts';
import { type Ipv4, isUnspecified, parseIpv4 } from '../wire/ipv4.ts';
import { codedError, everyAddressFailed, explained, hostPortError, type NetError } from './net-errors.ts';
import type { Network } from './network.ts';
import { BEFORE_CONNECT } from './tcp-socket.ts';

/** What `connect` was asked for, checked. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly family: number | undefined;
  readonly hints: number;
  readonly lookup: net.LookupFunction | undefined;
  readonly autoSelectFamily: boolean;
  /** Milliseconds for each address but the last. */
  readonly attemptTimeout: number;
  readonly options: Partial<SocketOptions>;
}

/** The socket that is to have the connection. */
export interface Opener {
  readonly connecting: boolean;
  emit(event: string, ...args: unknown[]): boolean;
  /** On which an attempt is made now; undefined when it has failed. */
  tries(endpoint: Endpoint | undefined): void;
  /** The addresses, from the first of several on. */
  attempts(address: string): void;
  connected(endpoint: Endpoint): void;
  failed(error: Error): void;
  /** Something happens: it is not idle. */
  stir(): void;
}

interface Found {
  readonly address: string;
  readonly family: number;
}

export class Opening {
  readonly #socket: Opener;
  readonly #network: Network;
  readonly #to: Destination;
  readonly #errors: Error[] = [];
  #addresses: readonly string[] = [];
  #current = 0;
  #endpoint: Endpoint | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(socket: Opener, network: Network, to: Destination) {
    this.#socket = socket;
    this.#network = network;
    this.#to = to;
  }

  start(): void {
    const { host } = this.#to;
    const family = net.isIP(host);
    if (family === 0) this.#lookUp(host);
    else process.nextTick(() => this.#try(String(host), family));
  }

  /** Whatever is under way is given up, and nothing more is told. */
  cancel(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#dropEndpoint();
  }

  #lookUp(host: string): void {
    const { family, lookup = dns.lookup, autoSelectFamily, localAddress } = this.#to;
    const all = family !== 4 && family !== 6 && localAddress === undefined && autoSelectFamily;
    // Where the lookup is ours, there is no use in asking for what we can't reach.
    const wanted = lookup === dns.lookup && (family ?? 0) === 0 ? 4 : family;
    const isEither = wanted !== 4 && wanted !== 6;
    const hints = isEither && this.#to.hints === 0 ? dns.ADDRCONFIG : this.#to.hints;
    // `family` may be absent, which Node's types don't say
    const options = { family: wanted, hints, ...(all && { all }) } as dns.LookupAllOptions;
    lookup(host, options, (error, found: unknown, foundFamily?: unknown) => {
      if (all) this.#foundAll(error, found as readonly Found[]);
      else this.#found(error, found as string, foundFamily as number);
    });
  }

  #found(error: Error | null, address: string, family: number): void {
    const { host, port } = this.#to;
    const socket = this.#socket;
    socket.emit('lookup', error, address, family, host);
    if (!this.#isOpen()) return;
    const wrong = error ?? notAnAddress(address, family, host, port);
    if (wrong !== undefined) process.nextTick(() => this.#fail(wrong));
    else {
      socket.stir();
      this.#try(address, family);
    }
  }

  #foundAll(error: Error | null, found: readonly Found[]): void {
    const { host, port } = this.#to;
    if (!this.#isOpen()) return;
    if (error != null) {
      this.#socket.emit('lookup', error, undefined, undefined, host);
      process.nextTick(() => this.#fail(error));
      return;
    }
    const usable = new Set<string>();
    const others: Found[] = [];
    for (const { address, family } of found) {
      this.#socket.emit('lookup', error, address, family, host);
      if (!this.#isOpen()) return;
      if (family === 4 && net.isIPv4(address)) usable.add(address);
      else others.push({ address, family });
    }
    const [first] = others;
    if (usable.size === 0 && first !== undefined) {
      const wrong = notAnAddress(first.address, first.family, host, port);
      if (wrong !== undefined) process.nextTick(() => this.#fail(wrong));
      else this.#try(first.address, first.family);
      return;
    }
    this.#socket.stir();
    this.#addresses = [...usable];
    if (usable.size === 1) this.#try(this.#addresses[0]!, 4);
    else this.#tryNext();
  }

  #isOpen(): boolean {
    return !this.#over && this.#socket.connecting;
  }

  get #isOneOfMany(): boolean {
    return this.#addresses.length > 1;
  }

  #tryNext(): void {
    clearTimeout(this.#timer);
    if (!this.#isOpen()) return;
    const address = this.#addresses[this.#current++];
    if (address === undefined) {
      this.#fail(everyAddressFailed(this.#errors));
      return;
    }
    this.#try(address, 4);
  }

  #try(address: string, family: number): void {
    if (!this.#isOpen()) return;
    const { port, localAddress, localPort, options } = this.#to;
    const remote = parseIpv4(address);
    if (remote === undefined) {
      this.#socket.emit('connectionAttempt', address, port, family);
      this.#fail(hostPortError('EAFNOSUPPORT', 'connect', address, port));
      return;
    }
    const local = localAddress === undefined ? undefined : parseIpv4(localAddress);
    if (localAddress !== undefined && local === undefined) {
      this.#fail(hostPortError('EINVAL', 'bind', localAddress, localPort ?? 0));
      return;
    }
    if (this.#isOneOfMany) this.#socket.attempts(`${address}:${port}`);
    let opened: Endpoint | Promise<Endpoint>;
    try {
      opened = this.#network.connect({
        address: isUnspecified(remote) ? LOCALHOST : remote,
        port,
        options,
        // 0.0.0.0 is no address to come from
        ...(local !== undefined && !isUnspecified(local) && { localAddress: local }),
        ...(localPort !== undefined && { localPort }),
      });
    } catch (error) {
      this.#refused(address, error);
      return;
    }
    if (opened instanceof Promise) {
      opened.then(
        (endpoint) => this.#attempt(address, endpoint),
        (error: unknown) => this.#refused(address, error),
      );
    } else this.#attempt(address, opened);
  }

  #attempt(address: string, endpoint: Endpoint): void {
    if (!this.#isOpen()) {
      this.#network.leave(endpoint);
      return;
    }
    this.#endpoint = endpoint;
    this.#socket.tries(endpoint);
    this.#socket.emit('connectionAttempt', address, this.#to.port, 4);
    if (this.#endpoint !== endpoint) return;
    endpoint.onEvent = () => this.#look(address, endpoint);
    if (this.#isOneOfMany && this.#current < this.#addresses.length)
      this.#timer = setTimeout(() => this.#tookTooLong(address), this.#to.attemptTimeout);
    // It may be over by now.
    if (endpoint.state === 'CLOSED') process.nextTick(() => this.#look(address, endpoint));
  }

  #look(address: string, endpoint: Endpoint): void {
    if (this.#endpoint !== endpoint) return;
    const { error } = endpoint;
    if (error !== undefined) {
      this.#forget();
      this.#attemptFailed(address, this.#failure(error, address));
    } else if (!BEFORE_CONNECT.has(endpoint.state)) {
      clearTimeout(this.#timer);
      this.#over = true;
      this.#endpoint = undefined;
      this.#socket.connected(endpoint);
    }
  }

  #failure(code: string, address: string): NetError {
    const { port, localAddress, localPort } = this.#to;
    return hostPortError(code, 'connect', address, port, { address: localAddress, port: localPort });
  }

  #attemptFailed(address: string, error: Error): void {
    this.#errors.push(error);
    this.#socket.emit('connectionAttemptFailed', address, this.#to.port, 4, error);
    if (this.#isOneOfMany) this.#tryNext();
    else this.#fail(error);
  }

  #tookTooLong(address: string): void {
    this.#socket.emit('connectionAttemptTimeout', address, this.#to.port, 4);
    this.#errors.push(this.#failure('ETIMEDOUT', address));
    this.#dropEndpoint();
    this.#tryNext();
  }

  /** The network could not even begin. */
  #refused(address: string, why: unknown): void {
    if (!this.#isOpen()) return;
    const { port, localAddress, localPort } = this.#to;
    const code = why instanceof Error && 'code' in why ? String(why.code) : 'EIO';
    const isBind = BIND_ERRORS.has(code) && (localAddress !== undefined || localPort !== undefined);
    if (isBind) {
      const error = hostPortError(code, 'bind', localAddress ?? '0.0.0.0', localPort ?? 0);
      if (this.#isOneOfMany) this.#errors.push(error);
      if (this.#isOneOfMany) this.#tryNext();
      else this.#fail(error);
      return;
    }
    this.#socket.emit('connectionAttempt', address, port, 4);
    const error = hostPortError(code, 'connect', address, port);
    // As Node says it where the kernel refuses at once, from no address.
    if (AT_ONCE.has(code)) error.message += ` - Local (${localAddress ?? '0.0.0.0'}:${localPort ?? 0})`;
    explained(error, why);
    if (this.#isOneOfMany) this.#attemptFailed(address, error);
    else this.#fail(error);
  }

  #fail(error: Error): void {
    if (!this.#isOpen()) return;
    this.#over = true;
    this.#socket.failed(error);
  }

  #forget(): void {
    clearTimeout(this.#timer);
    if (this.#endpoint !== undefined) this.#endpoint.onEvent = undefined;
    this.#endpoint = undefined;
    this.#socket.tries(undefined);
  }

  #dropEndpoint(): void {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return;
    this.#forget();
    endpoint.close();
    this.#network.leave(endpoint);
  }
}

const LOCALHOST: Ipv4 = parseIpv4('127.0.0.1')!;
const BIND_ERRORS: ReadonlySet<string> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EINVAL', 'EACCES']);
const AT_ONCE: ReadonlySet<string> = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL']);

/** What Node says of a lookup that finds no address. */
function notAnAddress(address: string, family: number, host: string, port: number): Error | undefined {
  if (!net.isIP(address)) return codedError('ERR_INVALID_IP_ADDRESS', `Invalid IP address: ${address}`, TypeError);
  if (family === 4 || family === 6) return undefined;
  return Object.assign(
    codedError('ERR_INVALID_ADDRESS_FAMILY', `Invalid address family: ${family} ${host}:${port}`, RangeError),
    { host, port },
  );
}
