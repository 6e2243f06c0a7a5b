/** Urgent data, RFC 9293 §3.8.5 and RFC 6093: a mark in the stream, the octets in line. */
import { describe, expect, test } from 'vitest';
import { ack, data, established, fin } from '../support/harness.ts';

describe('what we send', () => {
  test('carries URG and the place after its last urgent octet (MUST-30, MUST-62)', () => {
    const h = established({ mss: 1000 });
    h.writeUrgent(5);
    h.expect(data(0, 5, { flags: 'P.U', urg: 5 })).inject(ack(5));
    h.write(5);
    h.expect(data(5, 5));
  });

  test('every segment before the mark says how far it is (MUST-31)', () => {
    const h = established({ mss: 1000, wnd: 0 });
    h.write(500);
    h.writeUrgent(2000);
    h.inject(ack(0, { wnd: 9000 }));
    h.expect(data(0, 1000, { flags: '.U', urg: 2500 }), data(1000, 1000, { flags: '.U', urg: 1500 }));
    h.write(3000);
    h.skip().inject(ack(5000)).expect(data(5000, 500)).inject(ack(5500));
    h.write(10);
    h.expect(data(5500, 10));
  });

  test('a mark farther than 65535 is told as far as the field says', () => {
    const h = established({ mss: 1000, wscale: 7, options: { SO_SNDBUF: 200_000 } });
    h.writeUrgent(100_000);
    expect(h.takeLeft()[0]!.seg).toMatchObject({ flags: '.U', urg: 65_535 });
  });

  test('what is after the mark does not', () => {
    const h = established({ mss: 1000, options: { TCP_NODELAY: true } });
    h.writeUrgent(5);
    h.write(5);
    h.expect(data(0, 5, { flags: 'P.U', urg: 5 }), data(5, 5));
  });
});

describe('what we receive', () => {
  test('is told when the mark appears, and when it moves on, not when it is repeated or behind (MUST-32)', () => {
    const h = established();
    h.inject(ack(0, { flags: '.U', urg: 10 }));
    expect(h.takeHappened()).toEqual(['urgent']);
    h.inject(ack(0, { flags: '.U', urg: 10 }), ack(0, { flags: '.U', urg: 5 }));
    expect(h.takeHappened()).toEqual([]);
    h.inject(ack(0, { flags: '.U', urg: 20 }));
    expect(h.takeHappened()).toEqual(['urgent']);
  });

  test('says how much is still to be read up to it (MUST-33), octets in line', () => {
    const h = established({ mss: 1100 });
    expect(h.connection.urgentAhead).toBe(0);
    h.inject(data(0, 1100, { flags: 'P.U', urg: 1500 })).skip();
    expect(h.connection.urgentAhead).toBe(1500);
    expect(h.readOnce()).toBe(1100);
    h.skip();
    expect(h.connection.urgentAhead).toBe(400);
    h.inject(data(1100, 400)).skip();
    expect(h.connection.urgentAhead).toBe(400);
    expect(h.read()).toBe(400);
    h.skip();
    expect(h.connection.urgentAhead).toBe(0);
  });

  test('counts through a FIN', () => {
    const h = established()
      .inject(data(0, 10, { flags: 'FP.U', urg: 10 }))
      .skip();
    expect(h.connection.urgentAhead).toBe(10);
    expect(h.read()).toBe(10);
    expect(h.connection.urgentAhead).toBe(0);
  });

  test('the last octet before it is still ahead, however often one asks', () => {
    const h = established()
      .inject(data(0, 1, { flags: 'P.U', urg: 1 }))
      .skip();
    expect([h.connection.urgentAhead, h.connection.urgentAhead]).toEqual([1, 1]);
  });

  test('after the peer’s FIN it is ignored', () => {
    const h = established().inject(fin(0)).skip();
    h.takeHappened();
    h.inject({ flags: '.U', seq: 1, urg: 10 }).skip();
    expect(h.takeHappened()).toEqual([]);
    expect(h.connection.urgentAhead).toBe(0);
  });

  test('a pointer of 0 is none', () => {
    const h = established().inject(ack(0, { flags: '.U', urg: 0 }));
    expect(h.takeHappened()).toEqual([]);
  });
});
