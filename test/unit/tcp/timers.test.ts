import { expect, test } from 'vitest';
import { micros, NEVER } from '../../../src/base/time.ts';
import { TIMER_NAMES, Timer, TimerTable } from '../../../src/tcp/timers.ts';

test('the next deadline is the soonest that is set', () => {
  const timers = new TimerTable();
  expect(timers.next()).toBe(NEVER);
  timers.set(Timer.timeWait, micros(50));
  timers.set(Timer.retransmit, micros(70));
  expect(timers.next()).toBe(50);
  timers.set(Timer.timeWait, micros(90));
  expect(timers.next()).toBe(70);
  timers.stop(Timer.retransmit);
  expect(timers.next()).toBe(90);
  timers.stop(Timer.retransmit);
  expect(timers.next()).toBe(90);
  timers.stopAll();
  expect(timers.next()).toBe(NEVER);
});

test('a timer is alone when no other is set', () => {
  const timers = new TimerTable();
  timers.set(Timer.keepAlive, micros(5));
  expect(timers.isAlone(Timer.keepAlive)).toBe(true);
  timers.set(Timer.pacing, micros(9));
  expect(timers.isAlone(Timer.keepAlive)).toBe(false);
});

test('each knows whether it is set, and when it is due', () => {
  const timers = new TimerTable();
  timers.set(Timer.persist, micros(5));
  expect([timers.isSet(Timer.persist), timers.isSet(Timer.user)]).toEqual([true, false]);
  expect([timers.at(Timer.persist), timers.at(Timer.user)]).toEqual([5, NEVER]);
});

test('those that are due are taken once each, in the order of the table when they are due together', () => {
  const timers = new TimerTable();
  timers.set(Timer.delayedAck, micros(10));
  timers.set(Timer.retransmit, micros(10));
  timers.set(Timer.user, micros(11));
  expect(timers.takeDue(micros(9))).toBeUndefined();
  expect(timers.takeDue(micros(10))).toBe(Timer.retransmit);
  expect(timers.takeDue(micros(10))).toBe(Timer.delayedAck);
  expect(timers.takeDue(micros(10))).toBeUndefined();
  expect(timers.next()).toBe(11);
  expect(timers.takeDue(micros(99))).toBe(Timer.user);
  expect(timers.takeDue(micros(999))).toBeUndefined();
});

test('each has a name of its own', () => {
  expect(TIMER_NAMES.map((name) => Timer[name])).toEqual(TIMER_NAMES.map((_, i) => i));
});
