/**
 * Who takes a packet on an interface: the destination itself or a gateway, as the kernel's routes say, and remembered for
 * a while. A peer that sends from an address of its own for each segment must not make us ask the kernel each time: of
 * strangers beyond a number a second, those on the interface's own networks are taken for neighbours, and the others go
 * to the gateway that was the last answer.
 */
import { networkInterfaces } from 'node:os';
import { LinkFailure } from '../link/failure.ts';
import { routeTo } from '../link/route.ts';
import { type Ipv4, inPrefix, parseIpv4 } from '../wire/ipv4.ts';

/** Routes change; how long one is believed, ms. */
const ROUTE_AGE = 5000;
const MOST_ROUTES = 4096;
const QUESTIONS_A_SECOND = 50;

/** Undefined when `to` is on the interface's segment. Throws LinkFailure when there is no route. */
export function gatewayOn(name: string, to: Ipv4): Ipv4 | undefined {
  return routeTo(to, { interface: name }).gateway;
}

/**
 * The hop for a destination; undefined when there is none. `ask` throws where there is no way: the last answer counts then,
 * since an interface that goes down takes its routes along, and the neighbours stay where they are.
 */
export function nextHops(name: string, ask: (to: Ipv4) => Ipv4 | undefined): (to: Ipv4) => Ipv4 | undefined {
  const known = new Map<Ipv4, { readonly hop: Ipv4 | undefined; readonly askedAt: number }>();
  let gateway: Ipv4 | undefined;
  let second = 0;
  let asked = 0;
  let isNear: (to: Ipv4) => boolean = () => false;
  return (to) => {
    const now = performance.now();
    const found = known.get(to);
    if (found !== undefined && now - found.askedAt < ROUTE_AGE) return found.hop;
    if (now - second >= 1000) {
      second = now;
      asked = 0;
    }
    if (asked++ >= QUESTIONS_A_SECOND && gateway !== undefined) {
      if (asked === QUESTIONS_A_SECOND + 1) isNear = networksOf(name);
      return found?.hop ?? (isNear(to) ? to : gateway);
    }
    let hop = found?.hop;
    try {
      hop = ask(to);
    } catch (error) {
      if (!(error instanceof LinkFailure)) throw error;
    }
    if (hop !== undefined && hop !== to) gateway = hop;
    if (known.size >= MOST_ROUTES) known.clear();
    known.set(to, { hop, askedAt: now });
    return hop;
  };
}

/** Whether an address is on one of the networks that the interface has now. */
function networksOf(name: string): (to: Ipv4) => boolean {
  const networks = (networkInterfaces()[name] ?? [])
    .filter(({ family, cidr }) => family === 'IPv4' && cidr !== null)
    .map(({ cidr }) => {
      const [network = '', len] = (cidr ?? '').split('/');
      return { network: parseIpv4(network), len: Number(len) };
    });
  return (to) => networks.some(({ network, len }) => network !== undefined && inPrefix(to, network, len));
}
