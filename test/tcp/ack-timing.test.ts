/** When data is acknowledged: RFC 9293 §3.8.6.3, RFC 5681 §4.2, with Linux's quick ACKs and its learned delay. */
import { describe, expect, test } from 'vitest';
import { type Micros, ms, NEVER, seconds } from '../../src/base/time.ts';
import { ack, data, established, fin, type Harness, RTO } from '../support/harness.ts';

/** A window of about two segments: two ACKs in a row are quick, no more. */
function receiver(mss = 1000, rtt: Micros = ms(100)): Harness {
  return established({ mss, rtt, options: { SO_RCVBUF: 2 * mss } });
}

/** Past the quick ACKs: two octets have come. */
function settled(rtt?: Micros): Harness {
  const h = receiver(1000, rtt);
  for (let at = 0; at < 2; at++) {
    h.inject(data(at, 1)).expect(ack(at + 1));
    h.read();
  }
  return h.expectNothing();
}

test('the first segments are acknowledged at once, later ones after 40 ms', () => {
  const h = settled().inject(data(2, 1)).expectNothing().after(ms(40)).expect(ack(3));
  expect(h.nextTimeoutIn).toBe(NEVER);
});

test('a large window has sixteen quick ACKs', () => {
  const h = established({ mss: 1000 });
  for (let n = 0; n < 16; n++) h.inject(data(n, 1)).expect(ack(n + 1));
  h.inject(data(16, 1)).after(ms(40)).expect(ack(17));
});

test('the quick ones are as many as half the window has segments', () => {
  const h = established({ mss: 1000, options: { SO_RCVBUF: 11_000 } });
  for (let n = 0; n < 5; n++) h.inject(data(n * 1000, 1000)).expect(ack((n + 1) * 1000));
  h.inject(data(5000, 1000)).expectNothing().after(ms(40)).expect(ack(6000));
});

test('more than one full segment is acknowledged at once (SHLD-19)', () => {
  const h = receiver();
  for (let n = 0; n < 2; n++) {
    h.inject(data(n * 1000, 1000)).skip();
    h.read();
  }
  h.skip().inject(data(2000, 1000)).expectNothing().inject(data(3000, 1)).expect(ack(3001));
  h.read();
  h.skip().inject(data(3001, 600), data(3601, 400)).expectNothing().inject(data(4001, 1)).expect(ack(4002));
});

test('segments of a batch are acknowledged together', () => {
  const h = established({ mss: 1000 });
  h.injectBatch(...Array.from({ length: 20 }, (_, n) => data(n * 1000, 1000))).expect(ack(20_000));
});

test('an ACK that waits is not put off by more data', () => {
  settled().inject(data(2, 1)).after(ms(30)).inject(data(3, 1)).after(ms(10)).expect(ack(4));
});

describe('the delay', () => {
  test.each([
    ['up to 200 ms', 400, [40, 80, 160, 200, 200]],
    ['up to a round trip', 100, [40, 80, 100, 100, 100]],
    ['but not where a round trip is shorter than that', 10, [40, 40, 40]],
  ])('doubles each time it was in vain, %s', (_, rtt, delays) => {
    const h = settled(ms(rtt)).advance(ms(205));
    let at = 2;
    // Nobody reads, or what looks like the end of a message would be acknowledged at once.
    for (const by of delays) {
      h.inject(data(at++, 1)).expectNothing().after(ms(by)).expect(ack(at));
      h.advance(ms(205 - by));
    }
  });

  test('follows data that come faster', () => {
    const h = settled().inject(data(2, 1)).after(ms(30)).inject(data(3, 1)).after(ms(10)).expect(ack(4));
    // 40 / 2 + 30 after the gap of 30 ms, doubled by the expiry: 100.
    h.advance(ms(110)).inject(data(4, 1)).after(ms(100)).expect(ack(5));
  });

  test('shrinks again when they come within 20 ms', () => {
    const h = settled();
    h.advance(ms(250)).inject(data(2, 1)).after(ms(40)).expect(ack(3));
    h.advance(ms(250)).inject(data(3, 1)).after(ms(80)).expect(ack(4));
    h.advance(ms(200)).inject(data(4, 1)).after(ms(20)).inject(data(5, 1));
    // 160 / 2 + 20. A segment of ours pays for the two.
    h.write(1);
    h.expect(data(0, 1, { ack: 6 }))
      .after(ms(150))
      .inject(data(6, 1, { ack: 1 }))
      .after(ms(100))
      .expect(ack(7));
  });

  test('stays below 500 ms whatever the gaps (MUST-40)', () => {
    const h = settled();
    let at = 2;
    for (let gap = 1; gap < 1000; gap = Math.ceil(gap * 1.3)) {
      h.advance(ms(gap)).skip().inject(data(at++, 1));
      h.advance(ms(200)).expect(ack(at));
    }
  });

  test('after a silence of more than an RTO, ACKs are quick again', () => {
    const h = settled().advance(ms(300)).inject(data(2, 1)).expectNothing().after(ms(40)).expect(ack(3));
    h.advance(ms(261)).inject(data(3, 1)).expect(ack(4));
  });
});

