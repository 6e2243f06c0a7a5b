/**
 * A stack on this machine's network, sharing its address: the route and source that the kernel would choose, a port
 * that the kernel keeps for us and stays silent on, a driver, and a stack on top with this process's clock.
 */
import type { Clock } from '../base/time.ts';
import { LinkFailure } from '../link/failure.ts';
import { type GuardKind, guardPort, type PortGuard } from '../link/guard.ts';
import type { Link, LinkError } from '../link/link.ts';
import { openRawLink } from '../link/raw.ts';
import { type Route, routeTo } from '../link/route.ts';
import { type CaptureSink, captureTap } from '../link/taps/capture.ts';
import { Stack, type StackTracer } from '../stack/stack.ts';
import type { Profile, Sysctl } from '../tcp/config.ts';
import type { Mac } from '../wire/ethernet.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { nodeClock, nodeRandom } from './node-clock.ts';

/** Drivers that carry packets of a real network. */
export type DriverName = 'raw' | 'packet';

/** An address of our own on the interface's segment: our hardware address, our ARP, every port ours, no guard. */
export interface OwnAddress {
  readonly address: Ipv4;
  /** 0 to 32: what is reached without a gateway. Absent: as the interface's routes say. */
  readonly prefixLen?: number;
  /** Absent: a locally administered one, the same each time for this interface and address. */
  readonly mac?: Mac;
  /** For what is off-link; absent: as the interface's routes say. */
  readonly gateway?: Ipv4;
  /**
   * How long to look for another user of the address before it is used (RFC 5227): 'quick' (when absent) waits a tenth
   * of the RFC's times, about half a second; 'rfc5227' four to seven seconds; 'off' not at all.
   */
  readonly probe?: 'quick' | 'rfc5227' | 'off';
}

export interface HostOptions {
  readonly remote: Ipv4;
  /** For error texts and filters; a connection may go to any. */
  readonly remotePort?: number;
  /** One of this machine's addresses; the kernel's choice when absent. */
  readonly source?: Ipv4;
  /** Absent: the kernel's choice. */
  readonly sourcePort?: number;
  /** Packets come and go here whatever the routes say. */
  readonly interface?: string;
  /** 'auto' when absent. */
  readonly guard?: 'auto' | GuardKind;
  /** 'raw' when absent; 'packet' with an address of our own. */
  readonly driver?: DriverName;
  /** Instead of sharing this machine's address; `source` and `guard` then mean nothing, `interface` is where it lives. */
  readonly ownAddress?: OwnAddress;
  /** 'linux' when absent. */
  readonly profile?: Profile;
  readonly sysctl?: Partial<Sysctl>;
  readonly tracer?: StackTracer;
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
  readonly clock: Clock;
  /** The local port that is guarded: connections are made from it. */
  readonly port: number;
  /** Resets what is open, then gives the port back to the kernel. Idempotent. */
  close(): void;
}

/** Throws LinkFailure, each with a hint: no route, no such interface or address, port in use, not permitted, not built. */
export async function openHost(o: HostOptions): Promise<Host> {
  if (o.ownAddress !== undefined || o.driver === 'packet')
    throw new LinkFailure('ENOTSUP', 'the packet driver is not there yet', 'use --driver raw');
  const route = routeTo(o.remote, {
    ...(o.source !== undefined && { source: o.source }),
    ...(o.interface !== undefined && { interface: o.interface }),
  });
  const guard = guardPort({ kind: o.guard ?? 'auto', address: route.source, port: o.sourcePort ?? 0 });
  try {
    const driver = await openRawLink({
      interface: route.interface,
      address: route.source,
      ports: [guard.port],
      mtu: route.mtu,
      loopback: route.loopback,
      bind: o.interface !== undefined,
    });
    return new SharedHost(o, route, guard, driver);
  } catch (error) {
    guard.close();
    throw error;
  }
}

class SharedHost implements Host {
  readonly stack: Stack;
  readonly route: Route;
  readonly guard: PortGuard;
  readonly link: Link;
  readonly clock: Clock = nodeClock();
  readonly port: number;

  constructor(o: HostOptions, route: Route, guard: PortGuard, driver: Link) {
    this.route = route;
    this.guard = guard;
    this.port = guard.port;
    let link = o.capture === undefined ? driver : captureTap(driver, this.clock, o.capture);
    if (o.tap !== undefined) link = o.tap(link, nodeClock());
    this.link = link;
    this.stack = new Stack({
      clock: this.clock,
      random: nodeRandom(),
      link,
      address: route.source,
      // The address is the kernel's too: it answers for every port but the one it keeps for us.
      ownsPort: (port) => port === guard.port,
      ...(route.advmss !== undefined && { advmss: route.advmss }),
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
