/** Opening a connection: RFC 9293 §3.5, §3.10.1, §3.10.7.2, §3.10.7.3, and what goes wrong on the way. */
import { describe, expect, test } from 'vitest';
import { ms, seconds } from '../../src/base/time.ts';
import {
  accepted,
  ack,
  data,
  established,
  fin,
  listening,
  peerSyn,
  RTT,
  rst,
  syn,
  synAck,
  synReceived,
  synSent,
} from '../support/harness.ts';

describe('active open', () => {
  test('SYN, SYN-ACK, ACK', () => {
    const h = synSent({ mss: 1000, wnd: 5000 });
    h.expectState('SYN-SENT');
    h.advance(RTT)
      .inject(synAck({ mss: 1000, wnd: 5000 }))
      .expect(ack(0));
    h.expectState('ESTABLISHED');
    expect(h.takeHappened()).toEqual(['connected', 'writable']);
    expect(h.info).toMatchObject({
      snd_mss: 1000,
      snd_wnd: 5000,
      rtt: 100_000,
      rttvar: 50_000,
      rto: 300_000,
      segs_in: 1,
      segs_out: 2,
    });
    expect(h.nextTimeoutIn).toBe(Number.POSITIVE_INFINITY);
  });

  test('the SYN carries the options in force, no ACK, and an unscaled window of whole segments', () => {
    const h = synSent({ mss: 1460 });
    expect(h.records.find((r) => r.type === 'segment')).toMatchObject({
      dir: 'out',
      seg: { flags: 'S', ack: 0, mss: 1460, wnd: 64_240, len: 0 },
    });
    const all = synSent({ mss: 1460, timestamps: true, sack: true, wscale: 7 });
    expect(all.records.find((r) => r.type === 'segment')).toMatchObject({
      seg: { flags: 'S', mss: 1460, sackOk: true, wscale: 7, ts: [93_000, 0], wnd: 64_240 },
    });
  });

  test('data written before the SYN-ACK leaves with the handshake’s last ACK, once', () => {
    const h = synSent();
    expect(h.write(5)).toBe(5);
    h.expectNothing();
    h.inject(synAck({ mss: 1460 })).expect(data(0, 5));
    h.inject(ack(5)).advance(seconds(10)).expectNothing();
  });

  test('data and FIN on the SYN-ACK are taken after the state has moved', () => {
    const h = synSent()
      .inject(synAck({ mss: 1460, len: 200, flags: 'FP.S' }))
      .expect(ack(201));
    h.expectState('CLOSE-WAIT');
    expect(h.transitions.slice(-2)).toEqual([
      'SYN-SENT --rcv SYN,ACK--> ESTABLISHED',
      'ESTABLISHED --rcv FIN--> CLOSE-WAIT',
    ]);
    expect(h.read()).toBe(200);
    expect(h.read()).toBe('end');
  });

  test('data on the SYN-ACK that the window of our SYN has no room for is cut', () => {
    const h = synSent({ mss: 100, options: { SO_RCVBUF: 150 } });
    h.inject(synAck({ mss: 100, len: 200 })).expect(ack(100, { wnd: 0 }));
    expect(h.read()).toBe(100);
    h.expect(ack(100, { wnd: 150, note: 'window update' }));
  });

  test.each([
    ['ISS', -1],
    ['more than was sent', 1],
    ['less than ISS', -100],
  ])('a SYN-ACK that acknowledges %s is answered by RST, and the real one still counts', (_, n) => {
    const h = synSent().inject(synAck({ ack: n }));
    h.expect(rst(n)).expectState('SYN-SENT');
    expect(h.drops).toEqual(['unacceptable ACK in SYN-SENT']);
    h.inject(synAck()).expect(ack(0)).expectState('ESTABLISHED');
  });

  test('behind the RST for an old connection the SYN comes again, once, without waiting for its timer', () => {
    const h = synSent().inject(ack(500));
    h.expect(rst(500));
    h.advance(ms(1)).expectNothing();
    h.advance(ms(1)).expect(syn());
    h.inject(ack(500)).expect(rst(500));
    h.advance(ms(1999)).expectNothing();
    h.advance(ms(1)).expect(syn());
  });

  test('a wrong ACK that comes with a RST is passed over in silence', () => {
    const h = synSent()
      .inject(rst(0, { ack: 1 }))
      .expectNothing();
    h.expectState('SYN-SENT');
  });

  test('a RST that acknowledges the SYN refuses the connection', () => {
    const h = synSent()
      .inject(rst(0, { ack: 0 }))
      .expectNothing();
    h.expectState('CLOSED');
    expect(h.error).toBe('ECONNREFUSED');
    expect(h.takeHappened()).toContain('closed');
    expect(h.nextTimeoutIn).toBe(Number.POSITIVE_INFINITY);
    expect(h.read()).toBe('end');
    expect(h.write(5)).toBe(0);
  });

  test('a RST without ACK is not for our SYN', () => {
    const h = synSent().inject(rst(0)).expectNothing();
    h.expectState('SYN-SENT');
    expect(h.drops).toEqual(['RST without ACK in SYN-SENT']);
  });

  test.each([
    ['a bare ACK', ack(0)],
    ['data', data(0, 10, { ack: 0 })],
    ['a FIN', fin(0, { ack: 0 })],
    ['a FIN without ACK', { flags: 'F', seq: 0 }],
    ['a segment without flags', { flags: '', seq: 0 }],
  ])('%s with an acceptable acknowledgment and no SYN is dropped', (_, seg) => {
    const h = synSent().inject(seg).expectNothing();
    h.expectState('SYN-SENT');
    expect(h.drops).toEqual(['no SYN in SYN-SENT']);
  });

  test('a lost SYN is sent again after 1, 2, 4 … s, the same, and the sixth retry is the last', () => {
    const h = synSent({ mss: 1000, timestamps: true });
    for (const s of [1, 2, 4, 8, 16, 32]) h.after(seconds(s)).expect(syn({ mss: 1000, note: 'retransmission' }));
    h.after(seconds(64)).expectNothing();
    h.expectState('CLOSED');
    expect(h.error).toBe('ETIMEDOUT');
    expect(h.info.total_retrans).toBe(6);
  });

  // As measured on Linux 6.18: retransmissions, then the wait that ends it.
  test.for([
    [0, 2, [1, 2], 4],
    [1, 1, [1, 1], 2],
    [1, 2, [1, 1, 2], 4],
    [2, 1, [1, 1], 1],
    [4, 1, [1, 1], 1],
    [4, 2, [1, 1, 1, 1, 1], 2],
  ] as const)(
    'tcp_syn_linear_timeouts %i: retries come 1 s apart, and more of them fit into the time of tcp_syn_retries %i',
    ([linear, retries, again, last]) => {
      const h = synSent({ sysctl: { tcp_syn_linear_timeouts: linear, tcp_syn_retries: retries } });
      for (const s of again) h.after(seconds(s)).expect(syn());
      h.after(seconds(last)).expectNothing();
      expect(h.error).toBe('ETIMEDOUT');
    },
  );

  test('a lost SYN-ACK: the SYN is sent again, and its answer opens', () => {
    const h = synSent().after(seconds(1)).expect(syn());
    h.inject(synAck({ mss: 1460 }))
      .expect(ack(0))
      .expectState('ESTABLISHED');
  });

  test('a lost ACK of the handshake: the SYN-ACK comes again and is answered by ACK', () => {
    const h = established();
    h.advance(seconds(1))
      .inject(synAck({ mss: 1460 }))
      .expect(ack(0));
    h.expectState('ESTABLISHED');
    h.inject(data(0, 10));
    expect(h.read()).toBe(10);
    h.skip();
  });

  test('after a lost SYN the first RTO for data is 3 s, unless timestamps gave a sample (RFC 6298 §5.7)', () => {
    const plain = synSent()
      .after(seconds(1))
      .expect(syn())
      .advance(RTT)
      .inject(synAck({ mss: 1460 }))
      .expect(ack(0));
    plain.write(10);
    plain
      .expect(data(0, 10))
      .after(seconds(3))
      .expect(data(0, 10, { note: 'retransmission' }));

    const stamped = synSent({ timestamps: true }).after(seconds(1)).expect(syn());
    stamped
      .advance(RTT)
      .inject(synAck({ mss: 1460 }))
      .expect(ack(0));
    expect(stamped.info).toMatchObject({ rtt: 100_000, rttvar: 50_000 });
    stamped.write(10);
    stamped.expect(data(0, 10)).after(ms(300)).expect(data(0, 10));
  });

  test('one lost SYN leaves the initial window alone, two make it one segment (RFC 6928 §2)', () => {
    const once = synSent({ mss: 100 })
      .after(seconds(1))
      .expect(syn())
      .inject(synAck({ mss: 100 }))
      .expect(ack(0));
    expect(once.info.snd_cwnd).toBe(1000);
    const twice = synSent({ mss: 100 }).after(seconds(1)).expect(syn()).after(seconds(2)).expect(syn());
    twice.inject(synAck({ mss: 100 })).expect(ack(0));
    expect(twice.info.snd_cwnd).toBe(100);
  });

  test('CLOSE in SYN-SENT ends it without a word', () => {
    const h = synSent();
    h.write(5);
    h.close().expectNothing().expectState('CLOSED');
    expect(h.error).toBeUndefined();
    h.advance(seconds(100)).expectNothing();
  });

  test('ABORT in SYN-SENT ends it without a word', () => {
    const h = synSent().abort().expectNothing().expectState('CLOSED');
    expect(h.error).toBe('ECONNABORTED');
  });
});

