/** What is lost, by time: RACK (RFC 8985 §6), and what reordering does to it. The round trip is 100 ms. */
import { describe, expect, test } from 'vitest';
import { type Micros, ms, seconds } from '../../src/base/time.ts';
import { Rack } from '../../src/tcp/recovery/rack.ts';
import type { Tcb } from '../../src/tcp/tcb.ts';
import { ack, data, established, type Harness, RTT, type Seg } from '../support/harness.ts';

const MSS = 1000;
/** A quarter of the shortest round trip: the reordering window. */
const WINDOW = ms(25);

const open = (sysctl = {}): Harness =>
  established({ mss: MSS, sack: true, sysctl: { tcp_congestion_control: 'reno', ...sysctl } });

/** Ten segments are out, a round trip old. */
function flight(sysctl = {}): Harness {
  const h = open(sysctl);
  h.write(10_000);
  return h.skip().advance(RTT);
}

/** An ACK of `n` segments that reports the segments from `from` up to, not with, `to`. */
const sack = (n: number, ...blocks: readonly (readonly [number, number])[]): Seg =>
  ack(n * MSS, { sack: blocks.map(([from, to]) => [from * MSS, to * MSS] as const) });

const again = (n: number): Seg => data(n * MSS, MSS, { note: 'fast retransmit' });

const reasons = (h: Harness): string[] => h.records.flatMap((r) => (r.type === 'congestion' ? [r.why] : []));

describe('a segment is lost', () => {
  test('when one sent later has arrived, and a quarter of a round trip has passed', () => {
    const h = flight()
      .inject(sack(0, [1, 2]))
      .expectNothing();
    expect(h.info).toMatchObject({ ca_state: 'Disorder', sacked: 1000, lost: 0 });
    h.after(WINDOW).expect(again(0));
    expect(h.info).toMatchObject({ ca_state: 'Recovery', sacked: 1000, lost: 1000, retrans: 1000 });
    expect(reasons(h)).toEqual(['RACK']);
  });

  test('at once when three sent later have arrived, as long as nothing was ever out of order', () => {
    flight()
      .inject(sack(0, [1, 2]), sack(0, [1, 3]))
      .expectNothing()
      .inject(sack(0, [1, 4]))
      .expect(again(0));
  });

  test('when three small ones have arrived that are less than three full ones', () => {
    const h = established({ mss: MSS, sack: true, options: { TCP_NODELAY: true } });
    for (let i = 0; i < 4; i++) h.write(10);
    h.skip()
      .advance(RTT)
      .inject(ack(0, { sack: [[10, 40]] }))
      .expect(data(0, 10, { flags: '.', note: 'fast retransmit' }));
  });

  test('when three octets have arrived that were segments of their own, one by one', () => {
    const h = established({ mss: MSS, sack: true, options: { TCP_NODELAY: true } });
    for (let i = 0; i < 4; i++) h.write(1);
    h.skip().advance(RTT);
    for (const right of [2, 3]) h.inject(ack(0, { sack: [[1, right]] })).expectNothing();
    h.inject(ack(0, { sack: [[1, 4]] })).expect(data(0, 1, { flags: '.', note: 'fast retransmit' }));
  });

  test('and so is each hole, the first first, as the window allows', () => {
    // Ten were out, five arrived, so five may leave: as many as ssthresh allows.
    const h = flight()
      .inject(sack(0, [1, 2], [4, 5], [7, 10]))
      .expect(again(0), again(2), again(3), again(5), again(6));
    h.inject(sack(2, [4, 5], [7, 10]), sack(5, [7, 10]), ack(10_000)).expectNothing();
    expect(h.info).toMatchObject({ ca_state: 'Open', total_retrans: 5, unacked: 0 });
    expect(reasons(h)).toEqual(['RACK', 'recovered']);
  });

  test('only if it left before: what was sent later, or again since, is given its time', () => {
    const h = open();
    h.write(2000);
    h.skip().advance(ms(50));
    h.write(2000);
    h.skip()
      .advance(ms(50))
      .inject(sack(0, [1, 2]))
      .after(WINDOW)
      .expect(again(0));
    expect(h.info.lost).toBe(1000);
  });

  test('when the retransmission is, too: something sent after it has arrived', () => {
    const h = open();
    h.write(20_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 4]))
      .expect(again(0));
    // New data follows as the window allows, and arrives; the retransmission does not.
    h.inject(sack(0, [1, 10]));
    h.expect(data(10_000, MSS), data(11_000, MSS), data(12_000, MSS), data(13_000, MSS)).advance(RTT);
    h.inject(sack(0, [1, 11])).expect(again(0), data(14_000, MSS));
    expect(reasons(h)).toEqual(['RACK']);
  });
});

