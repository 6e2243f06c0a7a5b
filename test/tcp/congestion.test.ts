/** How much may be in flight: RFC 5681, fast retransmit, NewReno (RFC 6582), limited transmit (RFC 3042). */
import { describe, expect, test } from 'vitest';
import { ms } from '../../src/base/time.ts';
import { ack, data, established, type Harness, RTO, RTT, type Seg } from '../support/harness.ts';

const MSS = 1000;
const open = (wnd = 65_535): Harness => established({ mss: MSS, wnd });

/** Full segments `from` to `to`, both included. */
function segments(from: number, to: number): Seg[] {
  return Array.from({ length: to - from + 1 }, (_, i) => data((from + i) * MSS, MSS));
}

const dup = (n: number): Seg => ack(n * MSS);

describe('slow start', () => {
  test('begins with ten segments (RFC 6928)', () => {
    const h = open();
    h.write(30_000);
    h.expect(...segments(0, 9));
    expect(h.info).toMatchObject({ snd_cwnd: 10_000, snd_ssthresh: -1, unacked: 10_000, notsent_bytes: 20_000 });
  });

  test('initcwnd sets that', () => {
    const h = established({ mss: MSS, sysctl: { initcwnd: 2 } });
    h.write(30_000);
    h.expect(...segments(0, 1));
  });

  test('sends two segments for each that is acknowledged', () => {
    const h = open();
    h.write(60_000);
    h.expect(...segments(0, 9)).advance(RTT);
    for (let i = 0; i < 10; i++) h.inject(dup(i + 1)).expect(...segments(10 + 2 * i, 11 + 2 * i));
    expect(h.info.snd_cwnd).toBe(20_000);
  });

  test('counts octets, so that one ACK for all opens as much', () => {
    const h = open();
    h.write(60_000);
    h.expect(...segments(0, 9))
      .inject(dup(10))
      .expect(...segments(10, 29));
  });

  test('an ACK of the handshake opens nothing', () => {
    expect(open().info.snd_cwnd).toBe(10_000);
  });

  test('does not grow a window that was not used', () => {
    const h = open();
    h.write(3000);
    h.expect(...segments(0, 2)).inject(dup(1), dup(2), dup(3));
    expect(h.info.snd_cwnd).toBe(10_000);
  });

  test('the peer’s window limits it all the same', () => {
    const h = open(4000);
    h.write(30_000);
    h.expect(...segments(0, 3))
      .inject(ack(4000, { wnd: 4000 }))
      .expect(...segments(4, 7));
  });

  test('each RTO of idleness halves it, down to the initial window', () => {
    const h = open();
    h.write(30_000);
    h.skip().advance(RTT).inject(dup(10)).skip().advance(RTT).inject(dup(30));
    expect(h.info.snd_cwnd).toBe(40_000);
    h.advance(ms(200));
    h.write(1000);
    h.expect(data(30_000, 1000)).advance(RTT).inject(dup(31));
    expect(h.info.snd_cwnd).toBe(40_000);
    h.advance(ms(201));
    h.write(1000);
    h.expect(data(31_000, 1000)).advance(RTT).inject(dup(32));
    expect(h.info).toMatchObject({ snd_cwnd: 20_000, snd_ssthresh: -1 });
    h.advance(ms(10_000));
    h.write(20_000);
    h.expect(...segments(32, 41).map((s) => ({ ...s, flags: '.' })));
    expect(h.info.snd_cwnd).toBe(10_000);
  });

  test('and does not with tcp_slow_start_after_idle off', () => {
    const h = established({ mss: MSS, wnd: 65_535, sysctl: { tcp_slow_start_after_idle: false } });
    h.write(30_000);
    h.skip().advance(RTT).inject(dup(10)).skip().advance(RTT).inject(dup(30));
    h.advance(ms(10_000));
    h.write(20_000);
    h.skip();
    expect(h.info.snd_cwnd).toBe(40_000);
  });
});

