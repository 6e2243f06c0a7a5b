/** BBR's model of the path by itself, draft-ietf-ccwg-bbr-06 §5.5, and the history that its bounds look things up in. */
import { describe, expect, test } from 'vitest';
import { seconds } from '../../../src/base/time.ts';
import { BbrModel } from '../../../src/tcp/congestion/bbr-model.ts';
import { type AckSample, emptySample } from '../../../src/tcp/congestion/controller.ts';
import { FlightHistory } from '../../../src/tcp/congestion/flight-history.ts';

const sample = (o: Partial<AckSample>): AckSample => ({ ...emptySample(), ...o });

describe('the shortest round trip', () => {
  const START = 1_000_000;

  test('is the smallest of 10 s; after them a longer one counts', () => {
    const m = new BbrModel(START);
    m.updateMinRtt(50_000, START);
    m.updateMinRtt(60_000, START + seconds(1));
    m.updateMinRtt(40_000, START + seconds(2));
    expect(m.minRtt).toBe(40_000);
    // Seen 5 s ago and no longer: what is larger is not looked at.
    m.updateMinRtt(70_000, START + seconds(7));
    expect([m.minRtt, m.probeRttExpired]).toEqual([40_000, false]);
    m.updateMinRtt(70_000, START + seconds(7) + 1);
    expect([m.minRtt, m.probeRttExpired]).toEqual([40_000, true]);
    m.updateMinRtt(70_000, START + seconds(12));
    expect(m.minRtt).toBe(40_000);
    m.updateMinRtt(80_000, START + seconds(12) + 1);
    expect(m.minRtt).toBe(70_000);
  });

  test('as small a one as the smallest changes neither when it was seen nor when a probe is due', () => {
    const m = new BbrModel(START);
    m.updateMinRtt(40_000, START);
    m.updateMinRtt(40_000, START + seconds(3));
    expect(m.probeRttMinAt).toBe(START);
    m.updateMinRtt(40_000, START + seconds(5) + 1);
    expect([m.minRtt, m.probeRttMinAt]).toEqual([40_000, START + seconds(5) + 1]);
    // Ten seconds after it was seen first it counts no more, though it was seen since.
    m.updateMinRtt(70_000, START + seconds(10) + 2);
    expect(m.minRtt).toBe(70_000);
  });

  test('no sample is no round trip', () => {
    const m = new BbrModel(START);
    m.updateMinRtt(0, START + 1);
    expect(m.minRtt).toBe(Number.POSITIVE_INFINITY);
    m.updateMinRtt(1, START + 2);
    expect(m.minRtt).toBe(1);
  });

  test('the first 10 s and 5 s count from where the model began', () => {
    const m = new BbrModel(START);
    m.updateMinRtt(0, START + seconds(5));
    expect(m.probeRttExpired).toBe(false);
    m.updateMinRtt(0, START + seconds(5) + 1);
    expect(m.probeRttExpired).toBe(true);
  });
});

describe('the largest rate', () => {
  test('of this cycle and the one before', () => {
    const m = new BbrModel(0);
    m.updateMaxBw(sample({ deliveryRate: 500 }), false);
    m.updateMaxBw(sample({ deliveryRate: 300 }), false);
    expect(m.maxBw).toBe(500);
    m.advanceMaxBwFilter();
    m.updateMaxBw(sample({ deliveryRate: 200 }), false);
    expect(m.maxBw).toBe(500);
    m.advanceMaxBwFilter();
    expect(m.maxBw).toBe(200);
    // A cycle that has seen nothing does not make it forget.
    m.advanceMaxBwFilter();
    expect(m.maxBw).toBe(200);
  });

  test('a sample that the writer has limited counts where it shows as much or more', () => {
    const m = new BbrModel(0);
    m.updateMaxBw(sample({ deliveryRate: 500 }), false);
    m.advanceMaxBwFilter();
    m.updateMaxBw(sample({ deliveryRate: 499 }), true);
    m.advanceMaxBwFilter();
    expect(m.maxBw).toBe(500);
    m.updateMaxBw(sample({ deliveryRate: 500 }), true);
    m.updateMaxBw(sample({ deliveryRate: 200 }), false);
    m.advanceMaxBwFilter();
    expect(m.maxBw).toBe(500);
    m.updateMaxBw(sample({ deliveryRate: 600 }), true);
    expect(m.maxBw).toBe(600);
  });

  test('no rate is none, and a rate of one octet a second is one', () => {
    const m = new BbrModel(0);
    m.updateMaxBw(sample({ deliveryRate: 0 }), false);
    expect(m.maxBw).toBe(0);
    m.updateMaxBw(sample({ deliveryRate: 1 }), false);
    expect(m.maxBw).toBe(1);
  });

  test('a round begins with what left after the last began', () => {
    const m = new BbrModel(0);
    const starts = (priorDelivered: number, delivered: number): readonly [boolean, number] => {
      m.updateMaxBw(sample({ priorDelivered, delivered }), false);
      return [m.roundStart, m.roundCount];
    };
    expect(starts(0, 1000)).toEqual([true, 1]);
    expect(starts(999, 2000)).toEqual([false, 1]);
    expect(starts(1000, 3000)).toEqual([true, 2]);
    m.startRound(5000);
    expect(starts(4999, 6000)).toEqual([false, 2]);
    expect(starts(5000, 7000)).toEqual([true, 3]);
  });
});

