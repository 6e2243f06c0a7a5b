/**
 * A stack on this machine's network. Sharing its address: the route and source that the kernel would choose, a port that
 * the kernel keeps for us and stays silent on, a driver, and a stack on top with this process's clock. Or with an address
 * of its own, and all of that for itself.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../base/time.ts';
import { LinkFailure } from '../link/failure.ts';
import type { PortRange } from '../link/filter.ts';
import { type GuardKind, guardPort, type PortGuard } from '../link/guard.ts';
import type { Link, LinkError } from '../link/link.ts';
import { type Route, routeTo } from '../link/route.ts';
import { type CaptureSink, captureTap } from '../link/taps/capture.ts';
import type { PortSource } from '../stack/ports.ts';
import { Stack } from '../stack/stack.ts';
import type { StackTracer } from '../stack/stack-options.ts';
import type { Profile, Sysctl } from '../tcp/config.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import {
  type DriverBuffers,
  type DriverName,
  type DriverOptions,
  type DriverSteps,
  type OpenedDriver,
  runSteps,
  runStepsNow,
} from './driver.ts';
import { GuardedPorts } from './guarded-ports.ts';
import { fineClock, nodeClock, nodeRandom } from './node-clock.ts';
import { type OwnAddress, openOwnAddress } from './own-address.ts';

export type { DriverBuffers, DriverName } from './driver.ts';
export type { OwnAddress } from './own-address.ts';

export interface HostOptions {
  readonly remote: Ipv4;
  /** For error texts and filters; a connection may go to any. */
  readonly remotePort?: number;
  /** One of this machine's addresses; the kernel's choice when absent. */
  readonly source?: Ipv4;
  /** Absent: the kernel's choice. */
  readonly sourcePort?: number;
  /**
   * 'one' when absent: connections come from `sourcePort`, so that there is one to each destination. 'many': each gets a port
   * as it needs one; ports are guarded as needed, shared by connections to different destinations, and go back to the
   * kernel when there is no connection left on them. With an address of our own all ports are there in any case.
   */
  readonly ports?: 'one' | 'many';
  /** Packets come and go here whatever the routes say. */
  readonly interface?: string;
  /** 'auto' when absent. */
  readonly guard?: 'auto' | GuardKind;
  /** Absent: 'packet', or 'raw' where that can't be had, as on an interface without Ethernet. */
  readonly driver?: DriverName;
  /** False: nothing is left for the kernel or the card to cut; true when absent. Means nothing to 'raw'. */
  readonly offload?: boolean;
  readonly buffers?: DriverBuffers;
  /** Instead of sharing this machine's address; `source` and `guard` then mean nothing, `interface` is where it lives. */
  readonly ownAddress?: OwnAddress;
  /** 'linux' when absent. */
  readonly profile?: Profile;
  readonly sysctl?: Partial<Sysctl>;
  readonly tracer?: StackTracer;
  /** The next connection's number in the trace; counts from 1 when absent. For hosts that share a tracer. */
  readonly nextId?: () => number;
  /** It does not keep the process alive, whatever is open on it. 'packet' only. */
  readonly background?: boolean;
  /** Gets every packet that was on the wire. */
  readonly capture?: CaptureSink;
  /** Puts a tap (faults, delay) around the link, above the capture. `clock` is the tap's own, its alarm too. */
  readonly tap?: (link: Link, clock: Clock) => Link;
  readonly onLinkError?: (error: LinkError) => void;
}

export interface Host {
  readonly stack: Stack;
  readonly route: Route;
  readonly guard: PortGuard;
  readonly link: Link;
  /** Why the driver is 'raw' although nobody asked for it. */
  readonly fallBack?: string | undefined;
  readonly clock: Clock;
  /** The local port that is guarded, or the first of them. */
  readonly port: number;
  /** Resets what is open, then gives the port back to the kernel. Idempotent. */
  close(): void;
}

/** Throws LinkFailure, each with a hint: no route, no such interface or address, port in use, not permitted, not built. */
export async function openHost(o: HostOptions): Promise<Host> {
  if (o.ownAddress !== undefined) return openOwnHost(o, o.ownAddress);
  return runSteps(hostSteps(o));
}

/** The same before it returns, with driver 'packet', and not with an address of our own. */
export function openHostNow(o: Omit<HostOptions, 'ownAddress' | 'driver'>): Host {
  return runStepsNow(hostSteps(o));
}

