/** Drivers by name, for hosts that share this machine's addresses: packets of those addresses and ports, in and out. */

import { LinkFailure } from '../link/failure.ts';
import { frameFilter, MOST_FILTER_ADDRESSES } from '../link/filter.ts';
import type { Link } from '../link/link.ts';
import { loopbackLink } from '../link/packet-loopback.ts';
import { openPacketSocket } from '../link/packet-socket.ts';
import { openRawLink } from '../link/raw.ts';
import { interfaceNamed, routeTo } from '../link/route.ts';
import { EthernetLink } from '../stack/ethernet-link.ts';
import { parseMac } from '../wire/ethernet.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { nodeClock } from './node-clock.ts';

/** Drivers that carry packets of a real network. */
export type DriverName = 'raw' | 'packet';

export interface DriverOptions {
  readonly driver: DriverName;
  readonly interface: string;
  /** This machine's; one at least. */
  readonly addresses: readonly Ipv4[];
  readonly ports: readonly number[];
  /** Largest packet sent, octets. */
  readonly mtu: number;
  readonly loopback: boolean;
  /** Packets leave by `interface` whatever the routes say. With 'packet' they always do. */
  readonly bind: boolean;
  /** Of the raw driver's capture; what suits the interface when absent. */
  readonly ringOctets?: number;
}

/** Throws LinkFailure. */
export async function openDriver(o: DriverOptions): Promise<Link> {
  if (o.driver === 'packet') return openPacketLink(o);
  return openRawLink({
    interface: o.interface,
    address: o.addresses,
    ports: o.ports,
    mtu: o.mtu,
    loopback: o.loopback,
    bind: o.bind,
    ...(o.ringOctets !== undefined && { ringOctets: o.ringOctets }),
  });
}

/**
 * The kernel has the address, and answers ARP for it; who our neighbours are we ask ourselves, by the same code that serves
 * an address of our own. The kernel's table would have to be filled by traffic of its own first, and read again for ever
 * after; its answers to our requests are no harm to it, since it ignores answers it has not asked for.
 */
function openPacketLink(o: DriverOptions): Link {
  if (o.addresses.length > MOST_FILTER_ADDRESSES)
    throw new LinkFailure('EINVAL', `${o.interface} has ${o.addresses.length} addresses`, 'name one of them');
  const mac = parseMac(interfaceNamed(o.interface).mac ?? '');
  const frames = openPacketSocket({
    interface: o.interface,
    mtu: o.mtu,
    filter: frameFilter({
      ...(!o.loopback && mac !== undefined && { mac }),
      addresses: o.addresses,
      ports: o.ports,
      arp: !o.loopback,
    }),
  });
  if (o.loopback) return loopbackLink(frames);
  return new EthernetLink({
    frames,
    clock: nodeClock(),
    address: o.addresses[0]!,
    mac: frames.mac,
    nextHop: cached((to) => gatewayOn(o.interface, to) ?? to),
  });
}

/** Undefined when `to` is on the interface's segment. Throws LinkFailure when there is no route. */
export function gatewayOn(name: string, to: Ipv4): Ipv4 | undefined {
  return routeTo(to, { interface: name }).gateway;
}

/** Routes change; how long one is believed, ms. */
const ROUTE_AGE = 5000;
const MOST_ROUTES = 4096;

/**
 * `ask` throws where there is no way: the last answer counts then, since an interface that goes down takes its routes
 * along, and the neighbours stay where they are.
 */
export function cached(ask: (to: Ipv4) => Ipv4 | undefined): (to: Ipv4) => Ipv4 | undefined {
  const known = new Map<Ipv4, { readonly hop: Ipv4 | undefined; readonly askedAt: number }>();
  return (to) => {
    const now = performance.now();
    const found = known.get(to);
    if (found !== undefined && now - found.askedAt < ROUTE_AGE) return found.hop;
    let hop = found?.hop;
    try {
      hop = ask(to);
    } catch (error) {
      if (!(error instanceof LinkFailure)) throw error;
    }
    if (known.size >= MOST_ROUTES) known.clear();
    known.set(to, { hop, askedAt: now });
    return hop;
  };
}
