/** How an episode of recovery begins and ends, whoever found the loss. */
import type { Micros } from '../../base/time.ts';
import type { Tcb } from '../tcb.ts';
import { beginPrr } from './prr.ts';
import { traceCongestion } from './trace.ts';
import { noteForUndo } from './undo.ts';

/** `inFlight`: octets that were, before what was lost is taken off. */
export function enterRecovery(tcb: Tcb, why: string, inFlight: number, now: Micros): void {
  noteForUndo(tcb);
  tcb.recover = tcb.sndNxt;
  tcb.recovery = 'recovery';
  tcb.rtxNote = 'fast retransmit';
  tcb.loss.recoveries++;
  tcb.cwrDue = tcb.ecnAgreed;
  tcb.congestion.onLoss(inFlight, now);
  if (tcb.sackAgreed) beginPrr(tcb);
  traceCongestion(tcb, why);
}

/** All that was out when it began is acknowledged. */
export function finishRecovery(tcb: Tcb, now: Micros): void {
  reopen(tcb);
  tcb.rack.onRecovered();
  tcb.congestion.onRecovered(tcb.sackAgreed ? Number.POSITIVE_INFINITY : tcb.board.pipe, now);
  traceCongestion(tcb, 'recovered');
}

/** The same after a timeout: slow start goes on. */
export function finishLoss(tcb: Tcb): void {
  reopen(tcb);
  traceCongestion(tcb, 'recovered after timeout');
}

function reopen(tcb: Tcb): void {
  tcb.recovery = 'open';
  tcb.inflation = 0;
  tcb.loss.prrActive = false;
  tcb.loss.frto = 'off';
}
