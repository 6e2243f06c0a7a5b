/** What an episode leaves behind, and what it sends at its edges. The round trip is 100 ms, RTO 300 ms. */
import { describe, expect, test } from 'vitest';
import { seqAdd, seqDiff } from '../../../../src/base/seq.ts';
import { micros, ms } from '../../../../src/base/time.ts';
import type { Tcb } from '../../../../src/tcp/tcb.ts';
import { ack, data, established, fin, type Harness, type HarnessOptions, RTO, RTT } from '../../../support/harness.ts';

const MSS = 1000;

const open = (o: HarnessOptions = {}): Harness =>
  established({ mss: MSS, sack: true, ...o, sysctl: { tcp_early_retrans: 0, ...o.sysctl } });

const sack = (n: number, from: number, to: number): ReturnType<typeof ack> => ack(n, { sack: [[from, to]] });

/** Nothing is wrong, and nothing is left that a reduction had changed. */
const NO_EPISODE = {
  recovery: 'open',
  inflation: 0,
  cwrDue: false,
  dupAcks: 0,
  timeouts: 0,
  loss: { canUndo: false, dsackedAll: false, prrActive: false, frto: 'off' },
  board: { lost: 0, resent: 0, waiting: 0 },
} as const;

describe('an undo leaves nothing of the episode behind', () => {
  test('without SACK, where duplicates had inflated the window', () => {
    const h = established({ mss: MSS + 12, timestamps: true });
    h.write(10_000);
    const sentAt = h.tsVal;
    h.skip().advance(RTT).inject(ack(0), ack(0), ack(0), ack(0), ack(0)).skip();
    expect(h.connection.variables).toMatchObject({ recovery: 'recovery', inflation: 5000, dupAcks: 5 });
    // Nothing of what was sent again is needed: all of it was only late.
    h.inject(ack(10_000, { ts: [h.peerTsVal, sentAt] }));
    expect(h.connection.variables).toMatchObject(NO_EPISODE);
    expect(h.info).toMatchObject({ spurious: 1, snd_ssthresh: -1 });
  });

  test('with SACK, after a DSACK', () => {
    const h = open();
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, 1000, 4000))
      .skip()
      .inject(sack(4000, 0, 1000));
    expect(h.connection.variables).toMatchObject(NO_EPISODE);
    expect(h.info.spurious).toBe(1);
  });

  test('after a timeout', () => {
    const h = open();
    h.write(20_000);
    h.skip().after(RTO).skip().inject(ack(3000)).skip();
    expect(h.connection.variables).toMatchObject(NO_EPISODE);
    expect(h.info.spurious).toBe(1);
  });
});

test('an undo forgets the last lost octet, too', () => {
  const h = established({ mss: MSS, timestamps: true, options: { TCP_NODELAY: true } });
  h.write(1);
  const sentAt = h.tsVal;
  h.write(1);
  h.skip().after(RTO).skip();
  h.inject(ack(1, { ts: [h.peerTsVal, sentAt] })).expectNothing();
  expect(h.info).toMatchObject({ unacked: 1, lost: 0, spurious: 1 });
});

describe('tcp_frto', () => {
  test.each([
    [1, 'new'],
    [2, 'new'],
    [0, 'off'],
  ])('%i: after a timeout and an ACK F-RTO is %s', (tcp_frto, frto) => {
    const h = open({ sysctl: { tcp_frto } });
    h.write(20_000);
    h.skip().after(RTO).skip().inject(ack(1000)).skip();
    expect(h.connection.variables!.loss.frto).toBe(frto);
  });

  test.each([
    [9999, 'off', 'retransmission'],
    [10_000, 'new', undefined],
  ])('new data is to show it, where the window lets any out: %i octets, of which 9000 are out', (wnd, frto, note) => {
    const h = open();
    h.write(20_000);
    h.skip().after(RTO).skip().inject(ack(1000, { wnd }));
    expect(h.connection.variables!.loss.frto).toBe(frto);
    expect(h.takeLeft()[0]!.seg.note).toBe(note);
  });
});

describe('to RFC 6675 something is lost', () => {
  const lostAfter = (...blocks: readonly (readonly [number, number])[]): number => {
    const h = open({ sysctl: { tcp_recovery: 0 }, options: { TCP_NODELAY: true } });
    h.write(4001);
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(ack(0, { sack: blocks }));
    h.skip();
    return h.info.lost;
  };

  test('when more than two segments’ worth have arrived beyond it', () => {
    expect(lostAfter([1000, 3000])).toBe(0);
    expect(lostAfter([2000, 4001])).toBe(2000);
  });

  test('when three runs have', () => {
    expect(lostAfter([1000, 1001], [2000, 2001])).toBe(0);
    expect(lostAfter([1000, 1001], [2000, 2001], [3000, 3001])).toBeGreaterThanOrEqual(1000);
  });
});

