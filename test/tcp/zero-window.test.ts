/** Zero windows and their probes, RFC 9293 §3.8.6.1; windows that shrink, §3.8.6. */
import { describe, expect, test } from 'vitest';
import { ms, NEVER, seconds } from '../../src/base/time.ts';
import { Timer } from '../../src/tcp/timers.ts';
import { ack, data, established, fin, type Harness, type HarnessOptions, probe, RTO, RTT } from '../support/harness.ts';

/** Everything is acknowledged, the window is shut, and 2000 octets wait. */
function stuck(): Harness {
  const h = established({ mss: 1000 }).inject(ack(0, { wnd: 0 }));
  h.write(2000);
  return h.expectNothing();
}

describe('the probe', () => {
  test('a zero window is probed, and data resumes when it opens', () => {
    const h = established({ mss: 1000 });
    h.inject(ack(0, { wnd: 0 }));
    h.write(10);
    h.expectNothing();
    h.after(RTO).expect(probe(0));
    h.inject(ack(0, { wnd: 4096 }));
    h.expect(data(0, 10));
    expect(h.nextTimeoutIn).toBe(RTO);
  });

  test('comes after one RTO, then after twice as long each time, up to tcp_rto_max_ms', () => {
    const h = stuck();
    for (const by of [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800, 120_000, 120_000]) {
      h.after(ms(by)).expect(probe(0)).inject(ack(0));
    }
  });

  test('answered with a window still shut, it goes on for ever', () => {
    const h = stuck();
    for (let i = 0; i < 100; i++) h.advance(seconds(120)).inject(ack(0)).skip();
    h.expectState('ESTABLISHED')
      .inject(ack(0, { wnd: 5000 }))
      .expect(data(0, 1000), data(1000, 1000));
  });

  test('never answered, it ends the connection after tcp_retries2 of them', () => {
    const h = established({ mss: 1000, sysctl: { tcp_retries2: 3 } }).inject(ack(0, { wnd: 0 }));
    h.write(10);
    for (const by of [300, 600, 1200]) h.after(ms(by)).expect(probe(0));
    h.after(ms(2400)).expectNothing().expectState('CLOSED');
    expect(h.error).toBe('ETIMEDOUT');
  });

  test('of a connection whose user has gone there are eight without an answer, or tcp_orphan_retries', () => {
    for (const [tcp_orphan_retries, most] of [
      [0, 8],
      [2, 2],
    ] as const) {
      const h = established({ mss: 1000, sysctl: { tcp_orphan_retries } }).inject(ack(0, { wnd: 0 }));
      h.write(10);
      h.release();
      for (let n = 0; n < most; n++) h.after(ms(300 * 2 ** n)).expect(probe(0));
      h.after(ms(300 * 2 ** most))
        .expectNothing()
        .expectState('CLOSED');
      expect(h.error).toBe('ETIMEDOUT');
    }
  });

  test('nor do answers keep it longer than so many, once the timer is at its longest', () => {
    const sysctl = { tcp_rto_max_ms: 300, tcp_orphan_retries: 3 };
    const h = established({ mss: 1000, sysctl }).inject(ack(0, { wnd: 0 }));
    h.write(10);
    h.release();
    for (let n = 0; n < 3; n++)
      h.after(ms(300))
        .expect(probe(0))
        .inject(ack(0, { wnd: 0 }));
    h.after(ms(300)).expectNothing().expectState('CLOSED');
  });

  test('and answers keep it only until the timer has grown to its most, but for profile rfc (MUST-37)', () => {
    const probed = (profile: 'linux' | 'rfc'): string => {
      const h = established({ mss: 1000, profile }).inject(ack(0, { wnd: 0 }));
      h.write(10);
      h.release();
      for (let n = 0; n < 30 && h.state !== 'CLOSED'; n++) h.advance(seconds(120)).inject(ack(0)).skip();
      return h.state;
    };
    expect([probed('linux'), probed('rfc')]).toEqual(['CLOSED', 'FIN-WAIT-1']);
  });

  test('the peer’s answer restores its patience', () => {
    const h = established({ mss: 1000, sysctl: { tcp_retries2: 3 } }).inject(ack(0, { wnd: 0 }));
    h.write(10);
    for (const by of [300, 600]) h.after(ms(by)).expect(probe(0));
    h.inject(ack(0)).after(ms(1200)).expect(probe(0)).after(ms(2400)).expect(probe(0)).after(ms(4800)).expect(probe(0));
    h.after(ms(9600)).expectState('CLOSED');
  });

  test('its back-off begins anew when the window has been open', () => {
    const h = stuck().after(ms(300)).expect(probe(0)).after(ms(600)).expect(probe(0));
    h.inject(ack(0, { wnd: 1000 }))
      .expect(data(0, 1000))
      .advance(RTT)
      .inject(ack(1000, { wnd: 0 }));
    h.after(ms(300)).expect(probe(1000)).after(ms(600)).expect(probe(1000));
  });

  test('is not sent while something is out: the retransmission timer sees to that', () => {
    const h = established({ mss: 1000, wnd: 1000 });
    h.write(2000);
    h.expect(data(0, 1000))
      .after(RTO)
      .expect(data(0, 1000, { note: 'retransmission' }));
    h.inject(ack(1000, { wnd: 0 }))
      .after(ms(600))
      .expect(probe(1000));
  });

  test('its timer does not run beside that of retransmission (RFC 8985 §8)', () => {
    const h = established({ mss: 1000, wnd: 1000 });
    h.write(2000);
    h.skip().write(10);
    const { timers } = h.connection.variables!;
    expect([timers.isSet(Timer.retransmit), timers.isSet(Timer.persist)]).toEqual([true, false]);
    h.inject(ack(1000, { wnd: 0 }));
    expect([timers.isSet(Timer.retransmit), timers.isSet(Timer.persist)]).toEqual([false, true]);
  });

  test('asks for room for a FIN too', () => {
    const h = established()
      .inject(ack(0, { wnd: 0 }))
      .close()
      .expectNothing();
    h.after(RTO)
      .expect(probe(0))
      .inject(ack(0, { wnd: 1 }))
      .expect(fin(0));
  });

  test('is not sent when nothing waits', () => {
    const h = established().inject(ack(0, { wnd: 0 }));
    expect(h.nextTimeoutIn).toBe(NEVER);
  });

  test('carries our acknowledgment, and pays what is owed', () => {
    const h = established({ mss: 1000 }).inject(ack(0, { wnd: 0 }));
    h.write(10);
    for (let i = 0; i < 40; i++) h.inject(data(i, 1, { wnd: 0 }));
    h.skip().inject(data(40, 1)).advance(ms(400));
    h.skip();
    expect(h.info.rcv_wnd).toBeGreaterThan(0);
  });

  test('a write while the window is shut waits for the probe that is due', () => {
    const h = stuck().advance(ms(200));
    h.write(10);
    h.expectNothing().after(ms(100)).expect(probe(0));
  });

  test.each([1000, 999])('%i corked octets are probed for', (len) => {
    const h = established({ mss: 1000, options: { TCP_CORK: true } }).inject(ack(0, { wnd: 0 }));
    h.write(len);
    h.after(RTO).expect(probe(0));
  });
});

