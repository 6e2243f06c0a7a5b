/** Which segments count: RFC 9293 §3.4 and §3.10.7.4 first to fifth, with RFC 5961 against blind attacks. */
import { describe, expect, test } from 'vitest';
import { ms, seconds } from '../../src/base/time.ts';
import { ack, data, established, fin, type Harness, rst, syn, synAck, synReceived } from '../support/harness.ts';
import { inState, ourNext, peerNext, SYNCHRONIZED } from '../support/states.ts';

/** RCV.WND is 1000, from RCV.NXT = 0. */
const small = (): Harness => established({ mss: 100, options: { SO_RCVBUF: 1000 } });
/** RCV.WND is 0, RCV.NXT = 1000. */
const shut = (): Harness =>
  small()
    .inject(data(0, 1000))
    .expect(ack(1000, { wnd: 0 }));

describe('the sequence number, with a window', () => {
  test.each([-1000, -1, 1001, 5000, 2 ** 31 - 2000])(
    'a segment without length at %i is answered by an ACK and dropped',
    (seq) => {
      const h = small();
      h.write(10);
      h.expect(data(0, 10))
        .inject(ack(10, { seq }))
        .expect(ack(0, { note: 'duplicate ACK' }));
      expect(h.drops).toEqual(['out of window']);
      expect(h.info.unacked).toBe(10);
    },
  );

  test.each([0, 1, 999, 1000])('a segment without length at %i counts', (seq) => {
    const h = small();
    h.write(10);
    h.expect(data(0, 10)).inject(ack(10, { seq })).expectNothing();
    expect(h.info.unacked).toBe(0);
  });

  test.each([-100, -101, 1000, 1001, 2 ** 31 - 2000])('100 octets at %i are answered by an ACK and dropped', (seq) => {
    const h = small()
      .inject(data(seq, 100))
      .expect(ack(0, { note: 'duplicate ACK' }));
    expect(h.drops).toEqual(['out of window']);
    h.inject(data(0, 100)).expect(ack(100));
    expect(h.read()).toBe(100);
    h.skip();
  });

  test.each([
    [-99, 1],
    [-1, 99],
    [0, 100],
  ])('100 octets at %i bring %i', (seq, len) => {
    const h = small().inject(data(seq, 100)).expect(ack(len));
    expect(h.read()).toBe(len);
    h.skip();
  });

  test('the window is filled to its last octet, and no more is taken', () => {
    const h = small()
      .inject(data(100, 901))
      .expect(ack(0))
      .inject(data(0, 100))
      .expect(ack(1000, { wnd: 0 }));
    expect(h.read()).toBe(1000);
    h.skip();
  });

  test('an octet at the window’s last place is kept, the next one is not', () => {
    const h = small().inject(data(999, 1)).expect(ack(0)).inject(data(1000, 1)).expect(ack(0));
    expect(h.drops).toEqual(['out of window']);
    h.inject(data(0, 999)).expect(ack(1000, { wnd: 0 }));
  });
});

describe('the sequence number, without a window', () => {
  test('what stands at RCV.NXT counts for its ACK, its octets find no room', () => {
    const h = shut();
    h.write(10);
    h.expect(data(0, 10))
      .inject(data(1000, 1, { ack: 10 }))
      .expect(ack(1000, { wnd: 0 }));
    expect(h.info.unacked).toBe(0);
    expect(h.read()).toBe(1000);
    h.skip();
  });

  test('a bare ACK at RCV.NXT counts and is not answered', () => {
    const h = shut();
    h.write(10);
    h.expect(data(0, 10)).inject(ack(10)).expectNothing();
    expect(h.info.unacked).toBe(0);
  });

  test.each([999, 1001])('a segment at %i does not', (seq) => {
    const h = shut();
    h.write(10);
    h.expect(data(0, 10))
      .inject(ack(10, { seq }))
      .expect(ack(1000, { wnd: 0 }));
    expect(h.info.unacked).toBe(10);
  });

  test('a RST at RCV.NXT counts, beside it not', () => {
    const h = shut().inject(rst(999), rst(1001)).expectNothing().expectState('ESTABLISHED');
    expect(h.drops).toEqual(['RST out of window', 'RST out of window']);
    h.inject(rst(1000)).expectNothing().expectState('CLOSED');
    expect(h.error).toBe('ECONNRESET');
  });

  test.each([
    ['in Linux’s form', ack(0, { seq: 999 })],
    ['with an old octet', data(999, 1)],
    ['with the next octet', data(1000, 1)],
  ])('a probe %s is answered by where we stand', (_, seg) => {
    const h = shut()
      .inject(seg)
      .expect(ack(1000, { wnd: 0 }));
    expect(h.read()).toBe(1000);
    h.skip();
  });
});

