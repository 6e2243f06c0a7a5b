/** What a run begins with: settings of every kind, the odd ones more often than in life. */
import { chance, intBelow, type Random } from '../../src/base/random.ts';
import {
  type ConnectionConfig,
  DEFAULT_SOCKET_OPTIONS,
  profileSysctl,
  type SocketOptions,
  type Sysctl,
} from '../../src/tcp/config.ts';
import type { Setup } from './model.ts';

export function pick<T>(random: Random, of: readonly T[]): T {
  return of[intBelow(random, of.length)]!;
}

const MSS = [88, 100, 216, 536, 536, 1000, 1460, 1460, 1460, 8960, 65_495] as const;
/** Near where 32 bits wrap, and where the sign changes. */
const ISNS = [0, -1, -10, -1000, 0x7fff_fff0, 0x7fff_fc00, -0x8000_0000] as const;

export function drawSetup(random: Random): Setup {
  const mss = pick(random, MSS);
  const isn = (): number => (chance(random, 0.5) ? random.uint32() | 0 : pick(random, ISNS));
  const passive = chance(random, 0.5);
  const tfo = drawFastOpen(random);
  const gso = chance(random, 0.3) ? pick(random, [mss * 3, 16_384, 65_000]) : 0;
  return {
    profile: chance(random, 0.25) ? 'rfc' : 'linux',
    sysctl: drawSysctl(random),
    options: drawOptions(random),
    path: { receiveMss: mss, sendMss: mss, defaultMss: 536, maxGsoPayload: gso },
    iss: isn(),
    irs: isn(),
    tsOffset: isn(),
    peer: {
      mss: chance(random, 0.1) ? undefined : chance(random, 0.2) ? pick(random, [0, 1, 48, 65_535]) : pick(random, MSS),
      wscale: chance(random, 0.3) ? undefined : pick(random, [0, 1, 7, 10, 14, 15, 255]),
      sackOk: chance(random, 0.75),
      timestamps: chance(random, 0.6),
      ecn: chance(random, 0.3),
      wnd: pick(random, [0, 1, 500, 4096, 29_200, 65_535, 65_535, 65_535]),
    },
    ...(tfo !== undefined && !passive && { tfo }),
    ...(passive && chance(random, 0.1) && { tfoAccept: true as const }),
  };
}

function drawFastOpen(random: Random): string | undefined {
  if (!chance(random, 0.2)) return undefined;
  return pick(random, ['', '01020304', '0102030405060708', '00112233445566778899aabbccddeeff']);
}

function drawSysctl(random: Random): Partial<Sysctl> {
  const most = chance(random, 0.5);
  const s: { -readonly [K in keyof Sysctl]?: Sysctl[K] } = {
    tcp_congestion_control: pick(random, ['cubic', 'cubic', 'reno', 'bbr']),
    tcp_timestamps: chance(random, 0.7),
    tcp_sack: chance(random, 0.8),
    tcp_window_scaling: chance(random, 0.8),
    tcp_ecn: pick(random, [0, 1, 2]),
    tcp_rmem: pick(random, [
      [4096, 131_072, 6_291_456],
      [1024, 4000, 64_000],
      [256, 2000, 2000],
      [100, 600, 4_000_000],
    ] as const),
    tcp_wmem: most ? [4096, 65_536, 1_048_576] : [1000, 5000, 50_000],
  };
  if (chance(random, 0.3)) s.tcp_recovery = 0;
  if (chance(random, 0.3)) s.tcp_dsack = false;
  if (chance(random, 0.3)) s.tcp_early_retrans = 0;
  if (chance(random, 0.3)) s.tcp_frto = 0;
  if (chance(random, 0.3)) s.tcp_pacing = true;
  if (chance(random, 0.4)) s.tcp_mtu_probing = pick(random, [0, 2]);
  if (chance(random, 0.2)) s.tcp_rfc1337 = true;
  if (chance(random, 0.3)) s.tcp_syn_retries = pick(random, [0, 1, 2]);
  if (chance(random, 0.3)) s.tcp_synack_retries = pick(random, [0, 1, 2]);
  if (chance(random, 0.3)) s.tcp_retries2 = pick(random, [0, 1, 3, 5]);
  if (chance(random, 0.3)) s.tcp_orphan_retries = pick(random, [0, 1, 2]);
  if (chance(random, 0.2)) s.tcp_rto_min_us = pick(random, [1000, 5000, 1_000_000]);
  if (chance(random, 0.2)) s.initcwnd = pick(random, [1, 2, 100]);
  if (chance(random, 0.2)) s.tcp_slow_start_after_idle = false;
  if (chance(random, 0.2)) s.tcp_moderate_rcvbuf = false;
  if (chance(random, 0.2)) s.tcp_fin_timeout = pick(random, [1, 5]);
  if (chance(random, 0.2)) s.tcp_max_reordering = 3;
  return s;
}

function drawOptions(random: Random): Partial<SocketOptions> {
  const o: Partial<SocketOptions> = {};
  if (chance(random, 0.3)) o.TCP_NODELAY = true;
  if (chance(random, 0.1)) o.TCP_QUICKACK = true;
  if (chance(random, 0.1)) o.TCP_CORK = true;
  if (chance(random, 0.2)) o.SO_SNDBUF = pick(random, [1, 100, 5000, 60_000]);
  if (chance(random, 0.2)) o.SO_RCVBUF = pick(random, [1, 100, 3000, 50_000, 1_000_000]);
  if (chance(random, 0.1)) o.TCP_WINDOW_CLAMP = pick(random, [1, 500, 10_000]);
  if (chance(random, 0.1)) o.TCP_USER_TIMEOUT = pick(random, [1, 500, 60_000]);
  if (chance(random, 0.1)) o.TCP_MAXSEG = pick(random, [88, 500, 1460, 65_495]);
  if (chance(random, 0.2)) o.SO_KEEPALIVE = true;
  if (chance(random, 0.2)) o.TCP_KEEPIDLE = pick(random, [1, 10, 7200]);
  if (chance(random, 0.1)) o.TCP_KEEPCNT = 1;
  if (chance(random, 0.1)) o.SO_MAX_PACING_RATE = pick(random, [100, 10_000, 1_000_000]);
  return o;
}

/** What the core is given. */
export function configOf(setup: Setup): ConnectionConfig {
  return {
    profile: setup.profile,
    sysctl: { ...profileSysctl(setup.profile), ...setup.sysctl },
    options: { ...DEFAULT_SOCKET_OPTIONS, ...setup.options },
    path: setup.path,
  };
}
