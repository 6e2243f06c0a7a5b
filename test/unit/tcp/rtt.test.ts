import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Micros, ms, seconds } from '../../../src/base/time.ts';
import { RttEstimator } from '../../../src/tcp/rtt.ts';

const linux = (): RttEstimator => new RttEstimator(ms(200), seconds(120), 'linux');
const rfc = (): RttEstimator => new RttEstimator(seconds(1), seconds(60), 'rfc');

describe('the retransmission timeout', () => {
  test('is 1 s before the first sample (RFC 6298 §2.1)', () => {
    expect(linux().rto).toBe(1_000_000);
    expect(rfc().rto).toBe(1_000_000);
  });

  test('after the first is R + 4 · R/2 (§2.2)', () => {
    const rtt = linux();
    rtt.sample(ms(400));
    expect(rtt).toMatchObject({ srtt: 400_000, rttvar: 200_000, rto: 1_200_000, minRtt: 400_000, maxRtt: 400_000 });
  });

  test('of later ones takes the variance from the old mean (§2.3)', () => {
    const rtt = linux();
    rtt.sample(ms(400));
    rtt.sample(ms(800));
    // 3/4 · 200 + 1/4 · |400 − 800|, and 7/8 · 400 + 1/8 · 800.
    expect(rtt).toMatchObject({ srtt: 450_000, rttvar: 250_000, rto: 1_450_000, minRtt: 400_000, maxRtt: 800_000 });
    expect(rtt).toMatchObject({ sumRtt: 1_200_000, sampleCount: 2 });
  });

  test('as Linux has it adds the floor to the mean; to the RFC’s letter the sum has the floor', () => {
    const [a, b] = [linux(), rfc()];
    for (let i = 0; i < 100; i++) {
      a.sample(ms(10));
      b.sample(ms(10));
    }
    expect(a.rto).toBe(210_000);
    expect(b.rto).toBe(1_000_000);
    b.sample(seconds(10));
    expect(b.rto).toBeGreaterThan(1_000_000);
  });

  test('never exceeds its ceiling', () => {
    const rtt = linux();
    rtt.sample(seconds(100));
    expect(rtt.rto).toBe(120_000_000);
    rtt.backOff();
    expect(rtt.rto).toBe(120_000_000);
    expect(rtt.backoff).toBe(0);
  });

  test('doubles with each expiry, up to the ceiling, and a sample ends that', () => {
    const rtt = linux();
    rtt.sample(ms(100));
    const seen = Array.from({ length: 12 }, () => {
      rtt.backOff();
      return rtt.rto / 1000;
    });
    expect(seen).toEqual([600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800, 120_000, 120_000, 120_000, 120_000]);
    rtt.sample(ms(100));
    expect(rtt.rto).toBe(300_000);
    rtt.backOff();
    rtt.stopBackingOff();
    expect(rtt.rto).toBe(300_000);
  });

  test('is 3 s for data when the SYN was lost and nothing was measured (§5.7)', () => {
    const rtt = linux();
    rtt.backOff();
    rtt.afterLostSyn();
    expect(rtt.rto).toBe(3_000_000);
    const measured = linux();
    measured.sample(ms(100));
    measured.backOff();
    measured.afterLostSyn();
    expect(measured.rto).toBe(300_000);
  });

  test('takes a round trip of nothing for one microsecond', () => {
    const rtt = linux();
    rtt.sample(0);
    expect(rtt).toMatchObject({ srtt: 1, minRtt: 1, rto: 200_001 });
  });

  test('follows the sums of the RFC through any samples', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30_000_000 }), { minLength: 1, maxLength: 100 }), (samples) => {
        const rtt = linux();
        let srtt = 0;
        let rttvar = 0;
        samples.forEach((r, i) => {
          rtt.sample(r);
          rttvar = i === 0 ? r / 2 : 0.75 * rttvar + 0.25 * Math.abs(srtt - r);
          srtt = i === 0 ? r : 0.875 * srtt + 0.125 * r;
          const rto = Math.min(srtt + Math.max(200_000, 4 * rttvar), 120_000_000);
          expect(Math.abs(rtt.rto - rto)).toBeLessThanOrEqual(1);
          expect(Number.isInteger(rtt.rto)).toBe(true);
        });
        expect(rtt.minRtt).toBe(Math.min(...samples));
        expect(rtt.maxRtt).toBe(Math.max(...samples));
      }),
    );
  });
});

test('the floor may be anything', () => {
  const rtt = new RttEstimator(0 as Micros, seconds(120), 'linux');
  for (let i = 0; i < 200; i++) rtt.sample(100);
  expect(rtt.rto).toBe(100);
});
