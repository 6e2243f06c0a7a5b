/** Timestamps and window scale, RFC 7323. The harness checks TSval, and its presence, on every segment that leaves. */
import { describe, expect, test } from 'vitest';
import { ms, seconds } from '../../src/base/time.ts';
import {
  accepted,
  ack,
  data,
  established,
  fin,
  type Harness,
  type HarnessOptions,
  listening,
  RTO,
  rst,
  type Seg,
  syn,
  synAck,
  synReceived,
  synSent,
} from '../support/harness.ts';
import { inState } from '../support/states.ts';

const stamped = (o: HarnessOptions = {}): Harness => established({ mss: 1000, timestamps: true, ...o });

/** TSecr of what left last. */
function echoed(h: Harness): number {
  return (h.takeLeft().at(-1)!.seg.ts as readonly [number, number])[1];
}

describe('agreement', () => {
  test('the SYN echoes 0, the ACK of the SYN-ACK its timestamp', () => {
    const h = synSent({ timestamps: true, mss: 1000 }).advance(ms(100));
    h.inject(synAck({ mss: 1000, ts: [77, h.tsVal - 100] })).expect(ack(0, { ts: [h.tsVal, 77] }));
    expect(h.info.timestamps).toBe(true);
  });

  test('a SYN-ACK without them switches them off', () => {
    const h = synSent({ timestamps: true, mss: 1000 })
      .inject(synAck({ mss: 1000, ts: 'none' }))
      .expect(ack(0));
    expect(h.info.timestamps).toBe(false);
    h.write(2000);
    h.expect(data(0, 1000), data(1000, 1000));
  });

  test('where they were not agreed they are ignored', () => {
    const h = established({ mss: 1000 })
      .inject(data(0, 10, { ts: [1, 1] }))
      .expect(ack(10));
    h.inject(data(10, 10, { ts: [0x8000_0000, 1] })).expect(ack(20));
    expect(h.read()).toBe(20);
  });

  test('a segment without them, where they were agreed, counts: old kernels leave them out of the handshake’s ACK', () => {
    const server = synReceived({ timestamps: true })
      .inject(ack(0, { ts: 'none' }))
      .expectNothing()
      .expectState('ESTABLISHED');
    expect(server.info.timestamps).toBe(true);
    const h = stamped()
      .inject(data(0, 10, { ts: 'none' }))
      .expect(ack(10));
    expect(h.read()).toBe(10);
  });

  test('by the letter a segment without them is dropped in silence (RFC 7323 §3.2), but a RST is not', () => {
    const h = inState('ESTABLISHED', { timestamps: true, profile: 'rfc' });
    h.inject(data(0, 10, { ts: 'none' }))
      .after(seconds(1))
      .expectNothing();
    expect(h.drops).toEqual(['no timestamp, where they are agreed on']);
    h.inject(data(0, 10))
      .expect(ack(10))
      .inject(rst(10, { ts: 'none' }))
      .expectState('CLOSED');
  });

  test('they are on the FIN, the probe, the SYN-ACK sent again', () => {
    inState('FIN-WAIT-1', { timestamps: true });
    const h = stamped().inject(ack(0, { wnd: 0 }));
    h.write(1);
    h.after(RTO).expect({ flags: '.', seq: -1, note: 'zero-window probe' });
    synReceived({ timestamps: true }).after(seconds(1)).expect(synAck());
  });

  test('our clock ticks in milliseconds from an offset of its own', () => {
    const h = stamped();
    const before = h.tsVal;
    h.write(1);
    h.expect(data(0, 1, { ts: [before, h.peerTsVal] }))
      .advance(ms(250))
      .inject(ack(1));
    h.write(1);
    h.expect(data(1, 1, { ts: [before + 250, h.peerTsVal] }));
  });
});

