/** Closing: RFC 9293 §3.6, §3.10.4, §3.10.7.4 eighth, and what is lost on the way. */
import { describe, expect, test } from 'vitest';
import { micros, ms, NEVER, seconds } from '../../src/base/time.ts';
import { ack, data, established, fin, type Harness, RTO, rst, syn } from '../support/harness.ts';
import { IN_STATE, inState } from '../support/states.ts';

describe('we close first', () => {
  test('FIN, its ACK, the peer’s FIN, our ACK, 2MSL', () => {
    const h = established().close().expect(fin(0)).expectState('FIN-WAIT-1');
    h.inject(ack(1)).expectNothing().expectState('FIN-WAIT-2');
    expect(h.nextTimeoutIn).toBe(NEVER);
    h.inject(fin(0)).expect(ack(1)).expectState('TIME-WAIT');
    expect(h.takeHappened()).toEqual(['writable', 'peerClosed', 'timeWait']);
    expect(h.read()).toBe('end');
    h.after(seconds(60)).expectNothing().expectState('CLOSED');
    expect(h.takeHappened()).toEqual(['readable', 'closed']);
    expect(h.error).toBeUndefined();
  });

  test('a FIN that acknowledges ours takes two rows at once', () => {
    const h = inState('FIN-WAIT-1')
      .inject(fin(0, { ack: 1 }))
      .expect(ack(1))
      .expectState('TIME-WAIT');
    expect(h.transitions.slice(-2)).toEqual([
      'FIN-WAIT-1 --rcv ACK of FIN--> FIN-WAIT-2',
      'FIN-WAIT-2 --rcv FIN--> TIME-WAIT',
    ]);
  });

  test('half-close: the peer goes on sending, and we go on acknowledging', () => {
    const h = inState('FIN-WAIT-2', { mss: 1000 });
    for (let i = 0; i < 10; i++) h.inject(data(i * 1000, 1000));
    h.skip();
    expect(h.read()).toBe(10_000);
    h.skip()
      .inject(data(10_000, 5, { flags: 'FP.' }))
      .expect(ack(10_006))
      .expectState('TIME-WAIT');
    expect(h.read()).toBe(5);
    expect(h.read()).toBe('end');
  });

  test('FIN-WAIT-2 lasts for ever while the user reads, and tcp_fin_timeout once he has gone', () => {
    inState('FIN-WAIT-2').advance(seconds(100_000)).expectState('FIN-WAIT-2');
    const gone = inState('FIN-WAIT-2').release().expectNothing();
    gone.after(seconds(60)).expectState('CLOSED');
    expect(gone.error).toBeUndefined();
    const before = inState('ESTABLISHED', { sysctl: { tcp_fin_timeout: 10 } })
      .release()
      .expect(fin(0));
    before.inject(ack(1)).expectState('FIN-WAIT-2').after(seconds(10)).expectState('CLOSED');
  });

  test('once the user has gone, a FIN after text that had arrived before is taken; with new text there is a RST (SHLD-3)', () => {
    const gone = (): Harness => {
      const h = inState('ESTABLISHED').inject(data(0, 10)).skip();
      h.read();
      return h.release().skip().inject(ack(1)).skip().expectState('FIN-WAIT-2');
    };
    gone()
      .inject(data(0, 10, { flags: 'F.' }))
      .skip()
      .expectState('TIME-WAIT');
    gone()
      .inject(data(0, 11, { flags: 'F.' }))
      .skip()
      .expectState('CLOSED');
  });

  test('FIN follows what is queued, on the last segment', () => {
    const h = established({ mss: 1000 });
    h.write(1500);
    h.expect(data(0, 1000));
    h.close()
      .expect(data(1000, 500, { flags: 'FP.' }))
      .expectState('FIN-WAIT-1');
    expect(h.write(1)).toBe(0);
    h.inject(ack(1500)).expectNothing().expectState('FIN-WAIT-1');
    h.inject(ack(1501)).expectState('FIN-WAIT-2');
  });

  test('FIN waits for a window', () => {
    const h = established({ wnd: 0 }).close().expectNothing().expectState('FIN-WAIT-1');
    h.inject(ack(0, { wnd: 1 })).expect(fin(0));
    const full = established({ mss: 1000, wnd: 1000 });
    full.write(1000);
    full.expect(data(0, 1000)).close().expectNothing();
    full
      .inject(ack(1000, { wnd: 0 }))
      .expectNothing()
      .inject(ack(1000, { wnd: 500 }))
      .expect(fin(1000));
  });

  test('FIN rides with the data when the window has one octet more for it', () => {
    const h = established({ mss: 1000, wnd: 500 });
    h.set('TCP_CORK', true);
    h.write(500);
    h.close().expect(data(0, 500));
    h.inject(ack(500, { wnd: 1 })).expect(fin(500));
    const room = established({ mss: 1000, wnd: 501 });
    room.set('TCP_CORK', true);
    room.write(500);
    room.close().expect(data(0, 500, { flags: 'FP.' }));
  });

  test('in TIME-WAIT timestamps tell the next incarnation from this one once more than a second has passed', () => {
    const h = established({ timestamps: true });
    h.close().expect(fin(0));
    h.inject(ack(1)).inject(fin(0)).expect(ack(1)).expectState('TIME-WAIT');
    const { now } = h;
    expect(h.connection.isOldEnough(micros(now + 1_000_000))).toBe(false);
    expect(h.connection.isOldEnough(micros(now + 1_000_001))).toBe(true);
    const plain = established();
    plain.close().expect(fin(0));
    plain.inject(ack(1)).inject(fin(0)).expect(ack(1)).expectState('TIME-WAIT');
    expect(plain.connection.isOldEnough(micros(now + 60_000_000))).toBe(false);
  });

  test('CLOSE a second time does nothing', () => {
    const h = inState('FIN-WAIT-1').close().expectNothing().expectState('FIN-WAIT-1');
    h.advance(ms(100)).close().expectNothing();
  });

  test('a lost FIN is sent again', () => {
    const h = inState('FIN-WAIT-1')
      .after(RTO)
      .expect(fin(0, { note: 'retransmission' }))
      .expectState('FIN-WAIT-1');
    h.after(ms(600)).expect(fin(0)).inject(ack(1)).expectState('FIN-WAIT-2');
    expect(h.info).toMatchObject({ data_segs_out: 0, total_retrans: 2, bytes_retrans: 0 });
    expect(h.nextTimeoutIn).toBe(NEVER);
  });

  test('lost data and FIN go out again together', () => {
    const h = established({ mss: 1000 });
    h.write(500);
    h.expect(data(0, 500)).close().expect(fin(500));
    h.after(RTO).expect(data(0, 500, { flags: 'FP.', note: 'retransmission' }));
    h.inject(ack(501)).expectState('FIN-WAIT-2');
  });

  test('CLOSE while lost segments are still being sent again: they come first, and the FIN after them', () => {
    const h = established({ mss: 1000 });
    h.write(3000);
    h.expect(data(0, 1000), data(1000, 1000), data(2000, 1000));
    h.after(RTO).expect(data(0, 1000)).close().expectNothing();
    h.inject(ack(1000)).expect(data(1000, 1000), data(2000, 1000), fin(3000));
    h.inject(ack(3001)).expectState('FIN-WAIT-2');
  });
});

