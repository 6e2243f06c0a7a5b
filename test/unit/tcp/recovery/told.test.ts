/** What a controller is told of each ACK, number by number: see AckSample. The round trip is 100 ms. */
import { describe, expect, test } from 'vitest';
import { seqDiff, toSeq } from '../../../../src/base/seq.ts';
import { micros, ms } from '../../../../src/base/time.ts';
import type { AckSample, CongestionControl } from '../../../../src/tcp/congestion/controller.ts';
import { DeliveryRate } from '../../../../src/tcp/recovery/delivery-rate.ts';
import { Scoreboard } from '../../../../src/tcp/recovery/scoreboard.ts';
import { ack, established, type Harness, type HarnessOptions, RTT } from '../../../support/harness.ts';

const MSS = 1000;

/** A connection with `written` octets queued, and what its controller hears from then on. */
function watched(written: number, o: HarnessOptions = {}): { readonly h: Harness; readonly told: AckSample[] } {
  const h = established({ mss: MSS, sack: true, ...o });
  const told: AckSample[] = [];
  // Read by everybody, but a test may listen in.
  const congestion = h.connection.variables!.congestion as { onAck: CongestionControl['onAck'] };
  const onAck = congestion.onAck.bind(congestion);
  congestion.onAck = (sample) => {
    told.push({ ...sample });
    onAck(sample);
  };
  h.write(written);
  h.skip().advance(RTT);
  return { h, told };
}

const sack = (n: number, from: number, to: number): ReturnType<typeof ack> => ack(n, { sack: [[from, to]] });

describe('of an ACK', () => {
  test('that moves SND.UNA: what it delivers, how fast, and that a round trip begins', () => {
    const { h, told } = watched(20_000);
    h.inject(ack(2000)).skip();
    expect(told).toEqual([
      {
        acked: 2000,
        cumulative: 2000,
        priorInFlight: 10_000,
        inFlight: 8000,
        lost: 0,
        rtt: 100_000,
        srtt: 100_000,
        minRtt: 100_000,
        cwndLimited: true,
        recovering: false,
        // 2000 octets in 100 ms.
        deliveryRate: 20_000,
        // The writer had nothing when the handshake was over.
        appLimited: true,
        delivered: 2000,
        priorDelivered: 0,
        roundStart: true,
        ece: false,
        una: 2000,
        nxt: 10_000,
        now: h.now,
      },
    ]);
  });

  test('of the same flight: no round trip begins', () => {
    const { h, told } = watched(20_000);
    h.inject(ack(2000)).skip().advance(ms(10)).inject(ack(4000)).skip();
    expect(told[1]).toMatchObject({
      acked: 2000,
      priorInFlight: 12_000,
      inFlight: 10_000,
      rtt: 110_000,
      srtt: 101_250,
      minRtt: 100_000,
      // 4000 octets in 110 ms.
      deliveryRate: 36_364,
      appLimited: true,
      delivered: 4000,
      priorDelivered: 0,
      roundStart: false,
      una: 4000,
      nxt: 14_000,
      now: h.now,
    });
  });

  test('of what left while the window was full: the network was the limit, and a round trip begins', () => {
    const { h, told } = watched(40_000);
    h.inject(ack(2000)).skip().advance(RTT).inject(ack(11_000)).skip();
    expect(told[1]).toMatchObject({
      acked: 9000,
      rtt: 100_000,
      deliveryRate: 90_000,
      appLimited: false,
      delivered: 11_000,
      priorDelivered: 2000,
      roundStart: true,
    });
  });

  test('that reports something by SACK alone: it is delivered, and no reason to grow', () => {
    const { h, told } = watched(20_000);
    h.inject(sack(0, 1000, 2000)).skip();
    expect(told).toMatchObject([
      { acked: 1000, cumulative: 0, priorInFlight: 10_000, inFlight: 9000, lost: 0, rtt: 100_000, cwndLimited: false },
    ]);
    expect(told).toMatchObject([{ recovering: false, delivered: 1000, deliveryRate: 10_000, una: 0, nxt: 10_000 }]);
  });

  test('that shows a loss: how much, and that the window is governed otherwise', () => {
    const { h, told } = watched(20_000);
    h.inject(sack(0, 1000, 4000)).skip();
    expect(told).toMatchObject([{ acked: 3000, cumulative: 0, lost: 1000, priorInFlight: 10_000, inFlight: 6000 }]);
    expect(told).toMatchObject([{ recovering: true, cwndLimited: true }]);
    // The last of the episode belongs to it.
    h.advance(RTT).inject(ack(10_000)).skip();
    expect(told[1]).toMatchObject({ acked: 7000, cumulative: 10_000, lost: 0, recovering: true });
    expect(h.info.ca_state).toBe('Open');
    h.advance(RTT)
      .inject(ack(h.info.bytes_sent - h.info.bytes_retrans))
      .skip();
    expect(told[2]).toMatchObject({ recovering: false, lost: 0 });
  });

  test('in a small part of the window: there is no reason to grow', () => {
    const { h, told } = watched(3000);
    h.inject(ack(1000));
    expect(told).toMatchObject([{ acked: 1000, priorInFlight: 3000, inFlight: 2000, cwndLimited: false }]);
    // In slow start half of it is enough.
    const half = watched(5001, { options: { TCP_NODELAY: true } });
    half.h.inject(ack(1000));
    expect(half.told).toMatchObject([{ cwndLimited: true }]);
    const less = watched(5000);
    less.h.inject(ack(1000));
    expect(less.told).toMatchObject([{ cwndLimited: false }]);
  });
});