describe('a window that shrinks', () => {
  /** 8000 octets out in a window of 10 000, which then ends at `wnd`. */
  const shrunk = (wnd: number): Harness => {
    const h = established({ mss: 1000, wnd: 10_000 });
    h.write(8000);
    h.skip();
    h.write(4000);
    h.skip();
    return h.inject(ack(0, { wnd }));
  };

  test('nothing new goes beyond it, what fits is sent again, and all resumes (MUST-34, SHLD-15, SHLD-16)', () => {
    const h = shrunk(2000).expectNothing();
    h.after(RTO)
      .expect(data(0, 1000, { note: 'retransmission' }))
      .inject(ack(2000, { wnd: 500 }));
    h.expect(data(2000, 1000), data(3000, 1000), data(4000, 1000));
    h.inject(ack(10_000, { wnd: 20_000 })).expect(data(10_000, 1000), data(11_000, 1000));
  });

  test('to nothing: what is out becomes the probe, without end while the peer answers (MUST-35, MUST-37, SHLD-17)', () => {
    const h = shrunk(0);
    for (const by of [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800]) {
      h.after(ms(by))
        .expect(data(0, 1000, { note: 'retransmission' }))
        .inject(ack(0));
    }
    for (let i = 0; i < 30; i++) h.after(seconds(120)).expect(data(0, 1000)).inject(ack(0));
    h.expectState('ESTABLISHED');
  });

  test('to nothing, and the user goes: answers keep it no more than silence would', () => {
    const h = established({ mss: 1000, wnd: 1000, sysctl: { tcp_orphan_retries: 2 } });
    h.write(1000);
    h.expect(data(0, 1000)).inject(ack(0, { wnd: 0 }));
    h.release();
    for (const by of [300, 600]) h.after(ms(by)).expect(data(0, 1000)).inject(ack(0));
    h.after(ms(1200)).expectNothing().expectState('CLOSED');
    expect(h.error).toBe('ETIMEDOUT');
  });

  test('to nothing, and then silence: patience ends as with any probe', () => {
    const h = established({ mss: 1000, wnd: 1000, sysctl: { tcp_retries2: 3 } });
    h.write(1000);
    h.expect(data(0, 1000)).inject(ack(0, { wnd: 0 }));
    for (const by of [300, 600, 1200]) h.after(ms(by)).expect(data(0, 1000));
    h.after(ms(2400)).expectNothing().expectState('CLOSED');
    expect(h.error).toBe('ETIMEDOUT');
  });

  test.each([
    ['less than a unit of the scale is missing, and they stand where they would', 1200, 1200],
    ['a unit and more is missing, and they stand at its edge', 1280, 1152],
  ])('our ACKs when a scaled window ends before what is out: %s', (_, len, seq) => {
    const h = established({ mss: 2000, wscale: 7 }).inject(ack(0, { wnd: 10 }));
    expect(h.info.rcv_wscale).toBe(7);
    h.write(len);
    h.expect(data(0, len)).inject(ack(0, { wnd: 9 }));
    h.inject(data(0, 10)).expect(ack(10, { seq }));
  });

  test('our ACKs meanwhile stand where the peer still takes them', () => {
    const h = shrunk(2000)
      .inject(data(0, 10))
      .expect(ack(10, { seq: 2000 }));
    h.inject(ack(3000, { wnd: 0 }))
      .inject(data(10, 10))
      .expect(ack(20, { seq: 3000 }));
  });

  test('an edge that retreats by a unit of the scale stalls nothing', () => {
    const h = established({ mss: 1000, wscale: 4, wnd: 1000, options: { TCP_NODELAY: true } }).inject(
      ack(0, { wnd: 63 }),
    );
    h.write(1008);
    h.skip().inject(ack(1000, { wnd: 0 }));
    h.advance(seconds(2))
      .inject(ack(1008, { wnd: 100 }))
      .skip();
    h.write(10);
    h.expect(data(1008, 10));
  });
});

