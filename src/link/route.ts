/**
 * Which interface, source address and gateway the kernel would choose for a destination: asked of the kernel itself
 * (rtnetlink, RTM_GETROUTE), so rules, tables and metrics count as they do for its own connections. Read only.
 */
import { type Ipv4, ipv4Text, isBroadcast, isMulticast, isUnspecified, toIpv4 } from '../wire/ipv4.ts';
import { LinkFailure, NotOurAddress } from './failure.ts';
import { errnoOf, type Handle, loadAddon } from './native.ts';
import { type Attributes, ask, hostOctets, LITTLE, MessageFlag, NetlinkWriter, readAttributes } from './netlink.ts';

export interface Route {
  readonly interface: string;
  readonly ifindex: number;
  readonly source: Ipv4;
  /** Undefined when the destination is on the interface's own network, or behind a gateway with an IPv6 address. */
  readonly gateway: Ipv4 | undefined;
  /** Octets of an IP packet; the route's own or a discovered path MTU when that is smaller. At most 65535. */
  readonly mtu: number;
  /** The destination is this machine itself. */
  readonly loopback: boolean;
  /** The route's `advmss`, octets, when it has one. */
  readonly advmss?: number;
}

/** An interface as rtnetlink describes it. */
export interface Interface {
  readonly name: string;
  readonly ifindex: number;
  readonly mtu: number;
  /** It is up as configured; says nothing of a carrier. */
  readonly up: boolean;
  readonly loopback: boolean;
  /** ARPHRD number: 1 is Ethernet. */
  readonly hardware: number;
  /** aa:bb:cc:dd:ee:ff; undefined when it has none of six octets. */
  readonly mac: string | undefined;
  /** 'veth', 'tun' (tap too), 'bridge', …; undefined for hardware and loopback. */
  readonly kind: string | undefined;
}

const NETLINK_ROUTE = 0;
const RTM_GETLINK = 18;
const RTM_GETROUTE = 26;
const AF_INET = 2;
const RouteType = { UNICAST: 1, LOCAL: 2, BROADCAST: 3, MULTICAST: 5 } as const;
const RouteAttribute = { DST: 1, SRC: 2, OIF: 4, GATEWAY: 5, PREFSRC: 7, METRICS: 8, IP_PROTO: 27 } as const;
const Metric = { MTU: 2, ADVMSS: 8 } as const;
const LinkAttribute = { ADDRESS: 1, IFNAME: 3, MTU: 4, LINKINFO: 18 } as const;
const INFO_KIND = 1;
const IFF_UP = 1;
const IFF_LOOPBACK = 8;
const IP_PROTO_TCP = 6;
/** Largest value of IPv4's total length. */
const MAX_PACKET = 65535;

/** As the kernel would choose, within what is given. Throws LinkFailure: ENETUNREACH, EHOSTUNREACH, EACCES, EADDRNOTAVAIL, ENODEV, ENETDOWN, EINVAL. */
export function routeTo(destination: Ipv4, o: { readonly source?: Ipv4; readonly interface?: string } = {}): Route {
  return withNetlink((netlink) => {
    const forced = o.interface === undefined ? undefined : describe(netlink, o.interface);
    if (forced !== undefined && !forced.up) throw down(forced.name);
    checkDestination(destination);
    if (o.source !== undefined) checkSource(netlink, o.source);
    const found = lookup(netlink, destination, o.source, forced?.ifindex);
    if (found.type === RouteType.BROADCAST) throw notForTcp(destination, 'a broadcast address');
    const link = describe(netlink, found.ifindex);
    const source = o.source ?? found.source;
    if (source === undefined) {
      throw new LinkFailure(
        'EADDRNOTAVAIL',
        `${link.name} has no IPv4 address to send from`,
        'give it one (`ip address add`), or one of this machine with -s',
      );
    }
    return {
      interface: link.name,
      ifindex: link.ifindex,
      source,
      gateway: found.gateway,
      mtu: Math.min(found.mtu ?? MAX_PACKET, link.mtu, MAX_PACKET),
      loopback: found.type === RouteType.LOCAL,
      ...(found.advmss === undefined ? {} : { advmss: found.advmss }),
    };
  });
}

/** Throws LinkFailure ENODEV. */
export function interfaceNamed(name: string): Interface {
  return withNetlink((netlink) => describe(netlink, name));
}

function withNetlink<T>(use: (netlink: Handle) => T): T {
  const addon = loadAddon();
  const netlink = addon.netlinkOpen(NETLINK_ROUTE);
  try {
    return use(netlink);
  } finally {
    addon.close(netlink);
  }
}

interface Found {
  readonly type: number;
  readonly ifindex: number;
  readonly source: Ipv4 | undefined;
  readonly gateway: Ipv4 | undefined;
  readonly mtu: number | undefined;
  readonly advmss: number | undefined;
}

