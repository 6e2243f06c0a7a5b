/** The battery on tcpx in virtual time: what it finds, and which settings change which rows. */
import { expect, test } from 'vitest';
import { seconds } from '../../../../src/base/time.ts';
import type { Sysctl } from '../../../../src/tcp/config.ts';
import { type Findings, PROBES } from '../../../../src/tools/probe/battery.ts';
import { runOnTcpx } from '../../../../src/tools/probe/columns.ts';
import { inBracket, isBackOff, scheduleText, secondsText, spanText } from '../../../../src/tools/probe/words.ts';

const run = (patience: number, sysctl: Partial<Sysctl> = {}): Promise<Findings> =>
  runOnTcpx({ probes: PROBES, patience }, sysctl);
const valuesOf = (findings: Findings): Readonly<Record<string, string>> =>
  Object.fromEntries([...findings].map(([name, { value }]) => [name, value]));

test('tcpx by default, probed for longer than TIME-WAIT', async () => {
  expect(valuesOf(await run(seconds(80)))).toEqual({
    options: 'mss sackOK TS nop wscale',
    'options-unasked': 'none',
    mss: '1460 octets',
    window: '65160 octets',
    'window-scale': 'shift 7',
    timestamps: 'agreed, echo right',
    sack: 'agreed',
    ecn: 'agreed',
    accecn: 'classic only',
    'fast-open': 'no cookie',
    'data-on-syn': 'to be sent again',
    ip: 'TTL 64, DF, id not 0',
    'wrong-ack': 'RST, seq = its ack',
    'stray-ack': 'RST, seq = its ack',
    'synack-retries': '5: 1 2 4 8 16 s',
    'half-open': '53 to 70 s',
    'rst-exact': 'silence, connection gone',
    'rst-window': 'ACK, connection stays',
    'rst-outside': 'silence, connection stays',
    'ack-future': 'ACK, connection stays',
    'ack-past': 'ACK, data dropped',
    'challenge-ack': 'ACK, one in 500 ms',
    'challenge-limit': '10 of 10 connections',
    paws: 'data dropped, ACK',
    'timestamp-clock': '1 ms a tick',
    'quick-ack': 'the first 16',
    'delayed-ack': '40 ms',
    'ack-every': '4 ACKs for 8 segments',
    'out-of-order': 'at once',
    'sack-blocks': '3, latest first',
    dsack: 'ACK with DSACK',
    urgent: 'acknowledged',
    'beyond-window': 'dropped, ACK',
    'initial-window': '10 segments, 14480 octets',
    rto: '0.2 0.4 0.8 1.6 3.2 6.4 13 s',
    'tail-probe': 'yes, after 2.2 ms',
    'dupack-threshold': '3',
    'zero-window': '0.2 0.41 0.81 1.6 3.2 6.5 s',
    'zero-window-form': 'no data, SND.UNA-1',
    'mss-floor': '48 octets',
    'mss-default': '536 octets',
    'half-close': 'acknowledged, its FIN follows',
    'fin-wait-2': '53 to 63 s',
    'time-wait': '53 to 63 s',
    'time-wait-syn': 'taken',
    'time-wait-rst': 'ends it',
  });
});

const byDefault = run(seconds(16)).then(valuesOf);

const CASES: readonly (readonly [Partial<Sysctl>, Readonly<Record<string, string>>])[] = [
  [{}, {}],
  [{ tcp_synack_retries: 2 }, { 'synack-retries': '2: 1 2 s', 'half-open': '5 to 11 s' }],
  [
    { tcp_sack: false },
    {
      options: 'mss nop nop TS nop wscale',
      sack: 'declined',
      'sack-blocks': 'none',
      dsack: 'ACK without DSACK',
      'tail-probe': 'no: RTO after 200 ms',
    },
  ],
  [{ tcp_dsack: false }, { dsack: 'ACK without DSACK' }],
  [
    { tcp_timestamps: false },
    {
      options: 'mss nop nop sackOK nop wscale',
      timestamps: 'declined',
      'timestamp-clock': 'no timestamps',
      paws: 'no timestamps',
      'sack-blocks': '4, latest first',
      'initial-window': '10 segments, 14600 octets',
      window: '64240 octets',
    },
  ],
  [{ tcp_window_scaling: false }, { options: 'mss sackOK TS', 'window-scale': 'none' }],
  [{ tcp_ecn: 0 }, { ecn: 'declined', accecn: 'declined' }],
  [{ tcp_fastopen: 3 }, { 'fast-open': 'cookie of 8, data taken' }],
  [
    { tcp_rto_min_us: 500_000 },
    {
      rto: '0.5 1 2 4 8 s',
      'zero-window': '0.5 1 2 4 8 s',
    },
  ],
  [{ tcp_fin_timeout: 3 }, { 'fin-wait-2': '2.5 to 5 s' }],
  [{ tcp_msl: 2 }, { 'time-wait': '2.5 to 5 s' }],
  [{ tcp_invalid_ratelimit: 100 }, { 'challenge-ack': 'ACK, one in 100 ms' }],
  [{ tcp_min_snd_mss: 200 }, { 'mss-floor': '200 octets' }],
  [{ tcp_early_retrans: 0 }, { 'tail-probe': 'no: RTO after 200 ms' }],
  [{ tcp_rfc1337: true }, { 'time-wait-rst': 'ignored' }],
  [{ initcwnd: 4 }, { 'initial-window': '4 segments, 5792 octets' }],
];

test.each(CASES)('%j changes these rows and no others', async (sysctl, changed) => {
  expect(valuesOf(await run(seconds(16), sysctl))).toEqual({ ...(await byDefault), ...changed });
});

test('times and schedules in two digits', () => {
  expect(scheduleText([204_000, 1_030_000, 3_310_000, 16_400_000])).toBe('0.2 1 3.3 16 s');
  expect(secondsText(60_000_000)).toBe('60');
  expect([300, 41_200, 2_500_000].map(spanText)).toEqual(['0.3 ms', '41 ms', '2.5 s']);
});

test('a back-off doubles from where it begins, up to its most', () => {
  const ms = (...all: number[]): number[] => all.map((n) => n * 1000);
  expect(isBackOff(ms(204, 420, 830), 200_000, 120e6)).toBe(true);
  expect(isBackOff(ms(204, 1000, 1000), 200_000, 120e6)).toBe(false);
  expect(isBackOff(ms(800, 1000, 1000), 800_000, 1e6)).toBe(true);
  expect(isBackOff(ms(800, 1600), 200_000, 120e6)).toBe(false);
});

test('what was looked at a few times lies in a bracket', () => {
  expect(inBracket({ from: 5e6, to: 11e6 }, 7e6)).toBe(true);
  expect(inBracket({ from: 5e6, to: 11e6 }, 15e6)).toBe(false);
  expect(inBracket({ from: 5e6, to: 11e6 }, 3e6)).toBe(false);
  expect(inBracket({ from: 47e6, to: undefined }, 63e6)).toBe(true);
});
