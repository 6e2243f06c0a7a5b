/**
 * Who may be probed without being asked: this machine, its own link, and laboratories. A private address (RFC 1918) is a
 * laboratory's when it is on a network of ours from which nothing leads on: no gateway to it, and no default route here.
 */
import { LinkFailure } from '../../link/failure.ts';
import { type Route, routeTo } from '../../link/route.ts';
import { type Ipv4, inPrefix, isLoopback, parseIpv4 } from '../../wire/ipv4.ts';

const PRIVATE = [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const;
const LINK_LOCAL = ['169.254.0.0', 16] as const;
/** Documentation's, nobody's (RFC 5737): a route to it is a default route. The kernel is asked, and nothing sent. */
const ELSEWHERE = parseIpv4('192.0.2.1')!;

export function isForFree(
  remote: Ipv4,
  route: Pick<Route, 'loopback' | 'gateway'>,
  leadsElsewhere = hasDefaultRoute(),
): boolean {
  if (route.loopback || isLoopback(remote)) return true;
  if (route.gateway !== undefined) return false;
  if (isIn(remote, LINK_LOCAL)) return true;
  return PRIVATE.some((network) => isIn(remote, network)) && !leadsElsewhere;
}

const isIn = (a: Ipv4, [network, len]: readonly [string, number]): boolean => inPrefix(a, parseIpv4(network)!, len);

function hasDefaultRoute(): boolean {
  try {
    routeTo(ELSEWHERE);
    return true;
  } catch (error) {
    if (error instanceof LinkFailure) return false;
    throw error;
  }
}
