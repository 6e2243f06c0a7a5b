/**
 * TIME-WAIT as a small record. Once the user has gone, a connection that waits for 2MSL to pass needs no buffers and no
 * estimates; a busy client holds tens of thousands of them. When a segment or the deadline comes, the connection is
 * made again from the record and does what it would have done.
 */
import { type Seq, seqAdd, seqLt } from '../base/seq.ts';
import type { Micros } from '../base/time.ts';
import type { TcpSegment } from '../wire/tcp.ts';
import type { ConnectionConfig } from './config.ts';
import { endConnection } from './ending.ts';
import { Tcb } from './tcb.ts';
import { Timer } from './timers.ts';
import type { Tracer } from './trace.ts';
import { traceSegment } from './trace-segment.ts';

export class TimeWait {
  readonly id: number;
  readonly config: ConnectionConfig;
  readonly tracer: Tracer;
  readonly endsAt: Micros;
  readonly sndNxt: Seq;
  readonly rcvNxt: Seq;
  readonly rcvAdv: Seq;
  readonly rcvWscale: number;
  readonly rcvCapacity: number;
  readonly timestampsAgreed: boolean;
  readonly sackAgreed: boolean;
  readonly tsOffset: number;
  readonly tsRecent: number;
  readonly tsRecentAt: Micros;
  readonly lastInvalidAckAt: Micros;

  constructor(tcb: Tcb) {
    this.id = tcb.id;
    this.config = tcb.config;
    this.tracer = tcb.tracer;
    this.endsAt = tcb.timers.at(Timer.timeWait);
    this.sndNxt = tcb.sndNxt;
    this.rcvNxt = tcb.rcvNxt;
    this.rcvAdv = tcb.rcvAdv;
    this.rcvWscale = tcb.rcvWscale;
    this.rcvCapacity = tcb.receiveBuffer.capacity;
    this.timestampsAgreed = tcb.timestampsAgreed;
    this.sackAgreed = tcb.sackAgreed;
    this.tsOffset = tcb.tsOffset;
    this.tsRecent = tcb.tsRecent;
    this.tsRecentAt = tcb.tsRecentAt;
    this.lastInvalidAckAt = tcb.lastInvalidAckAt;
  }

  /** The connection as it was, as far as TIME-WAIT can tell: everything sent is acknowledged, everything read. */
  revive(): Tcb {
    const tcb = new Tcb(this.id, this.config, this.tracer, 'TIME-WAIT');
    // The stream we sent, FIN included, ends at SND.NXT; how long it was matters no more.
    tcb.iss = seqAdd(this.sndNxt, -2);
    tcb.synSent = true;
    tcb.synAcked = true;
    tcb.finQueued = true;
    tcb.userGone = true;
    tcb.sndUna = this.sndNxt;
    tcb.sndNxt = this.sndNxt;
    tcb.rcvNxt = this.rcvNxt;
    tcb.rcvAdv = this.rcvAdv;
    tcb.lastAckSent = this.rcvNxt;
    tcb.rcvFin = seqAdd(this.rcvNxt, -1);
    tcb.rcvFinReached = true;
    tcb.rcvWscale = this.rcvWscale;
    tcb.receiveBuffer.capacity = this.rcvCapacity;
    tcb.timestampsAgreed = this.timestampsAgreed;
    tcb.sackAgreed = this.sackAgreed;
    tcb.tsOffset = this.tsOffset;
    tcb.tsRecent = this.tsRecent;
    tcb.tsRecentAt = this.tsRecentAt;
    tcb.lastInvalidAckAt = this.lastInvalidAckAt;
    tcb.timers.set(Timer.timeWait, this.endsAt);
    return tcb;
  }
}

/** What an incarnation that follows begins above, so that nothing of the old one looks like its own (RFC 6191; Linux adds as much). */
export const INCARNATION_GAP = 65_537;

/**
 * A SYN for the addresses and ports of a connection in TIME-WAIT is a new connection rather than an old duplicate when
 * its timestamp is younger or, without timestamps, its sequence number is beyond all we received (RFC 6191 §2, MAY-2).
 * Then the old one ends at once; true.
 */
export function giveWay(tcb: Tcb, seg: TcpSegment, now: Micros): boolean {
  const beyond = seqLt(tcb.rcvNxt, seg.seq);
  const age = (seg.tsVal - tcb.tsRecent) | 0;
  const younger = tcb.timestampsAgreed && seg.hasTimestamps ? age > 0 || (age === 0 && beyond) : beyond;
  if (!younger) return false;
  tcb.now = now;
  tcb.cause = 'segment';
  traceSegment(tcb, 'in', seg, now);
  endConnection(tcb, 'rcv SYN', undefined);
  return true;
}
