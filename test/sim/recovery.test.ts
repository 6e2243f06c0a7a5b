/**
 * Recovery over a path of 10 ms and 100 Mbit/s in virtual time: the timer is the last resort, nothing is sent again without
 * need, and what was thought lost and wasn't costs no window.
 */
import { describe, expect, test } from 'vitest';
import { ms } from '../../src/base/time.ts';
import type { Faults } from '../../src/link/faults.ts';
import type { Sysctl } from '../../src/tcp/config.ts';
import type { TcpInfo } from '../../src/tcp/info.ts';
import { Sim } from '../support/sim.ts';

const SIZE = 1_500_000;

interface Run {
  readonly seconds: number;
  readonly info: TcpInfo;
  /** Congestion events and notes, counted. */
  readonly counts: Readonly<Record<string, number>>;
  /** Segments that brought the receiver nothing new. */
  readonly needless: number;
}

function transfer(seed: number, faults: Faults, sysctl: Partial<Sysctl> = {}): Run {
  const counts: Record<string, number> = {};
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  const sim = new Sim({
    seed,
    delay: ms(5),
    rate: 12_500_000,
    // Slow start alone must not overflow it.
    queue: 1_500_000,
    faults,
    sysctl: { tcp_congestion_control: 'cubic', tcp_wmem: [4096, 1_000_000, 4_000_000], ...sysctl },
    onRecord: (r) => {
      if (r.type === 'congestion') count(r.why);
      if (r.type === 'segment' && r.note !== undefined) count(r.note);
    },
  });
  const users = sim.connect({ send: SIZE }, { send: 0, closesLast: true });
  const began = sim.time.now;
  expect(sim.until(() => users[1].received === SIZE)).toBe(true);
  const seconds = (sim.time.now - began) / 1e6;
  return { seconds, info: users[0].endpoint!.info(), counts, needless: users[1].endpoint!.info().rcv_duppack };
}

describe.each([1, 2, 3, 4])('seed %i', (seed) => {
  test('1 % of loss is repaired without the retransmission timer', () => {
    const run = transfer(seed, { loss: 0.01 });
    expect(run.counts['retransmission timeout'] ?? 0).toBe(0);
    expect(run.needless).toBeLessThanOrEqual(1);
    expect(run.info.total_retrans).toBeGreaterThan(3);
    expect(run.seconds).toBeLessThan(2);
  });

  test('nearly so by RFC 6675, where only a lost retransmission or tail waits for it', () => {
    const run = transfer(seed, { loss: 0.01 }, { tcp_recovery: 0 });
    expect(run.counts['retransmission timeout'] ?? 0).toBeLessThanOrEqual(3);
    expect(run.needless).toBeLessThanOrEqual(3);
  });

  test('10 % of loss in both directions is borne', () => {
    const run = transfer(seed, { loss: 0.1 });
    expect(run.counts['retransmission timeout'] ?? 0).toBeLessThanOrEqual(20);
    expect(run.needless).toBeLessThanOrEqual(run.info.total_retrans / 5);
  });

  test('3 % out of order is learned, and then costs nothing', () => {
    const run = transfer(seed, { reorder: 0.03, reorderGap: 5, reorderDelay: ms(2) });
    expect(run.info.reord_seen).toBeGreaterThan(0);
    expect(run.info.total_retrans).toBeLessThanOrEqual(10);
    expect(run.counts['retransmission timeout'] ?? 0).toBe(0);
    expect(run.seconds).toBeLessThan(0.35);
  });

  test('duplicates cost nothing', () => {
    const run = transfer(seed, { duplicate: 0.05 });
    expect(run.info.total_retrans).toBe(0);
    expect(run.info.snd_ssthresh === -1 || run.counts['RACK'] === undefined).toBe(true);
    expect(run.seconds).toBeLessThan(0.35);
  });
});
