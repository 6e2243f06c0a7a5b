/**
 * How recovery with SACK goes on once a loss is known: PRR's window (RFC 9937) step by step, RFC 6675's way to find losses,
 * segments that the link cuts, and limited transmit. The round trip is 100 ms.
 */
import { describe, expect, test } from 'vitest';
import { ms } from '../../src/base/time.ts';
import { ack, data, established, type Harness, type HarnessOptions, RTT, type Seg } from '../support/harness.ts';

const MSS = 1000;

const open = (o: HarnessOptions = {}): Harness =>
  established({ mss: MSS, sack: true, ...o, sysctl: { tcp_congestion_control: 'reno', ...o.sysctl } });

const sack = (n: number, ...blocks: readonly (readonly [number, number])[]): Seg =>
  ack(n * MSS, { sack: blocks.map(([from, to]) => [from * MSS, to * MSS] as const) });
const again = (n: number): Seg => data(n * MSS, MSS, { note: 'fast retransmit' });
const fresh = (n: number): Seg => data(n * MSS, MSS);
const reasons = (h: Harness): string[] => h.records.flatMap((r) => (r.type === 'congestion' ? [r.why] : []));

test('only the blocks of this ACK count, whatever lies behind them where the last one’s were', () => {
  const h = open();
  h.write(30_000);
  h.skip().advance(RTT);
  // The second says what can't have arrived yet.
  h.inject(sack(0, [1, 2], [11, 12])).expect(fresh(10));
  h.inject(sack(0, [1, 3])).expect(fresh(11));
  h.inject(sack(0, [1, 4])).skip();
  expect(h.info.sacked).toBe(3 * MSS);
});

describe('limited transmit with SACK', () => {
  test('each segment reported lets a new one out', () => {
    const h = open();
    h.write(30_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 2]))
      .expect(fresh(10));
    h.inject(sack(0, [1, 3])).expect(fresh(11));
    expect(h.info.snd_cwnd).toBe(10_000);
  });
});

describe('proportional rate reduction', () => {
  /** Twelve are out, the first is lost and three have arrived behind it: ssthresh is 5, pipe 8. */
  const recovering = (): Harness => {
    const h = open();
    h.write(60_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 2]), sack(0, [1, 3]))
      .expect(fresh(10), fresh(11));
    return h.inject(sack(0, [1, 4])).expect(again(0));
  };

  test('halves the window in step with what arrives: one out for two in', () => {
    const h = recovering();
    expect(h.info).toMatchObject({ snd_ssthresh: 5000, snd_cwnd: 9000 });
    // RecoverFS is the 10 that were to arrive, the last report's included: n delivered allow n × 5 / 10, and 1 is out.
    h.inject(sack(0, [1, 5])).expectNothing();
    h.inject(sack(0, [1, 6])).expectNothing();
    h.inject(sack(0, [1, 7])).expect(fresh(12));
    h.inject(sack(0, [1, 8])).expectNothing();
    // Pipe has come down to ssthresh, and is kept there.
    h.inject(sack(0, [1, 9])).expectNothing();
    h.inject(sack(0, [1, 10])).expect(fresh(13));
    h.inject(sack(0, [1, 11])).expect(fresh(14));
    expect(h.info).toMatchObject({ snd_cwnd: 5000, unacked: 15_000, sacked: 10_000 });
  });

  test('ends with the window at ssthresh', () => {
    const h = recovering();
    h.inject(sack(0, [1, 12])).skip();
    h.inject(ack(12_000)).skip();
    expect(reasons(h)).toEqual(['RACK', 'recovered']);
    expect(h.info).toMatchObject({ ca_state: 'Open', snd_ssthresh: 5000 });
    expect(h.info.snd_cwnd).toBe(5000);
  });

  test('a controller that comes in the middle of it and finds no threshold takes the loss for its own', () => {
    const h = established({ mss: MSS, sack: true, sysctl: { tcp_congestion_control: 'bbr' } });
    h.write(60_000);
    h.skip()
      .advance(RTT)
      .inject(sack(0, [1, 2]), sack(0, [1, 3]), sack(0, [1, 4]))
      .skip();
    expect(h.info).toMatchObject({ ca_state: 'Recovery', snd_ssthresh: -1 });
    const { snd_cwnd } = h.info;
    h.set('TCP_CONGESTION', 'cubic');
    expect(h.info).toMatchObject({ congestion: 'cubic', snd_ssthresh: 0.7 * snd_cwnd, snd_cwnd: 0.7 * snd_cwnd });
    h.inject(ack(h.info.unacked)).skip();
    expect(h.info).toMatchObject({ ca_state: 'Open', snd_ssthresh: 0.7 * snd_cwnd });
    expect(h.info.congestion_phase).not.toBe('slow start');
  });

  test('bbr that comes in the middle of it keeps a window of its own', () => {
    const h = recovering();
    h.set('TCP_CONGESTION', 'bbr');
    h.inject(sack(0, [1, 12])).skip();
    expect(h.info).toMatchObject({ ca_state: 'Recovery', congestion: 'bbr' });
    h.inject(ack(12_000)).skip();
    expect(h.info.ca_state).toBe('Open');
  });

  test('where losses have emptied the pipe, lets out as much as arrives', () => {
    const h = open();
    h.write(60_000);
    // Eight of ten are lost.
    h.skip()
      .advance(RTT)
      .inject(sack(0, [8, 9]))
      .expect(fresh(10));
    h.advance(ms(1))
      .inject(sack(0, [8, 10]))
      .expect(fresh(11))
      .advance(ms(25));
    expect(h.takeLeft().map(({ seg }) => seg.seq)).toEqual([0]);
    expect(h.info).toMatchObject({ lost: 8000, snd_ssthresh: 5000 });
    h.advance(ms(76)).inject(sack(1, [8, 10]));
    // SND.UNA advances and nothing more is lost: one more than arrived (slow start).
    expect(h.takeLeft().map(({ seg }) => seg.seq)).toEqual([1000, 2000]);
  });
});

