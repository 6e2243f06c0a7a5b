/**
 * Stacks that take connections on this machine's network, sharing its addresses: one for each address and each way in.
 *
 * An address is reached through its own interface from outside, and through loopback from this machine; the two differ in
 * MTU and in where packets are seen. So each pair has a stack of its own, with the interface's MTU; stacks on one
 * interface share its driver, stacks of one address its guard. All share port, log, numbers and time.
 */
import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/time.ts';
import { LinkFailure, NotOurAddress } from '../link/failure.ts';
import { guardPort, type PortGuard } from '../link/guard.ts';
import type { Link } from '../link/link.ts';
import { RING_OCTETS } from '../link/raw.ts';
import { interfaceNamed, type Route, routeTo } from '../link/route.ts';
import { captureTap } from '../link/taps/capture.ts';
import { splitLink } from '../link/taps/split.ts';
import type { Listener } from '../stack/listener.ts';
import { Stack } from '../stack/stack.ts';
import type { ListenOptions } from '../stack/stack-options.ts';
import { type Ipv4, ipv4Text, parseIpv4 } from '../wire/ipv4.ts';
import { type DriverSteps, type OpenedDriver, runSteps, runStepsNow } from './driver.ts';
import { type Host, type HostOptions, openHost } from './host.ts';
import { fineClock, nodeClock, nodeRandom } from './node-clock.ts';

export interface ListenHostOptions extends Omit<HostOptions, 'remote' | 'remotePort' | 'source' | 'sourcePort'> {
  /** One of this machine's. Absent: all of them, or all of `interface`. */
  readonly address?: Ipv4;
  /** 0: the kernel chooses. */
  readonly port: number;
}

/** An interface that could not be used though its address was not asked for by name. */
export interface SkippedInterface {
  readonly interface: string;
  readonly reason: string;
}

export interface ListenHost {
  /** One for each address and way in. */
  readonly paths: readonly Host[];
  readonly port: number;
  readonly clock: Clock;
  readonly skipped: readonly SkippedInterface[];
  /** A listener on the port for each path, in their order. */
  listen(o?: Omit<ListenOptions, 'port'>): readonly Listener[];
  /** Resets what is open, then gives the port back to the kernel. Idempotent. */
  close(): void;
}

/** Throws LinkFailure, each with a hint: no such interface or address, port in use, not permitted, not built. */
export async function openListenHost(o: ListenHostOptions): Promise<ListenHost> {
  const own = o.ownAddress;
  if (own !== undefined) {
    const host = await openHost({ ...o, remote: own.address, sourcePort: o.port });
    return new Listening([host], [], host.clock);
  }
  return runSteps(hostSteps(o));
}

/** The same before it returns, with driver 'packet', and not with an address of our own. */
export function openListenHostNow(o: Omit<ListenHostOptions, 'ownAddress' | 'driver'>): ListenHost {
  return runStepsNow(hostSteps(o));
}

function* hostSteps(o: ListenHostOptions): DriverSteps<ListenHost> {
  const places = placesFor(o);
  const guards = guardAll(o, [...new Set(places.map((p) => p.address))]);
  try {
    return yield* pathSteps(o, places, guards);
  } catch (error) {
    for (const guard of guards.values()) guard.close();
    throw error;
  }
}

/** An address, and an interface on which packets for it come in. */
interface Place {
  readonly interface: string;
  readonly address: Ipv4;
}

/** Of an interface that only happened to be there. */
const SKIPPED_CODES: ReadonlySet<string> = new Set(['EPROTONOSUPPORT', 'ENETDOWN', 'ENODEV']);
const LEAST_RING = 8 << 20;

