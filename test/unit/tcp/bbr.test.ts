import { describe, expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { Bbr } from '../../../src/tcp/congestion/bbr.ts';
import { emptySample } from '../../../src/tcp/congestion/controller.ts';
import { type Flow, Path } from '../../support/path-model.ts';

const MSS = 1448;
/** Octets per second. */
const MBIT = 125_000;
const NOW = micros(0);

/** Steps of `us` with the phase at the end of each, those alike in a row once. */
function phases(path: Path, flow: Flow, us: number, step = 1000): string[] {
  const seen: string[] = [flow.control.phase];
  for (let t = 0; t < us; t += step) {
    path.run(step);
    if (seen.at(-1) !== flow.control.phase) seen.push(flow.control.phase);
  }
  return seen;
}

describe('BBR (draft-ietf-ccwg-bbr-06)', () => {
  test('without a round trip there is no pace but that of the beginning', () => {
    const d = new Bbr(1000, 10, 1);
    const begun = d.pacingRate;
    d.onAck({ ...emptySample(), acked: 1000, now: micros(1) });
    expect(d.pacingRate).toBe(begun);
    d.onAck({ ...emptySample(), acked: 1000, srtt: 100_000, rtt: 100_000, now: micros(2) });
    expect(Number.isFinite(d.pacingRate)).toBe(true);
  });

  test('begins in Startup with the initial window, paced at 2.77 windows a round trip once that is known', () => {
    const bbr = new Bbr(MSS, 10, 1);
    expect(bbr).toMatchObject({ name: 'bbr', cwnd: 10 * MSS, phase: 'Startup', ownsRecovery: true });
    expect(bbr.pacingRate).toBeCloseTo((2.77 * 10 * MSS) / 0.001, 0);
    bbr.onAck({ ...emptySample(), srtt: 50_000, rtt: 50_000, now: micros(60_000) });
    expect(bbr.pacingRate).toBeCloseTo((2.77 * 10 * MSS) / 0.05, 0);
  });

  test('finds the rate in a few round trips, empties the queue and cruises (§5.3)', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000, queue: 500_000 });
    const flow = path.add('bbr');
    // Drain ends with the queue, so ProbeBW_DOWN has nothing left to do.
    expect(phases(path, flow, 1_000_000)).toEqual(['Startup', 'Drain', 'ProbeBW_CRUISE']);
    expect(flow.lost).toBe(0);
    // At the wire's rate but for the margin of 1 %, with hardly a queue.
    expect(flow.control.pacingRate / (100 * MBIT)).toBeCloseTo(0.99, 1);
    flow.takeMeanRtt();
    path.run(500_000);
    expect(flow.takeMeanRtt()).toBeLessThan(22_000);
  });

  test('probes for more in turn: refill, up, down, cruise, no more often than every 63 round trips (§5.3.3.8)', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000 });
    const flow = path.add('bbr');
    path.run(1_000_000);
    const seen = phases(path, flow, 3_900_000).join(' ');
    expect(seen).toContain('ProbeBW_CRUISE ProbeBW_REFILL ProbeBW_UP ProbeBW_DOWN ProbeBW_CRUISE');
    // 62 or 63 rounds of 20 ms are 1.25 s.
    expect(seen.split('ProbeBW_UP').length - 1).toBe(3);
  });

  test('uses what becomes free: two flows share, and the one that stays takes all', () => {
    const path = new Path({ rate: 50 * MBIT, rtt: 20_000 });
    path.add('bbr');
    const [alone] = path.rates(3_000_000).map((r) => r / MBIT);
    expect(alone).toBeGreaterThan(44);
    const other = path.add('bbr');
    path.run(15_000_000);
    const shares = path.rates(20_000_000).map((r) => r / MBIT);
    for (const share of shares) expect(share).toBeGreaterThan(17);
    other.stop();
    path.run(5_000_000);
    expect(path.rates(5_000_000)[0]! / MBIT).toBeGreaterThan(45);
  });

  test('every five seconds it empties half the pipe for 200 ms, to see the bare round trip (§5.3.4)', () => {
    const path = new Path({ rate: 20 * MBIT, rtt: 30_000 });
    const flow = path.add('bbr');
    const bdp = 20 * MBIT * 0.03;
    const visits: number[] = [];
    let most = 0;
    for (let t = 0; t < 12_000_000; t += 1000) {
      path.run(1000);
      if (flow.control.phase !== 'ProbeRTT') continue;
      if (visits.length === 0 || path.now - visits.at(-1)! > 1_000_000) visits.push(path.now);
      if (path.now - visits.at(-1)! > 60_000) most = Math.max(most, flow.inFlight);
    }
    expect(visits).toHaveLength(2);
    expect(visits[1]! - visits[0]!).toBeGreaterThan(5_000_000);
    expect(visits[1]! - visits[0]!).toBeLessThan(5_600_000);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(0.55 * bdp + 4 * MSS);
  });

  test('what the writer holds back does not lower the rate that is known (§5.5.4)', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000 });
    const flow = path.add('bbr');
    path.run(2_000_000);
    const before = flow.control.pacingRate;
    flow.limit(5 * MBIT);
    path.run(4_000_000);
    flow.limit(Number.POSITIVE_INFINITY);
    path.run(100_000);
    expect(flow.control.pacingRate / before).toBeGreaterThan(0.85);
    expect(path.rates(1_000_000)[0]! / MBIT).toBeGreaterThan(85);
  });

  test('after a pause it goes on at the rate that was known, not from nothing (§5.4)', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000 });
    const flow = path.add('bbr');
    path.run(2_000_000);
    flow.limit(0);
    path.run(7_000_000);
    expect(flow.inFlight).toBe(0);
    flow.limit(Number.POSITIVE_INFINITY);
    path.run(25_000);
    expect(path.rates(200_000)[0]! / MBIT).toBeGreaterThan(85);
    // The pause was as good as ProbeRTT.
    expect(flow.control.phase).not.toBe('ProbeRTT');
  });

  test('Startup ends when a queue overflows again and again, before three rounds without growth', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000, queue: 20_000 });
    const flow = path.add('bbr');
    const seen = phases(path, flow, 1_000_000);
    expect(seen[1]).toBe('Drain');
    path.run(3_000_000);
    expect(path.rates(10_000_000)[0]! / MBIT).toBeGreaterThan(80);
    expect(flow.lost / flow.sent).toBeLessThan(0.03);
  });

  test('cruising leaves 15 % of what was seen to fit, for others (§5.3.3.1)', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000, queue: 40_000 });
    const flow = path.add('bbr');
    path.run(3_000_000);
    const most = { ProbeBW_CRUISE: 0, ProbeBW_REFILL: 0 };
    for (let t = 0; t < 8_000_000; t += 1000) {
      path.run(1000);
      const { phase, cwnd } = flow.control;
      if (phase === 'ProbeBW_CRUISE' || phase === 'ProbeBW_REFILL') most[phase] = Math.max(most[phase], cwnd);
    }
    expect(most.ProbeBW_CRUISE / most.ProbeBW_REFILL).toBeGreaterThan(0.75);
    expect(most.ProbeBW_CRUISE / most.ProbeBW_REFILL).toBeLessThan(0.92);
  });

  test('what is lost while it cruises lowers the rate to what was delivered, until the next probe (§5.5.10.3)', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000, queue: 40_000 });
    const flow = path.add('bbr');
    path.run(1_000_000);
    const before = flow.control.pacingRate;
    expect(flow.control.phase).toBe('ProbeBW_CRUISE');
    path.add('bbr');
    // Startup of the other overflows the queue.
    path.run(200_000);
    expect(flow.control.phase).toBe('ProbeBW_CRUISE');
    expect(flow.control.pacingRate).toBeLessThan(0.95 * before);
  });

  test('a loss that was none gives back what it took', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000 });
    const flow = path.add('bbr');
    path.run(2_000_000);
    const { cwnd } = flow.control;
    flow.control.onRto(flow.inFlight, true, path.now);
    expect(flow.control.cwnd).toBe(MSS);
    flow.control.onUndo(path.now);
    expect(flow.control.cwnd).toBe(cwnd);
  });

  test('without a rate there is no pace of nothing', () => {
    const bbr = new Bbr(MSS, 10, 1);
    const begun = bbr.pacingRate;
    for (let n = 1; n < 10; n++)
      bbr.onAck({ ...emptySample(), acked: MSS, delivered: n * MSS, roundStart: true, now: micros(n) });
    expect(bbr.pacingRate).toBe(begun);
  });

  test('what RACK’s timer finds is held against what was in flight then, not against all that was ever lost', () => {
    const path = new Path({ rate: 100 * MBIT, rtt: 20_000, loss: 0.015 });
    const flow = path.add('bbr');
    while (flow.control.phase !== 'ProbeBW_UP') path.run(1000);
    const { delivered, inFlight } = flow;
    const sample = { ...emptySample(), lost: 1, delivered, inFlight, srtt: 20_000, now: path.now };
    flow.control.onAck(sample);
    expect(flow.control.phase).toBe('ProbeBW_UP');
    // As old as what an ACK of long ago would tell of.
    flow.control.onAck({ ...sample, acked: 1 });
    expect(flow.control.phase).toBe('ProbeBW_DOWN');
  });

  test('a timeout leaves one segment, and four with the first ACK (§5.6.4.4)', () => {
    const bbr = new Bbr(MSS, 10, 1);
    bbr.onRto(10 * MSS, true, NOW);
    expect(bbr.cwnd).toBe(MSS);
    bbr.onAck({ ...emptySample(), acked: MSS, delivered: MSS, srtt: 1000, rtt: 1000, now: micros(1000) });
    expect(bbr.cwnd).toBe(4 * MSS);
  });

  test.each([
    ['10 kbit/s, 1 s', 1250, 1_000_000, 536, 120],
    ['100 Gbit/s, 20 µs, in pieces of 64 KiB', 12.5e9, 20, 60_000, 0.2],
    ['100 Mbit/s, 20 µs', 12.5e6, 20, MSS, 1],
    ['1 Gbit/s, 300 ms', 125e6, 300_000, MSS, 12],
  ])('fills a path of %s', (_, rate, rtt, size, seconds) => {
    const path = new Path({ rate, rtt, size, queue: Math.max(20 * size, (rate * rtt) / 1e6) });
    path.add('bbr');
    path.run((seconds * 1e6) / 2);
    expect(path.rates((seconds * 1e6) / 2)[0]! / rate).toBeGreaterThan(0.85);
  });
});
