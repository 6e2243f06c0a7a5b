/**
 * A TCP over IPv4 that anyone can embed: it joins the core, IP and a link, and takes clock, randomness and link from its
 * caller. What arrives: arrivals.ts; what follows from it: turns.ts. Here are the calls of the user, RFC 9293 §3.9.1.
 */
import { HalfSipHash } from '../base/half-siphash.ts';
import type { Seq } from '../base/seq.ts';
import { SipHash } from '../base/siphash.ts';
import type { Micros } from '../base/time.ts';
import type { Link } from '../link/link.ts';
import { profileSysctl, type Sysctl } from '../tcp/config.ts';
import { IPV4_HEADER_LEN, type Ipv4, isBroadcast, isLoopback, isMulticast, isUnspecified } from '../wire/ipv4.ts';
import { TCP_HEADER_LEN } from '../wire/tcp.ts';
import { Arrivals } from './arrivals.ts';
import { checkCongestion } from './check-options.ts';
import { newCounters, type StackCounters } from './counters.ts';
import { DemuxTable } from './demux.ts';
import type { Endpoint } from './endpoint.ts';
import { TcpError } from './errors.ts';
import { FastOpenCookies } from './fast-open-cookies.ts';
import { IpOutput } from './ip-output.ts';
import { Listener } from './listener.ts';
import { Openings } from './openings.ts';
import { PassiveOpens } from './passive-opens.ts';
import { ALL_EPHEMERAL, PortChoice } from './ports.ts';
import type { ConnectOptions, ListenOptions, StackOptions } from './stack-options.ts';
import { DEFAULT_TTL, Turns } from './turns.ts';

/** RFC 9293 §3.7.1: what a peer over IPv4 takes that announces no MSS. */
const IPV4_DEFAULT_MSS = 536;

export class Stack {
  readonly address: Ipv4;
  readonly counters: StackCounters = newCounters();
  readonly #link: Link;
  readonly #sysctl: Sysctl;
  readonly #endpoints: DemuxTable<Endpoint>;
  readonly #listeners = new Map<number, Listener>();
  readonly #fastOpens: FastOpenCookies;
  readonly #portChoice: PortChoice;
  readonly #turns: Turns;
  readonly #openings: Openings;

  constructor(o: StackOptions) {
    const { address, clock, link, profile = 'linux', ports = ALL_EPHEMERAL } = o;
    const { counters } = this;
    const sysctl = { ...profileSysctl(profile), ...o.sysctl };
    checkCongestion('tcp_congestion_control', sysctl.tcp_congestion_control);
    this.address = address;
    this.#link = link;
    this.#sysctl = sysctl;
    const headers = IPV4_HEADER_LEN + TCP_HEADER_LEN;
    const path = {
      receiveMss: Math.min(o.advmss ?? 65_495, Math.min(link.mtu, link.receiveMtu) - headers),
      sendMss: link.mtu - headers,
      defaultMss: IPV4_DEFAULT_MSS,
      maxGsoPayload: link.maxGsoPayload,
    };
    let lastId = 0;
    const nextId = o.nextId ?? (() => ++lastId);
    const prf = new SipHash(o.random);
    const output = new IpOutput(link, o.random.uint32());
    const endpoints = new DemuxTable<Endpoint>(new HalfSipHash(o.random));
    const fastOpens = new FastOpenCookies(prf);
    const turns = new Turns({ clock, link, address, sysctl, counters, output, endpoints, fastOpens, ports });
    const openings = new Openings({ profile, sysctl, path, prf, endpoints, ports, turns, tracer: o.tracer, nextId });
    const passives = new PassiveOpens({ address, counters, turns, openings, prf, fastOpens });
    this.#endpoints = endpoints;
    this.#fastOpens = fastOpens;
    this.#portChoice = new PortChoice(ports, prf, o.random);
    this.#turns = turns;
    this.#openings = openings;
    const { ownsPort = () => true, onLinkError } = o;
    const listeners = this.#listeners;
    link.start(new Arrivals({ address, counters, endpoints, listeners, passives, turns, ownsPort, onLinkError }));
  }

  now(): Micros {
    return this.#turns.now();
  }

