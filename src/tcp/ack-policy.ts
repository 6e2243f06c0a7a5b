/**
 * When data is acknowledged at once and when the ACK may wait, RFC 9293 §3.8.6.3 and RFC 5681 §4.2, with Linux's
 * choices inside them: a connection that has just begun, or whose data arrive out of order, is acknowledged at once
 * (the sender is probing); one that answers each request soon lets the ACK ride on the answer; what looks like the end of
 * what the sender had is acknowledged when the user has read it, since nothing more may come before that (Nagle's algorithm).
 */
import type { Keepable, Keeper } from '../base/keeper.ts';
import { type Micros, ms } from '../base/time.ts';
import { TcpFlag, type TcpSegment } from '../wire/tcp.ts';

/** Most ACKs in a row sent at once. */
const MAX_QUICK_ACKS = 16;
/**
 * After disorder: a path that loses leaves its sender a small window, and an ACK held back for 40 ms then stops it for
 * some round trips. Linux keeps to 16 here, too; with 64 hardly any is held back at 1 % of loss.
 */
const QUICK_AFTER_DISORDER = 64;
/** RFC 9293 §3.7.1; what a peer's full segments have until one is seen. */
const DEFAULT_MSS = 536;
/** Segments with less are no measure of anything. */
const LEAST_MSS = 88;

/** Delayed ACKs wait from 40 to 200 ms here; the RFC's limit is 500. */
const ATO_MIN = ms(40);
const ATO_MAX = ms(200);

export class AckPolicy implements Keepable {
  /** Octets of payload in the peer's full segments, as far as they tell: what "two full segments" means. */
  rcvMss = DEFAULT_MSS;
  /** Of the last segment that was smaller than that: two alike without PSH, and it is they that are full. */
  #smallLen = 0;
  /** ACKs still to be sent at once. */
  #quick = 0;
  /** How long an ACK may wait, from the pace at which data arrive; 0 before the first. */
  #ato = 0;
  #lastDataAt = 0;
  /** We tend to answer soon: ACKs ride on answers. */
  #interactive = false;
  /** Segments since the last ACK that look like the end of what the sender had: 0, 1, or 2 for all beyond. */
  #ends = 0;

  keep(k: Keeper): void {
    this.rcvMss = k.number(this.rcvMss);
    this.#smallLen = k.number(this.#smallLen);
    this.#quick = k.number(this.#quick);
    this.#ato = k.number(this.#ato);
    this.#lastDataAt = k.number(this.#lastDataAt);
    this.#interactive = k.flag(this.#interactive);
    this.#ends = k.number(this.#ends);
  }

  /** How long the ACK that is owed now may wait: as Linux has it no longer than a round trip either, once `srtt` (µs) is known. */
  delay(srtt: number): Micros {
    const most = srtt > 0 ? Math.min(Math.max(srtt, ATO_MIN), ATO_MAX) : ATO_MAX;
    return Math.min(Math.max(this.#ato, ATO_MIN), most) as Micros;
  }

  /** Data that the peer's sender has to hear of at once: no waiting for an answer to ride on. */
  get isQuick(): boolean {
    return this.#quick > 0 && !this.#interactive;
  }

  /** The ACK that waits is wanted now that everything has been read: as in Linux, unless an answer is to carry it, or after a second end. */
  get wantsAckOnceRead(): boolean {
    return this.#ends > (this.#interactive ? 1 : 0);
  }

  /** Data arrived in order. `rcvWnd` and `receiveMss`, the most a segment may have, in octets; `rto` in µs. */
  onData(now: Micros, seg: TcpSegment, rcvWnd: number, receiveMss: number, rto: number): void {
    this.#measure(seg, receiveMss);
    if (this.#ato === 0) {
      this.#becomeQuick(rcvWnd);
      this.#ato = ATO_MIN;
    } else {
      const gap = now - this.#lastDataAt;
      if (gap <= ATO_MIN / 2) this.#ato = this.#ato / 2 + ATO_MIN / 2;
      else if (gap < this.#ato) this.#ato = Math.min(this.#ato / 2 + gap, rto);
      else if (gap > rto) this.#becomeQuick(rcvWnd);
    }
    this.#lastDataAt = now;
  }

  /** Data arrived out of order, or again: the sender is in trouble and wants to hear. */
  onDisorder(rcvWnd: number): void {
    this.#becomeQuick(rcvWnd, QUICK_AFTER_DISORDER);
    this.#interactive = false;
  }

  onAckSent(): void {
    this.#ends = 0;
    if (this.#quick > 0) this.#quick--;
  }

  /** We sent data; soon after some arrived means that it was an answer. */
  onDataSent(now: Micros): void {
    if (now - this.#lastDataAt < this.#ato) this.#interactive = true;
  }

  /** An ACK waited in vain: for an answer, which is not awaited any more, or for more data. */
  onDelayExpired(): void {
    this.#ato = this.#interactive ? ATO_MIN : Math.min(this.#ato * 2, ATO_MAX);
    this.#interactive = false;
  }

  /** As Linux's tcp_measure_rcv_mss: a full segment without PSH has more behind it, any other may be the last for now. */
  #measure(seg: TcpSegment, receiveMss: number): void {
    const { len } = seg.payload;
    const hasPush = seg.has(TcpFlag.PSH);
    if (len >= this.rcvMss) {
      this.rcvMss = Math.min(len, receiveMss);
      if (hasPush && this.#ends === 0) this.#ends = 1;
      return;
    }
    const options = (seg.hasTimestamps ? 12 : 0) + sackLen(seg);
    if (len + options >= DEFAULT_MSS || (len + options >= LEAST_MSS && !hasPush && !seg.has(TcpFlag.FIN))) {
      const before = this.#smallLen;
      // SACK blocks come and go.
      this.#smallLen = len + sackLen(seg);
      if (this.#smallLen === before) {
        this.rcvMss = before;
        return;
      }
    }
    this.#ends = this.#ends > 0 ? 2 : 1;
  }

  #becomeQuick(rcvWnd: number, most = MAX_QUICK_ACKS): void {
    const wanted = Math.min(Math.max(2, Math.floor(rcvWnd / (2 * this.rcvMss))), most);
    this.#quick = Math.max(this.#quick, wanted);
  }
}

const sackLen = (seg: TcpSegment): number => (seg.sackCount === 0 ? 0 : 4 + 8 * seg.sackCount);