describe('what is answered by an ACK', () => {
  test('empty segments only once in 500 ms, so that two ends never answer each other for ever', () => {
    const h = small();
    h.inject(ack(0, { seq: -1 })).expect(ack(0));
    h.advance(ms(499))
      .inject(ack(0, { seq: -1 }))
      .expectNothing();
    h.advance(ms(1))
      .inject(ack(0, { seq: -1 }))
      .expect(ack(0));
    h.advance(ms(100))
      .inject(ack(0, { seq: -1 }))
      .expectNothing();
  });

  test('tcp_invalid_ratelimit says how often', () => {
    const h = established({ sysctl: { tcp_invalid_ratelimit: 50 } })
      .inject(ack(0, { seq: -1 }))
      .expect(ack(0));
    h.advance(ms(49))
      .inject(ack(0, { seq: -1 }))
      .expectNothing();
    h.advance(ms(1))
      .inject(ack(0, { seq: -1 }))
      .expect(ack(0));
  });

  test('and once more when a half-open connection has opened, or the user of a FIN-WAIT-2 has gone', () => {
    synReceived()
      .inject(ack(0, { seq: -1 }))
      .expect(ack(0))
      .inject(ack(0))
      .expectState('ESTABLISHED')
      .inject(ack(0, { seq: -1 }))
      .expect(ack(0));
    const h = inState('FIN-WAIT-2');
    h.inject(ack(1, { seq: -1 })).expect(ack(0, { seq: ourNext('FIN-WAIT-2') }));
    h.release();
    h.inject(ack(1, { seq: -1 })).expect(ack(0, { seq: ourNext('FIN-WAIT-2') }));
  });

  test('octets and FINs each time: their sender waits for it', () => {
    const h = small().inject(data(-100, 100)).expect(ack(0)).inject(data(-100, 100)).expect(ack(0));
    h.inject(fin(-1)).expect(ack(0)).inject(fin(-1)).expect(ack(0));
  });

  test('a SYN not more often than a bare ACK, even with a FIN or octets on it', () => {
    for (const more of [{}, { flags: 'SF' }, { len: 100 }])
      small()
        .inject(syn({ seq: -500, ...more }))
        .expect(ack(0))
        .inject(syn({ seq: -500, ...more }))
        .expectNothing();
  });

  test.each(SYNCHRONIZED)('in %s, at SND.NXT', (state) => {
    inState(state)
      .inject(data(-200, 100))
      .expect(ack(peerNext(state), { seq: ourNext(state) }))
      .expectState(state);
  });
});