function* pathSteps(
  o: ListenHostOptions,
  places: readonly Place[],
  guards: ReadonlyMap<Ipv4, PortGuard>,
): DriverSteps<ListenHost> {
  const byInterface = grouped(places);
  const outside = [...byInterface.keys()].filter((name) => !interfaceNamed(name).loopback).length;
  const zero = performance.now();
  let lastId = 0;
  const shared: Shared = { zero, nextId: o.nextId ?? (() => ++lastId) };
  const paths: Host[] = [];
  const skipped: SkippedInterface[] = [];
  try {
    for (const [name, here] of byInterface) {
      try {
        const ring = Math.max(LEAST_RING, Math.floor(RING_OCTETS / Math.max(1, outside)));
        paths.push(...(yield* interfaceSteps(o, name, here, guards, ring, shared)));
      } catch (error) {
        const mayMiss = o.address === undefined && o.interface === undefined;
        if (!mayMiss || !(error instanceof LinkFailure) || !SKIPPED_CODES.has(error.code)) throw error;
        skipped.push({ interface: name, reason: error.message });
      }
    }
    if (paths.length === 0)
      throw new LinkFailure(
        'EADDRNOTAVAIL',
        `no interface can be used: ${skipped.map((s) => s.reason).join('; ')}`,
        'name one with -I, or an address',
      );
  } catch (error) {
    for (const path of paths) path.close();
    throw error;
  }
  return new Listening(paths, skipped, nodeClock(zero));
}

/** What all stacks have in common. */
interface Shared {
  /** Their clocks', of performance.now(). */
  readonly zero: number;
  readonly nextId: () => number;
}

function* interfaceSteps(
  o: ListenHostOptions,
  name: string,
  places: readonly Place[],
  guards: ReadonlyMap<Ipv4, PortGuard>,
  ring: number,
  shared: Shared,
): DriverSteps<readonly Host[]> {
  const { ifindex, loopback, mtu } = interfaceNamed(name);
  const addresses = places.map((p) => p.address);
  const [first] = guards.values();
  const driver = yield {
    ...(o.driver !== undefined && { driver: o.driver }),
    ...(o.offload !== undefined && { offload: o.offload }),
    interface: name,
    addresses,
    ports: [first!.port],
    mtu: Math.min(mtu, MAX_PACKET),
    loopback,
    bind: o.interface !== undefined,
    listens: true,
    buffers: { ...(!loopback && o.driver === 'raw' && { receive: ring }), ...o.buffers },
    ...(o.background !== undefined && { background: o.background }),
  };
  let { link } = driver;
  if (o.capture !== undefined) link = captureTap(link, nodeClock(shared.zero), o.capture);
  if (o.tap !== undefined) link = o.tap(link, fineClock(shared.zero));
  const parts = addresses.length === 1 ? [link] : splitLink(link, addresses);
  return addresses.map((address, i) => {
    const route: Route = {
      interface: name,
      ifindex,
      source: address,
      gateway: undefined,
      mtu: Math.min(mtu, MAX_PACKET),
      loopback,
    };
    return new Path(o, route, guards.get(address)!, { ...driver, link: parts[i]! }, shared);
  });
}

const MAX_PACKET = 65_535;

class Path implements Host {
  readonly stack: Stack;
  readonly route: Route;
  readonly guard: PortGuard;
  readonly link: Link;
  readonly fallBack: string | undefined;
  readonly clock: Clock;
  readonly port: number;

  constructor(o: ListenHostOptions, route: Route, guard: PortGuard, driver: OpenedDriver, shared: Shared) {
    const { link } = driver;
    this.route = route;
    this.guard = guard;
    this.link = link;
    this.fallBack = driver.fallBack;
    this.port = guard.port;
    this.clock = nodeClock(shared.zero, o.background);
    this.stack = new Stack({
      clock: this.clock,
      random: nodeRandom(),
      link,
      address: route.source,
      ownsPort: (port) => port === guard.port,
      nextId: shared.nextId,
      ...(o.profile !== undefined && { profile: o.profile }),
      ...(o.sysctl !== undefined && { sysctl: o.sysctl }),
      ...(o.tracer !== undefined && { tracer: o.tracer }),
      ...(o.onLinkError !== undefined && { onLinkError: o.onLinkError }),
    });
  }

  close(): void {
    this.stack.close();
    this.guard.close();
  }
}

class Listening implements ListenHost {
  readonly paths: readonly Host[];
  readonly skipped: readonly SkippedInterface[];
  readonly port: number;
  readonly clock: Clock;

