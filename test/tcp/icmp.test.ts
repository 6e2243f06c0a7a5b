/** ICMP errors, RFC 9293 §3.9.2.2 and RFC 5927, and the path's MTU as routers tell it, RFC 1191. */
import { describe, expect, test } from 'vitest';
import { ms, seconds } from '../../src/base/time.ts';
import type { ErrorCode } from '../../src/tcp/tcb.ts';
import { ack, data, established, type Harness, RTO, synAck, synSent } from '../support/harness.ts';
import { inState } from '../support/states.ts';

const SOFT = ['EHOSTUNREACH', 'ENETUNREACH', 'EPROTO'] as const satisfies readonly ErrorCode[];
const HARD = ['ECONNREFUSED', 'ENOPROTOOPT'] as const satisfies readonly ErrorCode[];

describe('before the connection is one', () => {
  test.each([...SOFT, ...HARD])('%s ends it in SYN-SENT, as on Linux', (code) => {
    const h = inState('SYN-SENT').icmp(code, -1).expectNothing().expectState('CLOSED');
    expect(h.error).toBe(code);
    expect(h.takeHappened()).toContain('closed');
    h.advance(seconds(100)).expectNothing();
  });

  test('and in SYN-RECEIVED', () => {
    expect(inState('SYN-RECEIVED').icmp('EHOSTUNREACH', -1).expectState('CLOSED').error).toBe('EHOSTUNREACH');
  });

  test.each(SOFT)('to the RFC’s letter %s is only remembered (MUST-56)', (code) => {
    const h = inState('SYN-SENT', { profile: 'rfc' }).icmp(code, -1).expectState('SYN-SENT');
    expect(h.connection.softError).toBe(code);
    h.inject(synAck()).expect(ack(0)).expectState('ESTABLISHED');
  });

  test.each(HARD)('to the RFC’s letter %s ends it', (code) => {
    expect(inState('SYN-SENT', { profile: 'rfc' }).icmp(code, -1).expectState('CLOSED').error).toBe(code);
  });

  test.each([0, -2, 1000])('about a segment at %i, which we did not send, it is ignored', (seq) => {
    inState('SYN-SENT').icmp('ECONNREFUSED', seq).expectNothing().expectState('SYN-SENT');
  });
});

describe('in a connection', () => {
  const flying = (): Harness => {
    const h = established({ mss: 1000 });
    h.write(2000);
    return h.expect(data(0, 1000), data(1000, 1000));
  };

  test.each([...SOFT, ...HARD])('%s is told, and ends nothing (RFC 5927 §5.2)', (code) => {
    const h = flying().icmp(code, 0).expectNothing().expectState('ESTABLISHED');
    expect(h.connection.softError).toBe(code);
    expect(h.takeHappened()).toEqual(['softError']);
    expect(h.error).toBeUndefined();
    h.inject(ack(2000)).expectNothing();
    expect(h.info.unacked).toBe(0);
  });

  test.each([-1, 2000, 2001])('about a segment at %i, which is not in flight, it is ignored (RFC 5927 §4.1)', (seq) => {
    const h = flying().icmp('EHOSTUNREACH', seq);
    expect(h.connection.softError).toBeUndefined();
    expect(h.takeHappened()).toEqual([]);
  });

  test.each([0, 1000, 1999])('about a segment at %i it counts', (seq) => {
    expect(flying().icmp('EHOSTUNREACH', seq).connection.softError).toBe('EHOSTUNREACH');
  });

  test('when nothing is in flight none counts', () => {
    expect(established().icmp('EHOSTUNREACH', 0).connection.softError).toBeUndefined();
  });

  test('in TIME-WAIT, LISTEN and CLOSED none does', () => {
    for (const state of ['TIME-WAIT', 'LISTEN', 'CLOSED'] as const)
      expect(inState(state).icmp('ECONNREFUSED', 0).expectNothing().expectState(state).error).toBeUndefined();
  });

  test('it is traced as an input', () => {
    const h = flying().icmp('EHOSTUNREACH', 0);
    expect(h.records.at(-1)).toMatchObject({ type: 'icmp', error: 'EHOSTUNREACH', args: { seq: 0xffff_fc18 } });
  });
});

describe('a path that carries less', () => {
  const flying = (o: Parameters<typeof established>[0] = {}): Harness => {
    const h = established({ mss: 1460, ...o });
    h.write(4000);
    return h.skip();
  };

  test('what is out is cut anew and sent again at once', () => {
    const h = flying();
    expect(h.info.unacked).toBe(2920);
    h.pathMss(1000, 0);
    h.expect(
      data(0, 1000, { note: 'retransmission' }),
      data(1000, 1000, { note: 'retransmission' }),
      data(2000, 920, { note: 'retransmission' }),
      data(2920, 1000),
    );
    expect(h.info.snd_mss).toBe(1000);
    h.inject(ack(3920)).expect(data(3920, 80));
  });

  test('a router’s word is traced, and what it is about', () => {
    const h = flying().pathMss(1000, 0);
    h.skip();
    const told = h.records.find((r) => r.type === 'icmp');
    expect(told).toMatchObject({ error: 'EMSGSIZE', args: { mss: 1000, seq: 0xffff_fc18 } });
  });

  test('it is no sign of congestion (RFC 1191 §6.5), but the window shrinks by the ratio (RFC 5681 §3.1)', () => {
    const h = flying();
    expect(h.info.snd_cwnd).toBe(14_600);
    h.pathMss(1000, 0).skip();
    expect(h.info).toMatchObject({ snd_cwnd: 10_000, snd_ssthresh: -1 });
  });

  test('timestamps count', () => {
    const h = flying({ timestamps: true }).pathMss(1000, 0).skip();
    expect(h.info.snd_mss).toBe(988);
  });

  test('a router’s word about what is not in flight is ignored', () => {
    const h = flying().pathMss(1000, -1).expectNothing().pathMss(1000, 2920).expectNothing();
    expect(h.info.snd_mss).toBe(1460);
  });

  test('it raises nothing', () => {
    const h = flying().pathMss(1000, 0).skip().pathMss(1200, 0).expectNothing();
    expect(h.info.snd_mss).toBe(1000);
    expect(flying().pathMss(9000, 0).expectNothing().info.snd_mss).toBe(1460);
  });

  test('again the same changes nothing: a burst of them costs one retransmission', () => {
    const h = flying().pathMss(1000, 0).skip();
    for (let n = 0; n < 5; n++) h.pathMss(1000, n * 500);
    h.expectNothing();
  });

  test('it falls no lower than tcp_min_snd_mss', () => {
    expect(flying().pathMss(1, 0).skip().info.snd_mss).toBe(48);
  });

  test('the retransmission gives no round-trip sample', () => {
    const h = flying().advance(ms(50)).pathMss(1000, 0).skip().advance(ms(20)).inject(ack(2920));
    expect(h.info.min_rtt).toBe(100_000);
    h.skip();
  });

  test('what is lost again is retransmitted by the timer', () => {
    const h = flying();
    h.pathMss(1000, 0)
      .skip()
      .after(RTO)
      .expect(data(0, 1000, { note: 'retransmission' }));
  });

  test('in SYN-SENT it counts from the first data on', () => {
    const h = synSent({ mss: 1460 })
      .pathMss(1000, -1)
      .expectNothing()
      .inject(synAck({ mss: 1460 }))
      .expect(ack(0));
    h.write(3000);
    h.expect(data(0, 1000), data(1000, 1000), data(2000, 1000));
  });
});
