import { describe, expect, test } from 'vitest';
import { type Micros, micros } from '../../../src/base/time.ts';
import { emptySample } from '../../../src/tcp/congestion/controller.ts';
import { Reno } from '../../../src/tcp/congestion/reno.ts';

const NOW: Micros = micros(0);
const MSS = 1000;

function ack(reno: Reno, acked: number, cwndLimited = true): number {
  reno.onAck({ ...emptySample(), acked, cumulative: acked, priorInFlight: reno.cwnd, cwndLimited });
  return reno.cwnd;
}

/** In congestion avoidance, with a window of `segments`. */
function avoiding(segments: number): Reno {
  const reno = new Reno(MSS, 10, false);
  reno.onLoss(2 * segments * MSS, NOW);
  return reno;
}

describe('Reno', () => {
  test('begins with the initial window and no threshold', () => {
    expect(new Reno(MSS, 10, false)).toMatchObject({ cwnd: 10_000, ssthresh: Number.POSITIVE_INFINITY, name: 'reno' });
  });

  test('in slow start grows by what is acknowledged', () => {
    const reno = new Reno(MSS, 10, false);
    expect([ack(reno, 1000), ack(reno, 2500), ack(reno, 1)]).toEqual([11_000, 13_500, 13_501]);
  });

  test('does not grow what is not used', () => {
    const reno = new Reno(MSS, 10, false);
    expect(ack(reno, 1000, false)).toBe(10_000);
  });

  test('passes from slow start to avoidance at ssthresh, octet for octet', () => {
    const reno = avoiding(5);
    reno.onRto(10_000, false, NOW);
    expect(reno).toMatchObject({ cwnd: 1000, ssthresh: 5000 });
    expect(ack(reno, 3000)).toBe(4000);
    // 1000 to the threshold, 2000 to the credit of the next segment.
    expect(ack(reno, 3000)).toBe(5000);
    expect(ack(reno, 2999)).toBe(5000);
    expect(ack(reno, 1)).toBe(6000);
  });

  test('in avoidance grows by a segment for each window', () => {
    const reno = avoiding(4);
    const windows = Array.from({ length: 15 }, () => ack(reno, 1000) / MSS);
    expect(windows).toEqual([4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7]);
  });

  test('a loss halves what was in flight, down to two segments', () => {
    const reno = new Reno(MSS, 10, false);
    reno.onLoss(9001, NOW);
    expect(reno).toMatchObject({ cwnd: 4500, ssthresh: 4500 });
    reno.onLoss(3000, NOW);
    expect(reno).toMatchObject({ cwnd: 2000, ssthresh: 2000 });
  });

  test('a loss takes back the credit', () => {
    const reno = avoiding(4);
    ack(reno, 3999);
    reno.onLoss(8000, NOW);
    expect(ack(reno, 1)).toBe(4000);
  });

  test('after recovery the window is what is out and one segment, at most ssthresh', () => {
    const reno = avoiding(5);
    reno.onRecovered(2500, NOW);
    expect(reno.cwnd).toBe(3500);
    reno.onRecovered(10_000, NOW);
    expect(reno.cwnd).toBe(5000);
    reno.onRecovered(0, NOW);
    expect(reno.cwnd).toBe(2000);
  });

  test('a timeout leaves one segment; only the first of the same data halves', () => {
    const reno = new Reno(MSS, 10, false);
    reno.onRto(9000, true, NOW);
    expect(reno).toMatchObject({ cwnd: 1000, ssthresh: 4500 });
    reno.onRto(1000, false, NOW);
    expect(reno).toMatchObject({ cwnd: 1000, ssthresh: 4500 });
    reno.onRto(1000, true, NOW);
    expect(reno.ssthresh).toBe(2000);
  });

  test('a mark does what a loss does', () => {
    const reno = new Reno(MSS, 10, false);
    reno.onEcn(8000, NOW);
    expect(reno).toMatchObject({ cwnd: 4000, ssthresh: 4000 });
  });

  test('idle falls back to the initial window, and never rises to it', () => {
    const reno = new Reno(MSS, 10, false);
    ack(reno, 10_000);
    reno.onIdle(401, 200, NOW);
    expect(reno.cwnd).toBe(10_000);
    reno.onRto(9000, true, NOW);
    reno.onIdle(1_000_000, 200, NOW);
    expect(reno.cwnd).toBe(1000);
  });

  test('a smaller segment size takes the window with it, a larger one only where it would not fit (RFC 5681 §3.1)', () => {
    const reno = new Reno(MSS, 10, false);
    reno.onMssChange(500);
    expect(reno.cwnd).toBe(5000);
    reno.onRto(9000, true, NOW);
    expect(reno.cwnd).toBe(500);
    reno.onMssChange(1400);
    expect(reno.cwnd).toBe(1400);
  });

  test('paced, it asks for two windows a round trip below half the threshold, then for 1.2; nothing before one is known', () => {
    const reno = new Reno(MSS, 10, true);
    const told = (srtt: number): number => {
      reno.onAck({ ...emptySample(), srtt });
      return reno.pacingRate;
    };
    expect([told(0), told(1), told(100_000), told(0)]).toEqual([Number.POSITIVE_INFINITY, 2e10, 200_000, 200_000]);
    reno.takeOver(10_000, 20_000);
    expect(reno.pacingRate).toBe(120_000);
    reno.takeOver(10_000, 20_001);
    expect(reno.pacingRate).toBe(200_000);
    expect(new Reno(MSS, 10, false).pacingRate).toBe(Number.POSITIVE_INFINITY);
  });

  test('is in slow start below the threshold, in congestion avoidance at it', () => {
    const reno = new Reno(MSS, 10, false);
    expect(reno.phase).toBe('slow start');
    reno.takeOver(5000, 5000);
    expect(reno.phase).toBe('congestion avoidance');
  });

  test('each RTO of a pause halves the window, the first does not', () => {
    const after = (idle: number): number => {
      const reno = new Reno(MSS, 10, false);
      reno.takeOver(80_000, 80_000);
      reno.onIdle(idle, 1000, NOW);
      return reno.cwnd;
    };
    expect([after(1000), after(1001), after(2000), after(2001), after(3001), after(4001)]).toEqual([
      80_000, 40_000, 40_000, 20_000, 10_000, 10_000,
    ]);
    expect(after(1e9)).toBe(10_000);
    // And only then is the threshold what the window was.
    const reno = new Reno(MSS, 10, false);
    reno.takeOver(80_000, 20_000);
    reno.onIdle(1000, 1000, NOW);
    expect(reno.ssthresh).toBe(20_000);
    reno.onIdle(1001, 1000, NOW);
    expect(reno.ssthresh).toBe(60_000);
  });
});