function lookup(netlink: Handle, destination: Ipv4, source: Ipv4 | undefined, ifindex: number | undefined): Found {
  const request = new NetlinkWriter()
    .message(RTM_GETROUTE, MessageFlag.REQUEST)
    .body([AF_INET, 32, source === undefined ? 0 : 32, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    .be32(RouteAttribute.DST, destination)
    .octets(RouteAttribute.IP_PROTO, [IP_PROTO_TCP]);
  if (source !== undefined) request.be32(RouteAttribute.SRC, source);
  if (ifindex !== undefined) request.host32(RouteAttribute.OIF, ifindex);
  let answer: DataView | undefined;
  try {
    answer = ask(netlink, request.take());
  } catch (error) {
    throw unreachable(destination, errnoOf(error));
  }
  if (answer === undefined) throw unreachable(destination, undefined);
  const attributes = readAttributes(answer, 12);
  const metrics: Attributes = readAttributes(
    attributes.get(RouteAttribute.METRICS) ?? new DataView(new ArrayBuffer(0)),
  );
  return {
    type: answer.getUint8(7),
    ifindex: attributes.get(RouteAttribute.OIF)?.getUint32(0, LITTLE) ?? 0,
    source: addressIn(attributes, RouteAttribute.PREFSRC),
    gateway: addressIn(attributes, RouteAttribute.GATEWAY),
    mtu: metrics.get(Metric.MTU)?.getUint32(0, LITTLE),
    advmss: metrics.get(Metric.ADVMSS)?.getUint32(0, LITTLE),
  };
}

function addressIn(attributes: Attributes, type: number): Ipv4 | undefined {
  const value = attributes.get(type);
  return value === undefined ? undefined : toIpv4(value.getInt32(0));
}

/** An interface by name or index. */
function describe(netlink: Handle, which: string | number): Interface {
  const request = new NetlinkWriter().message(RTM_GETLINK, MessageFlag.REQUEST);
  if (typeof which === 'number') request.body([0, 0, 0, 0, ...hostOctets(which), 0, 0, 0, 0, 0, 0, 0, 0]);
  else request.body(new Array<number>(16).fill(0)).text(LinkAttribute.IFNAME, which);
  let answer: DataView | undefined;
  try {
    answer = which === '' ? undefined : ask(netlink, request.take());
  } catch (error) {
    // A name that is too long is EINVAL or ERANGE; all that matters is that there is no such interface.
    if (errnoOf(error) === 'EPERM') throw error;
  }
  if (answer === undefined)
    throw new LinkFailure('ENODEV', `no interface ${which}`, '`ip link` lists the interfaces there are');
  const attributes = readAttributes(answer, 16);
  const flags = answer.getUint32(8, LITTLE);
  return {
    name: textIn(attributes.get(LinkAttribute.IFNAME)),
    ifindex: answer.getInt32(4, LITTLE),
    mtu: attributes.get(LinkAttribute.MTU)?.getUint32(0, LITTLE) ?? 0,
    up: (flags & IFF_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    hardware: answer.getUint16(2, LITTLE),
    mac: macIn(attributes.get(LinkAttribute.ADDRESS)),
    kind: kindIn(attributes.get(LinkAttribute.LINKINFO)),
  };
}

function kindIn(value: DataView | undefined): string | undefined {
  const kind = value === undefined ? undefined : readAttributes(value).get(INFO_KIND);
  return kind === undefined ? undefined : textIn(kind);
}

function textIn(value: DataView | undefined): string {
  if (value === undefined) return '';
  return new TextDecoder()
    .decode(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    .replace(/\0.*$/s, '');
}

function macIn(value: DataView | undefined): string | undefined {
  if (value?.byteLength !== 6) return undefined;
  const octets = new Uint8Array(value.buffer, value.byteOffset, 6);
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

function checkDestination(destination: Ipv4): void {
  if (isMulticast(destination)) throw notForTcp(destination, 'a multicast address');
  if (isBroadcast(destination)) throw notForTcp(destination, 'a broadcast address');
  if (isUnspecified(destination)) {
    throw new LinkFailure('EINVAL', '0.0.0.0 is no destination', 'for this machine itself use 127.0.0.1');
  }
}

function checkSource(netlink: Handle, source: Ipv4): void {
  const isOurs = !isUnspecified(source) && !isMulticast(source) && localType(netlink, source) === RouteType.LOCAL;
  if (!isOurs) throw new NotOurAddress(ipv4Text(source));
}

function localType(netlink: Handle, source: Ipv4): number | undefined {
  try {
    return lookup(netlink, source, undefined, undefined).type;
  } catch {
    return undefined;
  }
}

/** RFC 9293 §3.9.2.3 (MUST-57): TCP has two ends, and a group is none. */
function notForTcp(destination: Ipv4, what: string): LinkFailure {
  return new LinkFailure(
    'ENETUNREACH',
    `${ipv4Text(destination)} is ${what}`,
    'TCP connects two ends; give the address of one host',
  );
}

function down(name: string): LinkFailure {
  return new LinkFailure('ENETDOWN', `interface ${name} is down`, `ip link set ${name} up`);
}

/** The kernel names the kind of refusing route by its error: EHOSTUNREACH unreachable, EACCES prohibit, EINVAL blackhole. */
function unreachable(destination: Ipv4, errno: string | undefined): LinkFailure {
  const text = ipv4Text(destination);
  const hint = `\`ip route get ${text}\` shows the kernel's own answer`;
  switch (errno) {
    case 'EHOSTUNREACH':
      return new LinkFailure('EHOSTUNREACH', `the route to ${text} says that it is unreachable`, hint);
    case 'EACCES':
      return new LinkFailure('EACCES', `the route to ${text} prohibits it`, hint);
    case 'EINVAL':
      return new LinkFailure('ENETUNREACH', `the route to ${text} is a blackhole`, hint);
    default:
      return new LinkFailure(errno ?? 'ENETUNREACH', `no route to ${text}`, hint);
  }
}