describe('the peer closes first', () => {
  test('FIN, our ACK, our FIN, its ACK', () => {
    const h = established().inject(fin(0)).expect(ack(1)).expectState('CLOSE-WAIT');
    expect(h.takeHappened()).toEqual(['peerClosed']);
    expect(h.read()).toBe('end');
    h.advance(seconds(5000)).expectState('CLOSE-WAIT').close().expect(fin(0)).expectState('LAST-ACK');
    h.inject(ack(1)).expectNothing().expectState('CLOSED');
    expect(h.error).toBeUndefined();
    expect(h.nextTimeoutIn).toBe(NEVER);
  });

  test('in CLOSE-WAIT we still send, with the FIN acknowledged on every segment', () => {
    const h = inState('CLOSE-WAIT', { mss: 1000 });
    h.write(2500);
    h.expect(data(0, 1000), data(1000, 1000));
    h.inject(ack(2000)).expect(data(2000, 500)).inject(ack(2500));
    h.close()
      .expect(fin(2500, { ack: 1 }))
      .inject(ack(2501))
      .expectState('CLOSED');
  });

  test('a lost FIN of ours in LAST-ACK is sent again', () => {
    const h = inState('LAST-ACK')
      .after(RTO)
      .expect(fin(0, { ack: 1, note: 'retransmission' }));
    h.inject(ack(1)).expectState('CLOSED');
  });

  test('an ACK of less than our FIN leaves LAST-ACK as it is', () => {
    const h = inState('CLOSE-WAIT');
    h.write(10);
    h.expect(data(0, 10)).close().expect(fin(10));
    h.inject(ack(10)).expectState('LAST-ACK').inject(ack(11)).expectState('CLOSED');
  });

  test('the peer’s FIN again, our ACK being lost, is acknowledged again', () => {
    const h = inState('CLOSE-WAIT').advance(seconds(1)).inject(fin(0)).expect(ack(1)).expectState('CLOSE-WAIT');
    h.advance(ms(10)).inject(fin(0)).expect(ack(1));
    expect(h.takeHappened()).toEqual(['peerClosed']);
  });

  test('text after the FIN is ignored', () => {
    const h = inState('CLOSE-WAIT').inject(data(1, 100)).expectNothing().expectState('CLOSE-WAIT');
    expect(h.read()).toBe('end');
    expect(h.info.bytes_received).toBe(0);
  });

  test('octets and FIN in one segment: the octets, then the end', () => {
    const h = established()
      .inject(data(0, 10, { flags: 'FP.' }))
      .expect(ack(11))
      .expectState('CLOSE-WAIT');
    expect(h.takeHappened()).toEqual(['readable', 'peerClosed']);
    expect(h.read()).toBe(10);
    expect(h.read()).toBe('end');
  });

  test('octets that were not read when the FIN came can still be read, and after CLOSED too', () => {
    const h = established({ mss: 1000 }).inject(data(0, 1000)).skip().inject(fin(1000)).expect(ack(1001));
    h.close().expect(fin(0)).inject(ack(1)).expectState('CLOSED');
    expect(h.read()).toBe(1000);
    expect(h.read()).toBe('end');
  });
});