describe('what is lost goes again', () => {
  test('as soon as nothing else is in flight, however small the window that little deliveries have left', () => {
    const h = open({ options: { TCP_NODELAY: true } });
    const sacked = (end: number): Seg => ack(0, { sack: [[MSS, end]] });
    h.write(MSS);
    for (let i = 0; i < 4; i++) h.write(10);
    h.skip().advance(RTT).inject(sacked(1030)).expect(again(0)).advance(ms(50));
    h.write(10);
    h.expectNothing();
    h.inject(sacked(1040)).expect(data(1040, 10)).advance(RTT);
    // The retransmission is lost, too: 10 octets were delivered, so 10 is the window.
    h.inject(sacked(1050)).expect(again(0));
  });

  test('after a timeout not beside a single octet in flight that leaves too little of the window', () => {
    const h = open({ options: { TCP_NODELAY: true }, sysctl: { tcp_recovery: 0, tcp_frto: 0, tcp_early_retrans: 0 } });
    for (const len of [1, MSS, MSS]) h.write(len);
    h.skip()
      .advance(RTT)
      .inject(ack(0, { sack: [[1, 1001]] }))
      .expectNothing();
    h.advance(ms(200)).expect(data(0, 1, { flags: '.', note: 'retransmission' }));
  });

  test('after an ACK of the first not beside what left just before the timeout', () => {
    const h = open({ options: { TCP_NODELAY: true }, sysctl: { tcp_frto: 0, tcp_early_retrans: 0 } });
    h.write(MSS);
    h.skip().advance(RTT).inject(sack(1)).expectNothing();
    h.write(2000);
    h.skip().advance(ms(299));
    h.write(3000);
    h.skip()
      .advance(ms(1))
      .expect(data(MSS, MSS, { note: 'retransmission' }))
      .advance(ms(50));
    // Sooner than a round trip after the retransmission, so the ACK says nothing of what left meanwhile.
    h.inject(sack(2)).expectNothing();
    expect(h.info).toMatchObject({ snd_cwnd: 2000, lost: 1000, unacked: 4000 });
  });
});

