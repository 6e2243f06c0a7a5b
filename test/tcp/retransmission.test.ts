/** The retransmission timer, RFC 6298, and when patience ends, RFC 9293 §3.8.1 and §3.8.3. */
import { describe, expect, test } from 'vitest';
import { type Micros, micros, ms, NEVER, seconds } from '../../src/base/time.ts';
import { accepted, ack, data, established, type Harness, RTO, RTT, synSent } from '../support/harness.ts';
import { inState } from '../support/states.ts';

/** The times between the segments that leave while nobody answers, in ms. */
function gaps(h: Harness): number[] {
  let last = h.now;
  const all: number[] = [];
  while (h.nextTimeoutIn !== NEVER) {
    h.advance(h.nextTimeoutIn as Micros);
    for (const { at } of h.takeLeft()) {
      all.push((at - last) / 1000);
      last = at;
    }
  }
  return all;
}

describe('the schedule', () => {
  test('data that nobody acknowledges is sent again after RTO, each time after twice as long, up to tcp_rto_max_ms', () => {
    const h = established();
    h.write(10);
    h.expect(data(0, 10));
    const began = h.now;
    const minutes = [120_000, 120_000, 120_000, 120_000, 120_000, 120_000];
    expect(gaps(h)).toEqual([300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800, ...minutes]);
    h.expectState('CLOSED');
    expect(h.error).toBe('ETIMEDOUT');
    // 15 retransmissions; the end comes when the first of them is 924.6 s past, as on Linux.
    expect((h.now - began) / 1e6).toBeCloseTo(0.3 + 153 + 7 * 120, 6);
    expect(h.info).toMatchObject({ total_retrans: 15, bytes_retrans: 150, bytes_sent: 10 });
  });

  test.each([
    [3, [300, 600, 1200]],
    [5, [300, 600, 1200, 2400, 4800]],
  ])('tcp_retries2 = %i ends it earlier', (tcp_retries2, expected) => {
    const h = established({ sysctl: { tcp_retries2 } });
    h.write(10);
    h.expect(data(0, 10));
    expect(gaps(h)).toEqual(expected);
    expect(h.error).toBe('ETIMEDOUT');
    expect(h.takeHappened()).toContain('closed');
  });

  test('tcp_rto_max_ms bounds it', () => {
    const h = established({ sysctl: { tcp_rto_max_ms: 1000, tcp_retries2: 6 } });
    h.write(10);
    h.expect(data(0, 10));
    expect(gaps(h).slice(0, 5)).toEqual([300, 600, 1000, 1000, 1000]);
  });

  test('each copy is the same octets at the same place', () => {
    const h = established({ mss: 1000 });
    h.write(700);
    h.expect(data(0, 700));
    for (const by of [300, 600, 1200]) h.after(ms(by)).expect(data(0, 700, { note: 'retransmission' }));
  });

  test('only the first of several leaves, what it carries is cut anew', () => {
    const h = established({ mss: 1000, options: { TCP_NODELAY: true } });
    h.write(400);
    h.write(400);
    h.write(400);
    h.expect(data(0, 400, { flags: 'P.' }), data(400, 400, { flags: 'P.' }), data(800, 400));
  });

  test('small segments that are lost go out again as one', () => {
    const h = established({ mss: 1000, options: { TCP_NODELAY: true } });
    for (let i = 0; i < 3; i++) {
      h.write(400);
      h.skip();
    }
    h.after(RTO).expect(data(0, 1000, { note: 'retransmission' }));
    h.inject(ack(1000)).expect(data(1000, 200, { note: 'retransmission' }));
    expect(h.info.total_retrans).toBe(2);
  });

  test('a retransmission says what we have received meanwhile', () => {
    const h = established({ mss: 1000 });
    h.write(10);
    h.expect(data(0, 10)).inject(data(0, 50)).expect(ack(50));
    h.read();
    h.skip()
      .after(RTO)
      .expect(data(0, 10, { ack: 50 }));
  });

  test('an established peer that answers by RST ends it', () => {
    const h = established();
    h.write(10);
    h.expect(data(0, 10)).advance(RTO).skip().inject({ flags: 'R', seq: 0 }).expectState('CLOSED');
    expect(h.error).toBe('ECONNRESET');
  });
});

