/**
 * What listens behind a stack that is probed here: it says nothing, reads everything, and does what the first octet asks.
 * Its answers are octets that mean nothing.
 */
const SOURCE = 0x73;
const CLOSE = 0x63;

/** Make it send ANSWER_LEN octets, and close at once. */
export const SOURCE_REQUEST = Uint8Array.of(SOURCE);
export const CLOSE_REQUEST = Uint8Array.of(CLOSE);
/** More than any window that a probe opens. */
export const ANSWER_LEN = 262_144;
export const ANSWER_OCTETS: Uint8Array = new Uint8Array(ANSWER_LEN).fill(0x2e);

export type Doing = 'send' | 'close' | 'read';

export function askedBy(first: number | undefined): Doing {
  return first === SOURCE ? 'send' : first === CLOSE ? 'close' : 'read';
}