describe('the end of an episode', () => {
  test('without SACK leaves the window without what duplicates lent it', () => {
    const h = open({ sack: false });
    h.write(10_000);
    h.skip().inject(ack(0), ack(0), ack(0), ack(0)).skip().inject(ack(10_000));
    expect(h.connection.variables).toMatchObject({ recovery: 'open', inflation: 0, dupAcks: 0 });
    expect(h.connection.variables!.loss).toMatchObject({ prrActive: false, frto: 'off' });
  });

  test('after a timeout leaves slow start alone', () => {
    const h = open({ sysctl: { tcp_frto: 0 } });
    h.write(5000);
    h.skip().after(RTO).skip().inject(ack(5000));
    expect(h.connection.variables).toMatchObject({ recovery: 'open', inflation: 0, timeouts: 0 });
    // One segment, to the threshold octet by octet, and from there by one a window.
    expect(h.info).toMatchObject({ snd_cwnd: 3500, snd_ssthresh: 2500 });
  });
});

test('a timeout ends whatever was under way', () => {
  const h = established({ mss: MSS, sack: true });
  h.write(10_000);
  // Two round trips and 2 ms later the tail loss probe leaves, and nothing answers.
  h.skip().after(ms(202)).skip();
  expect(h.connection.variables!.loss).toMatchObject({ probeOut: true });
  h.after(RTO).skip();
  expect(h.connection.variables).toMatchObject({ recovery: 'loss', inflation: 0, dupAcks: 0, timeouts: 1 });
  const { loss } = h.connection.variables!;
  expect(loss).toMatchObject({ prrActive: false, probeOut: false, probeDue: false, timeouts: 1, releaseAt: h.now });
});

describe('a retransmission timeout takes for lost', () => {
  /** A round trip is known to RACK; one segment leaves, and `gap` later another. */
  const two = (gap: number, o: HarnessOptions = {}): Harness => {
    const h = open(o);
    h.write(MSS);
    h.skip().advance(RTT).inject(ack(MSS));
    h.write(MSS);
    h.skip().advance(micros(gap));
    h.write(MSS);
    h.skip().advance(micros(RTO - gap));
    return h.skip();
  };

  test('what left a round trip ago or longer, and the first in any case (RFC 8985 §6.3)', () => {
    expect(two(RTO - RTT).info.lost).toBe(2 * MSS);
    expect(two(RTO - RTT + 1).info.lost).toBe(MSS);
  });

  test('all of it, where RACK has no say', () => {
    expect(two(RTO - RTT + 1, { sysctl: { tcp_recovery: 0 } }).info.lost).toBe(2 * MSS);
    expect(two(RTO - RTT + 1, { sack: false }).info.lost).toBe(2 * MSS);
  });

  test('the first, though it left a moment ago', () => {
    const h = open();
    h.write(MSS);
    h.skip().advance(RTT).inject(ack(MSS));
    h.write(3 * MSS);
    // Sent again when something beyond it arrived, a moment before the timer expires.
    h.skip()
      .advance(ms(280))
      .inject(sack(MSS, 2 * MSS, 3 * MSS))
      .skip();
    h.advance(RTO);
    expect(h.takeLeft().map(({ seg }) => [seg.seq, seg.note])).toContainEqual([MSS, 'retransmission']);
  });
});

test('the first that goes again has a timer of its own', () => {
  const h = open();
  h.write(10_000);
  h.skip()
    .advance(RTT)
    .inject(sack(0, 1000, 4000))
    .expect(data(0, MSS, { note: 'fast retransmit' }));
  h.after(RTO).expect(data(0, MSS, { note: 'retransmission' }));
});

test('one behind it has not', () => {
  const h = open();
  h.write(10_000);
  h.skip()
    .advance(RTT)
    .inject(
      ack(0, {
        sack: [
          [1000, 2000],
          [3000, 10_000],
        ],
      }),
    );
  h.expect(data(0, MSS, { note: 'fast retransmit' }), data(2000, MSS, { note: 'fast retransmit' }));
  expect(h.connection.variables!.timers.at(2)).toBe(h.now + RTO);
});

describe('RACK’s timer', () => {
  test('lets PRR send what it found, and counts nothing as delivered (RFC 9937)', () => {
    const h = open();
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, 1000, 2000))
      .skip()
      .after(ms(25));
    // In flight before: 9000; ssthresh 5000; the retransmission leaves in any case.
    h.expect(data(0, MSS, { note: 'fast retransmit' }));
    expect(h.connection.variables!.loss).toMatchObject({ prrDelivered: 0, prrOut: MSS, prrActive: true });
    const { recoverFs } = h.connection.variables!.loss;
    h.inject(sack(0, 1000, 3000));
    expect(h.connection.variables!.loss).toMatchObject({ prrDelivered: MSS, recoverFs });
  });
});

