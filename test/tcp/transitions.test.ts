/**
 * Every row of the transition table, RFC 9293 §3.3.2, taken by segments, calls and time alone. The cases are a record
 * over the table itself: a row without a case does not compile, and one that is not taken fails.
 */
import { describe, expect, test } from 'vitest';
import { micros, ms, seconds } from '../../src/base/time.ts';
import { allRows, type Event, type State, TRANSITIONS } from '../../src/tcp/machine.ts';
import { ack, fin, type Harness, rst, syn, synAck } from '../support/harness.ts';
import { inState } from '../support/states.ts';

interface Case {
  /** Makes it happen, from the state the row leaves. */
  readonly take: (h: Harness) => unknown;
  /** Where SYN-RECEIVED has to come from SYN-SENT. */
  readonly simultaneous?: true;
}

type Cases = { readonly [S in State]: { readonly [E in keyof (typeof TRANSITIONS)[S] & Event]: Case } };

const abort: Case = { take: (h) => h.abort().skip() };
const close: Case = { take: (h) => h.close().skip() };
const reset: Case = { take: (h) => h.inject(rst(h.peerNext)).expectNothing() };
/** Nobody answers: retransmissions go out until patience ends. */
const silence: Case = { take: (h) => h.advance(seconds(2000)).skip() };
/** The same, where something has to be unacknowledged first. */
const dataInSilence: Case = {
  take: (h) => {
    h.write(1);
    h.advance(seconds(2000)).skip();
  },
};
const ackOfFin: Case = { take: (h) => h.inject(ack(1)).expectNothing() };
const finArrives: Case = { take: (h) => h.inject(fin(0)).expect(ack(1)) };

const CASES: Cases = {
  CLOSED: {
    'passive OPEN': { take: (h) => h.open('passive').expectNothing() },
    'active OPEN': { take: (h) => h.open('active').expect(syn()) },
  },
  LISTEN: {
    'rcv SYN': { take: (h) => h.inject(syn()).expect(synAck()) },
    'active OPEN': { take: (h) => h.open('active').expect(syn()) },
    SEND: {
      take: (h) => {
        h.write(5);
        h.expect(syn());
      },
    },
    CLOSE: close,
    ABORT: abort,
  },
  'SYN-SENT': {
    'rcv SYN,ACK': { take: (h) => h.inject(synAck()).expect(ack(0)) },
    'rcv SYN': { take: (h) => h.inject(syn()).expect(synAck()) },
    'rcv RST': { take: (h) => h.inject(rst(0, { ack: 0 })).expectNothing() },
    'ICMP error': { take: (h) => h.icmp('EHOSTUNREACH', -1).expectNothing() },
    CLOSE: close,
    ABORT: abort,
    'give up': silence,
  },
  'SYN-RECEIVED': {
    'rcv ACK of SYN': { take: (h) => h.inject(ack(0)).expectNothing() },
    'rcv SYN, passive': { take: (h) => h.inject(syn({ seq: 10 })).expectNothing() },
    'rcv RST, passive': { take: (h) => h.inject(rst(0)).expectNothing() },
    'rcv RST': { take: (h) => h.inject(rst(0)).expectNothing(), simultaneous: true },
    'ICMP error': { take: (h) => h.icmp('EHOSTUNREACH', -1).expectNothing() },
    CLOSE: close,
    ABORT: abort,
    'give up': silence,
  },
  ESTABLISHED: { 'rcv FIN': finArrives, CLOSE: close, ABORT: abort, 'rcv RST': reset, 'give up': dataInSilence },
  'FIN-WAIT-1': {
    'rcv ACK of FIN': ackOfFin,
    'rcv FIN': finArrives,
    ABORT: abort,
    'rcv RST': reset,
    'give up': silence,
  },
  'FIN-WAIT-2': {
    'rcv FIN': finArrives,
    'give up': { take: (h) => h.set('SO_KEEPALIVE', true).advance(seconds(10_000)).skip() },
    'FIN-WAIT-2 timeout': { take: (h) => h.release().advance(seconds(60)).expectNothing() },
    ABORT: abort,
    'rcv RST': reset,
  },
  'CLOSE-WAIT': { CLOSE: close, ABORT: abort, 'rcv RST': reset, 'give up': dataInSilence },
  CLOSING: { 'rcv ACK of FIN': ackOfFin, ABORT: abort, 'rcv RST': reset, 'give up': silence },
  'LAST-ACK': { 'rcv ACK of FIN': ackOfFin, ABORT: abort, 'rcv RST': reset, 'give up': silence },
  'TIME-WAIT': {
    '2MSL': { take: (h) => h.after(seconds(60)).expectNothing() },
    'rcv SYN': { take: (h) => expect(h.giveWay(syn({ seq: 2 }))).toBe(true) },
    ABORT: abort,
    'rcv RST': reset,
  },
};

describe.each(allRows())('$from --$event--> $to', ({ from, event, to }) => {
  test('is taken, traced with its rule, and is the only one', () => {
    const cases: Readonly<Partial<Record<Event, Case>>> = CASES[from];
    const { take, simultaneous } = cases[event]!;
    const h = simultaneous ? inState('SYN-SENT').inject(syn()).expect(synAck()).expectState(from) : inState(from);
    const before = h.transitions.length;
    take(h);
    expect(h.transitions.slice(before)).toEqual([`${from} --${event}--> ${to}`]);
    h.expectState(to);
    const table: Readonly<Record<State, Readonly<Partial<Record<Event, readonly [State, string]>>>>> = TRANSITIONS;
    const taken = h.records.filter((r) => r.type === 'state').at(-1);
    expect(taken).toMatchObject({ from, event, to, rule: table[from][event]![1] });
  });
});

test('the table has a row for each case and a case for each row', () => {
  const cases = Object.entries(CASES).flatMap(([from, events]) => Object.keys(events).map((e) => `${from} ${e}`));
  expect(cases.toSorted()).toEqual(
    allRows()
      .map(({ from, event }) => `${from} ${event}`)
      .toSorted(),
  );
});

test('a transition is traced with the kind of thing that caused it', () => {
  const h = inState('FIN-WAIT-2').inject(fin(0)).expect(ack(1));
  h.advance(seconds(60));
  const causes = h.records.flatMap((r) => (r.type === 'state' ? [`${r.to} ${r.cause} ${r.t}`] : []));
  const t0 = seconds(100);
  expect(causes).toEqual([
    `SYN-SENT call ${t0}`,
    `ESTABLISHED segment ${micros(t0 + ms(100))}`,
    `FIN-WAIT-1 call ${micros(t0 + ms(100))}`,
    `FIN-WAIT-2 segment ${micros(t0 + ms(100))}`,
    `TIME-WAIT segment ${micros(t0 + ms(100))}`,
    `CLOSED timer ${micros(t0 + ms(100) + seconds(60))}`,
  ]);
});

test('an ICMP error is named as the cause of what it ends', () => {
  const h = inState('SYN-SENT').icmp('ECONNREFUSED', -1);
  expect(h.records.filter((r) => r.type === 'state').at(-1)).toMatchObject({ cause: 'icmp', to: 'CLOSED' });
});
