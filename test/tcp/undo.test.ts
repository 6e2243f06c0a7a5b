/** Reductions that turn out needless: DSACK (RFC 3708), Eifel (RFC 4015), F-RTO (RFC 5682). The round trip is 100 ms. */
import { describe, expect, test } from 'vitest';
import { micros, ms } from '../../src/base/time.ts';
import { ack, data, established, type Harness, type HarnessOptions, RTO, RTT, type Seg } from '../support/harness.ts';

const MSS = 1000;

const open = (o: HarnessOptions = {}): Harness =>
  established({
    mss: MSS,
    sack: true,
    ...o,
    sysctl: { tcp_congestion_control: 'reno', tcp_early_retrans: 0, ...o.sysctl },
  });

const again = (n: number): Seg => data(n * MSS, MSS, { note: 'fast retransmit' });
const resent = (n: number): Seg => data(n * MSS, MSS, { note: 'retransmission' });
const sack = (n: number, ...blocks: readonly (readonly [number, number])[]): Seg =>
  ack(n * MSS, { sack: blocks.map(([from, to]) => [from * MSS, to * MSS] as const) });

const reasons = (h: Harness): string[] => h.records.flatMap((r) => (r.type === 'congestion' ? [r.why] : []));

describe('DSACK', () => {
  test('for all that was sent again: the window is what it was', () => {
    const h = open();
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 4]))
      .expect(again(0));
    expect(h.info).toMatchObject({ snd_ssthresh: 5000, ca_state: 'Recovery' });
    // The original was late; the retransmission arrives too.
    h.inject(sack(4, [0, 1]));
    expect(h.info).toMatchObject({ snd_ssthresh: -1, ca_state: 'Open', lost: 0, retrans: 0, spurious: 1 });
    expect(h.info.snd_cwnd).toBeGreaterThanOrEqual(10_000);
    expect(reasons(h)).toEqual(['RACK', 'undo: DSACK']);
    const thresholds = h.records.flatMap((r) => (r.type === 'congestion' ? [r.ssthresh] : []));
    expect(thresholds).toEqual([5000, -1]);
  });

  test('that comes when the episode is over counts as well', () => {
    const h = open();
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 4]))
      .expect(again(0))
      .inject(ack(10_000));
    expect(h.info).toMatchObject({ ca_state: 'Open', snd_ssthresh: 5000 });
    h.inject(sack(10, [0, 1]));
    expect(h.info.snd_ssthresh).toBe(-1);
  });

  test('for a part of it changes nothing', () => {
    const h = open();
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [2, 9]))
      .expect(again(0), again(1));
    h.inject(sack(9, [0, 1]));
    expect(h.info).toMatchObject({ ca_state: 'Recovery', snd_ssthresh: 5000, spurious: 0 });
  });

  test('for less than nothing, or for what was not sent again on its account, changes nothing', () => {
    const h = open();
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(ack(2000))
      .inject(sack(2, [3, 6]))
      .expect(again(2));
    h.inject(sack(6, [0, 1]));
    expect(h.info).toMatchObject({ ca_state: 'Recovery', spurious: 0, dsack_dups: 1 });
  });

  test('a window later is another story', () => {
    const h = open({ wnd: 20_000 });
    h.write(10_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 4]))
      .expect(again(0))
      .inject(ack(10_000));
    h.write(30_000);
    for (let acked = 10_000; acked < 40_000; ) {
      acked += h.skip().info.unacked;
      h.inject(ack(acked));
    }
    h.skip().inject(sack(40, [0, 1]));
    expect(h.info.spurious).toBe(0);
  });
});

