/**
 * Both ends' states as a capture shows them, through the connection's own transition table (tcp/machine.ts).
 *
 * What takes sequence space (a SYN, a FIN) reached the other end when that has acknowledged it, and not before. What
 * takes none reached it at once, but not before a FIN that was sent earlier. A FIN or SYN,ACK that comes again shows that
 * its ACK was lost: the state that was inferred from the ACK is taken back. A user's CLOSE shows when the FIN leaves,
 * 2MSL never.
 */
import { type Event, follow, type State } from '../../tcp/machine.ts';
import { TcpFlag } from '../../wire/tcp.ts';
import type { Direction } from './analysis.ts';
import type { SeenSegment } from './seen-segment.ts';

/** Which end: 0 the client, 1 the server. */
export type Side = 0 | 1;
export const otherSide = (side: Side): Side => (side === 0 ? 1 : 0);

export interface Transition {
  readonly side: Side;
  readonly from: State;
  /** Undefined where a state is taken back. */
  readonly event: Event | undefined;
  readonly to: State;
}

interface End {
  /** Undefined until something shows it. */
  state: State | undefined;
  isPassive: boolean;
  /** After our SYN and FIN; undefined until they are sent. */
  synEnd: number | undefined;
  finEnd: number | undefined;
  synArrived: boolean;
  finArrived: boolean;
  /** Our SYN acknowledged the peer's. */
  synHasAck: boolean;
  /** We have acknowledged the peer's FIN on or after a FIN of our own that may not have arrived. */
  owesAckOfFin: 'no' | 'with the FIN' | 'after it';
}

const newEnd = (): End => ({
  state: undefined,
  isPassive: false,
  synEnd: undefined,
  finEnd: undefined,
  synArrived: false,
  finArrived: false,
  synHasAck: false,
  owesAckOfFin: 'no',
});

export class EndStates {
  /** The client's and the server's. */
  readonly #ends: readonly [End, End] = [newEnd(), newEnd()];
  /** Of the last segment. */
  #taken: Transition[] = [];
  /** The connection was there before the capture: both began as ESTABLISHED. */
  assumed = false;

  of(side: Side): State | undefined {
    return this.#ends[side].state;
  }

  /** Whether the FIN of `side` was sent, and acknowledged. */
  fin(side: Side): 'none' | 'sent' | 'acknowledged' {
    const end = this.#ends[side];
    if (end.finEnd === undefined) return 'none';
    return end.finArrived ? 'acknowledged' : 'sent';
  }

  /** Nothing more can come of it. */
  get isOver(): boolean {
    const [a, b] = this.#ends;
    return isDone(a.state) && isDone(b.state) && (a.state !== undefined || b.state !== undefined);
  }

  /** `side` sent `seg`; `own` and `other` are what had been seen before it. Returns what moved, in order. */
  segment(side: Side, seg: SeenSegment, own: Direction, other: Direction): readonly Transition[] {
    const self = this.#ends[side];
    const peer = this.#ends[otherSide(side)];
    // Most segments move nothing.
    const plain = (seg.flags & (TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST)) === 0;
    if (plain && self.state === 'ESTABLISHED' && peer.state === 'ESTABLISHED') return NOTHING_MOVED;
    this.#taken = [];
    if (!seg.has(TcpFlag.SYN) && self.state === undefined && peer.state === undefined) this.#assume();
    if (seg.has(TcpFlag.ACK) && !seg.has(TcpFlag.RST)) this.#shows(side, seg);
    this.#acts(side, seg);
    this.#arrives(side, seg, own, other);
    return this.#taken;
  }

