/**
 * Octets that the user lends instead of giving: they leave from where they lie, and are the user's again when the peer
 * has acknowledged them. Where that would make the user wait for the length of a path, what is out is copied instead.
 */
import type { Micros } from '../base/time.ts';
import { Happened, type Tcb } from './tcb.ts';

/** µs of round trip up to which the ACK is sooner here than a copy is worth: machines next to each other. */
const SHORT_PATH = 1000 as Micros;
/** Octets that are copied rather than waited for on the shortest path, too: the peer may hold back the ACK of so few. */
const FEW = 32_768;

/**
 * After `emit` has nothing more: copies what is lent when all of it has left, the user has nothing to do but wait, and
 * the ACK is not about to come. The user hears of it, as of the ACK, by `writable`. While a window is shut nothing is
 * copied: more could not leave either.
 */
export function settleLent(tcb: Tcb): void {
  const { sendBuffer } = tcb;
  if (!sendBuffer.isAwaited) return;
  if (sendBuffer.lent > 0 && hasLeft(tcb) && !tcb.pressed && !isAckNear(tcb)) sendBuffer.own();
  if (sendBuffer.lent > 0) return;
  sendBuffer.isAwaited = false;
  tcb.happened |= Happened.writable;
}

/** All but a rest that waits for more to go with it (Nagle, TCP_CORK): the user is to bring more. */
function hasLeft(tcb: Tcb): boolean {
  return tcb.unsent < tcb.smss;
}

function isAckNear(tcb: Tcb): boolean {
  // The least there was: what comes on top is the peer's, who takes no more for now.
  const { minRtt } = tcb.rtt;
  return minRtt > 0 && minRtt <= SHORT_PATH && tcb.timeouts === 0 && tcb.sendBuffer.lent > FEW;
}

/** Copies what is lent, or, `ifLeft`, does so if all has left: the user wants it back. Told by `writable`, too. */
export function keepLent(tcb: Tcb, ifLeft: boolean): void {
  if (ifLeft && (!hasLeft(tcb) || tcb.pressed)) return;
  tcb.sendBuffer.own();
  settleLent(tcb);
}