describe('the echo', () => {
  /** Settled: no quick ACKs any more. TS.Recent is 100. */
  const receiver = (): Harness => {
    const h = synSent({ mss: 1000, timestamps: true, options: { SO_RCVBUF: 2000 } });
    h.inject(synAck({ mss: 1000, ts: [100, h.tsVal] })).skip();
    for (let at = 0; at < 2; at++) {
      h.inject(data(at, 1, { ts: [100, 1] })).skip();
      h.read();
    }
    return h.skip();
  };
  const at = (val: number): Seg => ({ ts: [val, 1] });

  test('of a delayed ACK is the first unacknowledged segment’s', () => {
    const h = receiver()
      .inject(data(2, 1, at(101)), data(3, 1, at(102)))
      .expectNothing()
      .after(ms(40));
    expect(echoed(h)).toBe(101);
  });

  test('of an ACK for what is out of order is the last in order’s', () => {
    const h = receiver().inject(data(500, 1, at(105)));
    expect(echoed(h)).toBe(100);
  });

  test('of an ACK for what fills a hole is that segment’s', () => {
    const h = receiver()
      .inject(data(3, 1, at(101)))
      .skip()
      .inject(data(2, 1, at(102)));
    expect(echoed(h)).toBe(102);
  });

  test('follows RFC 7323 §4.3 through segments lost and late: A1, C3, B2, E5, D4', () => {
    const h = receiver();
    const echoes = [
      data(2, 1, at(101)),
      data(4, 1, at(103)),
      data(3, 1, at(102)),
      data(6, 1, at(105)),
      data(5, 1, at(104)),
    ].map((seg) => {
      h.inject(seg);
      // The first waits: it is in order.
      return h.leftCount === 0 ? 'waits' : echoed(h);
    });
    expect(echoes).toEqual(['waits', 101, 102, 102, 104]);
  });

  test('is of a segment that begins at or before what we last acknowledged', () => {
    const h = receiver()
      .inject(ack(0, { seq: 2, ...at(200) }))
      .expectNothing()
      .inject(data(2, 1, at(200)))
      .after(ms(40));
    expect(echoed(h)).toBe(200);
    const beyond = receiver()
      .inject(data(2, 1, at(101)))
      .inject(ack(0, { seq: 3, ...at(150) }))
      .after(ms(40));
    expect(echoed(beyond)).toBe(101);
  });

  test('is not of a segment out of the window', () => {
    const h = receiver().inject(data(5000, 1, at(300)));
    expect(echoed(h)).toBe(100);
  });
});

describe('PAWS', () => {
  /** TS.Recent is 1000. */
  const recent = (): Harness => {
    const h = synSent({ mss: 1000, timestamps: true });
    return h.inject(synAck({ mss: 1000, ts: [1000, h.tsVal] })).skip();
  };

  test('a segment older than the last is acknowledged and dropped', () => {
    const h = recent()
      .inject(data(0, 10, { ts: [999, 1] }))
      .expect(ack(0));
    expect(h.drops).toEqual(['PAWS: timestamp older than the last']);
    expect(h.read()).toBe(0);
    h.inject(data(0, 10, { ts: [1000, 1] })).expect(ack(10));
    expect(h.read()).toBe(10);
  });

  test.each([
    [0, 0x7fff_ffff, true],
    [0, 0x8000_0000, false],
    [0xffff_ff00, 5, true],
    [5, 0xffff_ff00, false],
    [0x7fff_ffff, 0x8000_0000, true],
  ])('after %i, %i counts: %s', (last, val, counts) => {
    const h = synSent({ mss: 1000, timestamps: true });
    h.inject(synAck({ mss: 1000, ts: [last, h.tsVal] }))
      .skip()
      .inject(data(0, 10, { ts: [val, 1] }))
      .skip();
    expect(h.read()).toBe(counts ? 10 : 0);
    h.skip();
  });

  test('comes before the sequence number, and bare ACKs are answered once in 500 ms', () => {
    const h = recent();
    h.write(10);
    h.expect(data(0, 10))
      .inject(ack(10, { ts: [999, 1] }))
      .expect(ack(0))
      .inject(ack(10, { ts: [999, 1] }))
      .expectNothing();
    expect(h.info.unacked).toBe(10);
  });

  test('does not look at RSTs', () => {
    recent()
      .inject(rst(0, { ts: [1, 1] }))
      .expectState('CLOSED');
  });

  test('a SYN fails it as well', () => {
    const h = recent()
      .inject(syn({ seq: 50, ts: [999, 1] }))
      .expect(ack(0));
    expect(h.drops).toEqual(['PAWS: timestamp older than the last']);
  });

  test('after 24 days of silence any timestamp is as good as another', () => {
    const days = (n: number): Harness => recent().advance(seconds(n * 24 * 3600));
    const h = days(24)
      .inject(data(0, 10, { ts: [999, 1] }))
      .expect(ack(10));
    // And it is the new measure.
    h.inject(data(10, 10, { ts: [998, 1] })).expect(ack(10));
    days(23.9)
      .inject(data(0, 10, { ts: [999, 1] }))
      .expect(ack(0));
  });

  test('the same timestamp again begins the 24 days anew', () => {
    const days = (n: number) => seconds(n * 24 * 3600);
    const h = recent()
      .advance(days(20))
      .inject(data(0, 10, { ts: [1000, 1] }))
      .expect(ack(10));
    h.advance(days(20))
      .inject(data(10, 10, { ts: [999, 1] }))
      .expect(ack(10));
    expect(h.drops).toEqual(['PAWS: timestamp older than the last']);
  });

  test('is asked on arrival only: what waits out of order is delivered later whatever its age', () => {
    const h = recent()
      .inject(data(1000, 1000, { ts: [1001, 1] }))
      .skip()
      .inject(data(0, 1000, { ts: [2000, 1] }))
      .expect(ack(2000));
    expect(h.read()).toBe(2000);
  });

  test('in TIME-WAIT too', () => {
    const h = inState('TIME-WAIT', { timestamps: true });
    h.advance(seconds(50))
      .inject(fin(0, { ts: [h.peerTsVal - 60_000, 0] }))
      .expect(ack(1));
    // An old one does not restart 2MSL.
    h.after(seconds(10)).expectState('CLOSED');
  });
});

