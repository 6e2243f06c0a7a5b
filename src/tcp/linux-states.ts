/** The states by Linux's numbers (include/net/tcp_states.h): in tcp_info, socket diagnostics and /proc/net/tcp. */
import type { State } from './machine.ts';

/** Nothing has number 0; 12 is a SYN-RECEIVED that is not a whole socket yet. */
const STATES: readonly State[] = [
  'CLOSED',
  'ESTABLISHED',
  'SYN-SENT',
  'SYN-RECEIVED',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'CLOSED',
  'CLOSE-WAIT',
  'LAST-ACK',
  'LISTEN',
  'CLOSING',
  'SYN-RECEIVED',
];

/** CLOSED for a number that no state has. */
export const stateOfNumber = (n: number): State => STATES[n] ?? 'CLOSED';

export const numberOfState = (state: State): number => STATES.indexOf(state, 1);
