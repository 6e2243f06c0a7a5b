/**
 * A short scenario of one connection, for two stacks: steps at fixed times, so far apart that what a step brings about
 * is over before the next, and so few that no timer's exact time decides what is seen.
 */
import { intBelow, type Random } from '../../../src/base/random.ts';
import type { OptionSpec, SegmentSpec } from '../../../src/tools/scenario/model.ts';
import { TcpFlag } from '../../../src/wire/tcp.ts';
import { pick } from '../setup.ts';

const { FIN, SYN, RST, PSH, ACK, URG, ECE, CWR } = TcpFlag;

/** What the user does with the connection. */
export type UserCall =
  | { readonly call: 'write'; readonly len: number }
  | { readonly call: 'read' }
  | { readonly call: 'shutdown' }
  | { readonly call: 'close' }
  | { readonly call: 'abort' };

export type ScriptStep =
  | { readonly do: 'in'; readonly packet: SegmentSpec }
  | { readonly do: 'user'; readonly user: UserCall }
  | { readonly do: 'connect' | 'listen' | 'accept' | 'nothing' };

export interface Script {
  readonly number: number;
  /** Which of FAMILIES its settings are. */
  readonly family: number;
  readonly steps: readonly ScriptStep[];
}

/** Settings are a namespace's: scripts of one family share one. */
export const FAMILIES: readonly Readonly<Record<string, string>>[] = [
  { tcp_timestamps: '0', tcp_sack: '1', tcp_window_scaling: '1' },
  { tcp_timestamps: '1', tcp_sack: '1', tcp_window_scaling: '1' },
  { tcp_timestamps: '0', tcp_sack: '0', tcp_window_scaling: '0' },
  { tcp_timestamps: '1', tcp_sack: '0', tcp_window_scaling: '1', tcp_ecn: '1' },
];

/** Of both stacks: what depends on a measured round trip is off. */
export const COMMON: Readonly<Record<string, string>> = {
  tcp_early_retrans: '0',
  tcp_ecn: '2',
  tcp_syncookies: '0',
  tcp_fastopen: '0',
};

/** Microseconds from step to step. */
export const STEP_US = 30_000;

/** The stack as its peer sees it, from what left so far; relative numbers. */
export interface Seen {
  /** Next octet of the stack's, and of the peer's as acknowledged. */
  readonly sndNxt: number;
  readonly rcvNxt: number;
  readonly hasSyn: boolean;
  readonly isReset: boolean;
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly wnd: number;
}

/** Draws steps one by one; the caller plays each before it asks for the next. */
export class ScriptGenerator {
  readonly #random: Random;
  readonly #family: Readonly<Record<string, string>>;
  readonly passive: boolean;
  readonly length: number;
  #step = 0;
  #peerNxt = 1;
  #acked = 1;
  #peerFin = false;

  constructor(random: Random, family: Readonly<Record<string, string>>) {
    this.#random = random;
    this.#family = family;
    this.passive = intBelow(random, 2) === 0;
    this.length = 4 + intBelow(random, 9);
  }