  #assume(): void {
    this.assumed = true;
    for (const end of this.#ends) {
      end.state = 'ESTABLISHED';
      end.synArrived = true;
    }
  }

  /** What `side` has received, since it acknowledges it. */
  #shows(side: Side, seg: SeenSegment): void {
    const self = this.#ends[side];
    const peer = this.#ends[otherSide(side)];
    if (peer.synEnd !== undefined && !peer.synArrived && reached(seg.ack, peer.synEnd)) {
      peer.synArrived = true;
      if (self.state === undefined) {
        self.isPassive = seg.has(TcpFlag.SYN);
        self.state = self.isPassive ? 'LISTEN' : 'SYN-SENT';
      }
      // Who answers by SYN,ACK has got a SYN alone, whatever the other end has sent since.
      const bare = !peer.synHasAck || seg.has(TcpFlag.SYN);
      this.#step(side, bare ? 'rcv SYN' : 'rcv SYN,ACK');
    }
    if (peer.finEnd === undefined || peer.finArrived || !reached(seg.ack, peer.finEnd)) return;
    peer.finArrived = true;
    const { owesAckOfFin } = peer;
    peer.owesAckOfFin = 'no';
    // By way of FIN-WAIT-2 where one segment brought both (RFC 9293 §3.10.7.4, fifth before eighth).
    if (owesAckOfFin === 'with the FIN') this.#step(side, 'rcv ACK of FIN');
    this.#step(side, 'rcv FIN');
    if (owesAckOfFin === 'after it') this.#step(side, 'rcv ACK of FIN');
  }

  /** What sending `seg` says of `side`. */
  #acts(side: Side, seg: SeenSegment): void {
    const self = this.#ends[side];
    if (seg.has(TcpFlag.RST)) {
      // Who refuses has no connection to abort.
      if (self.state === undefined || self.state === 'LISTEN') self.state = 'CLOSED';
      else if (self.state !== 'CLOSED' && self.state !== 'SYN-SENT') this.#step(side, 'ABORT');
    } else if (seg.has(TcpFlag.SYN)) this.#sendsSyn(side, seg);
    else if (seg.has(TcpFlag.FIN)) this.#sendsFin(side, seg);
  }

  #sendsSyn(side: Side, seg: SeenSegment): void {
    const self = this.#ends[side];
    if (seg.has(TcpFlag.ACK)) {
      self.synHasAck = true;
      if (self.state === undefined) {
        // The SYN it answers is not in the capture.
        self.isPassive = true;
        self.state = 'LISTEN';
        this.#step(side, 'rcv SYN');
      } else if (self.state === 'ESTABLISHED' && self.synEnd === ((seg.seq + 1) | 0))
        this.#takeBack(side, 'SYN-RECEIVED');
    } else if (self.state === undefined) {
      self.state = 'CLOSED';
      this.#step(side, 'active OPEN');
    }
    // Octets on a SYN may be left for later: what is certain is the SYN.
    self.synEnd ??= (seg.seq + 1) | 0;
  }

  #sendsFin(side: Side, seg: SeenSegment): void {
    const self = this.#ends[side];
    if (self.finEnd === undefined) {
      self.finEnd = (seg.seq + seg.segLen) | 0;
      this.#step(side, 'CLOSE');
      return;
    }
    // It is sent again: the ACK that was seen did not arrive.
    if (self.state === 'CLOSED') this.#takeBack(side, 'LAST-ACK');
    else if (self.state === 'FIN-WAIT-2') this.#takeBack(side, 'FIN-WAIT-1');
    else if (self.state === 'TIME-WAIT') this.#takeBack(side, 'CLOSING');
  }

  /** What reaches the other end at once. */
  #arrives(side: Side, seg: SeenSegment, own: Direction, other: Direction): void {
    const self = this.#ends[side];
    const to = otherSide(side);
    const peer = this.#ends[to];
    if (seg.has(TcpFlag.RST)) {
      if (isReset(seg, peer, own, other))
        this.#step(to, peer.state === 'SYN-RECEIVED' && peer.isPassive ? 'rcv RST, passive' : 'rcv RST');
      return;
    }
    if (!seg.has(TcpFlag.ACK)) return;
    if (peer.state === 'SYN-RECEIVED' && peer.synEnd !== undefined && reached(seg.ack, peer.synEnd))
      this.#step(to, 'rcv ACK of SYN');
    if (peer.finEnd === undefined || !reached(seg.ack, peer.finEnd)) return;
    if (self.finEnd !== undefined && !self.finArrived) {
      if (self.owesAckOfFin === 'no') self.owesAckOfFin = seg.has(TcpFlag.FIN) ? 'with the FIN' : 'after it';
    } else this.#step(to, 'rcv ACK of FIN');
  }

  /** An event without a row here is a repetition: nothing new. */
  #step(side: Side, event: Event): void {
    const end = this.#ends[side];
    const from = end.state;
    if (from === undefined) return;
    const to = follow(from, event);
    if (to === undefined) return;
    end.state = to;
    this.#taken.push({ side, from, event, to });
  }

  #takeBack(side: Side, to: State): void {
    const end = this.#ends[side];
    this.#taken.push({ side, from: end.state!, event: undefined, to });
    end.state = to;
  }
}

const NOTHING_MOVED: readonly Transition[] = [];

const isDone = (state: State | undefined): boolean =>
  state === undefined || state === 'CLOSED' || state === 'TIME-WAIT' || state === 'LISTEN';

/** The RST counts: it answers the SYN, or lies in the window (RFC 9293 §3.10.7.3 first, .4 second). */
function isReset(seg: SeenSegment, peer: End, own: Direction, other: Direction): boolean {
  if (peer.state === 'SYN-SENT')
    return seg.has(TcpFlag.ACK) && peer.synEnd !== undefined && reached(seg.ack, peer.synEnd);
  if (peer.state === undefined || other.ack === undefined) return own.seen;
  const offset = (seg.seq - other.ack) | 0;
  return offset >= 0 && offset <= Math.max(1, other.window);
}

/** `number` is at `goal` or beyond it, modulo 2^32. */
const reached = (number: number, goal: number): boolean => ((number - goal) | 0) >= 0;
