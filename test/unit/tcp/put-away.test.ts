import { expect, test } from 'vitest';
import { ms, NEVER, seconds } from '../../../src/base/time.ts';
import { Happened } from '../../../src/tcp/tcb.ts';
import { Timer } from '../../../src/tcp/timers.ts';
import { accepted, ack, closed, data, established, fin, type Harness } from '../../support/harness.ts';

test('of a connection that was put away nothing is queued, lent or due, and it says so without coming back', () => {
  const h = established();
  h.write(1000);
  h.skip().inject(ack(1000)).advance(seconds(1));
  const { connection } = h;
  expect(connection.putAway()).toBe(true);
  expect([connection.sendQueued, connection.lent, connection.takeEvents()]).toEqual([0, 0, 0]);
  expect([connection.state, connection.error, connection.softError]).toEqual(['ESTABLISHED', undefined, undefined]);
  expect(connection.nextTimeout()).toBe(NEVER);
  expect(connection.isPutAway).toBe(true);
  // What cannot be idle is not put away.
  h.write(1);
  expect(connection.putAway()).toBe(false);
  h.skip();
});

test('nor is one in whose hands something is', () => {
  const h = established();
  h.write(1000);
  expect(h.skip().connection.putAway()).toBe(false);
  expect(h.connection.sendQueued).toBe(1000);
});

test('news are what has happened and nobody has looked at', () => {
  const { connection } = established();
  expect(connection.hasNews).toBe(false);
  Object.assign(connection.variables!, { happened: Happened.readable });
  expect(connection.hasNews).toBe(true);
  expect(connection.takeEvents()).toBe(Happened.readable);
  expect(connection.hasNews).toBe(false);
});

test('what the handshake was about is over with it', () => {
  for (const h of [established(), accepted()])
    expect(h.connection.variables).toMatchObject({ isTiming: false, synDue: false, synAcked: true, synRetransmits: 0 });
});

test('to the letter a CLOSE that waited for what was queued takes effect once', () => {
  const h = accepted({ mss: 1000, profile: 'rfc', wnd: 1000 });
  h.inject(fin(0)).expect(ack(1)).expectState('CLOSE-WAIT');
  h.write(3000);
  h.skip().close().expectState('CLOSE-WAIT');
  h.inject(ack(1000, { wnd: 5000 }))
    .expect(data(1000, 1000), data(2000, 1000, { flags: 'FP.' }))
    .expectState('LAST-ACK');
  expect(h.connection.variables!.closePending).toBe(false);
  h.inject(ack(2000)).expectNothing().expectState('LAST-ACK');
  h.inject(ack(3001)).expectState('CLOSED');
  expect(h.error).toBeUndefined();
});

test('it is the user’s turn while there is news that an answer may follow, and nothing else is under way', () => {
  const turn = (h: Harness, happened: number): boolean => {
    Object.assign(h.connection.variables!, { happened });
    const { isUsersTurn } = h.connection;
    h.connection.takeEvents();
    return isUsersTurn;
  };
  const h = established();
  expect([turn(h, Happened.readable), turn(h, 0), turn(h, Happened.connected)]).toEqual([true, false, true]);
  h.inject(fin(0)).skip().expectState('CLOSE-WAIT');
  expect(turn(h, Happened.peerClosed)).toBe(true);
  h.write(1);
  expect(turn(h.skip(), Happened.readable)).toBe(false);
  const closing = established().close().skip().expectState('FIN-WAIT-1');
  expect(turn(closing, Happened.readable)).toBe(false);
});

test('an answer is awaited once everything has left, until it is acknowledged', () => {
  const h = established({ mss: 1000 });
  const awaits: boolean[] = [h.connection.awaitsAnswer];
  h.write(1000);
  awaits.push(h.skip().connection.awaitsAnswer);
  h.write(20_000);
  awaits.push(h.skip().connection.awaitsAnswer);
  h.inject(ack(10_000)).skip().inject(ack(21_000)).skip();
  awaits.push(h.connection.awaitsAnswer);
  expect(awaits).toEqual([false, true, false, false]);
});

test('a handshake that the peer has kept, as a cookie, is known as such, and no other', () => {
  const from = (kept: { readonly cookie?: true }): boolean => {
    const h = closed();
    h.connection.open('passive', { iss: 1, tsOffset: 0, ...kept }, h.now);
    return h.connection.variables!.fromCookie;
  };
  expect([from({ cookie: true }), from({})]).toEqual([true, false]);
});

test('keep-alive that is due while something is out asks nothing, and waits as long again', () => {
  const h = established({ options: { SO_KEEPALIVE: true, TCP_KEEPIDLE: 2 }, rtt: ms(400) });
  const timer = (): number => h.connection.variables!.timers.at(Timer.keepAlive) - h.now;
  expect(timer()).toBe(seconds(2));
  h.advance(ms(1900));
  h.write(1);
  h.skip().advance(ms(100)).expectNothing();
  expect(timer()).toBe(seconds(2));
});
