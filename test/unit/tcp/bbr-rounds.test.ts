/**
 * BBR by itself, draft-ietf-ccwg-bbr-06, told round after round what a path of 1 000 000 octets/s and 100 ms would tell:
 * 100 000 octets are its bandwidth-delay product, 1000 a segment. After each: phase, window, pacing rate.
 */
import { describe, expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { Bbr } from '../../../src/tcp/congestion/bbr.ts';
import { type AckSample, emptySample } from '../../../src/tcp/congestion/controller.ts';

const RTT = 100_000;

class Driver {
  readonly bbr = new Bbr(1000, 10, 1);
  now = 1_000_000;
  #delivered = 0;

  /** One ACK for all that was delivered in a round trip; `dt`: since the one before. */
  round(acked: number, o: Partial<AckSample> & { readonly dt?: number } = {}): string {
    const { dt = RTT, ...told } = o;
    const priorDelivered = this.#delivered;
    this.now += dt;
    this.#delivered += acked;
    const inFlight = o.inFlight ?? 90_000;
    this.bbr.onAck({
      ...emptySample(),
      acked,
      cumulative: acked,
      inFlight,
      priorInFlight: inFlight + acked,
      rtt: RTT,
      srtt: RTT,
      minRtt: RTT,
      cwndLimited: true,
      deliveryRate: (acked * 1e6) / RTT,
      delivered: this.#delivered,
      priorDelivered,
      now: micros(this.now),
      ...told,
    });
    return this.line;
  }

  get line(): string {
    return `${this.bbr.phase} ${this.bbr.cwnd} ${Math.round(this.bbr.pacingRate)}`;
  }

  /** Up to the full rate, and on until it cruises. */
  cruise(): this {
    for (const acked of [10_000, 20_000, 40_000, 80_000]) this.round(acked);
    for (let i = 0; i < 20 && this.bbr.phase !== 'ProbeBW_CRUISE'; i++) this.round(100_000);
    return this;
  }

  /** Rounds like the last until the phase is another; how many those were. */
  until(phase: string, o: Parameters<Driver['round']>[1] = {}): number {
    let count = 0;
    while (this.bbr.phase !== phase && count < 200) {
      this.round(100_000, o);
      count++;
    }
    return count;
  }
}

const lines = (count: number, next: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => next(i));

describe('Startup', () => {
  test('doubles, and three rounds without a quarter more end it; Drain lasts until the queue is gone', () => {
    const d = new Driver();
    const acked = [10_000, 20_000, 40_000, 80_000, 100_000, 100_000, 100_000, 100_000, 100_000];
    expect(lines(acked.length, (i) => d.round(acked[i]!, { inFlight: 150_000 }))).toEqual([
      'Startup 20000 277000',
      'Startup 40000 548460',
      'Startup 80000 1096920',
      'Startup 160000 2193840',
      'Startup 260000 2742300',
      'Startup 360000 2742300',
      'Startup 360000 2742300',
      'Drain 300000 495000',
      'Drain 300000 495000',
    ]);
    expect(d.round(100_000, { inFlight: 100_000 })).toBe('ProbeBW_CRUISE 300000 990000');
    expect(lines(2, () => d.round(100_000))).toEqual(['ProbeBW_CRUISE 300000 990000', 'ProbeBW_CRUISE 300000 990000']);
  });

  test('a quarter more is growth, less is none', () => {
    const d = new Driver();
    const rate = (deliveryRate: number): string => d.round(10_000, { deliveryRate, inFlight: 500_000 }).split(' ')[0]!;
    expect(lines(3, () => rate(100_000))).toEqual(['Startup', 'Startup', 'Startup']);
    expect(rate(125_000)).toBe('Startup');
    expect(lines(3, () => rate(156_249))).toEqual(['Startup', 'Startup', 'Drain']);
  });

  test('what the writer limits is no sign of a full pipe', () => {
    const d = new Driver();
    for (let i = 0; i < 10; i++) d.round(10_000, { appLimited: true });
    expect(d.bbr.phase).toBe('Startup');
  });

  test('does not slow down what it has begun with', () => {
    const d = new Driver();
    d.round(10_000);
    expect(d.round(0, { deliveryRate: 0, srtt: 0, rtt: 0 })).toBe(d.line);
    expect(d.bbr.pacingRate).toBe(277_000);
  });

  /** So many ACKs with losses, and the one that ends their round. */
  const lossy = (events: number, lost: number, recovery: boolean): Driver => {
    const d = new Driver();
    for (const acked of [10_000, 20_000, 40_000]) d.round(acked);
    if (recovery) d.bbr.onLoss(90_000, micros(d.now));
    for (let i = 0; i < events; i++) d.round(1000, { lost, inFlight: 80_000, priorDelivered: 60_000, dt: 1000 });
    d.round(20_000, { inFlight: 500_000, priorDelivered: 71_000 });
    return d;
  };

  test('six ACKs with losses in a round of recovery, more than the path may lose, end it', () => {
    expect(lossy(6, 1000, true).bbr.phase).toBe('Drain');
    expect(lossy(5, 1000, true).bbr.phase).toBe('Startup');
    expect(lossy(6, 1000, false).bbr.phase).toBe('Startup');
    expect(lossy(6, 300, true).bbr.phase).toBe('Startup');
  });

  test('what fits is then what the path holds by its best rate, though less was delivered in the round of the losses', () => {
    const d = new Driver();
    for (const acked of [10_000, 20_000, 40_000]) d.round(acked, { deliveryRate: 15 * acked });
    d.bbr.onLoss(90_000, micros(d.now));
    for (let i = 0; i < 6; i++) d.round(1000, { lost: 1000, inFlight: 80_000, priorDelivered: 60_000, dt: 1000 });
    d.round(20_000, { inFlight: 500_000, priorDelivered: 71_000 });
    expect(d.bbr.phase).toBe('Drain');
    // 600 000 octets/s for 100 ms, less the headroom.
    expect(d.round(10_000, { inFlight: 20_000 })).toContain('ProbeBW_CRUISE 51000');
  });

  test('an end that was none leads back there', () => {
    const d = lossy(6, 1000, true);
    d.bbr.onUndo(micros(d.now));
    expect(d.line).toBe('Startup 103600 198000');
    expect(d.round(40_000)).toBe('Startup 143600 1096920');
  });
});

test('a loss that was none has it look for the full rate anew: three rounds without growth after the first', () => {
  const d = new Driver();
  const slow = { deliveryRate: 1, inFlight: 500_000 };
  for (let i = 0; i < 3; i++) d.round(1000, slow);
  d.bbr.onLoss(0, micros(d.now));
  d.bbr.onUndo(micros(d.now));
  expect(lines(4, () => d.round(1000, slow).split(' ')[0]!)).toEqual(['Startup', 'Startup', 'Startup', 'Drain']);
});

describe('Drain', () => {
  test('lasts three rounds at most', () => {
    const d = new Driver();
    for (const acked of [10_000, 20_000, 40_000, 80_000]) d.round(acked);
    expect(d.until('Drain', { inFlight: 200_000 })).toBe(4);
    expect(lines(5, () => d.round(100_000, { inFlight: 200_000 }).split(' ')[0]!)).toEqual([
      'Drain',
      'Drain',
      'Drain',
      'ProbeBW_DOWN',
      'ProbeBW_DOWN',
    ]);
  });
});

describe('ProbeBW', () => {
  test('probes, and goes down again when there is no more', () => {
    const d = new Driver().cruise();
    const waited = d.until('ProbeBW_REFILL');
    expect(waited).toBe(26);
    expect([d.line, ...lines(6, () => d.round(100_000))]).toEqual([
      'ProbeBW_REFILL 300000 990000',
      'ProbeBW_UP 327000 1237500',
      'ProbeBW_UP 327000 1237500',
      'ProbeBW_UP 327000 1237500',
      'ProbeBW_DOWN 300000 891000',
      'ProbeBW_CRUISE 300000 990000',
      'ProbeBW_CRUISE 300000 990000',
    ]);
  });

  test('waits 2 to 3 s', () => {
    const waits = Array.from({ length: 12 }, (_, seed) => {
      const d = new Driver();
      Object.assign(d, { bbr: new Bbr(1000, 10, seed) });
      return d.cruise().until('ProbeBW_REFILL') / 10;
    });
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1.9);
    expect(Math.max(...waits)).toBeLessThanOrEqual(3);
    expect(new Set(waits).size).toBeGreaterThan(3);
  });

  test('or 62 to 63 round trips, where they are short, and fewer where fewer segments are in flight', () => {
    const d = new Driver().cruise();
    expect(d.until('ProbeBW_REFILL', { dt: 1000 })).toBe(62);
  });

  test('goes down once more in flight brings nothing more, while the window is the limit', () => {
    const d = new Driver().cruise();
    d.until('ProbeBW_UP');
    expect(lines(3, () => d.round(100_000, { cwndLimited: false }).split(' ')[0]!)).toEqual([
      'ProbeBW_UP',
      'ProbeBW_UP',
      'ProbeBW_DOWN',
    ]);
  });

  test('too many losses while it probes: what fits is what was in flight without them, or 0.7 of it', () => {
    const d = new Driver().cruise();
    d.until('ProbeBW_UP');
    d.round(100_000, { inFlight: 125_000 });
    expect(d.round(90_000, { lost: 10_000, inFlight: 120_000 })).toBe('ProbeBW_DOWN 204081 891000');
    expect(lines(4, () => d.round(100_000, { inFlight: 60_000 }))).toEqual([
      'ProbeBW_CRUISE 173469 990000',
      'ProbeBW_CRUISE 173469 990000',
      'ProbeBW_CRUISE 173469 990000',
      'ProbeBW_CRUISE 173469 990000',
    ]);
  });

  test('a probe that went too far has the next stop where it did, and look again at once', () => {
    const d = new Driver().cruise();
    d.until('ProbeBW_UP');
    d.round(90_000, { lost: 10_000, inFlight: 120_000 });
    d.round(100_000, { rtt: 99_000, inFlight: 60_000 });
    d.until('ProbeBW_UP', { inFlight: 60_000 });
    const phases = lines(4, () => d.round(100_000, { inFlight: 110_000 }).split(' ')[0]!);
    expect(phases).toEqual(['ProbeBW_DOWN', 'ProbeBW_REFILL', 'ProbeBW_UP', 'ProbeBW_UP']);
  });

  test('goes down until no more is in flight than the path holds', () => {
    const d = new Driver().cruise();
    d.until('ProbeBW_UP');
    d.until('ProbeBW_DOWN', { inFlight: 120_000 });
    expect(d.round(100_000, { inFlight: 100_001 })).toContain('ProbeBW_DOWN');
    expect(d.round(100_000, { inFlight: 100_000 })).toContain('ProbeBW_CRUISE');
  });

  test('two segments are none, however few are out', () => {
    const d = new Driver().cruise();
    d.until('ProbeBW_REFILL');
    const few = { priorInFlight: 90_000, inFlight: 110_000 };
    expect(d.round(100_000, few)).toContain('ProbeBW_UP');
    expect(d.round(100_000, { ...few, lost: 2000 })).toContain('ProbeBW_UP');
    expect(d.round(100_000, { ...few, lost: 2001 })).toContain('ProbeBW_DOWN');
  });

  test('nor is a fiftieth of what was out', () => {
    const d = new Driver().cruise();
    d.until('ProbeBW_UP');
    expect(d.round(100_000, { priorInFlight: 210_000, inFlight: 110_000, lost: 4200 })).toContain('ProbeBW_UP');
    expect(d.round(100_000, { priorInFlight: 210_000, inFlight: 110_000, lost: 4201 })).toContain('ProbeBW_DOWN');
  });

  test('what is lost after a probe says nothing of what fits', () => {
    const d = new Driver().cruise();
    d.until('ProbeBW_UP');
    d.until('ProbeBW_CRUISE');
    d.round(80_000, { lost: 20_000, rtt: 99_000 });
    d.until('ProbeBW_UP');
    // Two and a quarter times what the path holds, what comes at once, and two segments.
    expect(d.line).toBe('ProbeBW_UP 324750 1237500');
  });

  test('losses while it cruises lower the rate to what is delivered, until the next probe', () => {
    const d = new Driver().cruise();
    expect(d.round(80_000, { lost: 20_000, deliveryRate: 800_000 })).toBe('ProbeBW_CRUISE 300000 990000');
    expect(lines(3, () => d.round(60_000, { lost: 20_000, deliveryRate: 600_000 }))).toEqual([
      'ProbeBW_CRUISE 210000 990000',
      'ProbeBW_CRUISE 210000 990000',
      'ProbeBW_CRUISE 147000 693000',
    ]);
    expect(lines(2, () => d.round(60_000, { deliveryRate: 600_000 }))).toEqual([
      'ProbeBW_CRUISE 147000 693000',
      'ProbeBW_CRUISE 147000 693000',
    ]);
    d.until('ProbeBW_REFILL');
    expect(d.line).toBe('ProbeBW_REFILL 247000 990000');
  });

  test('as few as chance brings do not: two deviations from 2 % of what was out', () => {
    const after = (lost: number): string => {
      const d = new Driver().cruise();
      d.round(98_000, { lost: 1 });
      return d.round(98_000, { lost });
    };
    // 3760 + 2 √(3760 · 1000).
    expect(after(7638)).toBe('ProbeBW_CRUISE 300000 990000');
    expect(after(7639)).toBe('ProbeBW_CRUISE 210000 990000');
  });
});

