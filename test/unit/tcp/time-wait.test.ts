import { expect, test } from 'vitest';
import { ms, seconds } from '../../../src/base/time.ts';
import type { Tcb } from '../../../src/tcp/tcb.ts';
import { INCARNATION_GAP, TimeWait } from '../../../src/tcp/time-wait.ts';
import { Timer } from '../../../src/tcp/timers.ts';
import { ack, data, established, fin, RTT } from '../../support/harness.ts';

/** All that TIME-WAIT can answer with, and judge by. */
const told = (tcb: Tcb): object => ({
  state: tcb.state,
  sndUna: tcb.sndUna,
  sndNxt: tcb.sndNxt,
  finSeq: tcb.finSeq,
  finSent: tcb.finSent,
  flightSize: tcb.flightSize,
  unsent: tcb.unsent,
  rcvNxt: tcb.rcvNxt,
  rcvWnd: tcb.rcvWnd,
  rcvWscale: tcb.rcvWscale,
  lastAckSent: tcb.lastAckSent,
  rcvFin: tcb.rcvFin,
  rcvFinReached: tcb.rcvFinReached,
  capacity: tcb.receiveBuffer.capacity,
  unread: tcb.receiveBuffer.unread,
  synSent: tcb.synSent,
  synAcked: tcb.synAcked,
  finQueued: tcb.finQueued,
  timestampsAgreed: tcb.timestampsAgreed,
  sackAgreed: tcb.sackAgreed,
  tsOffset: tcb.tsOffset,
  tsRecent: tcb.tsRecent,
  tsRecentAt: tcb.tsRecentAt,
  lastInvalidAckAt: tcb.lastInvalidAckAt,
  endsAt: tcb.timers.at(Timer.timeWait),
  next: tcb.timers.next(),
});

test.each([true, false])('a record of TIME-WAIT gives back what it can be asked for (options agreed: %s)', (agreed) => {
  const h = established(agreed ? { timestamps: true, sack: true, wscale: 7 } : {});
  h.inject(data(0, 700)).advance(ms(300));
  h.read();
  h.write(5000);
  h.skip().advance(RTT).inject(ack(5000));
  h.close().skip().advance(ms(50)).inject(ack(5001)).inject(fin(700)).skip();
  // What is older than the window was answered, and not long ago.
  h.advance(seconds(1)).inject(data(0, 10)).skip().expectState('TIME-WAIT');
  const tcb = h.connection.variables as Tcb;
  const revived = new TimeWait(tcb).revive();
  expect(told(revived)).toEqual(told(tcb));
  expect(told(tcb)).toMatchObject({ flightSize: 0, unsent: 0, finSent: true, finQueued: true, rcvFinReached: true });
  expect(revived.userGone).toBe(true);
});

test('what comes after an incarnation begins beyond all its window could have held', () => {
  expect(INCARNATION_GAP).toBe(65_535 + 2);
});
