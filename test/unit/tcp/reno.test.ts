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
  const reno = new Reno(MSS, 10);
  reno.onLoss(2 * segments * MSS, NOW);
  return reno;
}

describe('Reno', () => {
  test('begins with the initial window and no threshold', () => {
    expect(new Reno(MSS, 10)).toMatchObject({ cwnd: 10_000, ssthresh: Number.POSITIVE_INFINITY, name: 'reno' });
  });

  test('in slow start grows by what is acknowledged', () => {
    const reno = new Reno(MSS, 10);
    expect([ack(reno, 1000), ack(reno, 2500), ack(reno, 1)]).toEqual([11_000, 13_500, 13_501]);
  });

  test('does not grow what is not used', () => {
    const reno = new Reno(MSS, 10);
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
    const reno = new Reno(MSS, 10);
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
    const reno = new Reno(MSS, 10);
    reno.onRto(9000, true, NOW);
    expect(reno).toMatchObject({ cwnd: 1000, ssthresh: 4500 });
    reno.onRto(1000, false, NOW);
    expect(reno).toMatchObject({ cwnd: 1000, ssthresh: 4500 });
    reno.onRto(1000, true, NOW);
    expect(reno.ssthresh).toBe(2000);
  });

  test('a mark does what a loss does', () => {
    const reno = new Reno(MSS, 10);
    reno.onEcn(8000, NOW);
    expect(reno).toMatchObject({ cwnd: 4000, ssthresh: 4000 });
  });

  test('idle falls back to the initial window, and never rises to it', () => {
    const reno = new Reno(MSS, 10);
    ack(reno, 10_000);
    reno.onIdle(401, 200, NOW);
    expect(reno.cwnd).toBe(10_000);
    reno.onRto(9000, true, NOW);
    reno.onIdle(1_000_000, 200, NOW);
    expect(reno.cwnd).toBe(1000);
  });

  test('a smaller segment size takes the window with it, a larger one only where it would not fit (RFC 5681 §3.1)', () => {
    const reno = new Reno(MSS, 10);
    reno.onMssChange(500);
    expect(reno.cwnd).toBe(5000);
    reno.onRto(9000, true, NOW);
    expect(reno.cwnd).toBe(500);
    reno.onMssChange(1400);
    expect(reno.cwnd).toBe(1400);
  });
});