describe('an answer', () => {
  test('carries the ACK', () => {
    const h = settled().inject(data(2, 1));
    h.advance(ms(10)).write(5);
    h.expect(data(0, 5, { ack: 3 })).inject(ack(5));
    expect(h.nextTimeoutIn).toBe(NEVER);
  });

  test('given soon, makes the next ACK wait for another', () => {
    const h = settled();
    h.inject(data(2, 1)).write(5);
    h.expect(data(0, 5, { ack: 3 }))
      .inject(ack(5))
      .advance(seconds(5));
    // A silence, but it has answered soon before.
    h.inject(data(3, 1)).expectNothing().after(ms(40)).expect(ack(4));
    // In vain: no more of that.
    h.advance(seconds(5)).inject(data(4, 1)).expect(ack(5));
  });

  test('awaited in vain is one no more when it comes after 40 ms', () => {
    const h = settled().inject(data(2, 1));
    h.write(5);
    h.expect(data(0, 5, { ack: 3 })).inject(ack(5));
    h.inject(data(3, 1)).expectNothing().after(ms(40)).expect(ack(4)).advance(ms(20));
    h.write(5);
    h.expect(data(5, 5, { ack: 4 }))
      .inject(ack(10))
      .inject(data(4, 1))
      .expectNothing();
    // What has been read is acknowledged, as no answer is awaited.
    h.read();
    h.expect(ack(5));
  });

  test('given late, does not', () => {
    const h = settled().inject(data(2, 1)).after(ms(40)).expect(ack(3)).advance(ms(200));
    h.write(5);
    h.expect(data(0, 5)).inject(ack(5)).advance(seconds(5)).inject(data(3, 1)).expect(ack(4));
  });

  test('of a retransmission pays for it too', () => {
    const h = settled();
    h.write(5);
    h.expect(data(0, 5))
      .advance(ms(270))
      .inject(data(2, 1))
      .expectNothing()
      .after(ms(30))
      .expect(data(0, 5, { ack: 3 }));
    h.after(ms(600)).expect(data(0, 5));
  });
});

describe('at once, without waiting', () => {
  test('what arrives out of order', () => {
    settled()
      .inject(data(12, 10))
      .expect(ack(2, { note: 'duplicate ACK' }));
  });

  test('what fills a hole, and a few after it', () => {
    const h = settled()
      .inject(data(12, 10))
      .expect(ack(2))
      .inject(data(2, 5))
      .expect(ack(7))
      .inject(data(7, 5))
      .expect(ack(22));
    h.read();
    h.skip().inject(data(22, 1)).after(ms(40)).expect(ack(23));
  });

  test('what has come before', () => {
    settled().inject(data(0, 2)).expect(ack(2));
  });

  test('a FIN', () => {
    settled().inject(fin(2)).expect(ack(3));
  });

  test('anything, with TCP_QUICKACK', () => {
    const h = settled().set('TCP_QUICKACK', true);
    for (let at = 2; at < 40; at++) h.inject(data(at, 1)).expect(ack(at + 1));
  });

  test('what waits, when TCP_QUICKACK is switched on', () => {
    const h = settled().inject(data(2, 1)).expectNothing().set('TCP_QUICKACK', true).expect(ack(3));
    h.set('TCP_QUICKACK', false).inject(data(3, 1)).after(ms(40)).expect(ack(4));
  });
});

test('nothing is acknowledged that brings nothing: bare ACKs', () => {
  settled().inject(ack(0), ack(0), ack(0)).expectNothing();
});

test.each([false, true])(
  'of a batch, each segment out of order is reported by an ACK of its own (SACK: %s)',
  (sack) => {
    const told = (to: number) => ack(0, sack ? { sack: [[1000, to]] } : {});
    established({ mss: 1000, sack })
      .injectBatch(data(1000, 1000), data(2000, 1000), data(3000, 1000))
      .expect(told(2000), told(3000), told(4000));
  },
);

test('a batch that fills the hole it made is acknowledged together from there on', () => {
  established({ mss: 1000, sack: true })
    .injectBatch(data(1000, 1000), data(0, 1000), data(2000, 1000))
    .expect(ack(0, { sack: [[1000, 2000]] }), ack(3000));
});

test('after disorder 64 ACKs do not wait', () => {
  const h = established({ mss: 1000, wscale: 7, options: { SO_RCVBUF: 1 << 20 } });
  h.inject(data(1, 1)).skip().inject(data(0, 1)).skip();
  h.read();
  for (let n = 2; n < 64; n++) h.inject(data(n, 1)).expect(ack(n + 1));
  h.inject(data(64, 1)).expectNothing().after(ms(40)).expect(ack(65));
});

test('duplicates of one batch that meet are reported as one', () => {
  const h = established({ mss: 1000, sack: true });
  h.inject(data(0, 3000)).skip();
  h.injectBatch(data(1000, 1000), data(2000, 1000)).expect(ack(3000, { sack: [[1000, 3000]] }));
  h.injectBatch(data(0, 500), data(2000, 1000)).expect(ack(3000, { sack: [[2000, 3000]] }));
});

test('a FIN and the data before it cost one ACK', () => {
  const h = established({ mss: 1000 })
    .injectBatch(data(0, 1000), data(1000, 500, { flags: 'FP.' }))
    .expect(ack(1501));
  expect(h.nextTimeoutIn).toBe(NEVER);
  h.write(3);
  expect(h.nextTimeoutIn).toBe(RTO);
  h.skip();
});