function* hostSteps(o: HostOptions): DriverSteps<Host> {
  const route = routeTo(o.remote, {
    ...(o.source !== undefined && { source: o.source }),
    ...(o.interface !== undefined && { interface: o.interface }),
  });
  if (o.ports === 'many') return yield* manyHostSteps(o, route);
  const guard = guardPort({ kind: o.guard ?? 'auto', address: route.source, port: o.sourcePort ?? 0 });
  let driver: OpenedDriver | undefined;
  try {
    driver = yield { ...driverOptions(o, route), ports: [guard.port] };
    // The address is the kernel's too: it answers for every port but the one it keeps for us.
    return new RunningHost(o, route, guard, driver, (port) => port === guard.port);
  } catch (error) {
    driver?.link.close();
    guard.close();
    throw error;
  }
}

/** Source ports from a pool. The driver takes the kernel's whole range at first, and where its filter can be changed, soon only our part. */
function* manyHostSteps(o: HostOptions, route: Route): DriverSteps<Host> {
  const wanted = driverOptions(o, route);
  const range = localPortRange();
  const driver = yield { ...wanted, portRanges: [range] };
  const ports = new GuardedPorts({
    range,
    random: nodeRandom(),
    guard: (port) => guardPort({ kind: o.guard ?? 'auto', address: route.source, port }),
    widen: (ranges) => driver.takePorts?.(ranges),
  });
  try {
    if (!ports.grow())
      throw new LinkFailure(
        'EADDRNOTAVAIL',
        `every port of ${ipv4Text(route.source)} from ${range.from} to ${range.to} is in use`,
        'see sysctl net.ipv4.ip_local_port_range',
      );
    return new RunningHost(o, route, guardOfAll(ports, route), driver, (port) => ports.owns(port), ports);
  } catch (error) {
    driver.link.close();
    ports.close();
    throw error;
  }
}

function driverOptions(o: HostOptions, route: Route): DriverOptions {
  return {
    ...(o.driver !== undefined && { driver: o.driver }),
    ...(o.offload !== undefined && { offload: o.offload }),
    ...(o.buffers !== undefined && { buffers: o.buffers }),
    interface: route.interface,
    addresses: [route.source],
    mtu: route.mtu,
    loopback: route.loopback,
    bind: o.interface !== undefined,
    ...(o.background !== undefined && { background: o.background }),
  };
}

/** The guards of a pool as one. */
function guardOfAll(ports: GuardedPorts, route: Route): PortGuard {
  const { kind, note } = ports.first;
  return {
    kind,
    address: route.source,
    port: ports.at(0),
    note: `${note}, on each port that a connection needs`,
    close: () => ports.close(),
  };
}

/** Where the kernel takes its own from. */
function localPortRange(): PortRange {
  const [from, to] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').trim().split(/\s+/).map(Number);
  return { from: from!, to: to! };
}

async function openOwnHost(o: HostOptions, own: OwnAddress): Promise<Host> {
  if (o.driver === 'raw')
    throw new LinkFailure(
      'EINVAL',
      'the raw driver sends what the kernel routes, and an address of our own needs frames',
      'leave --driver out, or use --driver packet',
    );
  const { link, route, guard } = await openOwnAddress(own, o.remote, o.interface, o.sourcePort ?? 0, o);
  return new RunningHost(o, route, guard, { link }, () => true);
}

class RunningHost implements Host {
  readonly stack: Stack;
  readonly route: Route;
  readonly guard: PortGuard;
  readonly link: Link;
  readonly fallBack: string | undefined;
  readonly clock: Clock;
  readonly port: number;

  constructor(
    o: HostOptions,
    route: Route,
    guard: PortGuard,
    driver: OpenedDriver,
    ownsPort: (port: number) => boolean,
    ports?: PortSource,
  ) {
    this.clock = nodeClock(performance.now(), o.background);
    this.route = route;
    this.guard = guard;
    this.port = guard.port;
    this.fallBack = driver.fallBack;
    let { link } = driver;
    if (o.capture !== undefined) link = captureTap(link, this.clock, o.capture);
    if (o.tap !== undefined) link = o.tap(link, fineClock());
    this.link = link;
    this.stack = new Stack({
      clock: this.clock,
      random: nodeRandom(),
      link,
      address: route.source,
      ownsPort,
      ...(ports !== undefined && { ports }),
      ...(route.advmss !== undefined && { advmss: route.advmss }),
      ...(o.profile !== undefined && { profile: o.profile }),
      ...(o.sysctl !== undefined && { sysctl: o.sysctl }),
      ...(o.tracer !== undefined && { tracer: o.tracer }),
      ...(o.nextId !== undefined && { nextId: o.nextId }),
      ...(o.onLinkError !== undefined && { onLinkError: o.onLinkError }),
    });
  }

  close(): void {
    this.stack.close();
    this.guard.close();
  }
}