describe('the timer', () => {
  test('runs while something is out, from its first sending', () => {
    const h = established({ options: { TCP_NODELAY: true } });
    expect(h.nextTimeoutIn).toBe(NEVER);
    h.write(10);
    h.skip().advance(ms(200));
    h.write(10);
    h.skip();
    expect(h.nextTimeoutIn).toBe(ms(100));
  });

  test('starts afresh when something new is acknowledged, and stops when all is (§5.2, §5.3)', () => {
    const h = established({ options: { TCP_NODELAY: true } });
    h.write(10);
    h.skip().advance(ms(50));
    h.write(10);
    h.skip().advance(ms(50)).inject(ack(10));
    expect(h.nextTimeoutIn).toBe(RTO);
    h.advance(ms(50)).inject(ack(10));
    expect(h.nextTimeoutIn).toBe(ms(250));
    h.inject(ack(20));
    expect(h.nextTimeoutIn).toBe(NEVER);
  });

  test('never fires sooner than one RTO after the octet was last sent', () => {
    const h = established({ options: { TCP_NODELAY: true } });
    h.write(10);
    h.skip().advance(ms(250));
    h.write(10);
    h.skip()
      .advance(ms(20))
      .inject(ack(10))
      .after(h.info.rto as Micros)
      .expect(data(10, 10));
  });
});

describe('RTO', () => {
  test.each([
    [1, 200_001],
    [ms(1), 201_000],
    [ms(50), 250_000],
    [ms(100), 300_000],
    [ms(400), 1_200_000],
    [ms(900), 2_700_000],
  ])('after a handshake of %i µs is %i µs: SRTT plus 4 times half of it, or at least the floor', (rtt, rto) => {
    const h = synSent()
      .advance(rtt as Micros)
      .inject({ flags: 'S.', seq: -1, ack: 0 })
      .skip();
    expect(h.info.rto).toBe(rto);
  });

  test('follows the samples: 400, 600, 500 ms', () => {
    const h = established({ rtt: ms(400) });
    const roundTrip = (at: number, rtt: number): void => {
      h.write(10);
      h.expect(data(at, 10))
        .advance(ms(rtt))
        .inject(ack(at + 10));
    };
    expect(h.info).toMatchObject({ rtt: 400_000, rttvar: 200_000, rto: 1_200_000 });
    roundTrip(0, 600);
    expect(h.info).toMatchObject({ rtt: 425_000, rttvar: 200_000, rto: 1_225_000 });
    roundTrip(10, 500);
    expect(h.info).toMatchObject({
      rtt: 434_375,
      rttvar: 168_750,
      rto: 1_109_375,
      min_rtt: 400_000,
      max_rtt: 600_000,
      mean_rtt: 500_000,
    });
    h.write(10);
    h.expect(data(20, 10))
      .after(1_109_375 as Micros)
      .expect(data(20, 10));
  });

  test('tcp_rto_min_us is its floor above SRTT', () => {
    expect(established({ sysctl: { tcp_rto_min_us: 1_000_000 } }).info.rto).toBe(1_100_000);
    expect(established({ sysctl: { tcp_rto_min_us: 5000 } }).info.rto).toBe(300_000);
  });

  test('is sampled with each ACK, from the newest segment that it covers', () => {
    const h = established({ mss: 1000, options: { TCP_NODELAY: true } });
    h.write(2000);
    h.skip().advance(ms(60));
    h.write(1000);
    h.skip().advance(ms(40)).inject(ack(1000));
    expect(h.info).toMatchObject({ rtt: 100_000, max_rtt: 100_000, min_rtt: 100_000 });
    h.inject(ack(3000));
    expect(h.info).toMatchObject({ rtt: 92_500, max_rtt: 100_000, min_rtt: 40_000 });
  });

  test('an ACK that covers less than the timed segment gives no sample', () => {
    const h = established({ mss: 1000 });
    h.write(1000);
    h.expect(data(0, 1000)).advance(ms(250)).inject(ack(0)).inject(ack(999));
    expect(h.info.max_rtt).toBe(100_000);
    h.inject(ack(1000));
    expect(h.info.max_rtt).toBe(250_000);
  });
});

