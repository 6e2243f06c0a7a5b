/** Keep-alive, RFC 9293 §3.8.4. */
import { describe, expect, test } from 'vitest';
import { ms, NEVER, seconds } from '../../src/base/time.ts';
import { Timer } from '../../src/tcp/timers.ts';
import { ack, data, established, fin, type Harness, RTO, rst, type Seg } from '../support/harness.ts';
import { inState } from '../support/states.ts';

const OPTIONS = { SO_KEEPALIVE: true, TCP_KEEPIDLE: 10, TCP_KEEPINTVL: 3, TCP_KEEPCNT: 4 };
const alive = (): Harness => established({ options: OPTIONS });
const question = (seq: number, o: Seg = {}): Seg => ({ flags: '.', seq: seq - 1, note: 'keep-alive', ...o });

test('it is off unless asked for (MUST-25)', () => {
  const h = established();
  expect(h.nextTimeoutIn).toBe(NEVER);
  h.advance(seconds(86_400)).expectNothing();
});

test('the default silence is two hours (MUST-28)', () => {
  established({ options: { SO_KEEPALIVE: true } })
    .after(seconds(7200))
    .expect(question(0));
});

test('after so much silence the peer is asked, without data, just before SND.NXT (SHLD-12)', () => {
  const h = alive().after(seconds(10)).expect(question(0));
  h.inject(ack(0)).after(seconds(10)).expect(question(0));
});

test.each([
  ['ESTABLISHED', true],
  ['FIN-WAIT-1', true],
  ['FIN-WAIT-2', true],
  ['CLOSE-WAIT', true],
  ['CLOSING', false],
  ['LAST-ACK', false],
  ['SYN-SENT', false],
] as const)('switched on in %s it counts: %s', (state, counts) => {
  const h = inState(state).set('SO_KEEPALIVE', true);
  expect(h.connection.variables!.timers.isSet(Timer.keepAlive)).toBe(counts);
});

test('an octet that waits for the window asks by itself', () => {
  const h = alive().inject(ack(0, { wnd: 0 }));
  h.write(1);
  h.advance(seconds(25));
  expect(new Set(h.takeLeft().map(({ seg }) => seg.note))).toEqual(new Set(['zero-window probe']));
});

test('whatever arrives begins the silence anew (MUST-26)', () => {
  const h = alive();
  for (let n = 0; n < 5; n++) h.advance(seconds(8)).inject(data(n, 1)).skip().advance(ms(500)).skip();
  h.after(ms(9500)).expect(question(0, { ack: 5 }));
});

test('what is unacknowledged asks by itself', () => {
  const h = alive().advance(seconds(9));
  h.write(10);
  h.expect(data(0, 10))
    .after(RTO)
    .expect(data(0, 10))
    .after(ms(600))
    .expect(data(0, 10, { note: 'retransmission' }));
  h.inject(ack(10)).after(seconds(10)).expect(question(10));
});

test('unanswered it is asked every TCP_KEEPINTVL, and after TCP_KEEPCNT of them that is the end (MUST-29)', () => {
  const h = alive().after(seconds(10)).expect(question(0));
  for (let n = 0; n < 3; n++) h.after(seconds(3)).expect(question(0));
  h.after(seconds(3))
    .expect(rst(0, { ack: 0 }))
    .expectState('CLOSED');
  expect(h.error).toBe('ETIMEDOUT');
});

test('the last answer counts as well as the first', () => {
  const h = alive().after(seconds(10)).expect(question(0));
  for (let n = 0; n < 3; n++) h.after(seconds(3)).expect(question(0));
  h.advance(seconds(2)).inject(ack(0)).after(seconds(10)).expect(question(0)).after(seconds(3)).expect(question(0));
});

test('a peer that has restarted answers by RST', () => {
  const h = alive().after(seconds(10)).expect(question(0)).inject(rst(0)).expectState('CLOSED');
  expect(h.error).toBe('ECONNRESET');
});

describe('each connection for itself (MUST-24)', () => {
  test('switched on later, it counts from the last arrival', () => {
    const h = established({ options: { ...OPTIONS, SO_KEEPALIVE: false } }).advance(seconds(4));
    h.set('SO_KEEPALIVE', true).after(seconds(6)).expect(question(0));
  });

  test('switched on after more silence than that, it waits once more', () => {
    const h = established({ options: { ...OPTIONS, SO_KEEPALIVE: false } }).advance(seconds(40));
    h.set('SO_KEEPALIVE', true).after(seconds(10)).expect(question(0));
  });

  test('switched off, it is silent', () => {
    const h = alive().advance(seconds(5)).set('SO_KEEPALIVE', false);
    expect(h.nextTimeoutIn).toBe(NEVER);
  });
});

test.each(['FIN-WAIT-2', 'CLOSE-WAIT'] as const)('a peer that vanishes in %s is noticed', (state) => {
  const h = inState(state, { options: OPTIONS })
    .advance(seconds(10 + 3 * 4))
    .skip()
    .expectState('CLOSED');
  expect(h.error).toBe('ETIMEDOUT');
});

test('TIME-WAIT is not asked', () => {
  const h = inState('FIN-WAIT-2', { options: OPTIONS }).inject(fin(0)).expect(ack(1)).expectState('TIME-WAIT');
  h.after(seconds(60)).expectNothing().expectState('CLOSED');
  expect(h.error).toBeUndefined();
});
