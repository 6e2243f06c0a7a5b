/**
 * A host with an address of its own on a segment: its own hardware address, its own ARP, every port its own. The kernel
 * of this machine knows nothing of it: its frames are for another station, and it drops them unread.
 *
 * For the same reason this machine itself can't reach the address, nor be reached from it, over that interface: what a
 * packet socket sends goes out to the wire and never up.
 */
import { createHash } from 'node:crypto';
import { intBelow } from '../base/random.ts';
import { type ClaimTiming, NO_PROBE_TIMING, QUICK_TIMING, RFC_5227_TIMING } from '../ip/address-claim.ts';
import { LinkFailure } from '../link/failure.ts';
import type { PortGuard } from '../link/guard.ts';
import type { Link } from '../link/link.ts';
import { type Interface, interfaceNamed, type Route, routeTo } from '../link/route.ts';
import { openSynsApart } from '../link/syns-apart.ts';
import { EthernetLink } from '../stack/ethernet-link.ts';
import { isGroupMac, type Mac, macText, parseMac } from '../wire/ethernet.ts';
import {
  type Ipv4,
  inPrefix,
  ipv4Text,
  isBroadcast,
  isDirectedBroadcast,
  isLoopback,
  isMulticast,
  isUnspecified,
} from '../wire/ipv4.ts';
import type { DriverOptions } from './driver.ts';
import { gatewayOn, nextHops } from './next-hop.ts';
import { nodeClock, nodeRandom } from './node-clock.ts';

/** An address of our own on the interface's segment. */
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
  readonly probe?: keyof typeof TIMINGS;
}

export interface OwnPath {
  readonly link: Link;
  readonly route: Route;
  /** There is nothing to guard; it says so. */
  readonly guard: PortGuard;
}

/** As in HostOptions. */
export type OwnHow = Pick<DriverOptions, 'offload' | 'buffers'>;

const TIMINGS = {
  quick: QUICK_TIMING,
  rfc5227: RFC_5227_TIMING,
  off: NO_PROBE_TIMING,
} as const satisfies Readonly<Record<string, ClaimTiming>>;

/**
 * Claims the address; resolves once it is ours. `remote`: whom it is for, our own address when that is anyone. `port`: 0 for
 * one at random. Throws LinkFailure: EADDRINUSE when somebody has the address, ENETUNREACH without a gateway, EINVAL…
 */
export async function openOwnAddress(
  own: OwnAddress,
  remote: Ipv4,
  interfaceName: string | undefined,
  port: number,
  how: OwnHow = {},
): Promise<OwnPath> {
  checkAddress(own);
  const on = interfaceNamed(interfaceName ?? routeTo(remote).interface);
  checkInterface(on);
  const hopOf = nextHop(own, on);
  const hop = remote === own.address ? remote : hopOf(remote);
  if (hop === undefined) throw noGateway(remote, on);
  const mac = own.mac ?? stableMac(on, own.address);
  if (isGroupMac(mac))
    throw new LinkFailure('EINVAL', `${macText(mac)} is a group's address`, 'its first octet is odd');
  return {
    link: await claim(own, on, mac, hopOf, how),
    route: {
      interface: on.name,
      ifindex: on.ifindex,
      source: own.address,
      gateway: hop === remote ? undefined : hop,
      mtu: on.mtu,
      loopback: false,
    },
    guard: {
      kind: 'none',
      address: own.address,
      port: port === 0 ? FIRST_EPHEMERAL + intBelow(nodeRandom(), EPHEMERAL_COUNT) : port,
      note: `no guard needed: the address is our own, at ${macText(mac)}`,
      close() {},
    },
  };
}

const FIRST_EPHEMERAL = 32_768;
const EPHEMERAL_COUNT = 28_232;