describe('RST', () => {
  const outcome = (state: string) =>
    state === 'CLOSING' || state === 'LAST-ACK' || state === 'TIME-WAIT' ? undefined : 'ECONNRESET';

  test.each(SYNCHRONIZED)('in %s, exactly at RCV.NXT, it ends the connection', (state) => {
    const h = inState(state)
      .inject(rst(peerNext(state)))
      .expectNothing()
      .expectState('CLOSED');
    expect(h.error).toBe(outcome(state));
    expect(h.takeHappened()).toContain('closed');
    h.advance(seconds(200)).expectNothing();
  });

  test.each(SYNCHRONIZED)('in %s, elsewhere in the window, it is challenged', (state) => {
    const h = inState(state).inject(rst(peerNext(state) + 1));
    h.expect(ack(peerNext(state), { seq: ourNext(state), note: 'challenge ACK' })).expectState(state);
    expect(h.drops).toEqual(['RST in window, not at RCV.NXT']);
  });

  test.each(SYNCHRONIZED)('in %s, outside the window, it is dropped in silence', (state) => {
    const h = inState(state, { options: { SO_RCVBUF: 1000 }, mss: 100 });
    const next = peerNext(state);
    h.inject(rst(next - 1), rst(next + 1001), rst(next - 2 ** 30))
      .expectNothing()
      .expectState(state);
    expect(h.drops).toEqual(['RST out of window', 'RST out of window', 'RST out of window']);
  });

  test('the window’s right edge is outside it', () => {
    small()
      .inject(rst(1000))
      .expectNothing()
      .inject(rst(999))
      .expect(ack(0, { note: 'challenge ACK' }));
  });

  test('octets on a RST are not delivered', () => {
    const h = small()
      .inject({ ...rst(0), len: 20 })
      .expectNothing()
      .expectState('CLOSED');
    expect(h.read()).toBe('end');
    expect(h.info.bytes_received).toBe(0);
  });

  test('octets that came before it can still be read, as with Linux; by the letter of the RFC they are gone', () => {
    const h = small().inject(data(0, 10)).skip().inject(rst(10)).expectState('CLOSED');
    expect([h.read(), h.read(), h.error]).toEqual([10, 'end', 'ECONNRESET']);
    const letter = established({ profile: 'rfc' }).inject(data(0, 10)).skip().inject(rst(10)).expectState('CLOSED');
    expect(letter.read()).toBe('end');
  });

  test('what was queued is not sent after it', () => {
    const h = established({ mss: 1000, wnd: 1000 });
    h.write(5000);
    h.expect(data(0, 1000))
      .inject(rst(0, { ack: 1000 }))
      .advance(seconds(100))
      .expectNothing();
    expect(h.connection.sendQueued).toBe(0);
  });

  test('it needs no ACK, and a wrong one does no harm', () => {
    small()
      .inject(rst(0, { ack: 12_345 }))
      .expectState('CLOSED');
  });

  test('challenges are limited: an outsider’s thousand RSTs bring two ACKs a second', () => {
    const h = small();
    for (let i = 0; i < 1000; i++) h.inject(rst(500)).advance(ms(1));
    h.expect(ack(0), ack(0)).expectState('ESTABLISHED');
  });
});

describe('SYN', () => {
  test.each(SYNCHRONIZED)('in %s, wherever it stands, it is challenged and changes nothing', (state) => {
    const next = peerNext(state);
    for (const seq of [next - 1, next, next + 100, next + 10_000_000]) {
      const h = inState(state).inject(syn({ seq }));
      h.expect(ack(next, { seq: ourNext(state) })).expectState(state);
    }
  });

  test('in the window it is called a challenge', () => {
    small()
      .inject(syn({ seq: 10 }))
      .expect(ack(0, { note: 'challenge ACK' }));
  });

  test('data on it is not taken, nor its window', () => {
    const h = small()
      .inject(syn({ seq: 0, len: 10, wnd: 5 }))
      .expect(ack(0));
    expect(h.read()).toBe(0);
    expect(h.info.snd_wnd).toBe(65_535);
  });

  test('challenges are limited', () => {
    const h = small();
    for (let i = 0; i < 1000; i++) h.inject(syn({ seq: 500 })).advance(ms(1));
    h.expect(ack(0), ack(0)).expectState('ESTABLISHED');
  });

  test('a peer that has restarted answers the challenge by a RST, and that ends the connection', () => {
    const h = established().inject(data(0, 100)).skip();
    h.inject(syn({ seq: 5000 }))
      .expect(ack(100))
      .inject(rst(100))
      .expectState('CLOSED');
  });

  test('a SYN-ACK again is answered by an ACK', () => {
    established().inject(synAck()).expect(ack(0)).expectState('ESTABLISHED');
  });
});

