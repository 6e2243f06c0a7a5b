/**
 * When data is acknowledged at once and when the ACK may wait, RFC 9293 §3.8.6.3 and RFC 5681 §4.2, with Linux's
 * choices inside them: a connection that has just begun, or whose data arrive out of order, is acknowledged at once
 * (the sender is probing); one that answers each request soon lets the ACK ride on the answer.
 */
import type { Keepable, Keeper } from '../base/keeper.ts';
import { type Micros, ms } from '../base/time.ts';

/** Most ACKs in a row sent at once. */
const MAX_QUICK_ACKS = 16;
/**
 * After disorder: a path that loses leaves its sender a small window, and an ACK held back for 40 ms then stops it for
 * some round trips. Linux keeps to 16 here, too; with 64 hardly any is held back at 1 % of loss.
 */
const QUICK_AFTER_DISORDER = 64;
/** Delayed ACKs wait from 40 to 200 ms here; the RFC's limit is 500. */
const ATO_MIN = ms(40);
const ATO_MAX = ms(200);

export class AckPolicy implements Keepable {
  /** ACKs still to be sent at once. */
  #quick = 0;
  /** How long an ACK may wait, from the pace at which data arrive; 0 before the first. */
  #ato = 0;
  #lastDataAt = 0;
  /** We tend to answer soon: ACKs ride on answers. */
  #interactive = false;

  keep(k: Keeper): void {
    this.#quick = k.number(this.#quick);
    this.#ato = k.number(this.#ato);
    this.#lastDataAt = k.number(this.#lastDataAt);
    this.#interactive = k.flag(this.#interactive);
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

  /** Data arrived. `rcvWnd` and `rcvMss` in octets, `rto` in µs. */
  onData(now: Micros, rcvWnd: number, rcvMss: number, rto: number): void {
    if (this.#ato === 0) {
      this.#becomeQuick(rcvWnd, rcvMss);
      this.#ato = ATO_MIN;
    } else {
      const gap = now - this.#lastDataAt;
      if (gap <= ATO_MIN / 2) this.#ato = this.#ato / 2 + ATO_MIN / 2;
      else if (gap < this.#ato) this.#ato = Math.min(this.#ato / 2 + gap, rto);
      else if (gap > rto) this.#becomeQuick(rcvWnd, rcvMss);
    }
    this.#lastDataAt = now;
  }

  /** Data arrived out of order, or again: the sender is in trouble and wants to hear. */
  onDisorder(rcvWnd: number, rcvMss: number): void {
    this.#becomeQuick(rcvWnd, rcvMss, QUICK_AFTER_DISORDER);
    this.#interactive = false;
  }

  onAckSent(): void {
    if (this.#quick > 0) this.#quick--;
  }

  /** We sent data; soon after some arrived means that it was an answer. */
  onDataSent(now: Micros): void {
    if (now - this.#lastDataAt < this.#ato) this.#interactive = true;
  }

  /** An ACK waited in vain for an answer. */
  onDelayExpired(): void {
    this.#interactive = false;
    this.#ato = Math.min(this.#ato * 2, ATO_MAX);
  }

  #becomeQuick(rcvWnd: number, rcvMss: number, most = MAX_QUICK_ACKS): void {
    const wanted = Math.min(Math.max(2, Math.floor(rcvWnd / (2 * rcvMss))), most);
    this.#quick = Math.max(this.#quick, wanted);
  }
}
