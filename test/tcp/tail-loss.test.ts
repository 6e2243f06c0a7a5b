/** Tail loss probe, RFC 8985 §7. The round trip is 100 ms, RTO 300 ms. */
import { describe, expect, test } from 'vitest';
import { later, type Micros, micros, ms } from '../../src/base/time.ts';
import { ack, data, established, fin, type Harness, RTO, RTT } from '../support/harness.ts';

const MSS = 1000;
/** Two round trips, and what queues may take. */
const PTO = ms(202);

const open = (sysctl = {}): Harness =>
  established({ mss: MSS, sack: true, sysctl: { tcp_congestion_control: 'reno', ...sysctl } });

function flight(octets: number, sysctl = {}): Harness {
  const h = open(sysctl);
  h.write(octets);
  return h.skip();
}

const probeOf = (seq: number, len: number): ReturnType<typeof data> => data(seq, len, { note: 'tail loss probe' });

const reasons = (h: Harness): string[] => h.records.flatMap((r) => (r.type === 'congestion' ? [r.why] : []));

describe('after two round trips without an ACK', () => {
  test('the last segment goes again', () => {
    const h = flight(3000).after(PTO).expect(probeOf(2000, MSS));
    expect(h.info).toMatchObject({ tail_probes: 1, total_retrans: 1, snd_cwnd: 10_000, ca_state: 'Open' });
  });

  test('a short one whole, with its FIN', () => {
    const h = flight(2500, {});
    h.close().expect(data(2000, 500, { flags: 'FP.' }));
    h.after(PTO).expect(data(2000, 500, { flags: 'FP.', note: 'tail loss probe' }));
  });

  test('nothing goes that was acknowledged while the probe could not leave', () => {
    const h = flight(3000);
    h.advance(micros(PTO - 1)).connection.onTimeout(later(h.now, micros(1)));
    expect(h.connection.variables!.loss.probeDue).toBe(true);
    h.inject(ack(3000)).expectNothing();
    expect(h.info.tail_probes).toBe(0);
  });

  test('a FIN that stood alone goes alone', () => {
    const h = flight(2000);
    h.close()
      .expect(fin(2000))
      .after(PTO)
      .expect(fin(2000, { note: 'tail loss probe' }));
  });

  test('new data leaves instead, when there is some, though the window is full', () => {
    const h = flight(20_000).after(PTO).expect(probeOf(10_000, MSS));
    expect(h.info).toMatchObject({ tail_probes: 1, total_retrans: 0 });
    h.inject(ack(11_000)).skip();
    expect(reasons(h)).toEqual([]);
  });

  test('but not beyond the window that the peer offers', () => {
    const h = established({ mss: MSS, sack: true, wnd: 3000 });
    h.write(5000);
    h.skip().after(PTO).expect(probeOf(2000, MSS));
  });

  test('of a lone segment the peer may hold back its ACK: 200 ms more, though never later than RTO', () => {
    const slow = established({ mss: MSS, sack: true, rtt: ms(1) });
    slow.write(10);
    // RTO is 201 ms, two round trips and the wait 202.
    slow
      .skip()
      .after(ms(201))
      .expect(probeOf(0, 10))
      .after(ms(201))
      .expect(data(0, 10, { note: 'retransmission' }));
  });

  test('the time runs anew with each segment and each ACK', () => {
    const h = open();
    h.write(2000);
    h.skip().advance(ms(150));
    h.write(2000);
    h.skip().advance(ms(80)).inject(ack(1000));
    h.advance(ms(150)).expectNothing();
    h.advance(ms(100));
    expect(h.takeLeft().map(({ seg }) => seg.note)).toEqual(['tail loss probe']);
  });
});

describe('no probe', () => {
  test('without SACK', () => {
    const h = established({ mss: MSS });
    h.write(3000);
    h.skip()
      .after(RTO)
      .expect(data(0, MSS, { note: 'retransmission' }));
  });

  test.each([0, 2])('with tcp_early_retrans %i', (tcp_early_retrans) => {
    flight(3000, { tcp_early_retrans })
      .after(RTO)
      .expect(data(0, MSS, { note: 'retransmission' }));
  });

  test('follows a probe: then the retransmission timer speaks', () => {
    const h = flight(3000).after(PTO).expect(probeOf(2000, MSS));
    h.after(RTO).expect(data(0, MSS, { note: 'retransmission' }));
    expect(h.info.ca_state).toBe('Loss');
  });

  test('for new data while another probe is out', () => {
    const h = flight(3000).after(PTO).expect(probeOf(2000, MSS));
    h.write(1000);
    h.expect(data(3000, MSS))
      .after(RTO)
      .expect(data(0, MSS, { note: 'retransmission' }));
  });

  test('while something is reported by SACK: RACK tells sooner', () => {
    const h = flight(3000)
      .advance(RTT)
      .inject(ack(0, { sack: [[1000, 2000]] }));
    h.after(ms(25)).expect(data(0, MSS, { note: 'fast retransmit' }));
  });
});

describe('the answer to a probe', () => {
  test('reports the probe alone: what was lost before it goes again at once', () => {
    const h = flight(4000).after(PTO).expect(probeOf(3000, MSS)).advance(RTT);
    h.inject(ack(1000, { sack: [[3000, 4000]] }));
    expect(h.takeLeft().map(({ seg }) => [seg.seq, seg.note])).toEqual([
      [1000, 'fast retransmit'],
      [2000, 'fast retransmit'],
    ]);
    expect(reasons(h)).toEqual(['RACK']);
  });

  test('says that the probe has filled a hole: a loss like any other', () => {
    const h = flight(3000).advance(ms(100)).inject(ack(2000)).skip();
    h.advance(ms(400));
    h.skip();
    h.write(2000);
    h.skip().inject(ack(5000));
    expect(reasons(h)).toEqual(['TLP']);
    expect(h.info.snd_ssthresh).toBeGreaterThan(0);
  });

  test('says by DSACK that nothing was lost: nothing changes', () => {
    const h = flight(3000).after(PTO).expect(probeOf(2000, MSS)).inject(ack(3000));
    h.inject(ack(3000, { sack: [[2000, 3000]] }));
    expect(reasons(h)).toEqual([]);
    expect(h.info).toMatchObject({ snd_cwnd: 10_000, dsack_dups: 1 });
    h.write(3000);
    h.skip().advance(RTT).inject(ack(6000));
    expect(reasons(h)).toEqual([]);
  });
});

test('a peer that knows no DSACK answers a needless probe by a bare duplicate: nothing changes', () => {
  const h = flight(3000).after(PTO).expect(probeOf(2000, MSS)).inject(ack(3000), ack(3000));
  h.write(3000);
  h.skip().advance(RTT).inject(ack(6000));
  expect(reasons(h)).toEqual([]);
});

test('on a path of microseconds the probe leaves after two milliseconds', () => {
  const h = established({ mss: MSS, sack: true, rtt: 50 as Micros });
  h.write(3000);
  h.skip()
    .after(2100 as Micros)
    .expect(probeOf(2000, MSS));
});