describe('passive open', () => {
  test('LISTEN says nothing, answers a SYN by SYN-ACK, and is established by its ACK', () => {
    const h = listening({ mss: 1000 });
    h.inject(syn({ mss: 900, wnd: 3000 }))
      .expect(synAck({ mss: 1000, wnd: 65_000 }))
      .expectState('SYN-RECEIVED');
    expect(h.takeHappened()).toEqual([]);
    h.advance(RTT)
      .inject(ack(0, { wnd: 4000 }))
      .expectNothing()
      .expectState('ESTABLISHED');
    expect(h.takeHappened()).toEqual(['connected', 'writable']);
    expect(h.info).toMatchObject({ snd_mss: 900, snd_wnd: 4000, rtt: 100_000 });
  });

  test('the SYN-ACK offers only what the SYN offered', () => {
    const none = listening({ sysctl: { tcp_timestamps: true, tcp_sack: true, tcp_window_scaling: true } });
    none.inject(syn({ mss: 1460 })).skip();
    const last = none.records.findLast((r) => r.type === 'segment');
    expect(last).toMatchObject({ seg: { flags: 'S.', mss: 1460 } });
    expect(Object.keys((last as { seg: object }).seg)).toEqual(['seq', 'ack', 'flags', 'wnd', 'len', 'mss']);

    const all = listening({ timestamps: true, sack: true, wscale: 3 });
    all.inject(syn({ ...peerSyn({ sack: true, wscale: 3 }), ts: [77, 0] })).skip();
    expect(all.records.findLast((r) => r.type === 'segment')).toMatchObject({
      // 1448 octets a segment beside timestamps: 45 of them.
      seg: { flags: 'S.', sackOk: true, wscale: 7, ts: [93_000, 77], wnd: 65_160 },
    });
  });

  test.each([
    ['a RST', rst(0)],
    ['a RST with SYN', { flags: 'SR', seq: 0 }],
    ['a RST with ACK', rst(0, { ack: 7 })],
    ['a FIN without ACK', { flags: 'F', seq: 0 }],
    ['a segment without flags', { flags: '', seq: 0 }],
    ['PSH and URG alone', { flags: 'PU', seq: 0 }],
  ])('%s in LISTEN is ignored', (_, seg) => {
    listening().inject(seg).expectNothing().expectState('LISTEN');
  });

  test.each([
    ['a bare ACK', ack(77, { seq: 5 })],
    ['a SYN-ACK', synAck({ ack: 77 })],
    ['a FIN', fin(0, { ack: 77 })],
    ['data', data(0, 100, { ack: 77 })],
  ])('%s in LISTEN is answered by a RST at what it acknowledges', (_, seg) => {
    listening().inject(seg).expect(rst(77)).expectState('LISTEN');
  });

  test('data on a SYN is not kept, and comes again', () => {
    const h = listening()
      .inject(syn({ mss: 1460, len: 100 }))
      .expect(synAck());
    h.inject(data(0, 100, { ack: 0 }))
      .expect(ack(100))
      .expectState('ESTABLISHED');
    expect(h.read()).toBe(100);
  });

  test('a lost SYN-ACK is sent again after 1, 2, 4 … s, and the fifth retry is the last', () => {
    const h = synReceived();
    for (const s of [1, 2, 4, 8, 16]) h.after(seconds(s)).expect(synAck({ note: 'retransmission' }));
    h.after(seconds(32)).expectNothing().expectState('CLOSED');
    expect(h.error).toBe('ETIMEDOUT');
  });

  test('the SYN again and again brings it once in tcp_invalid_ratelimit', () => {
    const h = synReceived();
    const again = syn(peerSyn({}));
    h.inject(again).expect(synAck()).inject(again).expectNothing();
    h.advance(ms(499)).inject(again).expectNothing();
    h.advance(ms(1)).inject(again).expect(synAck());
    expect(h.drops).toEqual(['SYN again', 'SYN again']);
  });

  test('the SYN again brings the SYN-ACK again, at once', () => {
    const h = synReceived()
      .advance(ms(100))
      .inject(syn({ mss: 1460 }))
      .expect(synAck())
      .expectState('SYN-RECEIVED');
    h.after(seconds(1)).expect(synAck());
  });

  test.each([
    ['with data', { len: 10 }],
    ['with a FIN', { flags: 'SF' }],
  ])('the SYN again %s brings the SYN-ACK again, not a return to LISTEN', (_, more) => {
    synReceived()
      .advance(ms(100))
      .inject(syn({ mss: 1460, ...more }))
      .expect(synAck())
      .expectState('SYN-RECEIVED');
  });

  test('a SYN-ACK is no end of the handshake that a SYN began', () => {
    synReceived()
      .advance(ms(100))
      .inject(synAck())
      .expect(ack(0, { note: 'duplicate ACK' }))
      .expectState('SYN-RECEIVED');
  });

  test('a lost ACK of the handshake is made good by the first data', () => {
    const h = synReceived()
      .inject(data(0, 10, { ack: 0 }))
      .expect(ack(10))
      .expectState('ESTABLISHED');
    expect(h.read()).toBe(10);
  });

  test('FIN may come with the ACK of the handshake', () => {
    const h = synReceived()
      .inject(fin(0, { ack: 0 }))
      .expect(ack(1))
      .expectState('CLOSE-WAIT');
    expect(h.takeHappened()).toEqual(['connected', 'writable', 'peerClosed']);
  });

  test.each([-1, 1])('an ACK of %i relative to the SYN is answered by RST, and the right one still opens', (n) => {
    const h = synReceived().inject(ack(n)).expect(rst(n)).expectState('SYN-RECEIVED');
    expect(h.drops).toEqual(['unacceptable ACK in SYN-RECEIVED']);
    h.inject(ack(0)).expectNothing().expectState('ESTABLISHED');
  });

  test('a segment without ACK does not open', () => {
    synReceived().inject({ flags: 'P', seq: 0, len: 10 }).expectNothing().expectState('SYN-RECEIVED');
  });

  test('an old duplicate SYN is undone by the RST it provokes, and the real one opens', () => {
    const h = listening()
      .inject(syn({ seq: -91, mss: 1460 }))
      .expect(synAck({ ack: -90 }));
    h.inject(rst(-90)).expectNothing().expectState('LISTEN');
    h.advance(seconds(5)).expectNothing();
    h.inject(syn({ mss: 1460 })).expect(synAck());
    h.advance(RTT).inject(ack(0)).expectNothing().expectState('ESTABLISHED');
    // The round trip is the second SYN-ACK's, not the first one's.
    expect(h.info.rtt).toBe(100_000);
    h.inject(data(0, 10)).expect(ack(10));
  });

  test('after a return to LISTEN the retries begin anew', () => {
    const h = synReceived().after(seconds(1)).expect(synAck()).inject(rst(0)).expectState('LISTEN');
    expect(h.connection.variables).toMatchObject({ synSent: false, synDue: false, board: { out: 0 } });
    h.inject(syn({ mss: 1460 })).expect(synAck());
    for (const s of [1, 2, 4, 8, 16]) h.after(seconds(s)).expect(synAck());
    h.after(seconds(32)).expectNothing().expectState('CLOSED');
  });

  test('a new SYN in the window sends it back to LISTEN (RFC 9293 MUST-11)', () => {
    const h = synReceived()
      .inject(syn({ seq: 100 }))
      .expectNothing()
      .expectState('LISTEN');
    h.inject(syn({ seq: 100, mss: 1460 })).expect(synAck({ ack: 101 }));
  });

  test('SEND in LISTEN makes the open an active one', () => {
    const h = listening();
    h.write(5);
    h.expect(syn()).expectState('SYN-SENT');
    h.inject(synAck({ mss: 1460 })).expect(data(0, 5));
    // It is an active open now: a reset is told, rather than leading back to LISTEN.
    const refused = listening();
    refused.write(5);
    refused.expect(syn()).inject(syn()).expect(synAck()).inject(rst(0)).expectState('CLOSED');
    expect(refused.error).toBe('ECONNREFUSED');
  });

  test('CLOSE in SYN-RECEIVED sends a FIN at once, and the handshake ends meanwhile', () => {
    const h = synReceived().close().expect(fin(0)).expectState('FIN-WAIT-1');
    h.inject(ack(0)).expectNothing().expectState('FIN-WAIT-1');
    h.inject(ack(1)).expectNothing().expectState('FIN-WAIT-2');
    h.inject(fin(0)).expect(ack(1)).expectState('TIME-WAIT');
  });

  test('ABORT in SYN-RECEIVED sends a RST', () => {
    synReceived()
      .abort()
      .expect(rst(0, { ack: 0 }))
      .expectState('CLOSED');
  });
});

