/**
 * One end's states as an onlooker infers them from its segments, through the connection's own transition table.
 *
 * What cannot be seen is not there: a user's CLOSE shows when the FIN leaves, an ABORT when the RST does, 2MSL never.
 * A segment that was captured is taken to have arrived.
 */
import { type Event, follow, type State } from '../tcp/machine.ts';

/** What the inference reads of a segment. Numbers modulo 2^32, all on one base per direction. */
export interface SeenSegment {
  /** tcpdump's letters. */
  readonly flags: string;
  readonly seq: number;
  readonly ack?: number | undefined;
  /** Payload octets. */
  readonly len: number;
}

export class StateFollower {
  #state: State;
  /** RCV.NXT as far as segments have come in order; undefined before the peer's SYN. */
  #rcvNxt: number | undefined;
  #iss: number | undefined;
  /** SND.NXT. */
  #sndNxt = 0;
  /** The sequence number after our FIN. */
  #finEnd: number | undefined;
  /** The sequence number after the peer's FIN, which came out of order: it counts once this end has acknowledged it. */
  #heldFinEnd: number | undefined;
  #passive: boolean;
  #entered: State[] = [];

  constructor(start: 'CLOSED' | 'LISTEN') {
    this.#state = start;
    this.#passive = start === 'LISTEN';
  }

  get state(): State {
    return this.#state;
  }

  /** This end has sent `seg`; returns the states it entered by that, in order. */
  sent(seg: SeenSegment): readonly State[] {
    this.#entered = [];
    if (has(seg, 'R')) {
      if (this.#synchronized()) this.#step('ABORT');
      return this.#entered;
    }
    const end = (seg.seq + seg.len + (has(seg, 'S') ? 1 : 0) + (has(seg, 'F') ? 1 : 0)) >>> 0;
    if (this.#iss === undefined || reached(end, this.#sndNxt)) this.#sndNxt = end;
    if (has(seg, 'S')) {
      this.#iss = seg.seq;
      if (seg.ack === undefined) this.#step('active OPEN');
      return this.#entered;
    }
    if (this.#heldFinEnd !== undefined && seg.ack !== undefined && reached(seg.ack, this.#heldFinEnd))
      this.#peerFinished();
    if (has(seg, 'F')) {
      this.#finEnd = end;
      this.#step('CLOSE');
    }
    return this.#entered;
  }

  /** `seg` has come to this end; returns the states it entered by that, in order. */
  received(seg: SeenSegment): readonly State[] {
    this.#entered = [];
    if (has(seg, 'R')) this.#reset(seg);
    else if (has(seg, 'S')) this.#synchronize(seg);
    else if (this.#rcvNxt !== undefined) this.#acknowledge(seg);
    return this.#entered;
  }

  #reset(seg: SeenSegment): void {
    if (this.#state === 'SYN-SENT' && !this.#acksSyn(seg)) return;
    if (this.#synchronized() && this.#rcvNxt !== undefined && !reached(seg.seq, this.#rcvNxt)) return;
    this.#step(this.#state === 'SYN-RECEIVED' && this.#passive ? 'rcv RST, passive' : 'rcv RST');
  }

  #synchronize(seg: SeenSegment): void {
    if (this.#state !== 'LISTEN' && this.#state !== 'SYN-SENT') return;
    if (seg.ack !== undefined && !this.#acksSyn(seg)) return;
    this.#rcvNxt = (seg.seq + 1 + seg.len) >>> 0;
    this.#step(seg.ack === undefined ? 'rcv SYN' : 'rcv SYN,ACK');
  }

  #acknowledge(seg: SeenSegment): void {
    if (this.#state === 'SYN-RECEIVED' && this.#acksSyn(seg)) this.#step('rcv ACK of SYN');
    if (this.#finEnd !== undefined && seg.ack !== undefined && reached(seg.ack, this.#finEnd))
      this.#step('rcv ACK of FIN');
    const end = (seg.seq + seg.len) >>> 0;
    const inOrder = reached(this.#rcvNxt!, seg.seq);
    if (inOrder && reached(end, this.#rcvNxt!)) this.#rcvNxt = end;
    if (!has(seg, 'F') || this.#peerHasFinished()) return;
    this.#heldFinEnd = (end + 1) >>> 0;
    if (inOrder) this.#peerFinished();
  }

  #peerFinished(): void {
    this.#rcvNxt = this.#heldFinEnd;
    this.#heldFinEnd = undefined;
    this.#step('rcv FIN');
  }

  #acksSyn(seg: SeenSegment): boolean {
    return (
      seg.ack !== undefined &&
      this.#iss !== undefined &&
      reached(seg.ack, this.#iss + 1) &&
      reached(this.#sndNxt, seg.ack)
    );
  }

  #synchronized(): boolean {
    return this.#state !== 'CLOSED' && this.#state !== 'LISTEN' && this.#state !== 'SYN-SENT';
  }

  #peerHasFinished(): boolean {
    return (
      this.#state === 'CLOSE-WAIT' ||
      this.#state === 'CLOSING' ||
      this.#state === 'LAST-ACK' ||
      this.#state === 'TIME-WAIT'
    );
  }

  /** An event without a row here is a repetition (a SYN sent again, a second ACK of our FIN): nothing new. */
  #step(event: Event): void {
    const to = follow(this.#state, event);
    if (to === undefined) return;
    this.#state = to;
    this.#entered.push(to);
  }
}

const has = (seg: SeenSegment, flag: string): boolean => seg.flags.includes(flag);

/** `number` is at `goal` or beyond it, modulo 2^32. */
const reached = (number: number, goal: number): boolean => ((number - goal) | 0) >= 0;