describe('silly windows', () => {
  test('a segment cut short by the window waits until half of the largest window is open', () => {
    const h = established({ mss: 1000, wnd: 600 });
    h.write(5000);
    h.expect(data(0, 600))
      .inject(ack(600, { wnd: 100 }))
      .expectNothing()
      .inject(ack(600, { wnd: 299 }))
      .expectNothing();
    h.inject(ack(600, { wnd: 300 })).expect(data(600, 300));
  });

  test('or a full segment fits', () => {
    const h = established({ mss: 1000, wnd: 8000 });
    h.write(20_000);
    h.skip()
      .inject(ack(8000, { wnd: 999 }))
      .expectNothing()
      .inject(ack(8000, { wnd: 1000 }))
      .expect(data(8000, 1000));
  });

  test('or the override time is over: an RTO, at most 1 s', () => {
    const h = established({ mss: 1000, wnd: 8000 });
    h.write(20_000);
    h.skip()
      .advance(RTT)
      .inject(ack(8000, { wnd: 50 }))
      .after(RTO)
      .expect(data(8000, 50));
    const slow = established({ mss: 1000, wnd: 8000, rtt: ms(900) });
    slow.write(20_000);
    slow
      .skip()
      .advance(ms(900))
      .inject(ack(8000, { wnd: 50 }))
      .after(seconds(1))
      .expect(data(8000, 50));
  });

  test('what is left fits whole: it goes', () => {
    const h = established({ mss: 1000, wnd: 8000 });
    h.write(8050);
    h.skip()
      .inject(ack(8000, { wnd: 50 }))
      .expect(data(8000, 50));
  });

  test('a full segment that the congestion window cuts waits while something is out', () => {
    const h = established({ mss: 1000, options: { TCP_NODELAY: true } });
    h.write(500);
    h.write(20_000);
    // 500 and nine full segments leave 500 octets of the window of ten.
    expect(h.takeLeft()).toHaveLength(10);
    h.inject(ack(500)).expect(data(9500, 1000));
  });
});