describe('FIN out of order', () => {
  test('a FIN beyond a hole counts when the hole is filled', () => {
    const h = established({ mss: 1000 }).inject(fin(1000)).expect(ack(0)).expectState('ESTABLISHED');
    h.inject(data(0, 1000)).expect(ack(1001)).expectState('CLOSE-WAIT');
    expect(h.read()).toBe(1000);
    expect(h.read()).toBe('end');
  });

  test('data and FIN beyond a hole', () => {
    const h = established({ mss: 1000 })
      .inject(data(1000, 500, { flags: 'FP.' }))
      .expect(ack(0))
      .expectState('ESTABLISHED');
    h.inject(data(0, 1000)).expect(ack(1501)).expectState('CLOSE-WAIT');
    expect(h.read()).toBe(1500);
  });

  test('of two that are claimed ahead of order the first counts, and none that text has gone past', () => {
    const two = established().inject(fin(10)).expect(ack(0)).inject(fin(20)).expect(ack(0));
    two.inject(data(0, 10)).expect(ack(11)).expectState('CLOSE-WAIT');
    const past = established().inject(fin(5)).expect(ack(0)).inject(data(0, 10)).expect(ack(10));
    past.expectState('ESTABLISHED').inject(fin(20)).expect(ack(10)).inject(data(10, 10)).expect(ack(21));
    past.expectState('CLOSE-WAIT');
  });

  test('a FIN beyond the window is not there yet', () => {
    const h = established({ mss: 1000, options: { SO_RCVBUF: 2000 } });
    h.inject(data(0, 1000))
      .expect(ack(1000, { wnd: 1000 }))
      .inject(data(1000, 1200, { flags: 'FP.' }));
    h.expect(ack(2000, { wnd: 0 })).expectState('ESTABLISHED');
    expect(h.read()).toBe(2000);
    h.skip()
      .inject(data(2000, 200, { flags: 'FP.' }))
      .expect(ack(2201))
      .expectState('CLOSE-WAIT');
  });

  test('a FIN alone fits a window that is shut', () => {
    const h = established({ mss: 1000, options: { SO_RCVBUF: 1000 } })
      .inject(data(0, 1000))
      .expect(ack(1000, { wnd: 0 }));
    h.inject(fin(1000))
      .expect(ack(1001, { wnd: 0 }))
      .expectState('CLOSE-WAIT');
  });
});

describe('both close at once', () => {
  test('crossing FINs lead through CLOSING to TIME-WAIT', () => {
    const h = inState('FIN-WAIT-1').inject(fin(0)).expect(ack(1)).expectState('CLOSING');
    h.inject(ack(1)).expectNothing().expectState('TIME-WAIT');
    h.after(seconds(60)).expectNothing().expectState('CLOSED');
  });

  test('in CLOSING our FIN is retransmitted, and the peer’s is acknowledged again', () => {
    const h = inState('CLOSING')
      .after(RTO)
      .expect(fin(0, { ack: 1, note: 'retransmission' }));
    h.inject(fin(0))
      .expect(ack(1))
      .expectState('CLOSING')
      .inject(ack(1, { seq: 1 }))
      .expectState('TIME-WAIT');
  });

  test('data that the FIN overtook is acknowledged, but it is the ACK of the FIN that moves CLOSING', () => {
    const h = established();
    h.write(10);
    h.expect(data(0, 10)).close().expect(fin(10)).inject(fin(0)).expect(ack(1)).expectState('CLOSING');
    h.inject(ack(10)).expectState('CLOSING').inject(ack(11)).expectState('TIME-WAIT');
  });
});