describe('round trips', () => {
  test('of a segment that was not retransmitted are by our own clock, in µs', () => {
    const h = stamped();
    h.write(10);
    h.expect(data(0, 10))
      .advance(137_123 as never)
      .inject(ack(10));
    expect(h.info.max_rtt).toBe(137_123);
  });

  test('an echo of 0 tells nothing', () => {
    const h = stamped();
    h.write(10);
    h.expect(data(0, 10))
      .after(RTO)
      .expect(data(0, 10))
      .advance(ms(10))
      .inject(ack(10, { ts: [h.peerTsVal, 0] }));
    expect(h.info).toMatchObject({ max_rtt: 100_000, backoff: 1 });
  });

  test('nor while our own clock passes 0', () => {
    const h = stamped();
    h.advance(ms(2 ** 32 - h.tsVal - 305)).write(10);
    h.skip()
      .after(RTO)
      .skip()
      .advance(ms(10))
      .inject(ack(10, { ts: [h.peerTsVal, 0] }));
    expect(h.info).toMatchObject({ max_rtt: 100_000, backoff: 1 });
  });

  test('data that acknowledge nothing new tell nothing (RFC 7323 §4.1)', () => {
    const h = stamped().advance(seconds(10)).inject(data(0, 10)).expect(ack(10));
    expect(h.info.max_rtt).toBe(100_000);
  });

  test('of a SYN sent again are by its echo', () => {
    const h = synSent({ timestamps: true })
      .after(seconds(1))
      .expect(syn())
      .advance(ms(70))
      .inject(synAck())
      .expect(ack(0));
    expect(h.info.rtt).toBe(70_000);
  });
});