describe('a round with losses', () => {
  test('begins with the first of them, and counts the ACKs that show some', () => {
    const m = new BbrModel(0);
    m.noteLoss(1000);
    m.noteLoss(3000);
    expect([m.isLossInRound, m.lossEvents]).toEqual([true, 2]);
    m.updateLatest(sample({ priorDelivered: 999, delivered: 4000 }));
    expect(m.lossRoundStart).toBe(false);
    m.updateLatest(sample({ priorDelivered: 1000, delivered: 5000 }));
    expect(m.lossRoundStart).toBe(true);
    m.updateLatest(sample({ priorDelivered: 4999, delivered: 6000 }));
    expect(m.lossRoundStart).toBe(false);
  });

  test('lowers the bounds to what was last delivered, and to 0.7 of what they were at most', () => {
    const m = new BbrModel(0);
    m.updateMaxBw(sample({ deliveryRate: 1000 }), false);
    m.updateLatest(sample({ deliveryRate: 600, delivered: 5000, priorDelivered: 1000 }));
    m.lowerBounds(10_000);
    expect([m.bwShortterm, m.inflightShortterm]).toEqual([700, 7000]);
    m.updateLatest(sample({ deliveryRate: 650, delivered: 9000, priorDelivered: 2000 }));
    m.lowerBounds(99_000);
    expect([m.bwShortterm, m.inflightShortterm]).toEqual([650, 7000]);
    m.boundBw();
    expect(m.bw).toBe(650);
    m.resetShortterm();
    m.boundBw();
    expect([m.bw, m.inflightShortterm]).toEqual([1000, Number.POSITIVE_INFINITY]);
  });

  test('knows the largest of the round, and begins anew with the sample that ends it', () => {
    const m = new BbrModel(0);
    m.updateLatest(sample({ deliveryRate: 500, delivered: 1000, priorDelivered: 0 }));
    m.advanceLatest(sample({ deliveryRate: 500, delivered: 1000, priorDelivered: 0 }));
    const second = sample({ deliveryRate: 400, delivered: 1500, priorDelivered: 600 });
    m.updateLatest(second);
    m.advanceLatest(second);
    expect(m.inflightLatest).toBe(1000);
    const next = sample({ deliveryRate: 300, delivered: 2000, priorDelivered: 1100 });
    m.updateLatest(next);
    expect(m.inflightLatest).toBe(1000);
    m.advanceLatest(next);
    expect(m.inflightLatest).toBe(900);
    m.updateMaxBw(next, false);
    m.lowerBounds(1);
    expect(m.bwShortterm).toBe(300);
    m.noteLoss(0);
    m.resetCongestionSignals();
    expect([m.isLossInRound, m.inflightLatest]).toEqual([false, 0]);
    m.lowerBounds(1);
    expect(m.bwShortterm).toBe(210);
    for (let i = 0; i < 20; i++) m.lowerBounds(1);
    expect(m.bwShortterm).toBeLessThan(1);
  });
});