describe('three duplicate ACKs', () => {
  test('bring the fast retransmit; the first two let new segments out (RFC 3042)', () => {
    const h = open();
    h.write(30_000);
    h.expect(...segments(0, 9)).advance(RTT);
    h.inject(dup(0))
      .expect(...segments(10, 10))
      .inject(dup(0))
      .expect(...segments(11, 11));
    expect(h.info.snd_cwnd).toBe(10_000);
    h.inject(dup(0)).expect(data(0, MSS, { note: 'fast retransmit' }));
    // Half of what was out before limited transmit (RFC 5681 §3.2 step 2).
    expect(h.info).toMatchObject({ snd_cwnd: 5000, snd_ssthresh: 5000 });
    // Inflated: 5 + 3, and one for each further duplicate; 12 are out.
    for (let i = 0; i < 4; i++) h.inject(dup(0)).expectNothing();
    h.inject(dup(0))
      .expect(...segments(12, 12))
      .inject(dup(0))
      .expect(...segments(13, 13));
    // All is acknowledged that was out: the episode is over.
    h.inject(dup(12)).expect(...segments(14, 14));
    expect(h.info).toMatchObject({ snd_cwnd: 3000, snd_ssthresh: 5000 });
  });

  test('the window after recovery is at most ssthresh', () => {
    const h = open();
    h.write(40_000);
    h.expect(...segments(0, 9));
    for (let i = 0; i < 3; i++) h.inject(dup(0));
    h.skip();
    for (let i = 0; i < 12; i++) h.inject(dup(0));
    h.expect(...segments(12, 19))
      .inject(dup(12))
      .expectNothing();
    expect(h.info.snd_cwnd).toBe(5000);
  });

  test('two are not enough', () => {
    const h = open();
    h.write(10_000);
    h.expect(...segments(0, 9))
      .inject(dup(0), dup(0))
      .expectNothing();
    expect(h.info.snd_ssthresh).toBe(-1);
  });

  test('a new ACK in between begins the count anew', () => {
    const h = open();
    h.write(10_000);
    h.expect(...segments(0, 9))
      .inject(dup(0), dup(0), dup(1), dup(1), dup(1))
      .expectNothing();
    h.inject(dup(1)).expect(data(1000, MSS, { note: 'fast retransmit' }));
  });

  test.each([
    ['with data', { len: 1, seq: 0 }],
    ['with a new window', { wnd: 60_000 }],
    ['with a FIN', { flags: 'F.', seq: 0 }],
  ])('an ACK %s is not a duplicate', (_, o) => {
    const h = open();
    h.write(10_000);
    h.expect(...segments(0, 9))
      .inject(dup(0), dup(0), ack(0, o))
      .skip();
    expect(h.info.total_retrans).toBe(0);
  });

  test('ACKs are no duplicates when nothing is out', () => {
    const h = open().inject(dup(0), dup(0), dup(0), dup(0)).expectNothing();
    h.write(20_000);
    h.expect(...segments(0, 9));
  });

  test('a short segment is retransmitted whole, at most ssthresh of two segments', () => {
    const h = established({ mss: MSS, options: { TCP_NODELAY: true } });
    for (let i = 0; i < 4; i++) {
      h.write(300);
      h.skip();
    }
    h.inject(dup(0), dup(0), dup(0)).expect(data(0, 1000, { flags: '.', note: 'fast retransmit' }));
    expect(h.info).toMatchObject({ snd_cwnd: 2000, snd_ssthresh: 2000 });
  });

  test('the retransmitted segment has its own timer', () => {
    const h = open();
    h.write(10_000);
    h.expect(...segments(0, 9))
      .advance(ms(100))
      .inject(dup(0), dup(0), dup(0))
      .expect(data(0, MSS));
    h.after(ms(200)).expect(data(0, MSS, { note: 'retransmission' }));
  });
});

