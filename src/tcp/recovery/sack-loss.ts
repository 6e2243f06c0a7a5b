/**
 * Which segments are lost by the count of what arrived beyond them, RFC 6675 §4 (IsLost): three runs, or more than two
 * full segments, sacked above. The alternative to RACK, chosen by tcp_recovery = 0; never marks what was sent again.
 */
import { type Seq, seqLt, seqMax } from '../../base/seq.ts';
import type { Tcb } from '../tcb.ts';
import { Mark } from './scoreboard.ts';

export function detectBySack(tcb: Tcb, lose: (tcb: Tcb, slot: number) => void): void {
  const { board, loss } = tcb;
  const bound = lostBelow(tcb);
  if (bound === undefined) return;
  const from = seqMax(loss.markedTo, tcb.sndUna);
  for (let i = board.find(from); i < board.count; i++) {
    const slot = board.slot(i);
    if (!seqLt(board.seqOf(slot), bound)) break;
    if (!board.has(slot, Mark.sacked | Mark.lost | Mark.again)) lose(tcb, slot);
  }
  loss.markedTo = seqMax(from, bound);
}

/** Everything below it that is not sacked is lost. */
function lostBelow(tcb: Tcb): Seq | undefined {
  const { board, smss, rack } = tcb;
  const thresh = tcb.config.sysctl.tcp_reordering;
  let runs = 0;
  let octets = 0;
  let wasSacked = false;
  let i = board.find(rack.fack);
  // RACK.fack is the end of an entry; those before it count.
  for (i = Math.min(i, board.count) - 1; i >= 0; i--) {
    const slot = board.slot(i);
    const isSacked = board.has(slot, Mark.sacked);
    if (isSacked) {
      octets += board.lenOf(slot);
      if (!wasSacked) runs++;
      if (runs >= thresh || octets > (thresh - 1) * smss) return board.seqOf(slot);
    }
    wasSacked = isSacked;
  }
  return undefined;
}