describe('aggregation: what arrives beyond what the rate explains (§5.5.9)', () => {
  /** 1000 octets a second are known. */
  const known = (): BbrModel => {
    const m = new BbrModel(0);
    m.updateMaxBw(sample({ deliveryRate: 1000 }), false);
    m.boundBw();
    return m;
  };

  test('is counted from where the path last kept up', () => {
    const m = known();
    m.updateAggregation(300, 10_000, true, 100_000);
    // Nothing was expected yet: it begins here.
    expect(m.extraAcked).toBe(300);
    m.updateAggregation(300, 10_000, true, 200_000);
    // 100 ms explain 100 octets.
    expect(m.extraAcked).toBe(500);
    // 600 ms explain all of it, exactly: a new beginning.
    m.updateAggregation(10, 10_000, true, 700_000);
    m.updateAggregation(20, 10_000, true, 700_000);
    expect(m.extraAcked).toBe(500);
    m.restartAggregation(800_000);
    m.updateAggregation(900, 800, true, 800_000);
    // Never more than the window.
    expect(m.extraAcked).toBe(800);
  });

  /** Goes through `count` rounds. */
  const rounds = (m: BbrModel, count: number): void => {
    for (let i = 0; i < count; i++) {
      m.updateMaxBw(sample({ priorDelivered: 1e9, delivered: 0 }), false);
    }
  };

  test('what the rate explains to the octet leaves nothing over for a larger rate to explain', () => {
    const m = known();
    m.updateAggregation(100, 10_000, true, 0);
    m.updateAggregation(500, 10_000, true, 100_000);
    expect(m.extraAcked).toBe(500);
    m.updateMaxBw(sample({ deliveryRate: 2000 }), false);
    m.boundBw();
    m.updateAggregation(30, 10_000, true, 110_000);
    expect(m.extraAcked).toBe(510);
  });

  test('is remembered for five rounds, and five more', () => {
    const m = known();
    m.updateAggregation(300, 10_000, true, 0);
    const later = (count: number): number => {
      rounds(m, count);
      m.restartAggregation(seconds(1));
      m.updateAggregation(1, 10_000, true, seconds(1));
      return m.extraAcked;
    };
    expect(later(3)).toBe(300);
    // The first half of the filter moves on.
    expect(later(1)).toBe(300);
    expect(later(4)).toBe(300);
    expect(later(1)).toBe(1);
  });

  test('while the rate is being found, for one', () => {
    const m = known();
    for (const many of [300, 200]) {
      m.restartAggregation(0);
      m.updateAggregation(many, 10_000, false, 0);
      m.restartAggregation(0);
      m.updateAggregation(8, 10_000, false, 0);
      expect(m.extraAcked).toBe(many);
      rounds(m, 1);
      m.restartAggregation(0);
      m.updateAggregation(7, 10_000, false, 0);
      expect(m.extraAcked).toBe(7);
    }
  });
});

describe('the history of what was in flight', () => {
  test('finds the newest sample from then or before', () => {
    const h = new FlightHistory();
    h.add(1000, 50, 0, 240);
    h.add(2000, 60, 5, 240);
    h.add(3000, 70, 9, 240);
    const at = (delivered: number): readonly [number, number] => [h.find(delivered).inFlight, h.find(delivered).lost];
    expect(at(3000)).toEqual([70, 9]);
    expect(at(9999)).toEqual([70, 9]);
    expect(at(2999)).toEqual([60, 5]);
    expect(at(2000)).toEqual([60, 5]);
    expect(at(1000)).toEqual([50, 0]);
  });

  test('keeps one sample for a 24th of a window, with the most that was in flight and what was lost first', () => {
    const h = new FlightHistory();
    h.add(1000, 50, 1, 2400);
    h.add(1099, 80, 2, 2400);
    h.add(1050, 20, 3, 2400);
    expect([h.find(1099).inFlight, h.find(1099).lost]).toEqual([80, 1]);
    h.add(1100, 0, 4, 2400);
    expect([h.find(1100).inFlight, h.find(1100).lost]).toEqual([0, 4]);
    expect([h.find(1099).inFlight, h.find(1099).lost]).toEqual([80, 1]);
  });

  test('of more than it holds the oldest go: then the oldest there is', () => {
    const h = new FlightHistory();
    for (let i = 1; i <= 100; i++) h.add(i * 1000, i, i, 24);
    expect(h.find(100_000).inFlight).toBe(100);
    expect(h.find(50_500).inFlight).toBe(50);
    // 64 are held.
    expect(h.find(37_000).inFlight).toBe(37);
    expect(h.find(1000).inFlight).toBe(37);
    expect(h.find(0).lost).toBe(37);
  });
});