describe('TIME-WAIT', () => {
  test('a repeated FIN, our last ACK being lost, is acknowledged and restarts 2MSL', () => {
    const h = inState('TIME-WAIT').advance(seconds(50)).inject(fin(0)).expect(ack(1)).expectState('TIME-WAIT');
    h.after(seconds(60)).expectNothing().expectState('CLOSED');
  });

  test('a FIN that repeats the data before it does too', () => {
    const h = inState('FIN-WAIT-2')
      .inject(data(0, 10, { flags: 'FP.' }))
      .expect(ack(11))
      .expectState('TIME-WAIT');
    h.advance(seconds(50))
      .inject(data(0, 10, { flags: 'FP.' }))
      .expect(ack(11));
    h.after(seconds(60)).expectState('CLOSED');
  });

  test('nothing else restarts it', () => {
    const h = inState('TIME-WAIT').advance(seconds(50));
    h.inject(ack(1), data(1, 10), fin(11), fin(-1)).skip();
    h.after(seconds(10)).expectState('CLOSED');
  });

  test('tcp_msl sets its length', () => {
    inState('TIME-WAIT', { sysctl: { tcp_msl: 2 } })
      .after(seconds(4))
      .expectState('CLOSED');
  });

  test('an old duplicate is answered by an ACK', () => {
    inState('TIME-WAIT').inject(data(-100, 100)).expect(ack(1)).expectState('TIME-WAIT');
  });

  test('it stays when its user goes, and does as before from then on', () => {
    const h = inState('TIME-WAIT', { timestamps: true }).release().expectNothing().expectState('TIME-WAIT');
    h.advance(seconds(50)).inject(fin(0)).expect(ack(1)).expectState('TIME-WAIT');
    h.advance(seconds(59))
      .expectNothing()
      .inject(rst(5))
      .expect(ack(1, { note: 'challenge ACK' }));
    h.after(seconds(1)).expectState('CLOSED');
  });

  test('a SYN with an older timestamp does not take its place, a younger one does (RFC 6191)', () => {
    const h = inState('TIME-WAIT', { timestamps: true }).release();
    h.advance(seconds(1));
    expect(h.giveWay(syn({ seq: 100_000, ts: [h.peerTsVal - 5000, 0] }))).toBe(false);
    h.expectState('TIME-WAIT');
    expect(h.giveWay(syn({ seq: -100_000 }))).toBe(true);
    h.expectNothing().expectState('CLOSED');
  });

  test('a tick younger is younger', () => {
    const h = inState('TIME-WAIT', { timestamps: true });
    expect(h.giveWay(syn({ seq: -100_000 }))).toBe(false);
    expect(h.advance(ms(1)).giveWay(syn({ seq: -100_000 }))).toBe(true);
  });

  test('without timestamps a SYN beyond all we received takes its place, any other doesn’t', () => {
    const h = inState('TIME-WAIT');
    expect(h.giveWay(syn({ seq: 1 }))).toBe(false);
    h.expectState('TIME-WAIT');
    expect(h.giveWay(syn({ seq: 2 }))).toBe(true);
    h.expectState('CLOSED');
  });

  test('with tcp_rfc1337 a RST does not end it', () => {
    const h = inState('TIME-WAIT', { sysctl: { tcp_rfc1337: true } })
      .inject(rst(1))
      .expectNothing()
      .expectState('TIME-WAIT');
    h.after(seconds(60)).expectState('CLOSED');
  });

  test('ABORT in it says nothing', () => {
    inState('TIME-WAIT').abort().expectNothing().expectState('CLOSED');
  });
});

