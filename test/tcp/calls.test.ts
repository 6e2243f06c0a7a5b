/** What the user may ask in each state, and what he is told: RFC 9293 §3.10.1 to §3.10.6. */
import { describe, expect, test } from 'vitest';
import { ms, NEVER, seconds } from '../../src/base/time.ts';
import type { State } from '../../src/tcp/machine.ts';
import { ack, closed, data, established, fin, synAck, synSent } from '../support/harness.ts';
import { IN_STATE, inState } from '../support/states.ts';

const STATES = Object.keys(IN_STATE) as State[];

describe('SEND', () => {
  test.each(['ESTABLISHED', 'CLOSE-WAIT'] as const)('in %s leaves at once', (state) => {
    const h = inState(state);
    expect(h.write(10)).toBe(10);
    h.expect(data(0, 10));
  });

  test.each(['SYN-SENT', 'SYN-RECEIVED'] as const)('in %s is queued until the connection is one', (state) => {
    const h = inState(state);
    expect(h.write(10)).toBe(10);
    h.expectNothing()
      .inject(state === 'SYN-SENT' ? synAck() : ack(0))
      .expect(data(0, 10))
      .expectState('ESTABLISHED');
  });

  test.each(['CLOSED', 'FIN-WAIT-1', 'FIN-WAIT-2', 'CLOSING', 'LAST-ACK', 'TIME-WAIT'] as const)(
    'in %s takes nothing',
    (state) => {
      const h = inState(state);
      expect(h.write(10)).toBe(0);
      h.advance(ms(10)).expectNothing();
      expect(h.connection.sendQueued).toBe(0);
    },
  );
});

describe('RECEIVE', () => {
  test.each(['LISTEN', 'SYN-SENT', 'SYN-RECEIVED', 'ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2'] as const)(
    'in %s there is nothing yet',
    (state) => {
      expect(inState(state).readOnce()).toBe('empty');
    },
  );

  test.each(['CLOSED', 'CLOSE-WAIT', 'CLOSING', 'LAST-ACK', 'TIME-WAIT'] as const)('in %s it is the end', (state) => {
    expect(inState(state).readOnce()).toBe('end');
  });

  test('an end with an error is an end too, and says which', () => {
    const h = established().inject({ flags: 'R', seq: 0 });
    expect(h.readOnce()).toBe('end');
    expect(h.error).toBe('ECONNRESET');
  });
});

describe('CLOSE', () => {
  test.each([
    ['CLOSED', 'CLOSED'],
    ['LISTEN', 'CLOSED'],
    ['SYN-SENT', 'CLOSED'],
    ['SYN-RECEIVED', 'FIN-WAIT-1'],
    ['ESTABLISHED', 'FIN-WAIT-1'],
    ['FIN-WAIT-1', 'FIN-WAIT-1'],
    ['FIN-WAIT-2', 'FIN-WAIT-2'],
    ['CLOSE-WAIT', 'LAST-ACK'],
    ['CLOSING', 'CLOSING'],
    ['LAST-ACK', 'LAST-ACK'],
    ['TIME-WAIT', 'TIME-WAIT'],
  ] as const)('in %s leads to %s', (from, to) => {
    inState(from).close().skip().expectState(to);
  });

  test('to the RFC’s letter waits in CLOSE-WAIT until what is queued has been sent', () => {
    const h = inState('CLOSE-WAIT', { profile: 'rfc', mss: 1000 }).inject(ack(0, { wnd: 0 }));
    h.write(1);
    h.close().expectNothing().expectState('CLOSE-WAIT');
    h.inject(ack(0, { wnd: 1000 }))
      .expect(data(0, 1, { flags: 'FP.' }))
      .expectState('LAST-ACK');
  });
});

