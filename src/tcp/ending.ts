/** How a connection ends: the ways into TIME-WAIT and CLOSED that several parts of §3.10 share. */
import { seqAdd } from '../base/seq.ts';
import { later, type Micros } from '../base/time.ts';
import { countInvalidAnew } from './answers.ts';
import { fastOpenFailed } from './fast-open.ts';
import type { Event } from './machine.ts';
import { type ErrorCode, Happened, type Tcb } from './tcb.ts';
import { Timer } from './timers.ts';

/** Moves to CLOSED along `event`'s row; nothing is sent any more but `pendingReset`. */
export function endConnection(tcb: Tcb, event: Event, error: ErrorCode | undefined): void {
  if (tcb.state === 'SYN-SENT' && (event === 'give up' || event === 'ICMP error')) fastOpenFailed(tcb);
  tcb.step(event);
  tcb.error ??= error;
  if (error !== undefined && tcb.tracer.enabled)
    tcb.tracer.record({ t: tcb.now, conn: tcb.id, type: 'error', code: error });
  tcb.timers.stopAll();
  tcb.sendBuffer.clear();
  tcb.board.clear();
  tcb.reassembly.clear();
  // What had arrived in order can still be read, after a reset too: so does Linux, where RFC 9293 §3.10.7.4 forgets it then.
  if (error !== undefined && (tcb.isRfc || event === 'ABORT')) tcb.receiveBuffer.clear();
  tcb.ackOwed = 'none';
  tcb.happened |= Happened.closed | Happened.readable;
}

/** A RST that says where we stand: <SEQ=SND.NXT><CTL=RST> in the RFC; Linux acknowledges with it as well. */
export function owesReset(tcb: Tcb): void {
  tcb.pendingReset = { seq: tcb.sndNxt, ack: tcb.isRfc ? undefined : tcb.rcvNxt };
}

/** TIME-WAIT has begun, or begins again: the other timers are off, 2MSL runs (§3.10.7.4, fifth and eighth). */
export function startTimeWait(tcb: Tcb, now: Micros): void {
  countInvalidAnew(tcb);
  tcb.timers.stopAll();
  tcb.timers.set(Timer.timeWait, later(now, tcb.timeWaitLen));
  tcb.happened |= Happened.timeWait;
}

/** Back to LISTEN, as if nothing had arrived (MUST-11). */
export function backToListen(tcb: Tcb, event: 'rcv SYN, passive' | 'rcv RST, passive'): void {
  tcb.step(event);
  tcb.timers.stopAll();
  tcb.ackOwed = 'none';
  tcb.hasDsack = false;
  tcb.synDue = false;
  tcb.synSent = false;
  tcb.synRetransmits = 0;
  tcb.isTiming = false;
  tcb.rtt.stopBackingOff();
  tcb.sndNxt = tcb.iss;
  tcb.sndUna = tcb.iss;
  tcb.board.clear();
  tcb.rcvAdv = tcb.rcvNxt;
  tcb.reassembly.clear();
  tcb.rcvFin = undefined;
}

/** The SYN is to leave: SND.UNA = ISS, and after it SND.NXT = ISS+1. */
export function startSyn(tcb: Tcb): void {
  tcb.synDue = true;
  tcb.synSent = false;
  tcb.synAcked = false;
  tcb.sndUna = tcb.iss;
  tcb.sndNxt = tcb.iss;
  tcb.board.clear();
  tcb.rack.start(tcb.iss);
  tcb.loss.start(tcb.iss);
  tcb.recover = tcb.iss;
  tcb.maxSndWnd = 0;
}

/** Sequence number after our SYN. */
export const afterSyn = (tcb: Tcb): ReturnType<typeof seqAdd> => seqAdd(tcb.iss, 1);