describe('ProbeRTT', () => {
  test('comes when no round trip as short was seen for 5 s: half a window for 200 ms and a round', () => {
    const d = new Driver().cruise();
    const long = { rtt: 110_000, inFlight: 90_000 };
    expect(d.until('ProbeRTT', long)).toBe(44);
    expect([d.line, d.round(100_000, { ...long, inFlight: 51_000 })]).toEqual([
      'ProbeRTT 50000 990000',
      'ProbeRTT 50000 990000',
    ]);
    expect(lines(5, () => d.round(50_000, { inFlight: 50_000, rtt: 100_000, dt: 80_000 }))).toEqual([
      'ProbeRTT 50000 990000',
      'ProbeRTT 50000 990000',
      'ProbeRTT 50000 990000',
      'ProbeBW_CRUISE 300000 990000',
      'ProbeBW_CRUISE 250000 990000',
    ]);
  });

  test('not when the connection has just been idle', () => {
    const d = new Driver().cruise();
    d.bbr.onIdle(6_000_000, 300_000, micros(d.now + 6_000_000));
    d.round(10_000, { rtt: 110_000, dt: 6_100_000 });
    expect(d.bbr.phase).not.toBe('ProbeRTT');
    expect(d.round(10_000, { rtt: 120_000, dt: 5_100_000 })).toContain('ProbeRTT');
  });
});

