import { describe, expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { emptySample } from '../../../src/tcp/congestion/controller.ts';
import { Cubic } from '../../../src/tcp/congestion/cubic.ts';

const MSS = 1000;
const BETA = 0.7;
const C = 0.4;

/** A sender that always has more: all that is in flight is acknowledged once per round trip, in so many ACKs. */
class Sender {
  readonly cubic: Cubic;
  readonly #acks: number;
  readonly sample = emptySample();
  /** µs. */
  rtt: number;
  now = 1_000_000;

  constructor(o: { rtt: number; acks?: number; paced?: boolean }) {
    this.cubic = new Cubic(MSS, 10, o.paced ?? false);
    this.rtt = o.rtt;
    this.#acks = o.acks ?? 10;
  }

  get segments(): number {
    return this.cubic.cwnd / MSS;
  }

  ack(acked: number, cwndLimited = true): void {
    const { sample } = this;
    Object.assign(sample, { acked, cumulative: acked, cwndLimited, now: this.now });
    sample.rtt = sample.srtt = sample.minRtt = this.rtt;
    sample.nxt = sample.una + this.cubic.cwnd;
    this.cubic.onAck(sample);
    sample.una += acked;
  }

  /** Round trips for `us`. */
  run(us: number, cwndLimited = true): this {
    for (const end = this.now + us; this.now < end - 0.5; ) {
      const part = Math.floor(this.cubic.cwnd / this.#acks);
      for (let i = 0; i < this.#acks; i++) {
        this.now += this.rtt / this.#acks;
        this.ack(part, cwndLimited);
      }
    }
    return this;
  }

  /** Slow start up to `segments`. */
  slowStartTo(segments: number): this {
    this.ack((segments - this.segments) * MSS);
    return this;
  }

  lose(): this {
    this.cubic.onLoss(this.cubic.cwnd, micros(this.now));
    this.cubic.onRecovered(this.cubic.cwnd, micros(this.now));
    return this;
  }
}

const now = micros(0);

describe('CUBIC (RFC 9438)', () => {
  test('begins with the initial window and no threshold', () => {
    expect(new Cubic(MSS, 10, false)).toMatchObject({
      name: 'cubic',
      cwnd: 10_000,
      ssthresh: Number.POSITIVE_INFINITY,
      pacingRate: Number.POSITIVE_INFINITY,
      phase: 'slow start',
    });
  });

  test('doubles in slow start, octet for octet', () => {
    const s = new Sender({ rtt: 100_000 });
    s.ack(2500);
    expect(s.cubic.cwnd).toBe(12_500);
  });

  test('a loss leaves 0.7 of the window (§4.6), and no less than two segments', () => {
    const s = new Sender({ rtt: 100_000 }).slowStartTo(100).lose();
    expect(s.cubic).toMatchObject({ cwnd: 70_000, ssthresh: 70_000 });
    for (let i = 0; i < 20; i++) s.lose();
    expect(s.cubic.cwnd).toBe(2000);
  });

  test.each([
    ['ten ACKs a round trip', 10],
    ['one for all (stretched)', 1],
    ['one for each segment', 100],
  ])('W(t) = C(t − K)³ + W_max, K = ∛(W_max(1 − β)/C): with %s', (_, acks) => {
    const wMax = 400;
    const s = new Sender({ rtt: 100_000, acks }).slowStartTo(wMax).lose();
    const k = Math.cbrt((wMax * (1 - BETA)) / C);
    expect(k).toBeCloseTo(6.694, 3);
    // The first ACK begins the epoch, one round trip after the loss.
    const t0 = s.now;
    const off: number[] = [];
    for (const t of [1, 2, 3, 5, k, 8, 9, 10]) {
      s.run(t0 + t * 1e6 - s.now);
      const since = (s.now - t0) / 1e6;
      off.push(Math.abs(s.segments - (C * (since - k) ** 3 + wMax)) / s.segments);
    }
    // Stretched ACKs lag by a round trip at most: its share of the curve.
    expect(Math.max(...off)).toBeLessThan(acks === 1 ? 0.04 : 0.02);
  });

  test('the round trip does not matter: windows after the same time are alike (§3.1)', () => {
    const after = (rtt: number): number =>
      new Sender({ rtt, acks: 4 }).slowStartTo(1000).lose().run(9_000_000).segments;
    expect(after(200_000) / after(50_000)).toBeCloseTo(1, 1);
  });

  test('two losses in a row: W_max is 0.85 of the window at the second (fast convergence, §4.7)', () => {
    const s = new Sender({ rtt: 100_000 }).slowStartTo(400).lose().run(1_000_000);
    const atLoss = s.segments;
    expect(atLoss).toBeLessThan(400);
    const wMax = (atLoss * (1 + BETA)) / 2;
    const k = Math.cbrt((wMax - atLoss * BETA) / C);
    s.lose().run(k * 1e6);
    expect(s.segments / wMax).toBeCloseTo(1, 1);
    // The plateau: nearly nothing in the second around it.
    const before = s.segments;
    expect(s.run(500_000).segments - before).toBeLessThan(2);
  });

  test('is no slower than Reno with the same factor: 3(1 − β)/(1 + β) segments a round trip (§4.3)', () => {
    const s = new Sender({ rtt: 1000 }).slowStartTo(100).lose();
    const t0 = s.segments;
    s.run(20_000);
    // 20 round trips; the curve alone would have given 0.6 segments.
    expect(s.segments - t0).toBeCloseTo((20 * 3 * (1 - BETA)) / (1 + BETA), 0);
    expect(s.cubic.phase).toBe('Reno-friendly');
  });

  test('and one segment a round trip once it is back where the loss was', () => {
    const s = new Sender({ rtt: 100 }).slowStartTo(20).lose();
    while (s.segments < 20) s.run(100);
    const from = s.segments;
    expect(s.run(10_000).segments - from).toBeCloseTo(100, -1);
  });

  test.each([20, 200_000, 2_000_000])('grows by half in a round trip at most, at an RTT of %i µs', (rtt) => {
    const s = new Sender({ rtt })
      .slowStartTo(100)
      .lose()
      .run(rtt * 1000);
    const before = s.segments;
    expect(s.run(rtt).segments / before).toBeLessThanOrEqual(1.66);
  });

  test('and by that where the curve runs away: few segments, a round trip of seconds', () => {
    const s = new Sender({ rtt: 5_000_000 }).slowStartTo(20).lose().lose().lose();
    s.run(5_000_000);
    for (let round = 0; round < 3; round++) {
      const before = s.segments;
      const growth = s.run(5_000_000).segments / before;
      expect(growth).toBeGreaterThan(1.4);
      // Half of what is acknowledged, in ten steps.
      expect(growth).toBeLessThan(1.05 ** 10 + 0.01);
    }
  });

  test('a pause does not count as time: the curve goes on where it was (§4.2)', () => {
    const without = new Sender({ rtt: 100_000 }).slowStartTo(400).lose().run(3_000_000);
    const withPause = new Sender({ rtt: 100_000 }).slowStartTo(400).lose().run(2_000_000);
    withPause.now += 60_000_000;
    // RTO of a minute and more: the window itself stays.
    withPause.cubic.onIdle(60_000_000, 90_000_000, micros(withPause.now));
    withPause.run(1_000_000);
    expect(withPause.segments).toBeCloseTo(without.segments, -1);
  });

  test('nor does time in which the writer was the limit (§5.8)', () => {
    const without = new Sender({ rtt: 100_000 }).slowStartTo(400).lose().run(3_000_000);
    const limited = new Sender({ rtt: 100_000 }).slowStartTo(400).lose().run(2_000_000);
    const before = limited.segments;
    limited.run(60_000_000, false);
    expect(limited.segments).toBe(before);
    limited.run(1_000_000);
    expect(limited.segments).toBeCloseTo(without.segments, -1);
  });

  test('a timeout leaves one segment and 0.7 of the window as threshold; the curve begins where slow start ends (§4.8)', () => {
    const s = new Sender({ rtt: 100_000 }).slowStartTo(400);
    s.cubic.onRto(400_000, true, micros(s.now));
    expect(s.cubic).toMatchObject({ cwnd: 1000, ssthresh: 280_000, phase: 'slow start' });
    s.cubic.onRto(1000, false, micros(s.now));
    expect(s.cubic.ssthresh).toBe(280_000);
    s.ack(279_000);
    expect(s.cubic.cwnd).toBe(280_000);
    const k0 = s.run(2_000_000).segments;
    // K = 0: no plateau at 400, convex from 280 on, or 5 % a round trip (Linux).
    expect(k0).toBeGreaterThan(400);
  });

  test('in recovery after a timeout only slow start grows', () => {
    const s = new Sender({ rtt: 100_000 }).slowStartTo(100);
    s.cubic.onRto(100_000, true, micros(s.now));
    s.sample.recovering = true;
    s.ack(500_000);
    expect(s.cubic.cwnd).toBe(70_000);
    s.ack(500_000);
    expect(s.cubic.cwnd).toBe(70_000);
  });

  test('what was no loss is undone: window, threshold and curve (§4.9)', () => {
    const s = new Sender({ rtt: 100_000 }).slowStartTo(400).lose().run(2_000_000);
    const twin = new Sender({ rtt: 100_000 }).slowStartTo(400).lose().run(2_000_000);
    s.lose();
    s.cubic.onUndo(micros(s.now));
    expect(s.cubic).toMatchObject({ cwnd: twin.cubic.cwnd, ssthresh: twin.cubic.ssthresh });
    expect(s.run(6_000_000).segments).toBeCloseTo(twin.run(6_000_000).segments, 0);
    const early = new Sender({ rtt: 100_000 }).slowStartTo(50);
    early.cubic.onRto(50_000, true, now);
    early.cubic.onUndo(now);
    expect(early.cubic).toMatchObject({ cwnd: 50_000, ssthresh: Number.POSITIVE_INFINITY });
  });

  test('a mark does what a loss does', () => {
    const s = new Sender({ rtt: 100_000 }).slowStartTo(100);
    s.cubic.onEcn(100_000, now);
    expect(s.cubic).toMatchObject({ cwnd: 70_000, ssthresh: 70_000 });
  });

  test('HyStart++ ends the first slow start when the RTT grows', () => {
    const s = new Sender({ rtt: 100_000 }).run(200_000);
    s.rtt = 130_000;
    s.run(130_000);
    expect(s.cubic.phase).toBe('conservative slow start');
    s.run(6 * 130_000);
    expect(s.cubic.ssthresh).toBeLessThan(Number.POSITIVE_INFINITY);
    expect(s.cubic.phase).not.toContain('slow start');
  });

  test('in conservative slow start a quarter of what is acknowledged is added (RFC 9406 §4.2)', () => {
    const s = new Sender({ rtt: 100_000 }).run(200_000);
    s.rtt = 130_000;
    s.run(130_000);
    expect(s.cubic.phase).toBe('conservative slow start');
    const before = s.cubic.cwnd;
    s.ack(4000);
    expect(s.cubic.cwnd - before).toBe(1000);
  });

  test('after a loss HyStart++ has nothing more to say (§4.3): slow start goes up to the threshold', () => {
    const s = new Sender({ rtt: 100_000 }).slowStartTo(1000);
    s.cubic.onRto(s.cubic.cwnd, true, micros(s.now));
    s.slowStartTo(20).run(200_000);
    s.rtt = 150_000;
    s.run(300_000);
    expect(s.segments).toBeGreaterThan(300);
  });

  test('an idle window halves for each RTO, and its size is kept as the threshold', () => {
    const s = new Sender({ rtt: 100_000 }).slowStartTo(100).lose();
    s.cubic.onIdle(300_000, 300_000, micros(s.now));
    expect(s.cubic.cwnd).toBe(70_000);
    s.cubic.onIdle(700_000, 300_000, micros(s.now));
    expect(s.cubic).toMatchObject({ cwnd: 17_500, ssthresh: 70_000 });
    s.cubic.onIdle(60_000_000, 300_000, micros(s.now));
    expect(s.cubic.cwnd).toBe(10_000);
    s.cubic.onIdle(60_000_000, Number.POSITIVE_INFINITY, micros(s.now));
    expect(s.cubic.cwnd).toBe(10_000);
  });

  test('paced, it asks for two windows a round trip in slow start, then for 1.2', () => {
    const s = new Sender({ rtt: 100_000, paced: true });
    expect(s.cubic.pacingRate).toBe(Number.POSITIVE_INFINITY);
    s.slowStartTo(100);
    expect(s.cubic.pacingRate).toBeCloseTo((2 * 100_000) / 0.1, 3);
    s.lose();
    expect(s.cubic.pacingRate).toBeCloseTo((1.2 * 70_000) / 0.1, 3);
  });
});
