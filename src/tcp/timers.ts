/**
 * The deadlines one connection can hold. Nothing here calls back: the stack asks `next()` and arms one real timer
 * for the soonest of all connections. What an expiry does is in timeouts.ts.
 */
import { type Micros, NEVER } from '../base/time.ts';

/** Every timer a connection can hold. Two that are due together fire in this order. */
export const Timer = {
  /** RFC 8985 §6.2: what was late by now is lost. */
  reorder: 0,
  /** RFC 8985 §7: the last of a flight may be lost. Before the next, which it puts off. */
  tailLoss: 1,
  /** RFC 6298: the oldest unacknowledged octet is presumed lost. */
  retransmit: 2,
  /** RFC 9293 §3.8.6.1: ask whether a zero window has opened; also the override of §3.8.6.2.1. */
  persist: 3,
  /** RFC 9293 §3.8.6.3: less than 500 ms after the data. */
  delayedAck: 4,
  /** RFC 9293 §3.8.3: the user's own limit on unacknowledged data. */
  user: 5,
  /** RFC 9293 §3.8.4. */
  keepAlive: 6,
  /** Linux tcp_fin_timeout, in FIN-WAIT-2 after the user has gone. */
  finWait2: 7,
  /** 2MSL. */
  timeWait: 8,
  /** The next segment's release, where a controller sets a pace. */
  pacing: 9,
} as const;
export type Timer = (typeof Timer)[keyof typeof Timer];

/** For trace records, by index. */
export const TIMER_NAMES = Object.keys(Timer) as readonly (keyof typeof Timer)[];

const NONE_SET: readonly number[] = TIMER_NAMES.map(() => NEVER);

export class TimerTable {
  /** An ordinary array: a typed one costs three times as much, and every connection has one. */
  readonly #at: number[] = NONE_SET.slice();
  #next: Micros = NEVER;

  set(timer: Timer, at: Micros): void {
    const before = this.#at[timer]!;
    this.#at[timer] = at;
    if (at <= this.#next) this.#next = at;
    else if (before === this.#next) this.#recompute();
  }

  stop(timer: Timer): void {
    const before = this.#at[timer]!;
    if (before === NEVER) return;
    this.#at[timer] = NEVER;
    if (before === this.#next) this.#recompute();
  }

  stopAll(): void {
    this.#at.fill(NEVER);
    this.#next = NEVER;
  }

  isSet(timer: Timer): boolean {
    return this.#at[timer] !== NEVER;
  }

  /** No other is set. */
  isAlone(timer: Timer): boolean {
    for (let i = 0; i < this.#at.length; i++) if (i !== timer && this.#at[i] !== NEVER) return false;
    return true;
  }

  at(timer: Timer): Micros {
    return this.#at[timer] as Micros;
  }

  next(): Micros {
    return this.#next;
  }

  /** Takes one due timer out of the table; undefined when none is due. */
  takeDue(now: Micros): Timer | undefined {
    if (this.#next > now) return undefined;
    const i = this.#at.findIndex((at) => at <= now);
    this.#at[i] = NEVER;
    this.#recompute();
    return i as Timer;
  }

  #recompute(): void {
    let soonest: number = NEVER;
    for (let i = 0; i < this.#at.length; i++) if (this.#at[i]! < soonest) soonest = this.#at[i]!;
    this.#next = soonest as Micros;
  }
}