describe('simultaneous open', () => {
  const crossed = () =>
    synSent({ mss: 1000 })
      .advance(RTT)
      .inject(syn({ mss: 1000, wnd: 1000 }))
      .expect(synAck());

  test('crossing SYNs: SYN-ACK with the same ISS, and the peer’s SYN-ACK opens', () => {
    const h = crossed().expectState('SYN-RECEIVED');
    h.inject(synAck({ mss: 1000 }))
      .expectNothing()
      .expectState('ESTABLISHED');
    expect(h.transitions.slice(1)).toEqual([
      'SYN-SENT --rcv SYN--> SYN-RECEIVED',
      'SYN-RECEIVED --rcv ACK of SYN--> ESTABLISHED',
    ]);
    h.write(1500);
    h.expect(data(0, 1000));
  });

  test('crossing SYNs: a bare ACK opens too', () => {
    crossed().inject(ack(0)).expectNothing().expectState('ESTABLISHED');
  });

  test('crossing SYNs with data queued: it leaves when the SYN is acknowledged', () => {
    const h = synSent();
    h.write(10);
    h.expectNothing()
      .inject(syn({ mss: 1460 }))
      .expect(synAck());
    h.inject(synAck({ mss: 1460 })).expect(data(0, 10));
  });

  test('the peer’s SYN again brings our SYN-ACK again', () => {
    crossed()
      .inject(syn({ mss: 1000 }))
      .expect(synAck());
  });

  test('a RST is a refusal, since the open was an active one', () => {
    const h = crossed().inject(rst(0)).expectNothing().expectState('CLOSED');
    expect(h.error).toBe('ECONNREFUSED');
  });

  test('a SYN elsewhere in the window is challenged, and changes nothing', () => {
    const h = crossed()
      .inject(syn({ seq: 50 }))
      .expect(ack(0, { note: 'challenge ACK' }))
      .expectState('SYN-RECEIVED');
    h.inject(ack(0)).expectState('ESTABLISHED');
  });

  test('our SYN-ACK is retransmitted until the peer acknowledges it', () => {
    const h = crossed()
      .after(seconds(1))
      .expect(synAck({ note: 'retransmission' }));
    h.inject(ack(0)).expectNothing().expectState('ESTABLISHED');
  });
});

describe.each([
  ['ISS just below 2^32', { iss: 0xffff_ffff, irs: 0 }],
  ['IRS just below 2^32', { iss: 0, irs: 0xffff_ffff }],
  ['both just below 2^31', { iss: 0x7fff_ffff, irs: 0x7fff_ffff }],
  ['both 2^31', { iss: 0x8000_0000, irs: 0x8000_0000 }],
])('with %s', (_, isn) => {
  test.each([
    ['actively', established],
    ['passively', accepted],
  ])('a connection opened %s carries data both ways and closes', (_, open) => {
    const h = open({ mss: 1000, ...isn });
    h.write(1500);
    h.expect(data(0, 1000)).inject(ack(1000)).expect(data(1000, 500));
    h.inject(ack(1500))
      .inject(data(0, 1000, { flags: 'P.' }))
      .expect(ack(1000));
    expect(h.read()).toBe(1000);
    h.skip()
      .close()
      .expect(fin(1500))
      .inject(fin(1000, { ack: 1501 }))
      .expect(ack(1001))
      .expectState('TIME-WAIT');
  });
});

test('OPEN of a connection that exists is the caller’s mistake', () => {
  expect(() => established().open('active')).toThrow('no transition from ESTABLISHED on active OPEN');
});
