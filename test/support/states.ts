/** A connection in each of the eleven states, brought there by segments, calls and time. */
import type { State } from '../../src/tcp/machine.ts';
import {
  ack,
  closed,
  established,
  fin,
  type Harness,
  type HarnessOptions,
  listening,
  synReceived,
  synSent,
} from './harness.ts';

/** SYN-RECEIVED comes from LISTEN; nothing else is ambiguous. Nobody has sent data. */
export const IN_STATE: Readonly<Record<State, (o?: HarnessOptions) => Harness>> = {
  CLOSED: closed,
  LISTEN: listening,
  'SYN-SENT': synSent,
  'SYN-RECEIVED': synReceived,
  ESTABLISHED: established,
  'FIN-WAIT-1': (o) => established(o).close().expect(fin(0)),
  'FIN-WAIT-2': (o) => IN_STATE['FIN-WAIT-1'](o).inject(ack(1)).expectNothing(),
  'CLOSE-WAIT': (o) => established(o).inject(fin(0)).expect(ack(1)),
  CLOSING: (o) => IN_STATE['FIN-WAIT-1'](o).inject(fin(0)).expect(ack(1)),
  'LAST-ACK': (o) => IN_STATE['CLOSE-WAIT'](o).close().expect(fin(0)),
  'TIME-WAIT': (o) => IN_STATE['FIN-WAIT-2'](o).inject(fin(0)).expect(ack(1)),
};

/** The states in which both SYNs have been exchanged. */
export const SYNCHRONIZED = [
  'ESTABLISHED',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'CLOSE-WAIT',
  'CLOSING',
  'LAST-ACK',
  'TIME-WAIT',
] as const satisfies readonly State[];

/** `state` with nothing left to expect, and checked. */
export function inState(state: State, o?: HarnessOptions): Harness {
  return IN_STATE[state](o).expectState(state);
}

/** Sequence number at which the peer's next octet stands in `state`, relative: 1 when its FIN has come. */
export function peerNext(state: State): number {
  return state === 'CLOSE-WAIT' || state === 'CLOSING' || state === 'LAST-ACK' || state === 'TIME-WAIT' ? 1 : 0;
}

/** Sequence number at which our next octet stands in `state`, relative: 1 when our FIN has left. */
export function ourNext(state: State): number {
  return state === 'ESTABLISHED' || state === 'CLOSE-WAIT' ? 0 : 1;
}