  /** Active OPEN. Throws TcpError on what can't be asked; everything else is told by the endpoint. */
  connect(o: ConnectOptions): Endpoint {
    checkPort(o.port);
    if (isBroadcast(o.address) || isMulticast(o.address) || isUnspecified(o.address))
      throw new TcpError('ENETUNREACH', 'the address is not one host', 'give the address of one host');
    const localPort = o.localPort ?? this.#ephemeralPort(o.address, o.port);
    checkPort(localPort);
    const addresses = { localAddress: this.address, localPort, remoteAddress: o.address, remotePort: o.port };
    const old = this.#endpoints.find(this.address, localPort, o.address, o.port);
    let leastIss: Seq | undefined;
    if (old !== undefined) {
      if (!this.#mayReuse(old))
        throw new TcpError(
          'EADDRINUSE',
          `port ${localPort} already has a connection to that address and port`,
          'choose another port, or wait until its TIME-WAIT is over',
        );
      leastIss = old.connection.nextIss;
      old.connection.reuse(this.now());
      this.#turns.retire(old);
    }
    const endpoint = this.#openings.make(addresses, this.#openings.configFor(o.options), o.ttl ?? DEFAULT_TTL);
    const grant = this.#fastOpenGrant(o);
    this.#openings.open(endpoint, 'active', { leastIss, tfo: grant?.cookie, tfoMss: grant?.mss });
    if (o.data !== undefined) endpoint.connection.send(o.data, this.now());
    this.#turns.touchSoon(endpoint);
    return endpoint;
  }

  /** Passive OPEN. */
  listen(o: ListenOptions): Listener {
    checkPort(o.port);
    if (this.#listeners.has(o.port))
      throw new TcpError('EADDRINUSE', `port ${o.port} is already listening`, 'choose another port');
    const listener = new Listener(o.port, o.backlog ?? 511, this.#openings.configFor(o.options), (l) =>
      this.#listeners.delete(l.port),
    );
    this.#listeners.set(o.port, listener);
    return listener;
  }

  /** Every connection, in no order. */
  endpoints(): IterableIterator<Endpoint> {
    return this.#endpoints[Symbol.iterator]();
  }

  /** Every listener, in no order. */
  listeners(): IterableIterator<Listener> {
    return this.#listeners.values();
  }

  /** Aborts what is left and closes the link. Idempotent. */
  close(): void {
    if (this.#turns.isClosed) return;
    for (const listener of this.#listeners.values()) listener.close();
    for (const endpoint of [...this.#endpoints]) endpoint.abort();
    // In the middle of a batch too: the RSTs are to leave before the link closes.
    this.#turns.close();
    this.#link.close();
  }

  /** Fast Open as client: with the cookie of last time the data goes on the SYN, else one is asked for (RFC 7413 §3). */
  #fastOpenGrant(o: ConnectOptions): { readonly cookie: string; readonly mss: number | undefined } | undefined {
    const { fastOpen = false } = o;
    if (fastOpen === false || (this.#sysctl.tcp_fastopen & 1) === 0) return undefined;
    if (fastOpen === true && this.#fastOpens.isRefused(o.address, this.now())) return undefined;
    const grant = fastOpen === true ? this.#fastOpens.from(o.address) : fastOpen;
    if (grant === undefined) return { cookie: '', mss: undefined };
    return { cookie: grant.cookie, mss: grant.mss ?? IPV4_DEFAULT_MSS };
  }

  /** A connection in TIME-WAIT whose timestamps tell its segments from those of the next (RFC 6191; sysctl tcp_tw_reuse). */
  #mayReuse(old: Endpoint): boolean {
    const { tcp_tw_reuse } = this.#sysctl;
    const allowed = tcp_tw_reuse === 1 || (tcp_tw_reuse === 2 && isLoopback(old.remoteAddress));
    return allowed && old.state === 'TIME-WAIT' && old.connection.isOldEnough(this.now());
  }

  #ephemeralPort(remote: Ipv4, remotePort: number): number {
    const chosen = this.#portChoice.choose(remote, remotePort, (port) => {
      const old = this.#endpoints.find(this.address, port, remote, remotePort);
      return (old === undefined || this.#mayReuse(old)) && !this.#listeners.has(port);
    });
    if (chosen !== undefined) return chosen;
    throw new TcpError(
      'EADDRNOTAVAIL',
      'every local port has a connection to that address and port',
      'close some, or wait until their TIME-WAIT is over',
    );
  }
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new TcpError('EINVAL', `${port} is no port`, 'ports go from 1 to 65535');
}
