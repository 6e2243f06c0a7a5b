/**
 * Proportional rate reduction, RFC 9937: during fast recovery the window goes from what was in flight to ssthresh in step
 * with what is delivered, and where losses have emptied the pipe it fills it no faster than slow start. Octets.
 */
import type { Tcb } from '../tcb.ts';
import { work } from './delivered.ts';

/** An episode begins. */
export function beginPrr(tcb: Tcb): void {
  const { loss, board } = tcb;
  loss.prrActive = !tcb.congestion.ownsRecovery;
  loss.prrDelivered = 0;
  loss.prrOut = 0;
  // RecoverFS: what is going to be delivered during recovery, this ACK's share included.
  loss.recoverFs = Math.max(1, board.out - board.sacked + work.delivered);
  loss.prrCwnd = board.pipe;
}

/** Each ACK of the episode but the one that ends it. `safe`: SND.UNA advances, and no further loss shows. */
export function prrOnAck(tcb: Tcb, delivered: number, safe: boolean): void {
  const { loss, board, smss } = tcb;
  if (!loss.prrActive || (delivered === 0 && loss.prrOut > 0)) return;
  const { ssthresh } = tcb.congestion;
  const { pipe } = board;
  loss.prrDelivered += delivered;
  let count: number;
  if (pipe > ssthresh) {
    count = Math.ceil((loss.prrDelivered * ssthresh) / loss.recoverFs) - loss.prrOut;
  } else {
    count = Math.max(loss.prrDelivered - loss.prrOut, delivered);
    if (safe) count += smss;
    count = Math.min(ssthresh - pipe, count);
  }
  // The fast retransmit itself leaves whatever the sums say.
  if (loss.prrOut === 0) count = Math.max(count, smss);
  loss.prrCwnd = pipe + Math.max(0, count);
}