describe('reordering', () => {
  /** The second segment has arrived before the first. */
  const reordered = (): Harness =>
    flight()
      .inject(sack(0, [1, 2]))
      .advance(ms(10))
      .inject(ack(2000));

  test('that ends within the window costs nothing', () => {
    const h = reordered().advance(ms(20)).expectNothing();
    expect(h.info).toMatchObject({ total_retrans: 0, reord_seen: 1, ca_state: 'Open' });
    expect(reasons(h)).toEqual([]);
  });

  test('once seen, three segments beyond are not enough: time has to pass', () => {
    const h = reordered()
      .inject(sack(2, [3, 6]))
      .expectNothing();
    expect(h.info.lost).toBe(0);
    h.after(WINDOW).expect(again(2));
  });

  test('of more segments than three is no loss any more', () => {
    const h = reordered()
      .inject(sack(2, [3, 9]))
      .advance(ms(5))
      .inject(ack(10_000))
      .expectNothing();
    expect(h.info).toMatchObject({ total_retrans: 0, reordering: 7 });
  });

  test('on a path of microseconds is given a millisecond at least', () => {
    const h = established({ mss: MSS, sack: true, rtt: 100 as Micros });
    h.write(10_000);
    h.skip()
      .advance(100 as Micros)
      .inject(sack(0, [1, 2]))
      .advance(10 as Micros)
      .inject(ack(10_000));
    h.write(2000);
    h.skip().advance(50 as Micros);
    h.write(2000);
    // What left 50 µs later has arrived, and a quarter of a round trip is over.
    h.skip()
      .advance(100 as Micros)
      .inject(sack(10, [12, 13]))
      .advance(940 as Micros)
      .expectNothing();
    h.advance(60 as Micros).expect(again(10));
  });

  test('that was taken for a loss widens the window, by the DSACK that shows it', () => {
    const h = open({ tcp_max_reordering: 300 });
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 4]))
      .expect(again(0));
    // The original arrives late, the retransmission as a duplicate.
    h.inject(ack(4000)).inject(ack(4000, { sack: [[0, 1000]] }));
    expect(h.info).toMatchObject({ dsack_dups: 1, ca_state: 'Open', spurious: 1 });
    h.advance(ms(1)).inject(ack(10_000)).expectNothing();
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(10, [11, 12]))
      .after(ms(50))
      .expect(again(10));
  });
});