describe('NewReno', () => {
  /** Ten segments out, the third duplicate has come, and as many more as `more`. */
  const recovering = (written: number, more = 0): Harness => {
    const h = open();
    h.write(written);
    h.skip().inject(dup(0), dup(0), dup(0));
    h.skip();
    for (let i = 0; i < more; i++) h.inject(dup(0));
    return h;
  };

  test('a partial ACK brings the next hole at once', () => {
    const h = recovering(10_000, 4).expectNothing();
    h.inject(dup(2)).expect(data(2000, MSS, { note: 'fast retransmit' }));
    h.inject(dup(5)).expect(data(5000, MSS, { note: 'fast retransmit' }));
    h.inject(dup(10)).expectNothing();
    expect(h.info).toMatchObject({ total_retrans: 3, snd_cwnd: 2000, snd_ssthresh: 5000 });
  });

  test('a partial ACK takes back the inflation it has earned, but for one segment', () => {
    // 12 out, usable 5 + 3 + 5 = 13: one new segment, the 13th, leaves.
    const h = recovering(40_000, 5).expect(...segments(12, 12));
    // 4 are acknowledged: 9 out; inflation 8 - 4 + 1 = 5: usable 10.
    h.inject(dup(4)).expect(data(4000, MSS, { note: 'fast retransmit' }), ...segments(13, 13));
    // 1 more: 9 out again, inflation 5 - 1 + 1.
    h.inject(dup(5)).expect(data(5000, MSS, { note: 'fast retransmit' }), ...segments(14, 14));
  });

  test('the first partial ACK sets the timer anew (RFC 6582 §3.2 step 3)', () => {
    const h = open();
    h.write(10_000);
    h.skip().advance(ms(100)).inject(dup(0), dup(0), dup(0)).skip();
    h.advance(ms(100))
      .inject(ack(2000))
      .expect(data(2000, MSS, { note: 'fast retransmit' }));
    h.after(RTO).expect(data(2000, MSS, { note: 'retransmission' }));
  });

  test('to the letter the others leave it alone: many losses end in slow start (§4, Impatient)', () => {
    const h = established({ mss: MSS, profile: 'rfc' });
    h.write(10_000);
    h.skip().advance(ms(100)).inject(dup(0), dup(0), dup(0)).skip();
    h.advance(ms(100)).inject(ack(2000)).skip();
    h.advance(ms(100)).inject(ack(4000)).skip();
    h.advance(ms(100)).inject(ack(6000)).skip();
    // One second, the RFC's least, after the first of them.
    h.after(ms(800)).expect(data(6000, MSS, { note: 'retransmission' }));
  });

  test('where Linux is followed each of them sets it (§4, Slow-but-Steady; RFC 6298 §5.3)', () => {
    const h = open();
    h.write(10_000);
    h.skip().advance(ms(100)).inject(dup(0), dup(0), dup(0)).skip();
    h.advance(ms(100)).inject(ack(2000)).skip();
    h.advance(ms(100)).inject(ack(4000)).skip();
    h.after(RTO).expect(data(4000, MSS, { note: 'retransmission' }));
  });

  test('a partial ACK of less than a segment earns nothing', () => {
    const h = recovering(40_000, 5).expect(...segments(12, 12));
    h.inject(ack(500)).expect(data(500, MSS, { note: 'fast retransmit' }));
    h.inject(ack(500)).expect(data(13_000, MSS));
  });

  test('duplicates below the recovery point start no second episode (RFC 6582 §3.2 step 2)', () => {
    const h = recovering(30_000)
      .inject(dup(12))
      .expect(...segments(12, 13));
    const { snd_cwnd, snd_ssthresh } = h.info;
    h.inject(dup(12), dup(12), dup(12), dup(12)).skip();
    expect(h.info).toMatchObject({ snd_ssthresh, snd_cwnd, total_retrans: 1 });
  });

  test('duplicates beyond it do', () => {
    const h = recovering(30_000).inject(dup(12)).skip().inject(dup(13)).skip().inject(dup(13), dup(13), dup(13));
    expect(h.takeLeft().map(({ seg }) => seg.note)).toContain('fast retransmit');
  });

  test('a new ACK that recovers everything brings back congestion avoidance', () => {
    const h = recovering(60_000, 12)
      .expect(...segments(12, 19))
      .inject(dup(12))
      .expectNothing();
    // cwnd 5, 8 out: nothing leaves until the eighth is the fourth.
    h.inject(dup(15))
      .expectNothing()
      .inject(dup(16))
      .expect(...segments(20, 20));
    expect(h.info.snd_cwnd).toBe(5000);
    h.inject(dup(17)).expect(...segments(21, 22));
    expect(h.info.snd_cwnd).toBe(6000);
  });

  test('a timeout in recovery begins slow start', () => {
    const h = recovering(10_000)
      .after(RTO)
      .expect(data(0, MSS, { note: 'retransmission' }));
    expect(h.info).toMatchObject({ snd_cwnd: 1000, snd_ssthresh: 5000 });
  });
});