describe('the window we offer', () => {
  /** Segments of 1100 octets into a buffer for 18 of them, each acknowledged at once. */
  const receiver = (count: number, o: HarnessOptions = {}): Harness => {
    const options = { SO_RCVBUF: 20_000, TCP_QUICKACK: true, ...o.options };
    const h = established({ mss: 1100, ...o, options });
    for (let n = 0; n < count; n++) h.inject(data(n * 1100, 1100));
    return h;
  };

  test('closes as data arrive and nobody reads', () => {
    const h = receiver(4).skip();
    for (let n = 4; n < 18; n++) h.inject(data(n * 1100, 1100)).expect(ack((n + 1) * 1100, { wnd: 18_700 - n * 1100 }));
    h.inject(data(19_800, 200)).expect(ack(19_800, { wnd: 0 }));
    h.advance(seconds(100)).expectNothing();
  });

  test('opens again only when a segment or half the buffer fits (MUST-39)', () => {
    const half = receiver(3, { mss: 3300, options: { SO_RCVBUF: 3300 } }).skip();
    half.readOnce();
    half
      .expectNothing()
      .inject(data(3300, 1))
      .expect(ack(3300, { wnd: 0 }));
    half.readOnce();
    half.expect(ack(3300, { wnd: 2200, note: 'window update' }));
    const segment = receiver(4, { mss: 1200, options: { SO_RCVBUF: 4800 } }).skip();
    segment.readOnce();
    segment.expectNothing();
    segment.readOnce();
    segment.expect(ack(4400, { wnd: 2600, note: 'window update' }));
  });

  test('is told unasked only when it has doubled', () => {
    const h = receiver(10).skip();
    expect(h.info.rcv_wnd).toBe(8800);
    for (let n = 0; n < 7; n++) h.readOnce();
    h.expectNothing();
    h.readOnce();
    h.expect(ack(11_000, { wnd: 17_800, note: 'window update' }));
  });

  test('what has opened rides on the next ACK', () => {
    const h = receiver(10).skip();
    h.readOnce();
    h.expectNothing()
      .inject(data(11_000, 1100))
      .expect(ack(12_100, { wnd: 9000 }));
  });

  test('is not told to a peer who has sent FIN', () => {
    const h = receiver(18).inject(fin(19_800)).skip();
    expect(h.read()).toBe(19_800);
    h.expectNothing();
  });

  test('TCP_WINDOW_CLAMP bounds it', () => {
    const h = established({ mss: 100, options: { TCP_WINDOW_CLAMP: 300 } });
    h.inject(data(0, 300))
      .expect(ack(300, { wnd: 300 }))
      .inject(data(300, 400))
      .expect(ack(600, { wnd: 300 }));
    expect(h.read()).toBe(600);
  });

  test('SO_RCVBUF that grows opens it', () => {
    const h = receiver(18).skip().set('SO_RCVBUF', 30_000).inject(data(19_800, 100));
    h.expect(ack(19_800, { wnd: 10_200 }));
  });

  test('never moves its right edge left, whatever the reader does', () => {
    const h = established({ mss: 1000, wscale: 7, timestamps: true });
    let at = 0;
    for (let i = 0; i < 300; i++) {
      const len = (i * 379) % 997;
      h.inject(data(at, len + 1));
      at += len + 1;
      if (i % 3 === 0) h.readOnce();
      h.advance(ms(i % 50));
    }
    h.skip();
    expect(h.read()).toBeGreaterThan(0);
    h.skip();
  });
});
