/** Pairs that have much to send: what a short run never comes to, as windows that grow, recover and fall idle. */
import { chance, type Random, seededRandom } from '../../src/base/random.ts';
import type { Setup } from './model.ts';
import { type PairSetup, type PathPlan, patient, type UserPlan, withPeer } from './pair-setup.ts';
import { drawSetup, pick } from './setup.ts';

/** In each direction that has any; a transfer is over in a moment of processor time. */
const SEGMENTS = [600, 1500] as const;

/** `single`: each octet is a segment of its own, where "any" and "one" are not the same. */
export function drawTransfer(number: number, single = false): PairSetup {
  const random = seededRandom(number);
  const probes = chance(random, 0.3);
  const end = (): Setup => (single ? prompt(roomy(random, probes)) : roomy(random, probes));
  const [a, b] = [end(), end()];
  const mss = Math.min(a.path.sendMss, b.path.sendMss, 1460);
  const gso = Math.max(a.path.maxGsoPayload, b.path.maxGsoPayload);
  const plans = [drawUser(random, mss, false), drawUser(random, mss, chance(random, 0.6))] as const;
  const users = single ? ([slow(plans[0]), slow(plans[1])] as const) : plans;
  return {
    seed: random.uint32(),
    ends: [withPeer(a, b, a.tfo), withPeer(b, a, undefined, chance(random, 0.3))],
    users: [{ ...users[0], closesLast: false }, users[1]],
    path: drawPath(random, single ? 1 : mss, gso, probes),
    both: false,
    mayFail: false,
  };
}

/** Buffers hold what a path does, and no option stands in the way. */
function roomy(random: Random, probes: boolean): Setup {
  const { sysctl, options, peer, ...rest } = patient(drawSetup(random));
  const { SO_SNDBUF: _, SO_RCVBUF: __, TCP_WINDOW_CLAMP: ___, SO_MAX_PACING_RATE: ____, ...others } = options;
  return {
    ...rest,
    peer,
    sysctl: {
      ...sysctl,
      tcp_rmem: [4096, 131_072, pick(random, [200_000, 6_291_456])],
      tcp_wmem: [4096, 65_536, pick(random, [100_000, 4_194_304])],
      tcp_mtu_probing: probes ? 2 : 0,
      ...(probes && chance(random, 0.5) && { tcp_base_mss: 512 }),
    },
    options: others,
  };
}

const prompt = (end: Setup): Setup => ({ ...end, options: { ...end.options, TCP_NODELAY: true, TCP_CORK: false } });

const slow = (plan: UserPlan): UserPlan => ({ ...plan, octets: Math.min(plan.octets, 400), most: 1 });

/** `probes`: the ends find the path's MTU by themselves. */
function drawPath(random: Random, mss: number, maxGsoPayload: number, probes: boolean): PathPlan {
  const delay = pick(random, [500, 10_000, 50_000]);
  const rate = mss > 1 ? pick(random, [undefined, 300_000, 1_000_000, 5_000_000]) : undefined;
  const window = ((rate ?? 0) * 2 * delay) / 1e6;
  const isUneven = chance(random, 0.3);
  return {
    delay,
    jitter: isUneven ? delay >> pick(random, [1, 3]) : 0,
    loss: pick(random, [0, 0, 0.001, 0.01, 0.03]),
    duplicate: chance(random, 0.2) ? 0.02 : 0,
    reorder: isUneven ? pick(random, [0, 0.003, 0.05]) : 0,
    mark: chance(random, 0.2) ? pick(random, [0.003, 0.05]) : 0,
    batch: pick(random, [-1, 0, 1000]),
    outage: [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    mss: chance(random, probes ? 0.6 : 0.2) ? Math.max(536, mss - 100) : 65_535,
    blackHole: probes && chance(random, 0.7),
    maxGsoPayload,
    ...(rate !== undefined && {
      wire: { rate, queue: Math.max(20 * mss, maxGsoPayload * 2, window * pick(random, [0.2, 1, 4])) },
    }),
  };
}

function drawUser(random: Random, mss: number, isIdle: boolean): UserPlan {
  return {
    octets: isIdle ? pick(random, [0, 500]) : mss * pick(random, SEGMENTS),
    most: pick(random, [5000, 60_000, 60_000]),
    reads: pick(random, [3, 1000, 1000]),
    period: pick(random, [50, 1000, 20_000, 600_000]),
    lends: pick(random, [0, 0.3]),
    putsAway: pick(random, [0, 0, 0.1]),
    closesLast: chance(random, 0.3),
  };
}