describe('congestion avoidance', () => {
  test('grows by one segment for each window acknowledged', () => {
    const h = open();
    h.write(60_000);
    h.skip().inject(dup(0), dup(0), dup(0)).skip().inject(dup(12)).skip();
    expect(h.info).toMatchObject({ snd_cwnd: 2000, snd_ssthresh: 5000 });
    const cwnds: number[] = [];
    for (let n = 13; n < 33; n++) {
      h.inject(dup(n));
      cwnds.push(h.info.snd_cwnd / MSS);
    }
    h.skip();
    expect(cwnds).toEqual([3, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7]);
  });
});

describe('a retransmission timeout', () => {
  test('sends one segment, then two, then four: what was out goes again', () => {
    const h = open();
    h.write(30_000);
    h.expect(...segments(0, 9))
      .after(RTO)
      .expect(data(0, MSS, { note: 'retransmission' }));
    expect(h.info).toMatchObject({ snd_cwnd: 1000, snd_ssthresh: 5000 });
    h.inject(dup(1)).expect(...segments(1, 2).map((s) => ({ ...s, note: 'retransmission' as const })));
    h.inject(dup(3)).expect(...segments(3, 6));
    h.inject(dup(7)).expect(...segments(7, 9), ...segments(10, 11));
    expect(h.info.snd_cwnd).toBe(5000);
  });

  test('again and again keeps ssthresh', () => {
    const h = open();
    h.write(30_000);
    h.skip().after(RTO).skip().after(ms(600)).expect(data(0, MSS)).after(ms(1200)).expect(data(0, MSS));
    expect(h.info).toMatchObject({ snd_cwnd: 1000, snd_ssthresh: 5000 });
  });

  test('counts what was out, not what might have been', () => {
    const h = open();
    h.write(6000);
    h.skip().after(RTO).skip();
    expect(h.info.snd_ssthresh).toBe(3000);
    const few = open();
    few.write(1000);
    few.skip().after(RTO).skip();
    expect(few.info.snd_ssthresh).toBe(2000);
  });

  test('an ACK that covers all shows that only the ACKs were lost: the next is new', () => {
    const h = open();
    h.write(30_000);
    h.skip()
      .after(RTO)
      .skip()
      .inject(dup(10))
      .expect(...segments(10, 15));
  });

  test('duplicates that follow it start no fast retransmit', () => {
    const h = open();
    h.write(30_000);
    h.skip().after(RTO).skip().inject(dup(1)).skip().inject(dup(1), dup(1), dup(1), dup(1));
    expect(h.takeLeft().filter(({ seg }) => seg.note === 'fast retransmit')).toEqual([]);
    expect(h.info.snd_ssthresh).toBe(5000);
  });

  test('nothing new leaves before what was lost', () => {
    const h = open();
    h.write(10_000);
    h.skip().after(RTO).expect(data(0, MSS));
    h.write(10);
    h.expectNothing().inject(dup(1)).expect(data(1000, MSS), data(2000, MSS));
  });
});

test('congestion events are traced with their reasons and windows', () => {
  const h = open();
  h.write(30_000);
  h.skip().inject(dup(0), dup(0), dup(0)).inject(dup(12)).skip().after(RTO).skip();
  const events = h.records.flatMap((r) => (r.type === 'congestion' ? [`${r.why} ${r.cwnd} ${r.ssthresh}`] : []));
  expect(events).toEqual(['three duplicate ACKs 5000 5000', 'recovered 2000 5000', 'retransmission timeout 1000 2000']);
});
