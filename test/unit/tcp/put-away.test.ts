import { expect, test } from 'vitest';
import { NEVER, seconds } from '../../../src/base/time.ts';
import { ack, established } from '../../support/harness.ts';

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
