/** Segments that leave at a rate: SO_MAX_PACING_RATE, and controllers that name one. */
import { describe, expect, test } from 'vitest';
import { type Micros, ms, NEVER } from '../../src/base/time.ts';
import { ack, data, established, type Harness, type HarnessOptions } from '../support/harness.ts';

const MSS = 1000;

/** 100 000 octets per second: 10 ms a segment. */
const paced = (o: HarnessOptions = {}): Harness =>
  established({ mss: MSS, sack: true, wnd: 60_000, ...o, options: { SO_MAX_PACING_RATE: 100_000, ...o.options } });

describe('SO_MAX_PACING_RATE', () => {
  test('spaces segments', () => {
    const h = paced();
    h.write(4000);
    h.expect(data(0, MSS));
    for (let n = 1; n < 4; n++) h.after(ms(10)).expect(data(n * MSS, MSS));
    expect(h.info.pacing_rate).toBe(100_000);
  });

  test('counts octets, not segments', () => {
    const h = paced({ options: { TCP_NODELAY: true } });
    h.write(100);
    h.expect(data(0, 100)).write(1000);
    h.after(ms(1)).expect(data(100, 1000)).write(100);
    h.after(ms(10)).expect(data(1100, 100));
  });

  test('does not hold back what waited for the writer', () => {
    const h = paced();
    h.write(1000);
    h.expect(data(0, MSS)).inject(ack(1000)).advance(ms(50));
    h.write(1000);
    h.expect(data(1000, MSS));
  });

  test('holds back retransmissions too, but not ACKs', () => {
    const h = paced();
    h.write(4000);
    h.skip()
      .advance(ms(60))
      .skip()
      .inject(ack(0, { sack: [[1000, 4000]] }));
    h.expect(data(0, MSS, { note: 'fast retransmit' }));
    h.write(1000);
    h.expectNothing()
      .inject(data(0, 2000), data(2000, 1000))
      .expect(ack(0, { ack: 2000 }), ack(0, { ack: 3000 }));
    h.advance(ms(10)).skip();
  });

  test('lets no burst out while RACK recovers from a loss, nor when it is over (RFC 9937 §5, §6.4)', () => {
    const h = paced();
    h.write(60_000);
    h.advance(ms(100)).skip();
    const before = h.records.length;
    // One is lost; a stretched ACK repairs it and opens the window by all that was out.
    h.inject(ack(0, { sack: [[1000, 10_000]] })).advance(ms(25));
    h.inject(ack(10_000)).advance(ms(200));
    const events = h.records.slice(before);
    expect(events.flatMap((r) => (r.type === 'congestion' ? [r.why] : []))).toEqual(['RACK', 'recovered']);
    const at = events.flatMap((r) => (r.type === 'segment' && r.dir === 'out' && r.seg.len > 0 ? [r.t] : []));
    expect(at.length).toBeGreaterThan(4);
    expect(Math.min(...at.slice(1).map((t, i) => t - at[i]!))).toBe(ms(10));
    h.skip();
  });

  test('lets a link cut two segments at once, or a millisecond’s worth, not more', () => {
    const slow = paced({ path: { maxGsoPayload: 60_000 } });
    slow.write(9000);
    slow.expect(data(0, 2000)).after(ms(20)).expect(data(2000, 2000));
    slow.advance(ms(100)).skip();
    const fast = paced({ path: { maxGsoPayload: 60_000 }, options: { SO_MAX_PACING_RATE: 5_000_000 } });
    fast.write(9000);
    fast.expect(data(0, 5000)).after(ms(1)).expect(data(5000, 4000));
  });

  test('wakes no oftener than each quarter of a millisecond', () => {
    const h = paced({ options: { SO_MAX_PACING_RATE: 20_000_000 } });
    h.write(10_000);
    // 50 µs a segment: five at once, then five more.
    h.expect(...[0, 1, 2, 3, 4].map((n) => data(n * MSS, MSS)));
    h.after(250 as Micros).expect(...[5, 6, 7, 8, 9].map((n) => data(n * MSS, MSS)));
  });

  test('0 is no limit', () => {
    const h = paced({ options: { SO_MAX_PACING_RATE: 0 }, sysctl: { tcp_congestion_control: 'cubic' } });
    h.write(10_000);
    expect(h.takeLeft().length).toBe(10);
    expect(h.info.pacing_rate).toBe(-1);
  });

  test('leaves no timer behind', () => {
    const h = paced();
    h.write(2000);
    h.skip().advance(ms(10)).skip().inject(ack(2000)).advance(ms(20)).expectNothing();
    expect(h.nextTimeoutIn).toBe(NEVER);
  });
});