  next(seen: Seen): ScriptStep {
    const step = this.#step++;
    const random = this.#random;
    if (step === 0) return { do: this.passive ? 'listen' : 'connect' };
    // Now and then the handshake goes wrong.
    const isOdd = intBelow(random, 12) === 0;
    if (this.passive) {
      if (step === 1) return { do: 'in', packet: isOdd ? this.#odd(seen) : this.#syn(SYN) };
      if (step === 2) return isOdd ? this.#peer(seen) : { do: 'in', packet: this.#segment(ACK, 1, 0, 1, seen) };
      if (step === 3) return { do: 'accept' };
    } else {
      if (step === 1) {
        if (isOdd && intBelow(random, 2) === 0) return { do: 'in', packet: this.#syn(SYN) };
        return { do: 'in', packet: isOdd ? this.#odd(seen) : this.#syn(SYN | ACK) };
      }
      if (step === 2 && isOdd) return { do: 'in', packet: this.#syn(SYN | ACK) };
    }
    return intBelow(random, 100) < 35 ? { do: 'user', user: this.#user() } : this.#peer(seen);
  }

  #user(): UserCall {
    const dice = intBelow(this.#random, 100);
    if (dice < 45) return { call: 'write', len: pick(this.#random, [1, 10, 100, 1000, 1500, 3000]) };
    if (dice < 70) return { call: 'read' };
    if (dice < 82) return { call: 'shutdown' };
    return dice < 92 ? { call: 'close' } : { call: 'abort' };
  }

  #peer(seen: Seen): ScriptStep {
    return { do: 'in', packet: this.#packet(seen) };
  }

  #packet(seen: Seen): SegmentSpec {
    const random = this.#random;
    const at = this.#peerNxt;
    const all = seen.sndNxt;
    const dice = intBelow(random, 100);
    if (dice < 22 && !this.#peerFin) {
      const len = pick(random, [1, 10, 100, 1000]);
      this.#peerNxt += len;
      return this.#segment(ACK | (intBelow(random, 2) ? PSH : 0), at, len, this.#acks(all), seen);
    }
    if (dice < 40) return this.#segment(ACK, at, 0, this.#acks(all), seen);
    if (dice < 48)
      return this.#segment(ACK, at + pick(random, [1, 10, 100]), pick(random, [1, 10, 100]), this.#acked, seen);
    if (dice < 55) return this.#segment(ACK, at - pick(random, [1, 5]), pick(random, [0, 1, 5, 8]), this.#acked, seen);
    if (dice < 63 && !this.#peerFin) {
      this.#peerFin = true;
      const len = pick(random, [0, 0, 10]);
      this.#peerNxt += len + 1;
      return this.#segment(FIN | ACK, at, len, this.#acks(all), seen);
    }
    return this.#odd(seen);
  }

  /** What an honest peer would not send, or not like that. */
  #odd(seen: Seen): SegmentSpec {
    const random = this.#random;
    const at = this.#peerNxt;
    const beyond = seen.rcvNxt + 3_000_000;
    switch (intBelow(random, 12)) {
      case 0:
        return this.#segment(RST, at, 0, 0, seen);
      case 1:
        return this.#segment(RST | (intBelow(random, 2) ? ACK : 0), at + pick(random, [1, 100]), 0, this.#acked, seen);
      case 2:
        return this.#segment(RST, pick(random, [at - 1, beyond]), 0, 0, seen);
      case 3:
        return this.#segment(
          SYN | (intBelow(random, 2) ? ACK : 0),
          pick(random, [0, 0, at, at + 5]),
          0,
          this.#acked,
          seen,
        );
      case 4:
        return this.#segment(ACK, at, pick(random, [0, 1]), seen.sndNxt + pick(random, [1, 1000, 100_000]), seen);
      case 5:
        return this.#segment(
          ACK,
          at,
          pick(random, [0, 1]),
          (seen.sndNxt - pick(random, [1, 100, 100_000])) >>> 0,
          seen,
        );
      case 6:
        return this.#segment(0, at, pick(random, [0, 10]), 0, seen);
      case 7:
        return this.#segment(pick(random, [FIN, SYN | FIN, SYN | FIN | ACK, PSH, URG]), at, 0, this.#acked, seen);
      case 8:
        return this.#segment(ACK, beyond, pick(random, [0, 1]), this.#acked, seen);
      case 9:
        return this.#segment(FIN | ACK, at + pick(random, [1, 10]), pick(random, [0, 10]), this.#acked, seen);
      case 10:
        return this.#segment(ACK | pick(random, [ECE, CWR]), at, 0, this.#acked, seen);
      default:
        return { ...this.#segment(ACK, at, 0, this.#acked, seen), wnd: pick(random, [0, 1, 500]) };
    }
  }

  #acks(all: number): number {
    const random = this.#random;
    const to = intBelow(random, 4) === 0 ? this.#acked + intBelow(random, Math.max(1, all - this.#acked)) : all;
    this.#acked = Math.max(this.#acked, to);
    return this.#acked;
  }

  #syn(flags: number): SegmentSpec {
    const options: OptionSpec[] = [{ kind: 'mss', n: 1000 }];
    const { tcp_sack, tcp_timestamps, tcp_window_scaling } = this.#family;
    if (tcp_sack === '1') options.push({ kind: 'nop' }, { kind: 'nop' }, { kind: 'sackOK' });
    if (tcp_timestamps === '1') options.push({ kind: 'nop' }, { kind: 'nop' }, this.#stamp());
    if (tcp_window_scaling === '1') options.push({ kind: 'nop' }, { kind: 'wscale', n: 7 });
    return { kind: 'segment', ip: {}, flags, seq: 0, len: 0, ...(flags & ACK && { ack: 1 }), wnd: 32_768, options };
  }

  /** The peer's clock is a step; what it echoes is the last it saw. */
  #stamp(): OptionSpec {
    return { kind: 'TS', val: 1000 + this.#step * (STEP_US / 1000), ecr: 1 };
  }

  #segment(flags: number, seq: number, len: number, ack: number, seen: Seen): SegmentSpec {
    const options: readonly OptionSpec[] = seen.timestamps ? [{ kind: 'nop' }, { kind: 'nop' }, this.#stamp()] : [];
    return {
      kind: 'segment',
      ip: {},
      flags,
      seq: seq >>> 0,
      len: flags & SYN ? 0 : len,
      ...(flags & ACK && { ack: ack >>> 0 }),
      wnd: this.#family['tcp_window_scaling'] === '1' ? 257 : 32_768,
      options,
    };
  }
}