test('when RACK’s timer finds a loss, nothing was delivered and nothing measured', () => {
  const { h, told } = watched(20_000);
  h.inject(sack(0, 1000, 2000)).skip();
  h.advance(ms(25)).skip();
  const { srtt } = h.connection.variables!.rtt;
  expect(told.slice(1)).toEqual([
    {
      acked: 0,
      cumulative: 0,
      priorInFlight: 10_000,
      inFlight: 9000,
      lost: 1000,
      rtt: 0,
      srtt,
      minRtt: 100_000,
      cwndLimited: true,
      recovering: true,
      deliveryRate: 0,
      appLimited: true,
      delivered: 1000,
      priorDelivered: 0,
      roundStart: false,
      ece: false,
      una: 0,
      nxt: 11_000,
      now: h.now,
    },
  ]);
});

test('without SACK the ACKs of an episode tell it nothing, and what follows does', () => {
  const { h, told } = watched(40_000, { sack: false });
  h.inject(ack(0), ack(0), ack(0)).skip();
  h.inject(ack(3000)).skip();
  h.advance(RTT).inject(ack(12_000)).skip();
  expect(told).toEqual([]);
  expect(h.info.ca_state).toBe('Open');
  h.advance(RTT).inject(ack(13_000)).skip();
  expect(told).toMatchObject([{ acked: 1000, cumulative: 1000, recovering: false, rtt: 100_000 }]);
});

test('a word that says nothing new tells it nothing', () => {
  const { h, told } = watched(20_000);
  h.inject(ack(0), ack(0, { wnd: 60_000 })).skip();
  expect(told).toEqual([]);
});

test('of a single octet it hears as well', () => {
  const { h, told } = watched(1);
  h.inject(ack(1));
  expect(told).toMatchObject([{ acked: 1, cumulative: 1, priorInFlight: 1, inFlight: 0 }]);
  // And of one that is lost.
  h.set('TCP_NODELAY', true);
  for (let i = 0; i < 5; i++) h.write(1);
  h.skip()
    .advance(RTT)
    .inject(sack(1, 2, 5))
    .skip();
  expect(told.slice(1)).toMatchObject([{ acked: 3, lost: 1 }]);
});

test('to the letter of the RFCs slow start counts one segment of an ACK, congestion avoidance all of it', () => {
  const { h, told } = watched(60_000, { profile: 'rfc' });
  h.inject(ack(3000)).skip();
  expect(told).toMatchObject([{ acked: 1000, cumulative: 3000 }]);
  h.inject(sack(3000, 4000, 9000))
    .skip()
    .advance(RTT);
  h.inject(ack(h.info.bytes_sent - h.info.bytes_retrans)).skip();
  expect(h.info.snd_cwnd).toBe(h.info.snd_ssthresh);
  told.splice(0);
  const { sndUna, iss } = h.connection.variables!;
  h.advance(RTT)
    .inject(ack(seqDiff(sndUna, iss) - 1 + 3000))
    .skip();
  expect(told).toMatchObject([{ acked: 3000, cumulative: 3000 }]);
});