describe('timestamps', () => {
  test('that echo the original, in fast recovery: it was only late', () => {
    const h = open({ mss: MSS + 12, timestamps: true });
    h.write(8000);
    const sentAt = h.tsVal;
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 4]));
    expect(h.takeLeft().map(({ seg }) => seg.note)).toEqual(['fast retransmit']);
    h.advance(ms(5)).inject(ack(4000, { ts: [h.peerTsVal, sentAt] }));
    expect(reasons(h)).toEqual(['RACK', 'undo: timestamps']);
    expect(h.info).toMatchObject({ ca_state: 'Open', snd_ssthresh: -1 });
  });

  test('that echo the retransmission: it was lost', () => {
    const h = open({ mss: MSS + 12, timestamps: true });
    h.write(8000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 4]))
      .skip();
    h.advance(ms(5)).inject(ack(4000));
    expect(reasons(h)).toEqual(['RACK']);
  });

  test('after a timeout, without SACK: what was thought lost is not sent again', () => {
    const h = established({ mss: MSS, timestamps: true, sysctl: { tcp_congestion_control: 'reno' } });
    h.write(5 * h.info.snd_mss);
    const sentAt = h.tsVal;
    h.skip().after(RTO);
    h.skip();
    expect(h.info.snd_ssthresh).toBeGreaterThan(0);
    h.advance(ms(20))
      .inject(ack(h.info.snd_mss, { ts: [h.peerTsVal, sentAt] }))
      .expectNothing();
    expect(reasons(h)).toEqual(['retransmission timeout', 'undo: timestamps']);
    expect(h.info).toMatchObject({ ca_state: 'Open', snd_ssthresh: -1, lost: 0 });
  });
});