describe('STATUS', () => {
  test.each(STATES)('names %s', (state) => {
    const h = inState(state);
    expect(h.info.state).toBe(state);
    expect(h.connection.state).toBe(state);
  });

  test('counts what has come and gone', () => {
    const h = established({ mss: 1000 });
    h.write(2500);
    h.skip().inject(ack(2000)).skip().inject(ack(2500)).inject(data(0, 700), data(700, 300)).skip();
    expect(h.info).toMatchObject({
      bytes_sent: 2500,
      bytes_acked: 2500,
      bytes_received: 1000,
      bytes_retrans: 0,
      data_segs_out: 3,
      data_segs_in: 2,
      segs_in: 5,
      total_retrans: 0,
      unacked: 0,
      notsent_bytes: 0,
      rcv_mss: 700,
      advmss: 1000,
      congestion: 'reno',
    });
    expect(h.info.segs_out).toBe(h.records.filter((r) => r.type === 'segment' && r.dir === 'out').length);
  });

  test('takes off what waits behind the window', () => {
    const h = established({ mss: 1000, wnd: 1500 });
    h.write(4000);
    h.skip();
    expect(h.info).toMatchObject({ unacked: 1000, notsent_bytes: 3000, snd_wnd: 1500 });
    expect(synSent().info.unacked).toBe(1);
    const queued = synSent();
    queued.write(10);
    expect(queued.info.notsent_bytes).toBe(10);
    expect(closed().info).toMatchObject({ unacked: 0, notsent_bytes: 0, mean_rtt: 0, min_rtt: 0 });
  });
});

describe('what is told', () => {
  test('readable, each time something new can be read', () => {
    const h = established().inject(data(0, 10)).skip();
    expect(h.takeHappened()).toEqual(['readable']);
    expect(h.takeHappened()).toEqual([]);
    h.inject(data(0, 10)).skip();
    expect(h.takeHappened()).toEqual([]);
    h.inject(data(10, 10)).skip();
    expect(h.takeHappened()).toEqual(['readable']);
  });

  test('writable, when everything is acknowledged', () => {
    const h = established();
    h.write(10);
    h.skip();
    expect(h.takeHappened()).toEqual([]);
    h.inject(ack(5));
    expect(h.takeHappened()).toEqual([]);
    h.inject(ack(10));
    expect(h.takeHappened()).toEqual(['writable']);
  });

  test('the calls are traced with what they were given', () => {
    const h = established();
    h.write(10);
    h.skip().inject(data(0, 5)).skip();
    h.read();
    h.set('TCP_NODELAY', true).close().skip().abort().skip();
    const calls = h.records.flatMap((r) =>
      r.type === 'call' ? [`${r.call} ${r.len ?? JSON.stringify(r.args ?? {})}`] : [],
    );
    expect(calls.slice(1)).toEqual([
      'SEND 10',
      'RECEIVE 5',
      'SETSOCKOPT {"name":"TCP_NODELAY","value":true}',
      'CLOSE {}',
      'ABORT {"error":"ECONNABORTED"}',
    ]);
    expect(h.records[0]).toMatchObject({ call: 'active OPEN', args: { iss: 0xffff_fc17, tsOffset: -7000 } });
  });

  test('a timer that expires is traced by its name', () => {
    const h = established();
    h.write(10);
    h.skip().after(ms(300)).skip().advance(seconds(1)).skip();
    expect(h.records.filter((r) => r.type === 'timer')).toEqual([
      { t: seconds(100) + 400_000, conn: 1, type: 'timer', timer: 'retransmit', rto: 300_000, count: 0 },
      { t: seconds(100) + 1_000_000, conn: 1, type: 'timer', timer: 'retransmit', rto: 600_000, count: 1 },
    ]);
  });

  test('an end by error is traced with its code', () => {
    const h = established().inject({ flags: 'R', seq: 0 });
    expect(h.records.at(-1)).toMatchObject({ type: 'error', code: 'ECONNRESET' });
  });
});

test('a connection at rest says nothing and has no deadline', () => {
  const h = established();
  expect(h.nextTimeoutIn).toBe(NEVER);
  h.advance(seconds(24 * 3600))
    .expectNothing()
    .inject(fin(0))
    .expect(ack(1));
});
