/** What the fuzzer has found, shrunk to the story that shows it. */
import { expect, test } from 'vitest';
import { NEVER } from '../../src/base/time.ts';
import { ack, data, established, fin, listening, pattern, rst, syn } from '../support/harness.ts';

/** Relative to the first octet: half the sequence space from our initial sequence number. */
const HALF_AWAY = 2 ** 31 - 1;

test('an ACK half the sequence space away, come with the SYN, acknowledges no SYN-ACK that has not left', () => {
  const h = listening();
  h.injectBatch(syn(), ack(HALF_AWAY, { seq: 0 })).expectState('SYN-RECEIVED');
  expect(h.takeLeft().map(({ seg }) => seg.flags)).toEqual(['R', 'S.']);
  h.inject(ack(0)).expectState('ESTABLISHED');
});

test('an ICMP error that quotes what is half the sequence space away says nothing of the path', () => {
  const h = established({ mss: 1460 });
  h.pathMss(100, HALF_AWAY);
  h.pathMss(100, HALF_AWAY + 1);
  expect(h.info.snd_mss).toBe(1460);
});

test('an option that is set once all is over starts no timer', () => {
  const h = established();
  h.write(10);
  h.expect(data(0, 10));
  h.abort().expect(rst(10, { ack: 0 }));
  h.set('TCP_USER_TIMEOUT', 1000).set('SO_KEEPALIVE', true);
  expect(h.connection.nextTimeout()).toBe(NEVER);
  expect(h.connection.defect).toBeUndefined();
});

test('what lies beyond a FIN is dropped when the FIN comes, and not reported', () => {
  const h = established({ sack: true });
  h.inject(data(101, 10)).expect(ack(0, { sack: [[101, 111]] }));
  h.inject(data(0, 100, { flags: 'F.' }))
    .expectState('CLOSE-WAIT')
    .expect(ack(101));
  expect(h.read()).toBe(100);
  expect(h.read()).toBe('end');
});

test('back in LISTEN, no duplicate is left to be reported of the connection that was not to be', () => {
  const h = listening({ sack: true });
  h.injectBatch(syn({ sackOk: true }), data(-2, 1, { ack: 0 })).skip();
  h.inject(rst(0)).expectState('LISTEN');
  h.inject(syn({ sackOk: true, seq: -5000 })).skip();
  h.inject(data(-4999, 1, { ack: 0 })).expectState('ESTABLISHED');
  expect(h.takeLeft().map(({ seg }) => [seg.ack, seg.sack])).toEqual([[-4998, undefined]]);
});

test('octets that are lent in LISTEN make the open an active one, as those that are sent', () => {
  const h = listening();
  h.connection.lend(pattern(0, 10), h.now);
  expect(h.transitions.at(-1)).toBe('LISTEN --SEND--> SYN-SENT');
});

test('each FIN ahead of order is answered, whatever FIN was seen before', () => {
  const h = established();
  h.inject(fin(20)).expect(ack(0));
  h.inject(fin(10)).expect(ack(0));
});

test('a RST that ends a connection with timestamps carries one', () => {
  const h = established({ timestamps: true });
  h.abort().expect(rst(0, { ack: 0, ts: [h.tsVal, h.peerTsVal] }));
});

test('a FIN ahead of order does not hide the true one, which comes in order', () => {
  const h = established();
  h.inject(fin(1)).expect(ack(0));
  h.inject(fin(0)).expectState('CLOSE-WAIT').expect(ack(1));
});