describe('tcp_recovery 0: RFC 6675', () => {
  const counting = (o: HarnessOptions = {}): Harness => {
    const h = open({ ...o, sysctl: { tcp_recovery: 0, tcp_early_retrans: 0, ...o.sysctl } });
    h.write(10_000);
    return h.skip().advance(RTT);
  };

  test('a segment is lost when more than two full ones have arrived beyond it, however late', () => {
    const h = counting()
      .inject(sack(0, [1, 3]))
      .advance(ms(150))
      .expectNothing();
    h.inject(sack(0, [1, 4])).expect(again(0));
    expect(reasons(h)).toEqual(['SACK']);
  });

  test('or three runs of less', () => {
    const h = established({
      mss: MSS,
      sack: true,
      options: { TCP_NODELAY: true },
      sysctl: { tcp_recovery: 0, tcp_early_retrans: 0 },
    });
    for (let i = 0; i < 7; i++) h.write(10);
    const runs = [
      [10, 20],
      [30, 40],
      [50, 60],
    ] as const;
    h.skip()
      .advance(RTT)
      .inject(ack(0, { sack: runs.slice(0, 2) }))
      .expectNothing();
    h.inject(ack(0, { sack: runs })).expect(data(0, 10, { flags: '.', note: 'fast retransmit' }));
    expect(h.info.lost).toBe(10);
  });

  test('only those below are', () => {
    const h = counting()
      .inject(sack(0, [1, 2], [3, 6]))
      .expect(again(0));
    expect(h.info.lost).toBe(2000);
  });

  test('recovery ends at RecoveryPoint, and what is reported above it is kept: the next loss shows by it (RFC 6675 §5, A)', () => {
    const h = open({ sysctl: { tcp_recovery: 0, tcp_early_retrans: 0 } });
    h.write(60_000);
    h.skip().advance(RTT);
    for (let n = 2; n <= 12; n++) h.inject(sack(0, [1, n])).skip();
    expect(h.info.unacked).toBe(16_000);
    // Of the four that left during recovery the first is lost, and two of the others arrive before it is over.
    h.inject(sack(0, [1, 12], [13, 15])).skip();
    h.inject(sack(12, [13, 15])).skip();
    expect(h.info).toMatchObject({ ca_state: 'Disorder', sacked: 2000, lost: 0 });
    // With them the third is enough.
    h.inject(sack(12, [15, 16]));
    expect(reasons(h)).toEqual(['SACK', 'recovered', 'SACK']);
    expect(h.takeLeft().flatMap(({ seg }) => (seg.seq < 16_000 ? [seg.seq] : []))).toEqual([12_000]);
    expect(h.info).toMatchObject({ ca_state: 'Recovery', sacked: 3000 });
  });

  test('a retransmission that is lost waits for the timer', () => {
    const h = counting()
      .inject(sack(0, [1, 4]))
      .expect(again(0))
      .advance(RTT)
      .inject(sack(0, [1, 10]))
      .expectNothing();
    h.advance(ms(400));
    expect(h.takeLeft()[0]!.seg).toMatchObject({ seq: 0, note: 'retransmission' });
  });
});

describe('segments that the link cuts', () => {
  const offload = (o: HarnessOptions = {}): Harness => {
    const h = open({ ...o, path: { maxGsoPayload: 60_000 } });
    h.write(10_000);
    return h.expect(data(0, 10_000)).advance(RTT);
  };

  test('are one entry each, until SACK cuts them: what is not reported goes again, in one piece', () => {
    const h = offload()
      .inject(ack(2000, { sack: [[5000, 10_000]] }))
      .expect(data(2000, 3000, { note: 'fast retransmit' }));
    expect(h.info).toMatchObject({ lost: 3000, retrans: 3000, sacked: 5000, total_retrans: 3 });
    h.inject(ack(10_000)).expectNothing();
    expect(h.info).toMatchObject({ unacked: 0, lost: 0, retrans: 0, sacked: 0, ca_state: 'Open' });
  });

  test('after a timeout go again a segment at a time, as the window grows', () => {
    const h = offload({ sysctl: { tcp_early_retrans: 0 } }).advance(ms(200));
    h.expect(data(0, 1000, { note: 'retransmission' })).inject(ack(1000));
    h.expect(data(1000, 2000, { note: 'retransmission' })).inject(ack(3000));
    h.expect(data(3000, 4000, { note: 'retransmission' }));
  });

  test('a tail loss probe is one segment of them', () => {
    const h = open({ path: { maxGsoPayload: 60_000 } });
    h.write(10_000);
    h.skip()
      .after(ms(202))
      .expect(data(9000, 1000, { note: 'tail loss probe' }));
  });
});