describe('the user goes without reading', () => {
  test('octets that were received and not read are lost, and the peer is told by RST', () => {
    const h = established().inject(data(0, 10)).skip();
    h.write(5);
    h.skip()
      .release()
      .expect(rst(5, { ack: 10 }))
      .expectState('CLOSED');
    expect(h.error).toBe('ECONNABORTED');
    expect(h.read()).toBe('end');
  });

  test('with everything read it is an orderly close', () => {
    const h = established().inject(data(0, 10)).skip();
    expect(h.read()).toBe(10);
    h.release()
      .expect(fin(0, { ack: 10 }))
      .expectState('FIN-WAIT-1');
  });

  test.each([
    ['FIN-WAIT-1', 'FIN-WAIT-1'],
    ['FIN-WAIT-2', 'FIN-WAIT-2'],
  ] as const)('data that still comes in %s is answered by RST', (_, state) => {
    const h = IN_STATE[state]().release().expectNothing().expectState(state);
    h.inject(data(0, 10))
      .expect(rst(1, { ack: 0 }))
      .expectState('CLOSED');
    expect(h.error).toBe('ECONNRESET');
    expect(h.transitions.at(-1)).toBe(`${state} --ABORT--> CLOSED`);
  });

  test('old data again is only acknowledged', () => {
    const h = established().inject(data(0, 10)).skip();
    h.read();
    h.release()
      .expect(fin(0, { ack: 10 }))
      .inject(data(0, 10))
      .expect(ack(10))
      .expectState('FIN-WAIT-1');
  });

  test('a FIN that comes alone ends it in order', () => {
    const h = inState('FIN-WAIT-2').release().inject(fin(0)).expect(ack(1)).expectState('TIME-WAIT');
    h.after(seconds(60)).expectState('CLOSED');
  });

  test('an ACK from behind a hole is no octet that nobody will read', () => {
    inState('FIN-WAIT-2')
      .release()
      .inject(ack(1, { seq: 100 }))
      .expectNothing()
      .expectState('FIN-WAIT-2');
  });

  test('one octet more is one that nobody will read', () => {
    const h = established().release().expect(fin(0)).inject(data(0, 1));
    h.expectState('CLOSED');
    expect(h.takeLeft().map(({ seg }) => seg.flags)).toEqual(['R.']);
  });

  test('an unread octet in CLOSE-WAIT too', () => {
    const h = established()
      .inject(data(0, 1, { flags: 'FP.' }))
      .expect(ack(2));
    h.release()
      .expect(rst(0, { ack: 2 }))
      .expectState('CLOSED');
  });

  test('unread octets in TIME-WAIT are nobody’s loss', () => {
    const h = inState('FIN-WAIT-2')
      .inject(data(0, 10, { flags: 'FP.' }))
      .expect(ack(11))
      .expectState('TIME-WAIT');
    h.release().expectNothing().expectState('TIME-WAIT');
  });

  test('before the connection is one it just ends', () => {
    inState('SYN-SENT').release().expectNothing().expectState('CLOSED');
    inState('LISTEN').release().expectNothing().expectState('CLOSED');
    inState('SYN-RECEIVED').release().expect(fin(0)).expectState('FIN-WAIT-1');
    inState('CLOSED').release().expectNothing().expectState('CLOSED');
  });
});

describe('ABORT', () => {
  test.each([
    ['ESTABLISHED', 0, 0],
    ['FIN-WAIT-1', 1, 0],
    ['FIN-WAIT-2', 1, 0],
    ['CLOSE-WAIT', 0, 1],
  ] as const)('in %s sends a RST at SND.NXT and forgets everything', (state, seq, acked) => {
    const h = inState(state)
      .abort()
      .expect(rst(seq, { ack: acked }))
      .expectState('CLOSED');
    expect(h.error).toBe('ECONNABORTED');
    expect(h.nextTimeoutIn).toBe(NEVER);
    h.abort().expectNothing();
  });

  test.each(['CLOSING', 'LAST-ACK', 'TIME-WAIT'] as const)('in %s has nobody to tell', (state) => {
    inState(state).abort().expectNothing().expectState('CLOSED');
  });

  test('the RST stands after what was sent, not after what was queued', () => {
    const h = established({ mss: 1000, wnd: 1000 });
    h.write(5000);
    h.expect(data(0, 1000))
      .abort()
      .expect(rst(1000, { ack: 0 }));
    h.advance(seconds(100)).expectNothing();
  });

  test('in LISTEN it ends without a word', () => {
    inState('LISTEN').abort().expectNothing().expectState('CLOSED');
  });
});

test('in CLOSED nothing is sent, taken or read', () => {
  const h = inState('CLOSED').inject(data(0, 10), syn(), rst(0)).expectNothing().expectState('CLOSED');
  expect(h.write(1)).toBe(0);
  expect(h.read()).toBe('end');
  h.close().expectNothing().expectState('CLOSED');
});
