/** What the user lends and wants back: it is copied, and what leaves afterwards is what was lent. */
import { describe, expect, test } from 'vitest';
import { ack, data, established } from '../support/harness.ts';

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