function claim(
  own: OwnAddress,
  on: Interface,
  mac: Mac,
  hopOf: (to: Ipv4) => Ipv4 | undefined,
  how: OwnHow,
): Promise<Link> {
  const socket = {
    interface: on.name,
    gso: how.offload !== false,
    ...(how.buffers?.receive !== undefined && { receiveBuffer: how.buffers.receive }),
    ...(how.buffers?.send !== undefined && { sendBuffer: how.buffers.send }),
    promiscuous: mac !== parseMac(on.mac ?? ''),
  };
  const frames = openSynsApart(socket, { mac, addresses: [own.address], arp: true });
  return new Promise((resolve, reject) => {
    const link = new EthernetLink({
      frames,
      clock: nodeClock(),
      address: own.address,
      mac,
      nextHop: hopOf,
      own: {
        random: nodeRandom(),
        timing: TIMINGS[own.probe ?? 'quick'],
        onClaim(outcome) {
          if (outcome === 'claimed') return resolve(link);
          link.close();
          reject(
            new LinkFailure(
              'EADDRINUSE',
              outcome === 0
                ? `${on.name} went away before ${ipv4Text(own.address)} was ours`
                : `${ipv4Text(own.address)} is used by ${macText(outcome)}`,
              'choose an address that nobody has',
            ),
          );
        },
      },
    });
  });
}

function nextHop(own: OwnAddress, on: Interface): (to: Ipv4) => Ipv4 | undefined {
  const { address, prefixLen } = own;
  const byRoutes = nextHops(on.name, (to) => gatewayOn(on.name, to) ?? (prefixLen === undefined ? to : undefined));
  return (to) => {
    if (prefixLen !== undefined && inPrefix(to, address, prefixLen))
      return isDirectedBroadcast(to, address, prefixLen) ? undefined : to;
    return own.gateway ?? byRoutes(to);
  };
}

/** Two machines that are given one address have different ones, so the conflict shows. */
function stableMac(on: Interface, address: Ipv4): Mac {
  const hash = createHash('sha256').update(`${on.mac} ${on.name} ${address}`).digest();
  // Locally administered, one station's: IEEE 802 §8.2.
  return (((hash[0]! & 0xfc) | 2) * 2 ** 40 + hash.readUIntBE(1, 5)) as Mac;
}

function checkAddress({ address, prefixLen }: OwnAddress): void {
  const text = ipv4Text(address);
  const isNoHost =
    isUnspecified(address) ||
    isBroadcast(address) ||
    isMulticast(address) ||
    isLoopback(address) ||
    (prefixLen !== undefined && isDirectedBroadcast(address, address, prefixLen));
  if (isNoHost) throw new LinkFailure('EINVAL', `${text} can't be a host's address`, 'choose one of the network there');
  if (prefixLen !== undefined && !(Number.isInteger(prefixLen) && prefixLen >= 0 && prefixLen <= 32))
    throw new LinkFailure('EINVAL', `${prefixLen} is no prefix length`, 'it goes from 0 to 32');
  if (isThisMachines(address)) {
    throw new LinkFailure(
      'EADDRINUSE',
      `${text} is this machine's own address`,
      'leave --ip out to share it with the kernel, or choose an address that nobody has',
    );
  }
}

function isThisMachines(address: Ipv4): boolean {
  try {
    return routeTo(address).loopback;
  } catch (error) {
    if (error instanceof LinkFailure && error.code !== 'ENOTBUILT') return false;
    throw error;
  }
}

function checkInterface(on: Interface): void {
  if (on.loopback)
    throw new LinkFailure(
      'EINVAL',
      `${on.name} has no segment for an address of our own`,
      'any of 127.0.0.0/8 is shared there without --ip; or name an Ethernet interface with -I',
    );
}

function noGateway(remote: Ipv4, on: Interface): LinkFailure {
  return new LinkFailure(
    'ENETUNREACH',
    `no gateway for ${ipv4Text(remote)} on ${on.name}`,
    `give the address a prefix length that includes it, or ${on.name} a route (\`ip route add\`)`,
  );
}
