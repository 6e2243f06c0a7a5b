/** Numbers that are somebody else's word: defaults as documented, and names whose numbers must differ. */
import { expect, test } from 'vitest';
import { DEFAULT_SOCKET_OPTIONS, profileSysctl } from '../../../src/tcp/config.ts';
import { BETA, LOSS_THRESH } from '../../../src/tcp/congestion/bbr-model.ts';
import { numberOfState, stateOfNumber } from '../../../src/tcp/linux-states.ts';
import { Field } from '../../../src/tcp/recovery/entries.ts';
import { Mark } from '../../../src/tcp/recovery/scoreboard.ts';
import { Happened } from '../../../src/tcp/tcb.ts';
import { Timer } from '../../../src/tcp/timers.ts';

test('settings are Linux’s defaults, but for those of which tcpx says otherwise', () => {
  expect(profileSysctl('linux')).toEqual(LINUX);
  expect(profileSysctl('rfc')).toEqual({ ...LINUX, tcp_syn_retries: 7, tcp_rto_min_us: 1_000_000 });
});

test('socket options are off, and keep-alive waits for two hours (RFC 9293 MUST-28)', () => {
  expect(DEFAULT_SOCKET_OPTIONS).toEqual({
    TCP_NODELAY: false,
    TCP_QUICKACK: false,
    TCP_CORK: false,
    SO_SNDBUF: 0,
    SO_RCVBUF: 0,
    TCP_WINDOW_CLAMP: 0,
    TCP_USER_TIMEOUT: 0,
    TCP_MAXSEG: 0,
    TCP_FASTOPEN: 0,
    SO_KEEPALIVE: false,
    TCP_KEEPIDLE: 2 * 3600,
    TCP_KEEPINTVL: 75,
    TCP_KEEPCNT: 9,
    TCP_CONGESTION: '',
    SO_MAX_PACING_RATE: 0,
    IP_TOS: 0,
  });
});

test('BBR lets 2 % be lost, and a round with losses leave 0.7 of its bounds (draft-ietf-ccwg-bbr-06 §2.5)', () => {
  expect([LOSS_THRESH, BETA]).toEqual([0.02, 0.7]);
});

test('the states have Linux’s numbers (include/net/tcp_states.h)', () => {
  const numbers = {
    ESTABLISHED: 1,
    'SYN-SENT': 2,
    'SYN-RECEIVED': 3,
    'FIN-WAIT-1': 4,
    'FIN-WAIT-2': 5,
    'TIME-WAIT': 6,
    CLOSED: 7,
    'CLOSE-WAIT': 8,
    'LAST-ACK': 9,
    LISTEN: 10,
    CLOSING: 11,
  } as const;
  for (const [state, number] of Object.entries(numbers)) {
    expect(numberOfState(state as keyof typeof numbers)).toBe(number);
    expect(stateOfNumber(number)).toBe(state);
  }
  expect([stateOfNumber(12), stateOfNumber(13), stateOfNumber(0)]).toEqual(['SYN-RECEIVED', 'CLOSED', 'CLOSED']);
});

test('timers are numbered in the order in which they fire, fields of an entry without a gap', () => {
  expect(Object.values(Timer)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(Object.values(Field)).toEqual(Object.values(Field).map((_, i) => i));
});

test.each([
  ['Happened', Happened],
  ['Mark', Mark],
])('each of %s is a bit of its own', (_, bits) => {
  for (const bit of Object.values(bits)) expect(Math.log2(bit) % 1).toBe(0);
  expect(new Set(Object.values(bits)).size).toBe(Object.keys(bits).length);
});

const LINUX = {
  tcp_syn_retries: 6,
  tcp_synack_retries: 5,
  tcp_syncookies: 1,
  tcp_mem_octets: 512 << 20,
  tcp_syn_linear_timeouts: 0,
  tcp_retries1: 3,
  tcp_mtu_probing: 1,
  tcp_base_mss: 1024,
  tcp_min_snd_mss: 48,
  tcp_retries2: 15,
  tcp_orphan_retries: 0,
  tcp_fin_timeout: 60,
  tcp_max_tw_buckets: 262_144,
  tcp_msl: 30,
  tcp_tw_reuse: 2,
  tcp_rfc1337: false,
  tcp_timestamps: true,
  tcp_window_scaling: true,
  tcp_sack: true,
  tcp_dsack: true,
  tcp_recovery: 1,
  tcp_early_retrans: 3,
  tcp_frto: 2,
  tcp_reordering: 3,
  tcp_max_reordering: 300,
  tcp_ecn: 2,
  tcp_fastopen: 1,
  tcp_rmem: [4096, 131_072, 6_291_456],
  tcp_wmem: [4096, 262_144, 4_194_304],
  tcp_moderate_rcvbuf: true,
  tcp_rto_min_us: 200_000,
  tcp_rto_max_ms: 120_000,
  tcp_invalid_ratelimit: 500,
  initcwnd: 10,
  tcp_congestion_control: 'cubic',
  tcp_slow_start_after_idle: true,
  tcp_pacing: false,
};