test('a round trip of less than a microsecond is one of a microsecond', () => {
  const h = established({ mss: MSS, sack: true });
  const congestion = h.connection.variables!.congestion as { onAck: CongestionControl['onAck'] };
  const told: number[] = [];
  congestion.onAck = (sample) => void told.push(sample.rtt);
  h.write(MSS);
  h.skip().inject(ack(MSS));
  expect(told).toEqual([1]);
});

test('the rate is that of the segment sent last: of a retransmission, not of what left before it', () => {
  const { h, told } = watched(40_000);
  h.inject(sack(0, 1000, 4000)).skip();
  // The first has left again; its ACK comes 50 ms later, with word of others that had left long before.
  h.advance(ms(50))
    .inject(sack(4000, 5000, 9000))
    .skip();
  expect(told.at(-1)).toMatchObject({ priorDelivered: 3000, delivered: 8000, acked: 5000 });
});

describe('RACK hears of what was delivered', () => {
  const fack = (h: Harness): number => {
    const { rack, iss } = h.connection.variables!;
    return seqDiff(rack.fack, iss) - 1;
  };

  test('and of nothing beyond', () => {
    const { h } = watched(20_000);
    h.inject(ack(2000)).skip();
    expect(fack(h)).toBe(2000);
    const { rack, iss } = h.connection.variables!;
    expect(seqDiff(rack.end, iss) - 1).toBe(2000);
    h.inject(sack(2000, 4000, 5000)).skip();
    expect(fack(h)).toBe(5000);
  });

  test('a segment in two parts is in order', () => {
    const { h } = watched(1000);
    h.inject(ack(500), ack(1000));
    expect(h.info).toMatchObject({ reord_seen: 0, unacked: 0 });
  });
});

test('a report of what begins where the ACK ends is none that an honest peer makes', () => {
  const { h } = watched(5000);
  h.inject(sack(0, 0, 1000)).skip();
  expect(h.info).toMatchObject({ sacked: 0, ca_state: 'Open' });
  h.inject(sack(0, 1, 2)).skip();
  expect(h.info).toMatchObject({ sacked: 1, ca_state: 'Disorder' });
});

test('without SACK the first duplicate is disorder', () => {
  const { h } = watched(5000, { sack: false });
  expect(h.info.ca_state).toBe('Open');
  h.inject(ack(0));
  expect(h.info.ca_state).toBe('Disorder');
});

test('an ACK as old as the largest window is one, an older one is a guess (RFC 5961 §5)', () => {
  const h = established({ mss: MSS, wnd: 2000 });
  h.write(2000);
  h.skip().inject(ack(2000));
  h.write(1000);
  h.skip().inject(ack(3000));
  h.inject(ack(1000)).expectNothing();
  h.inject(ack(999)).expect(ack(0));
});

test('what takes no time has no rate', () => {
  const board = new Scoreboard();
  const rate = new DeliveryRate();
  const at = micros(5);
  const slot = board.append(toSeq(0), 1000, at, rate.mark);
  rate.onSent(board, slot, true, at);
  rate.beginAck();
  rate.onDelivered(board, slot, 1000, at);
  expect([rate.endAck(0, at), rate.rate, rate.delivered]).toEqual([0, 0, 1000]);
  // What takes a microsecond has.
  const next = board.append(toSeq(1000), 1000, at, rate.mark);
  rate.onSent(board, next, true, at);
  rate.beginAck();
  rate.onDelivered(board, next, 1000, micros(6));
  expect(rate.endAck(0, micros(6))).toBe(1e9);
  // Nor has what delivers nothing.
  rate.beginAck();
  expect(rate.endAck(0, micros(100))).toBe(0);
});

test('how full the window was is noted for a round trip, which as much again does not prolong', () => {
  const h = established({ mss: MSS, sack: true });
  const end = (): number => {
    const { loss, iss } = h.connection.variables!;
    return seqDiff(loss.usageEnd, iss) - 1;
  };
  h.write(3000);
  // Each of the three was more than the one before.
  expect([end(), h.connection.variables!.loss.mostOut]).toEqual([3000, 3000]);
  h.skip().advance(RTT).inject(ack(1000));
  h.write(1000);
  h.skip();
  expect([end(), h.connection.variables!.loss.mostOut]).toEqual([3000, 3000]);
  h.write(1000);
  h.skip();
  expect([end(), h.connection.variables!.loss.mostOut]).toEqual([5000, 4000]);
});
