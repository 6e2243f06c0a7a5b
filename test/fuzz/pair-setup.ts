/** What a pair begins with: two setups that know each other's ISN, two users, and the path. Plain JSON. */
import { chance, intBelow, type Random, seededRandom } from '../../src/base/random.ts';
import type { Setup } from './model.ts';
import { drawSetup, pick } from './setup.ts';

/** In both directions alike; chances are of each segment, times µs. */
export interface PathPlan {
  readonly delay: number;
  readonly jitter: number;
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  /** Of those that say that they may be marked (RFC 3168). */
  readonly mark: number;
  /** Arrivals within it are one batch. */
  readonly batch: number;
  /** Nothing passes from the first to the second, since the beginning. */
  readonly outage: readonly [number, number];
  /** Octets of options and data that fit; whether the router that drops the rest is silent. */
  readonly mss: number;
  readonly blackHole: boolean;
  /** As a link's: above 0 some segments come in buffers that may be kept. */
  readonly maxGsoPayload: number;
  /** Each direction's own; octets of payload per second, and those that wait in front. */
  readonly wire?: { readonly rate: number; readonly queue: number };
}

export interface UserPlan {
  /** To be sent in all; then CLOSE. */
  readonly octets: number;
  /** In one call. */
  readonly most: number;
  /** Buffers read at a time. */
  readonly reads: number;
  /** µs until the user comes. */
  readonly period: number;
  readonly lends: number;
  readonly putsAway: number;
  /** CLOSE only once the peer has. */
  readonly closesLast: boolean;
}

export interface PairSetup {
  readonly seed: number;
  readonly ends: readonly [Setup, Setup];
  readonly users: readonly [UserPlan, UserPlan];
  readonly path: PathPlan;
  /** Both open actively. */
  readonly both: boolean;
  /** One of them may have to give up: the path is bad, or its patience short. */
  readonly mayFail: boolean;
}

export function drawPair(number: number): PairSetup {
  const random = seededRandom(number);
  const both = chance(random, 0.1);
  // Ends that are patient on a path that is good enough have no excuse.
  const isPatient = chance(random, 0.5);
  const [a, b] = isPatient
    ? [patient(drawSetup(random)), patient(drawSetup(random))]
    : [drawSetup(random), drawSetup(random)];
  const gso = Math.max(a.path.maxGsoPayload, b.path.maxGsoPayload);
  const path = drawPath(random, gso, isPatient);
  const ends = [
    withPeer(a, b, both ? undefined : (a.tfo ?? b.tfo)),
    withPeer(b, a, undefined, !both && chance(random, 0.3)),
  ] as const;
  const most = Math.min(mostOctets(ends[0]), mostOctets(ends[1]));
  const users = [drawUser(random, most), drawUser(random, most)] as const;
  return {
    seed: random.uint32(),
    ends,
    // Two who wait for each other would wait for ever.
    users: users[0].closesLast ? [users[0], { ...users[1], closesLast: false }] : users,
    path,
    both,
    mayFail: mayFail(path, ends),
  };
}

export function patient({ sysctl, options, ...rest }: Setup): Setup {
  const { tcp_syn_retries: _, tcp_synack_retries: __, tcp_retries2: ___, ...others } = sysctl;
  const { TCP_USER_TIMEOUT: ____, SO_KEEPALIVE: _____, ...more } = options;
  return { ...rest, sysctl: others, options: more };
}

export function withPeer(
  { tfo: _, tfoAccept: __, ...own }: Setup,
  peer: Setup,
  tfo?: string,
  tfoAccept = false,
): Setup {
  return { ...own, irs: peer.iss, ...(tfo !== undefined && { tfo }), ...(tfoAccept && { tfoAccept: true as const }) };
}

function drawPath(random: Random, maxGsoPayload: number, isGood: boolean): PathPlan {
  const bad = pick(random, isGood ? [0, 0, 0.01] : [0, 0, 0.01, 0.05, 0.1, 0.3]);
  const delay = pick(random, [1, 50, 1000, 20_000, 20_000, 300_000]);
  const outAt = !isGood && chance(random, 0.1) ? intBelow(random, 3_000_000) : Number.MAX_SAFE_INTEGER;
  return {
    delay,
    jitter: chance(random, 0.3) ? intBelow(random, delay + 100) : 0,
    loss: bad,
    duplicate: chance(random, 0.3) ? pick(random, [0.01, 0.1, 0.5]) : 0,
    reorder: chance(random, 0.3) ? pick(random, [0.01, 0.1, 0.5]) : 0,
    mark: chance(random, 0.3) ? pick(random, [0.01, 0.2, 1]) : 0,
    batch: pick(random, [-1, 0, 10, 1000]),
    outage: [outAt, outAt + pick(random, [100_000, 3_000_000, 60_000_000])],
    mss: chance(random, 0.15) ? pick(random, [536, 1000, 1400]) : 65_535,
    blackHole: false,
    maxGsoPayload,
  };
}

function drawUser(random: Random, most: number): UserPlan {
  return {
    octets: Math.min(most, pick(random, [0, 0, 1, 100, 3000, 20_000, 100_000])),
    most: pick(random, [1000, 5000, 60_000]),
    reads: pick(random, [1, 3, 1000, 1000]),
    period: pick(random, [1, 50, 1000, 40_000, 600_000, 5_000_000]),
    lends: pick(random, [0, 0, 0.3, 1]),
    putsAway: pick(random, [0, 0, 0.1]),
    closesLast: chance(random, 0.3),
  };
}

/** What an end with such settings brings across in a few thousand segments. */
function mostOctets({ sysctl, options, path }: Setup): number {
  const limits = [
    options.TCP_WINDOW_CLAMP ?? 0,
    options.SO_RCVBUF ?? 0,
    options.SO_SNDBUF ?? 0,
    options.SO_MAX_PACING_RATE ?? 0,
    sysctl.tcp_rmem?.[2] ?? 0,
    options.TCP_MAXSEG ?? 0,
    path.sendMss,
    path.receiveMss,
  ].filter((limit) => limit > 0);
  return 200 * Math.min(...limits);
}

/** Whoever tries only a few times gives up on a path that is merely slow. */
function mayFail(path: PathPlan, ends: readonly Setup[]): boolean {
  const isHasty = ({ sysctl, options }: Setup): boolean =>
    (sysctl.tcp_syn_retries ?? 6) < 6 ||
    (sysctl.tcp_synack_retries ?? 5) < 5 ||
    (sysctl.tcp_retries2 ?? 15) < 15 ||
    options.TCP_USER_TIMEOUT !== undefined ||
    options.SO_KEEPALIVE === true;
  return path.loss > 0.01 || path.outage[0] < Number.MAX_SAFE_INTEGER || ends.some(isHasty);
}
