/** What a scenario is played on: a stack with a user's calls on one side, and a wire whose other end is the scenario. */
import type { Ipv4 } from '../../wire/ipv4.ts';
import type { CallRequest, CallResult } from './calls.ts';
import type { TargetName } from './model.ts';

/** A call under way. */
export interface RunningCall {
  /** There once it has returned. */
  result: CallResult | undefined;
  /** Microseconds since the scenario began. */
  returnedAt: number | undefined;
}

/** A packet that the stack under test has sent, from its IP header on. */
export interface SentPacket {
  /** Microseconds since the scenario began. */
  readonly t: number;
  readonly bytes: Uint8Array;
}

/** Where scenario and stack are, when not at packetdrill's addresses. */
export interface TargetAddresses {
  readonly sut: Ipv4;
  readonly peer: Ipv4;
  /** The stack's port that connections come to. */
  readonly sutPort: number;
  /** The peer's ports, one for each connection that it begins. */
  readonly peerPorts: readonly number[];
}

export interface Target {
  readonly name: TargetName;
  /** In real time even a call that doesn't wait takes its time. */
  readonly isReal: boolean;
  /**
   * Microseconds by which a real clock and a real machine may be late, on top of the scenario's tolerance, with something
   * that is to come so many microseconds after the step before.
   */
  slack(after: number): number;
  readonly addresses?: TargetAddresses;
  /** Packets sent and not yet looked at, oldest first; the run takes them. */
  readonly sent: SentPacket[];
  /** Microseconds since the scenario began. */
  now(): number;
  /** Lets time pass until `at`, or until `ready` holds; then it returns true. */
  pass(at: number, ready?: () => boolean): Promise<boolean>;
  /** Puts a packet of the peer's on the wire. `more`: the next one belongs to the same batch. */
  inject(packet: Uint8Array, more: boolean): void;
  /** `octets`: what a write writes. `expected`: what the scenario says that it returns, for who can only believe it. */
  call(request: CallRequest, octets: Uint8Array, expected: number | undefined): RunningCall;
  /** TCP_INFO of `fd`, by Linux's names; undefined when there is none. */
  info(fd: number): Promise<Readonly<Record<string, number>> | undefined>;
  /** A setting of net.ipv4 in the middle of a scenario; false when it can't be changed then. */
  set(name: string, value: string): Promise<boolean>;
  /** What the stack has told of itself since the last time, line by line. */
  takeTrace(): readonly string[];
  close(): Promise<void>;
}

/** A scenario can't be played here, though nothing is wrong with it: a setting or a part is missing. */
export class NotPlayable extends Error {
  override readonly name = 'NotPlayable';
}
