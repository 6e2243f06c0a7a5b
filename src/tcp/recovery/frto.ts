/**
 * F-RTO, RFC 5682 §3.1 (with SACK): whether a retransmission timeout was spurious. The first segment goes again; if what was
 * sent only once before the timeout is then reported, nothing had been lost. Until that is known, new data is sent
 * rather than what seems lost.
 */
import { seqLeq, seqLt } from '../../base/seq.ts';
import type { Tcb } from '../tcb.ts';
import { work } from './delivered.ts';

/** 'spurious': the timeout was. */
export function frtoOnAck(tcb: Tcb, acked: number, isDup: boolean): 'spurious' | 'open' {
  const { loss } = tcb;
  if (loss.frto === 'off') return 'open';
  // Step 3b.
  if (work.original) return 'spurious';
  if (seqLt(tcb.recover, tcb.sndNxt)) {
    // Step 3a: new data is out, and the ACK is of it alone.
    if (work.sacked > 0 || isDup) loss.frto = 'off';
  } else if (acked > 0 && !seqLeq(tcb.recover, tcb.sndUna)) {
    // Step 2b; where no window lets any of it out, emitData sees it.
    loss.frto = tcb.unsent > 0 ? 'new' : 'off';
  }
  return 'open';
}