describe('F-RTO', () => {
  /** Ten segments are out when the timer expires; ten more wait. */
  const timedOut = (o: HarnessOptions = {}): Harness => {
    const h = open(o);
    h.write(20_000);
    return h.skip().after(RTO).expect(resent(0));
  };

  test('an ACK for the first brings new data, not what seems lost; one for what was sent once shows that nothing was', () => {
    const h = timedOut().inject(ack(1000)).expect(data(10_000, MSS), data(11_000, MSS));
    expect(h.info.ca_state).toBe('Loss');
    h.inject(ack(2000));
    expect(reasons(h)).toEqual(['retransmission timeout', 'undo: F-RTO']);
    expect(h.info).toMatchObject({ ca_state: 'Open', snd_ssthresh: -1, lost: 0 });
    // All that went again is the first: new data follows.
    expect(h.takeLeft().every(({ seg }) => seg.seq >= 12_000)).toBe(true);
    expect(h.info.total_retrans).toBe(1);
  });

  test('a second timeout with no ACK between begins anew: the next ACKs are asked (RFC 5682 §2.2)', () => {
    const h = timedOut()
      .after(micros(2 * RTO))
      .expect(resent(0));
    h.inject(ack(1000)).expect(data(10_000, MSS), data(11_000, MSS));
    h.inject(ack(2000)).skip();
    expect(reasons(h)).toEqual(['retransmission timeout', 'retransmission timeout', 'undo: F-RTO']);
  });

  test('a second timeout after an ACK below the recovery point is a conventional one (RFC 5682 §2.1, step 1)', () => {
    const h = timedOut().inject(ack(1000)).expect(data(10_000, MSS), data(11_000, MSS));
    h.after(micros(2 * RTO)).expect(resent(1));
    h.inject(ack(2000)).expect(resent(2), resent(3));
    expect(reasons(h)).toEqual(['retransmission timeout', 'retransmission timeout']);
  });

  test('an ACK for more than the first shows it at once', () => {
    const h = timedOut().inject(ack(3000));
    expect(reasons(h)).toEqual(['retransmission timeout', 'undo: F-RTO']);
    h.skip();
  });

  test('SACK for new data alone shows that the loss was real: what was lost goes again', () => {
    const h = timedOut().inject(ack(1000)).expect(data(10_000, MSS), data(11_000, MSS));
    h.inject(sack(1, [10, 11]));
    expect(h.takeLeft().map(({ seg }) => [seg.seq, seg.note])).toContainEqual([1000, 'retransmission']);
    expect(h.info).toMatchObject({ ca_state: 'Loss', snd_ssthresh: 5000 });
  });

  test('without new data, what seems lost goes', () => {
    const h = open();
    h.write(10_000);
    h.skip().after(RTO).expect(resent(0)).inject(ack(1000)).expect(resent(1), resent(2));
  });

  test('an ACK that only moves the window is no answer: the next one is (RFC 5682 §2.1)', () => {
    const h = timedOut().inject(ack(1000)).expect(data(10_000, MSS), data(11_000, MSS));
    h.inject(ack(1000, { wnd: 64_000 })).expectNothing();
    expect(reasons(h)).toEqual(['retransmission timeout']);
    h.inject(ack(2000)).skip();
    expect(reasons(h)).toEqual(['retransmission timeout', 'undo: F-RTO']);
  });

  test('where nobody finds out that it was spurious, the window is what a timeout leaves (§4)', () => {
    const h = timedOut({ sysctl: { tcp_frto: 0 } })
      .inject(ack(1000))
      .skip()
      .inject(ack(3000))
      .skip();
    expect(reasons(h)).toEqual(['retransmission timeout']);
    expect(h.info).toMatchObject({ snd_cwnd: 4000, snd_ssthresh: 5000, ca_state: 'Loss' });
  });

  test('one octet is enough: of new data that waits, of it reported, of what was sent before acknowledged', () => {
    const waiting = open({ options: { TCP_NODELAY: true } });
    waiting.write(10_000);
    waiting.skip().write(1);
    waiting.skip().after(RTO).expect(resent(0)).inject(ack(1000)).expect(data(10_000, 1));
    const reported = timedOut().inject(ack(1000)).skip();
    // With data, so that it is no duplicate.
    reported.inject(data(0, 10, { ack: 1000, sack: [[10_000, 10_001]] })).skip();
    expect(reported.connection.variables?.loss.frto).toBe('off');
    // New data would follow, but for the window: then nobody goes on asking.
    const acknowledged = timedOut().inject(ack(1));
    expect(acknowledged.connection.variables?.loss.frto).toBe('off');
  });

  test('an ACK of what went again, the rest of it, is no answer', () => {
    const h = timedOut().inject(ack(500)).expect(data(10_000, MSS)).inject(ack(1000)).skip();
    expect(h.connection.variables?.loss.frto).toBe('new');
    h.inject(ack(2000)).skip();
    expect(reasons(h)).toEqual(['retransmission timeout', 'undo: F-RTO']);
  });

  test('is not asked when tcp_frto is 0', () => {
    timedOut({ sysctl: { tcp_frto: 0 } })
      .inject(ack(1000))
      .expect(resent(1), resent(2));
  });

  test('when nothing new may leave, what seems lost goes', () => {
    const h = open();
    h.write(10_000);
    h.skip();
    h.write(10);
    // Nagle holds the small rest.
    h.expectNothing()
      .after(RTO)
      .expect(resent(0).flags === undefined ? { ...resent(0), flags: '.' } : resent(0));
    h.inject(ack(1000));
    expect(h.takeLeft().map(({ seg }) => seg.seq)).toEqual([1000, 2000]);
  });
});

test('after a timeout what was reported by SACK is not sent again', () => {
  const h = open();
  h.write(10_000);
  h.skip()
    .advance(RTT)
    .inject(sack(0, [2, 3], [5, 10]));
  h.skip();
  h.advance(ms(1000)).skip();
  const before = h.records.length;
  h.inject(sack(2, [5, 10])).inject(sack(5, [5, 10]));
  h.inject(ack(10_000)).skip();
  const left = h.records.slice(before).flatMap((r) => (r.type === 'segment' && r.dir === 'out' ? [r.seg.len] : []));
  expect(left.length).toBeLessThanOrEqual(3);
  expect(h.info.unacked).toBe(0);
});

test('unless the peer has forgotten it: it acknowledges what is before it, and not it (RFC 2018 §8)', () => {
  const h = open();
  h.write(2000);
  h.skip()
    .advance(RTT)
    .inject(sack(0, [1, 2]))
    .inject(ack(1000))
    .skip();
  for (let n = 0; n < 3; n++) h.advance(RTO).advance(RTO);
  expect(h.takeLeft().map(({ seg }) => seg.seq)).toContain(1000);
});
