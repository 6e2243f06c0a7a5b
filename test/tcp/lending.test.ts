/** What the user lends and wants back: it is copied, and what leaves afterwards is what was lent. */
import { describe, expect, test } from 'vitest';
import { micros } from '../../src/base/time.ts';
import { ack, data, established } from '../support/harness.ts';

test.each([
  // Its ACK is about to come: it stays where it is until then.
  [1000, 32_769, 32_769],
  [1001, 32_769, 0],
  [1000, 32_768, 0],
])('after a round trip of %i µs, of %i octets, all sent but for a rest, %i are still lent', (rtt, len, lent) => {
  const h = established({ mss: 1000, rtt: micros(rtt) });
  // Until the window takes so many.
  for (const acked of [10_000, 30_000]) {
    h.write(acked === 10_000 ? 10_000 : 20_000);
    h.skip().advance(micros(rtt)).inject(ack(acked));
  }
  h.lend(len);
  h.skip().connection.settle();
  expect(h.info.unacked).toBe(32_000);
  expect(h.connection.lent).toBe(lent);
});

describe('what is lent and wanted back', () => {
  test.each([1, 3000])('is copied before it has left: of %i octets', (len) => {
    const h = established({ mss: 3000 }).inject(ack(0, { wnd: 0 }));
    const octets = h.lend(len);
    expect(h.connection.lent).toBe(len);
    h.connection.keepLent();
    expect(h.connection.lent).toBe(0);
    octets.fill(0xee);
    h.inject(ack(0, { wnd: 60_000 })).expect(data(0, len));
  });

  test('is left where it is while some of it can leave, unless it has to be given back', () => {
    const h = established({ mss: 1000 }).inject(ack(0, { wnd: 0 }));
    h.lend(3000);
    h.connection.keepLent(true);
    expect(h.connection.lent).toBe(3000);
    h.connection.keepLent(false);
    expect(h.connection.lent).toBe(0);
  });
});