describe('ACK', () => {
  test.each(SYNCHRONIZED)('in %s a segment without it is dropped', (state) => {
    const h = inState(state)
      .inject({ flags: 'P', seq: peerNext(state), len: 10 })
      .expectNothing()
      .expectState(state);
    expect(h.drops).toEqual(['no ACK']);
    expect(h.info.bytes_received).toBe(0);
  });

  test('of what was never sent: challenged, and its text is not taken', () => {
    const h = small();
    h.write(10);
    h.expect(data(0, 10))
      .inject(data(0, 10, { ack: 11 }))
      .expect(ack(0, { note: 'challenge ACK' }));
    expect(h.drops).toEqual(['ACK of what was not sent']);
    expect(h.read()).toBe(0);
    expect(h.info.unacked).toBe(10);
  });

  test('of what was never sent, again within 500 ms: dropped in silence', () => {
    const h = small().inject(ack(1)).expect(ack(0)).inject(ack(1)).expectNothing();
    expect(h.drops).toEqual(['ACK of what was not sent', 'unacceptable ACK']);
  });

  test('older than the largest window we saw: challenged (RFC 5961 §5.2)', () => {
    const open = (): Harness => {
      const h = established({ mss: 1000, wnd: 1000 });
      h.write(3000);
      for (const n of [1000, 2000, 3000]) h.skip().inject(ack(n));
      return h.skip();
    };
    const inside = open().inject(data(0, 10, { ack: 2000 }));
    expect(inside.skip().read()).toBe(10);
    const outside = open()
      .inject(data(0, 10, { ack: 1999 }))
      .expect(ack(0, { note: 'challenge ACK' }));
    expect(outside.drops).toEqual(['ACK too old']);
    expect(outside.read()).toBe(0);
  });

  test('of what came before our first number: challenged, however large the window is', () => {
    const first = (h: Harness, n: number): readonly string[] => h.inject(data(0, 10, { ack: n })).skip().drops;
    // Opened by us, the SYN may not be acknowledged yet where the segment comes from; opened by the peer, it was.
    expect(first(established(), -1)).toEqual([]);
    expect(first(established(), -2)).toEqual(['ACK too old']);
    const asked = (): Harness => synReceived().inject(ack(0));
    expect(first(asked(), 0)).toEqual([]);
    expect(first(asked(), -1)).toEqual(['ACK too old']);
    // A FIN that is acknowledged counts.
    const closed = (): Harness => asked().close().skip().inject(ack(1)).expectState('FIN-WAIT-2');
    expect(first(closed(), 0)).toEqual([]);
    expect(first(closed(), -1)).toEqual(['ACK too old']);
  });

  test('an old one within it is ignored, its text taken', () => {
    const h = small();
    h.write(20);
    h.expect(data(0, 20))
      .inject(ack(20))
      .inject(data(0, 10, { ack: 5 }));
    expect(h.skip().read()).toBe(10);
    expect(h.info.unacked).toBe(0);
  });

  test('in the middle of a segment: the rest stays, and is sent again', () => {
    const h = small();
    h.write(100);
    h.expect(data(0, 100)).inject(ack(40)).expectNothing();
    expect(h.info.unacked).toBe(60);
    h.after(ms(300)).expect(data(40, 60, { note: 'retransmission' }));
  });

  test('all of it frees the buffer and stops the timer', () => {
    const h = small();
    h.write(100);
    h.expect(data(0, 100)).inject(ack(100));
    expect(h.connection.sendQueued).toBe(0);
    expect(h.nextTimeoutIn).toBe(Number.POSITIVE_INFINITY);
    expect(h.takeHappened()).toContain('writable');
  });
});

describe('the window that an ACK brings', () => {
  test('counts from newer segments only (SND.WL1, SND.WL2)', () => {
    const h = established({ mss: 1000 })
      .inject(data(0, 10, { wnd: 8000 }))
      .skip();
    h.inject(ack(0, { seq: 9, wnd: 100 }));
    h.skip();
    expect(h.info.snd_wnd).toBe(8000);
    // The same sequence and acknowledgment: a window update.
    h.inject(ack(0, { seq: 10, wnd: 9000 }));
    expect(h.info.snd_wnd).toBe(9000);
    h.inject(ack(0, { seq: 20, wnd: 7000 }));
    expect(h.info.snd_wnd).toBe(7000);
    h.inject(ack(0, { seq: 15, wnd: 6000 }));
    expect(h.info.snd_wnd).toBe(7000);
  });

  test('counts from an older segment that acknowledges more', () => {
    const h = established({ mss: 1000 });
    h.write(500);
    h.expect(data(0, 500))
      .inject(data(100, 10, { ack: 0, wnd: 8000 }))
      .expect(ack(0));
    h.inject(ack(0, { seq: 50, wnd: 3000 }));
    expect(h.info.snd_wnd).toBe(8000);
    h.inject(ack(500, { seq: 50, wnd: 3000 }));
    expect(h.info.snd_wnd).toBe(3000);
  });

  test('does not count from an ACK that is behind', () => {
    const h = established({ mss: 1000 });
    h.write(500);
    h.expect(data(0, 500))
      .inject(ack(500, { wnd: 4000 }))
      .inject(ack(100, { wnd: 9000 }));
    expect(h.info.snd_wnd).toBe(4000);
  });
});
