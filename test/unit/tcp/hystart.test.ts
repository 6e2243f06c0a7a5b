import { describe, expect, test } from 'vitest';
import { HyStart, type HyStartPhase } from '../../../src/tcp/congestion/hystart.ts';

/** Rounds of so many ACKs, one octet each; in each the smallest RTT is the one given, in ms. */
class Rounds {
  readonly hystart = new HyStart();
  #una = 0;

  round(minRtt: number, acks = 10): HyStartPhase {
    const nxt = this.#una + acks;
    for (let i = 0; i < acks; i++) this.hystart.onAck(this.#una++, nxt, minRtt * 1000 + (i % 3) * 100);
    return this.hystart.phase;
  }

  rounds(...minRtts: number[]): HyStartPhase[] {
    return minRtts.map((rtt) => this.round(rtt));
  }
}

describe('HyStart++ (RFC 9406)', () => {
  test('an RTT that stays leaves slow start alone', () => {
    expect(new Rounds().rounds(50, 50, 50, 50, 50, 50, 50, 50)).not.toContain('conservative slow start');
  });

  test('a round an eighth slower than the one before begins conservative slow start', () => {
    expect(new Rounds().rounds(80, 89, 90)).toEqual(['slow start', 'slow start', 'slow start']);
    expect(new Rounds().rounds(80, 90)).toEqual(['slow start', 'conservative slow start']);
  });

  test('less than 4 ms is chance, more than 16 ms never is', () => {
    expect(new Rounds().rounds(1, 4.9)).toEqual(['slow start', 'slow start']);
    expect(new Rounds().rounds(1, 5)).toEqual(['slow start', 'conservative slow start']);
    expect(new Rounds().rounds(500, 515)).toEqual(['slow start', 'slow start']);
    expect(new Rounds().rounds(500, 516)).toEqual(['slow start', 'conservative slow start']);
  });

  test('seven samples are too few to judge a round by', () => {
    const few = new Rounds();
    few.round(80);
    expect(few.round(200, 7)).toBe('slow start');
    const enough = new Rounds();
    enough.round(80);
    expect(enough.round(200, 8)).toBe('conservative slow start');
  });

  test('an RTT that falls back below what it was then goes back to slow start', () => {
    expect(new Rounds().rounds(80, 100, 99)).toEqual(['slow start', 'conservative slow start', 'slow start']);
  });

  test('five rounds later slow start is over', () => {
    const phases = new Rounds().rounds(80, 100, 100, 101, 102, 103, 104);
    expect(phases).toEqual(['slow start', ...Array<HyStartPhase>(5).fill('conservative slow start'), 'done']);
  });

  test('an RTT of 1 µs is one', () => {
    const r = new Rounds();
    expect(r.rounds(80, 100)).toEqual(['slow start', 'conservative slow start']);
    for (let i = 0; i < 8; i++) r.hystart.onAck(20 + i, 28, 1);
    expect(r.hystart.phase).toBe('slow start');
  });

  test('ACKs without an RTT are no samples', () => {
    const r = new Rounds();
    r.round(80);
    for (let i = 0; i < 20; i++) r.hystart.onAck(10, 20, 0);
    expect(r.hystart.phase).toBe('slow start');
    const slower = new Rounds();
    slower.rounds(80, 100);
    for (let i = 0; i < 20; i++) slower.hystart.onAck(20, 30, 0);
    expect(slower.hystart.phase).toBe('conservative slow start');
  });
});