describe('Karn', () => {
  test('without timestamps the ACK of a retransmission gives no sample, and RTO stays backed off until one comes', () => {
    const h = established();
    h.write(10);
    h.expect(data(0, 10)).after(ms(300)).expect(data(0, 10)).after(ms(600)).expect(data(0, 10));
    h.advance(ms(50)).inject(ack(10));
    expect(h.info).toMatchObject({ rtt: 100_000, rto: 1_200_000, backoff: 2 });
    h.write(10);
    h.expect(data(10, 10)).after(ms(1200)).expect(data(10, 10));
    h.inject(ack(20));
    h.write(10);
    h.expect(data(20, 10)).advance(RTT).inject(ack(30));
    expect(h.info).toMatchObject({ rtt: 100_000, rto: 300_000, backoff: 0 });
  });

  test('what is sent for the first time after a retransmission gives a sample again', () => {
    const h = established({ mss: 1000 });
    h.write(1000);
    h.expect(data(0, 1000)).after(RTO).expect(data(0, 1000));
    h.write(1000);
    h.expectNothing().inject(ack(1000)).expect(data(1000, 1000)).advance(RTT).inject(ack(2000));
    expect(h.info.backoff).toBe(0);
  });

  test('with timestamps the echo says which copy was received', () => {
    const h = established({ timestamps: true });
    h.write(10);
    h.expect(data(0, 10)).after(RTO).expect(data(0, 10));
    h.advance(ms(180)).inject(ack(10));
    // 7/8 of 100 ms and 1/8 of 180.
    expect(h.info).toMatchObject({ rtt: 110_000, backoff: 0 });
  });

  test('with timestamps the echo of an earlier copy tells nothing: it may be that an ACK was lost', () => {
    const h = established({ timestamps: true });
    h.write(10);
    const echoed = h.tsVal;
    h.expect(data(0, 10)).after(RTO).expect(data(0, 10)).advance(ms(100));
    h.inject(ack(10, { ts: [h.peerTsVal, echoed] }));
    expect(h.info).toMatchObject({ max_rtt: 100_000, rto: 600_000, backoff: 1 });
  });

  test('nor does an echo from the future', () => {
    const h = established({ timestamps: true });
    h.write(10);
    h.expect(data(0, 10))
      .after(RTO)
      .expect(data(0, 10))
      .inject(ack(10, { ts: [h.peerTsVal, h.tsVal + 1] }));
    expect(h.info).toMatchObject({ max_rtt: 100_000, backoff: 1 });
  });

  test('an echo within the millisecond is one', () => {
    const h = established({ timestamps: true });
    h.write(10);
    h.expect(data(0, 10)).after(RTO).expect(data(0, 10)).inject(ack(10));
    expect(h.info).toMatchObject({ min_rtt: 1000, backoff: 0 });
  });
});