describe('SACK blocks', () => {
  test('that are old, reversed, or of what was never sent say nothing', () => {
    const h = flight().inject(ack(2000)).skip();
    h.inject(
      ack(2000, { sack: [[3000, 2500]] }),
      ack(2000, { sack: [[9000, 10_001]] }),
      ack(2000, { sack: [[2000, 5000]] }),
    ).expectNothing();
    expect(h.info).toMatchObject({ sacked: 0, dsack_dups: 0 });
  });

  test('below the ACK, or inside the next one, report a duplicate (RFC 2883)', () => {
    const h = flight().inject(ack(2000, { sack: [[1000, 2000]] }));
    expect(h.info).toMatchObject({ dsack_dups: 1, sacked: 0 });
    h.inject(
      ack(2000, {
        sack: [
          [4000, 5000],
          [3000, 5000],
        ],
      }),
    );
    expect(h.info).toMatchObject({ dsack_dups: 2, sacked: 2000 });
  });

  test('cut a segment in two where they have to', () => {
    const h = flight()
      .inject(ack(0, { sack: [[1500, 5000]] }))
      .expect(again(0));
    expect(h.info).toMatchObject({ sacked: 3500, lost: 1500 });
    h.inject(ack(1000, { sack: [[1500, 6000]] })).expect(data(1000, 500, { note: 'fast retransmit' }));
  });

  test('are forgotten when the peer has thrown away what they reported (RFC 2018 §8)', () => {
    const h = flight()
      .inject(sack(0, [1, 4]))
      .expect(again(0));
    // The retransmission has arrived, and what had been reported behind it has not been acknowledged with it.
    h.inject(ack(1000)).skip();
    h.advance(ms(1000));
    expect(h.takeLeft().map(({ seg }) => seg.seq)[0]).toBe(1000);
    expect(h.info).toMatchObject({ sacked: 0, ca_state: 'Loss' });
  });
});

test('one ACK that acknowledges and reports at once shows no reordering', () => {
  const h = flight()
    .inject(sack(3, [5, 7]))
    .expectNothing();
  expect(h.info.reord_seen).toBe(0);
  h.after(WINDOW).expect(again(3));
});

/** A reordering window that DSACKs have widened as often as they can. */
function widest(minRtt: number): number {
  const h = open();
  // Nothing is written to it but by the estimator itself.
  const tcb = h.connection.variables as Tcb;
  const { rack } = tcb;
  expect(h.info.rtt).toBe(RTT);
  rack.reorderingSeen = true;
  rack.minRtt = minRtt;
  for (let delivered = 1; delivered < 300; delivered++) {
    rack.onDsack();
    rack.adapt(delivered, delivered);
  }
  return rack.window(tcb);
}

test('its window is no longer than a round trip, however often it was widened', () => {
  expect(widest(RTT)).toBe(RTT);
});

test('its window is a millisecond at least, and 255 quarters of the shortest round trip at most', () => {
  expect([widest(3), widest(1200)]).toEqual([1000, 300 * 255]);
});

test('a window that DSACKs have widened is kept for sixteen recoveries', () => {
  const h = open();
  const tcb = h.connection.variables as Tcb;
  const { rack } = tcb;
  rack.reorderingSeen = true;
  rack.minRtt = 20_000;
  rack.onDsack();
  rack.adapt(1, 1);
  for (let i = 0; i < 15; i++) rack.onRecovered();
  rack.adapt(2, 2);
  expect(rack.window(tcb)).toBe(10_000);
  rack.onRecovered();
  rack.adapt(3, 3);
  expect(rack.window(tcb)).toBe(5000);
});

test('the shortest round trip is known for 300 s from when it was last seen', () => {
  const rack = new Rack();
  rack.noteRtt(100, seconds(1));
  rack.noteRtt(100, seconds(200));
  rack.noteRtt(150, seconds(499));
  expect(rack.minRtt).toBe(100);
  rack.noteRtt(150, seconds(500));
  expect(rack.minRtt).toBe(150);
});

test('after a timeout only what left a round trip ago, and the first, is taken for lost (§6.3)', () => {
  const h = open({ tcp_early_retrans: 0 });
  h.write(1000);
  h.skip().advance(RTT).inject(ack(1000));
  h.write(3000);
  h.skip().advance(ms(250));
  h.write(1000);
  h.skip().advance(ms(51));
  expect(h.takeLeft().map(({ seg }) => seg.seq)).toEqual([1000]);
  expect(h.info).toMatchObject({ ca_state: 'Loss', lost: 3000, unacked: 4000 });
});