describe('window scale', () => {
  test('both offers are taken: each side shifts by the other’s', () => {
    const h = established({ mss: 1000, wscale: 7, wnd: 1000 });
    expect(h.info).toMatchObject({ snd_wscale: 7, rcv_wscale: 7, snd_wnd: 1000 });
    h.inject(ack(0, { wnd: 10 }));
    expect(h.info.snd_wnd).toBe(1280);
    h.write(3000);
    h.expect(data(0, 1000));
  });

  test('the window of a SYN is never scaled', () => {
    const h = accepted({ mss: 1000, wscale: 7, wnd: 100 });
    expect(h.info.snd_wnd).toBe(12_800);
    const before = synReceived({ mss: 1000, wscale: 7, wnd: 100 });
    expect(before.info.snd_wnd).toBe(100);
  });

  test('without the peer’s offer neither side scales', () => {
    const h = synSent({ mss: 1000, wscale: 7 })
      .inject(synAck({ mss: 1000 }))
      .expect(ack(0, { wnd: 65_000 }));
    expect(h.info).toMatchObject({ snd_wscale: 0, rcv_wscale: 0 });
    h.inject(ack(0, { wnd: 10 }));
    expect(h.info.snd_wnd).toBe(10);
  });

  test('without our own an offer is not answered', () => {
    const h = listening({ mss: 1000 })
      .inject(syn({ mss: 1000, wscale: 7 }))
      .skip()
      .inject(ack(0, { wnd: 10 }));
    expect(h.info).toMatchObject({ snd_wscale: 0, snd_wnd: 10 });
    expect(h.records.findLast((r) => r.type === 'segment' && r.dir === 'out')).not.toHaveProperty('seg.wscale');
  });

  test.each([14, 15, 255])('a shift of %i counts as 14', (wscale) => {
    const h = established({ mss: 1000, wscale }).inject(ack(0, { wnd: 65_535 }));
    expect(h.info).toMatchObject({ snd_wscale: 14, snd_wnd: 65_535 * 16_384 });
  });

  test('a shift of 0 is an offer', () => {
    expect(established({ mss: 1000, wscale: 0 }).info).toMatchObject({ snd_wscale: 0, rcv_wscale: 7 });
  });

  test('on anything but a SYN it is ignored', () => {
    const h = established({ mss: 1000, wscale: 7 }).inject(ack(0, { wscale: 3, wnd: 10 }));
    expect(h.info.snd_wnd).toBe(1280);
  });

  test.each([
    [65_535, 0],
    [65_536, 1],
    [131_070, 1],
    [131_071, 2],
    [6_291_456, 7],
    [2 ** 30, 14],
    [2 ** 31, 14],
  ])('of a buffer that may grow to %i our shift is %i', (most, shift) => {
    const h = synSent({ mss: 1000, wscale: 0, sysctl: { tcp_rmem: [4096, 131_072, most] } })
      .inject(synAck({ mss: 1000, wscale: 0 }))
      .skip();
    expect(h.info.rcv_wscale).toBe(shift);
  });

  test('SO_RCVBUF decides it when it is set', () => {
    expect(established({ mss: 1000, wscale: 0, options: { SO_RCVBUF: 50_000 } }).info.rcv_wscale).toBe(0);
    expect(established({ mss: 1000, wscale: 0, options: { SO_RCVBUF: 200_000 } }).info.rcv_wscale).toBe(2);
  });

  test('what the shift can’t express is rounded up', () => {
    const h = established({ mss: 1000, wscale: 7, options: { SO_RCVBUF: 8_000_000 } });
    expect(h.info.rcv_wscale).toBe(7);
    h.inject(data(0, 1)).expect(ack(1, { wnd: 62_500 }));
  });

  test('more than 16 bits of window are in flight when there is that much', () => {
    const h = established({ mss: 10_000, wscale: 7, sysctl: { initcwnd: 20 } }).inject(ack(0, { wnd: 2000 }));
    h.write(200_000);
    h.skip();
    expect(h.info.unacked).toBe(200_000);
  });
});

describe('the receive buffer', () => {
  test('grows with what the reader takes in a round trip, twice as much, up to tcp_rmem’s most', () => {
    const h = established({
      mss: 10_000,
      wscale: 7,
      timestamps: true,
      sysctl: { tcp_rmem: [4096, 131_072, 1_000_000] },
    });
    const windows: number[] = [];
    let at = 0;
    for (let round = 0; round < 12; round++) {
      const wnd = h.info.rcv_wnd;
      for (let n = 0; n < wnd / 10_000 - 1; n++) {
        h.inject(data(at, 10_000));
        at += 10_000;
        h.read();
      }
      h.advance(ms(100)).skip();
      windows.push(Math.round(h.info.rcv_wnd / 10_000));
    }
    expect(windows[0]).toBeGreaterThan(6);
    expect(windows.at(-1)).toBeGreaterThanOrEqual(99);
    expect(windows.at(-1)).toBeLessThanOrEqual(101);
    for (let i = 1; i < windows.length; i++) expect(windows[i]).toBeGreaterThanOrEqual(windows[i - 1]! - 1);
  });

  test('does not with tcp_moderate_rcvbuf off, or with SO_RCVBUF', () => {
    for (const o of [{ sysctl: { tcp_moderate_rcvbuf: false } }, { options: { SO_RCVBUF: 65_536 } }]) {
      const h = established({ mss: 10_000, wscale: 7, ...o });
      for (let n = 0; n < 60; n++) {
        h.inject(data(n * 10_000, 10_000)).advance(ms(100));
        h.read();
      }
      expect(h.skip().info.rcv_wnd).toBeLessThanOrEqual(65_536 + 127);
    }
  });
});