  constructor(paths: readonly Host[], skipped: readonly SkippedInterface[], clock: Clock) {
    this.paths = paths;
    this.skipped = skipped;
    this.port = paths[0]!.port;
    this.clock = clock;
  }

  listen(o: Omit<ListenOptions, 'port'> = {}): readonly Listener[] {
    return this.paths.map((path) => path.stack.listen({ ...o, port: this.port }));
  }

  /** All stacks first: the guard of an address is that of both its ways in. */
  close(): void {
    for (const { stack } of this.paths) stack.close();
    for (const { guard } of this.paths) guard.close();
  }
}

/** The same port on each address. With port 0 the kernel's choice on the first may be taken on another: then another is tried. */
function guardAll(o: ListenHostOptions, addresses: readonly Ipv4[]): ReadonlyMap<Ipv4, PortGuard> {
  for (let attempt = 1; ; attempt++) {
    const guards = new Map<Ipv4, PortGuard>();
    let port = o.port;
    try {
      for (const address of addresses) {
        const guard = guardPort({ kind: o.guard ?? 'auto', address, port });
        guards.set(address, guard);
        port = guard.port;
      }
      return guards;
    } catch (error) {
      for (const guard of guards.values()) guard.close();
      const isTaken = error instanceof LinkFailure && error.code === 'EADDRINUSE';
      if (o.port !== 0 || !isTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

const PORT_ATTEMPTS = 16;

function placesFor(o: ListenHostOptions): readonly Place[] {
  const known = addressesHere();
  if (o.interface !== undefined) return placesOn(o.interface, o.address, known);
  const loopback = routeTo(LOCALHOST).interface;
  if (o.address === undefined) return known.flatMap((place) => withLoopback(place, loopback));
  const { address } = o;
  const owner = known.find((place) => place.address === address);
  if (owner !== undefined) return withLoopback(owner, loopback);
  // All of 127.0.0.0/8 is this machine's, listed or not; and so is what a local route says.
  if (isLocal(address)) return [{ interface: loopback, address }];
  throw notOurs(address);
}

/** Where packets for it come in: on its own interface, and on loopback those of this machine. */
function withLoopback(place: Place, loopback: string): readonly Place[] {
  return place.interface === loopback ? [place] : [place, { interface: loopback, address: place.address }];
}

/** What comes in on that interface and nowhere else. */
function placesOn(name: string, address: Ipv4 | undefined, known: readonly Place[]): readonly Place[] {
  if (!interfaceNamed(name).up)
    throw new LinkFailure('ENETDOWN', `interface ${name} is down`, `ip link set ${name} up`);
  if (address !== undefined) {
    if (!isLocal(address)) throw notOurs(address);
    return [{ interface: name, address }];
  }
  const here = known.filter((place) => place.interface === name);
  if (here.length === 0)
    throw new LinkFailure(
      'EADDRNOTAVAIL',
      `${name} has no IPv4 address`,
      'give it one (`ip address add`), or use --ip for one of our own',
    );
  return here;
}

const notOurs = (address: Ipv4): LinkFailure => new NotOurAddress(ipv4Text(address), '; --ip uses one of our own');

function isLocal(address: Ipv4): boolean {
  try {
    return routeTo(address).loopback;
  } catch (error) {
    if (error instanceof LinkFailure && error.code !== 'ENOTBUILT') return false;
    throw error;
  }
}

/** Of interfaces that are up. */
function addressesHere(): readonly Place[] {
  return Object.entries(networkInterfaces()).flatMap(([label, infos]) =>
    (infos ?? []).flatMap((info) => {
      const address = info.family === 'IPv4' ? parseIpv4(info.address) : undefined;
      // A second address may have a label of its own: eth0:1.
      return address === undefined ? [] : [{ interface: label.replace(/:.*$/, ''), address }];
    }),
  );
}

const LOCALHOST = parseIpv4('127.0.0.1')!;

function grouped(places: readonly Place[]): ReadonlyMap<string, readonly Place[]> {
  const groups = new Map<string, Place[]>();
  for (const place of places) {
    const group = groups.get(place.interface) ?? [];
    group.push(place);
    groups.set(place.interface, group);
  }
  return groups;
}