describe('TCP_USER_TIMEOUT', () => {
  test('ends the connection so long after the oldest unacknowledged octet was sent', () => {
    const h = established({ options: { TCP_USER_TIMEOUT: 1000 } });
    h.advance(seconds(100));
    h.write(10);
    h.expect(data(0, 10)).after(ms(300)).expect(data(0, 10)).after(ms(600)).expect(data(0, 10));
    h.after(ms(100)).expectNothing().expectState('CLOSED');
    expect(h.error).toBe('ETIMEDOUT');
  });

  test('counts from the last progress', () => {
    const h = established({ mss: 100, options: { TCP_USER_TIMEOUT: 1000 } });
    h.write(200);
    h.expect(data(0, 100), data(100, 100)).advance(ms(250)).inject(ack(100));
    h.advance(ms(999)).skip().expectState('ESTABLISHED').advance(ms(1)).expectState('CLOSED');
  });

  test('stops when all is acknowledged', () => {
    const h = established({ options: { TCP_USER_TIMEOUT: 1000 } });
    h.write(10);
    h.expect(data(0, 10)).inject(ack(10)).advance(seconds(10_000)).expectState('ESTABLISHED');
  });

  test('set while something is out counts from then on', () => {
    const h = established();
    h.write(10);
    h.advance(ms(100)).set('TCP_USER_TIMEOUT', 5000);
    h.advance(ms(4999)).skip().expectState('ESTABLISHED');
    h.advance(ms(1)).expectState('CLOSED');
    expect(h.error).toBe('ETIMEDOUT');
  });

  test('of one millisecond, set while one octet is out, is one', () => {
    const h = established();
    h.write(1);
    h.expect(data(0, 1)).set('TCP_USER_TIMEOUT', 1);
    h.advance(micros(999)).expectState('ESTABLISHED').advance(micros(1)).expectState('CLOSED');
  });

  test('of one millisecond, set before, is one too', () => {
    const h = established({ options: { TCP_USER_TIMEOUT: 1 } });
    h.write(1);
    h.expect(data(0, 1)).advance(micros(999)).expectState('ESTABLISHED').advance(micros(1)).expectState('CLOSED');
  });

  test('0, the default, leaves it to tcp_retries2', () => {
    const h = established();
    h.write(10);
    h.advance(seconds(900)).skip().expectState('ESTABLISHED');
  });
});

describe('what a timeout ends', () => {
  test('patience is over when it is, not a timeout later', () => {
    const sysctl = { tcp_rto_min_us: 1_000_000, tcp_rto_max_ms: 1000, tcp_retries2: 1 };
    const h = established({ profile: 'rfc', sysctl });
    h.write(1);
    for (let n = 0; n < 3; n++) h.expect(data(0, 1)).after(seconds(1));
    h.expectNothing().expectState('CLOSED');
  });

  test.each([
    [undefined, 5],
    ['EHOSTUNREACH', 0],
  ] as const)('after %s, without a user and with the timer at its longest: %i retries are left', (error, retries) => {
    const h = established({ sysctl: { tcp_rto_max_ms: 300, tcp_orphan_retries: 5 } });
    h.write(1);
    h.skip();
    if (error !== undefined) h.icmp(error, 0);
    h.release();
    let timeouts = 0;
    while (h.state !== 'CLOSED' && timeouts < 20) {
      h.advance(ms(300)).skip();
      timeouts++;
    }
    // As long as so many take when each wait is 200 ms at first and 300 ms at most.
    expect(timeouts).toBe(1 + Math.ceil((200 + 300 * retries) / 300));
  });

  test.each(['FIN-WAIT-1', 'CLOSING', 'LAST-ACK'] as const)('a FIN that nobody acknowledges in %s', (state) => {
    const h = inState(state);
    expect(gaps(h).slice(0, 4)).toEqual([300, 600, 1200, 2400]);
    expect(h.error).toBe('ETIMEDOUT');
  });

  test('an ICMP error on the way says more than "timed out"', () => {
    const h = established({ sysctl: { tcp_retries2: 3 } });
    h.write(10);
    h.expect(data(0, 10)).icmp('EHOSTUNREACH', 0).expectState('ESTABLISHED');
    gaps(h);
    expect(h.error).toBe('EHOSTUNREACH');
  });

  test('progress begins patience anew', () => {
    const h = established({ mss: 100, sysctl: { tcp_retries2: 3 } });
    h.write(200);
    h.skip().advance(ms(2000)).skip().inject(ack(100));
    h.skip().advance(ms(3000)).skip().expectState('ESTABLISHED');
  });
});

test('a server’s SYN-ACK that was retransmitted gives no sample by the clock', () => {
  const h = inState('SYN-RECEIVED').after(seconds(1)).skip().advance(ms(100)).inject(ack(0));
  expect(h.info).toMatchObject({ rtt: 0, rto: 3_000_000 });
  expect(accepted().info.rtt).toBe(100_000);
});