describe('a FIN that went alone', () => {
  test('is not sent again with the data before it when it has arrived', () => {
    const h = open();
    h.write(MSS);
    h.skip()
      .close()
      .expect(fin(MSS))
      .advance(RTT)
      .inject(sack(0, MSS, MSS + 1))
      .after(ms(25))
      .expect(data(0, MSS, { note: 'fast retransmit' }));
  });

  test('goes along when both are lost', () => {
    const h = open();
    h.write(MSS);
    h.skip().close().expect(fin(MSS)).advance(RTO);
    h.expect(data(0, MSS, { flags: 'FP.', note: 'retransmission' }));
  });
});

describe('a tail loss probe for a run that the link cut', () => {
  const run = (octets: number): Harness => {
    const h = established({ mss: MSS, sack: true, path: { maxGsoPayload: 8000 } });
    h.write(octets);
    return h.skip();
  };
  const PTO = ms(202);

  test.each([
    [3000, 2000, 1000],
    [3001, 3000, 1],
    [2999, 2000, 999],
    [1000, 0, 1000],
  ])('of %i octets is its last segment', (octets, seq, len) => {
    const h = established({ mss: MSS, sack: true, path: { maxGsoPayload: 8000 }, options: { TCP_NODELAY: true } });
    h.write(octets);
    h.skip().advance(ms(402));
    expect(h.takeLeft()[0]!.seg).toMatchObject({ seq, len, note: 'tail loss probe' });
  });

  test('of full segments and the FIN: the last of them and the FIN', () => {
    const h = established({ mss: MSS, sack: true, wnd: 2000, path: { maxGsoPayload: 8000 } });
    h.write(5000);
    h.close().skip();
    h.advance(RTT)
      .inject(ack(2000, { wnd: 8000 }))
      .expect(data(2000, 3000, { flags: 'FP.' }));
    h.after(PTO).expect(data(4000, MSS, { flags: 'FP.', note: 'tail loss probe' }));
  });

  test('of full segments, the FIN alone behind them: the FIN', () => {
    const h = run(3000);
    h.close()
      .expect(fin(3000))
      .after(PTO)
      .expect(fin(3000, { note: 'tail loss probe' }));
  });
});

test.each([
  [999, 2001],
  [1000, 3000],
])('a partial ACK of %i octets takes them off the inflation, and a full segment comes back', (acked, inflation) => {
  const h = established({ mss: MSS });
  h.write(10_000);
  h.skip().advance(RTT).inject(ack(0), ack(0), ack(0)).skip();
  expect(h.connection.variables).toMatchObject({ recovery: 'recovery', inflation: 3000 });
  h.inject(ack(acked)).skip();
  expect(h.connection.variables).toMatchObject({ recovery: 'recovery', inflation });
});

test('three duplicates are three though a single octet is out', () => {
  const h = established({ mss: MSS });
  h.write(1);
  h.skip().advance(RTT).inject(ack(0), ack(0));
  expect(h.connection.variables).toMatchObject({ dupAcks: 2 });
  h.inject(ack(0)).expect(data(0, 1, { flags: 'P.', note: 'fast retransmit' }));
});

test('what was noted long ago stays behind SND.UNA, a quarter of the sequence space at most', () => {
  const h = open();
  h.write(1000);
  h.skip().advance(RTT);
  const tcb = h.connection.variables as Tcb;
  const at = (behind: number) => seqAdd(tcb.sndUna, -behind);
  Object.assign(tcb, { recover: at(2 ** 30), ecnRecover: at(2 ** 30 - 1000) });
  Object.assign(tcb.loss, { markedTo: at(2 ** 30) });
  h.inject(ack(1000));
  const left = [tcb.recover, tcb.ecnRecover, tcb.loss.markedTo].map((seq) => seqDiff(tcb.sndUna, seq));
  expect(left).toEqual([2 ** 30, 2 ** 30, 2 ** 30]);
});

test('a peer who reports every other octet makes two entries of each segment that is out, and 1024 more', () => {
  const h = open();
  h.write(10_000);
  h.skip().advance(RTT);
  for (let i = 0; i < 600; i++) h.inject(sack(0, 2 * i + 1, 2 * i + 2)).skip();
  expect(h.connection.variables!.board.count).toBe(2 * 10 + 1024);
});

test('when a router says that the path carries less, all that is out is lost, and nothing that is not', () => {
  const h = established({ mss: MSS, options: { TCP_NODELAY: true } });
  h.write(6000);
  h.skip().advance(RTT).inject(ack(2000)).pathMss(500, 2000);
  expect(h.info).toMatchObject({ lost: 4000, unacked: 4000, snd_mss: 500 });
  h.skip();
});