describe('an episode', () => {
  test('of recovery leaves the window as it was before', () => {
    const d = new Driver().cruise();
    const before = d.bbr.cwnd;
    d.bbr.onLoss(90_000, micros(d.now));
    d.round(50_000, { lost: 1000 });
    d.bbr.onRecovered(90_000, micros(d.now));
    expect(d.bbr.cwnd).toBe(before);
  });

  test('a timeout leaves one segment, four with the first ACK, and what was before when it is over', () => {
    const d = new Driver().cruise();
    const before = d.bbr.cwnd;
    d.bbr.onRto(90_000, true, micros(d.now));
    expect(d.bbr.cwnd).toBe(1000);
    d.round(1000, { deliveryRate: 0 });
    expect(d.bbr.cwnd).toBe(4000);
    d.bbr.onRto(90_000, false, micros(d.now));
    d.bbr.onRecovered(0, micros(d.now));
    expect(d.bbr.cwnd).toBe(before);
  });

  test('that was none gives back window, bounds and phase', () => {
    const d = new Driver().cruise();
    d.until('ProbeBW_UP');
    d.bbr.onLoss(90_000, micros(d.now));
    d.round(90_000, { lost: 10_000, inFlight: 120_000 });
    expect(d.bbr.phase).toBe('ProbeBW_DOWN');
    d.bbr.onUndo(micros(d.now));
    expect(d.line).toBe('ProbeBW_REFILL 327000 891000');
    expect(lines(2, () => d.round(100_000))).toEqual(['ProbeBW_UP 327000 1237500', 'ProbeBW_UP 327000 1237500']);
  });
});

test('after a pause it goes on at the rate that was known', () => {
  const d = new Driver().cruise();
  d.until('ProbeBW_UP');
  expect(d.bbr.pacingRate).toBe(1_237_500);
  d.bbr.onIdle(1_000_000, 300_000, micros(d.now + 1_000_000));
  expect(d.bbr.pacingRate).toBe(990_000);
});

test('another segment size takes the window with it', () => {
  const d = new Driver();
  d.bbr.onMssChange(500);
  expect(d.bbr.cwnd).toBe(5000);
  d.bbr.onRto(0, true, micros(0));
  expect(d.bbr.cwnd).toBe(500);
});
