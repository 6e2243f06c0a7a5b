/**
 * What a fuzzing run is made of: a setup, and actions in one order. Both are plain JSON, and the same two give the same
 * run: so a run can be shrunk, played again and written down.
 *
 * Numbers of the peer's stream count from its initial sequence number, ours from our own: as in packetdrill's language the
 * SYN is 0 and the first octet 1. They are int32 and may be below 0, or anywhere.
 */
import type { PathConfig, Profile, SocketOptions, Sysctl } from '../../src/tcp/config.ts';
import type { State } from '../../src/tcp/machine.ts';
import type { ErrorCode } from '../../src/tcp/tcb.ts';

export interface Setup {
  readonly profile: Profile;
  readonly sysctl: Partial<Sysctl>;
  readonly options: Partial<SocketOptions>;
  readonly path: PathConfig;
  /** As on the wire, int32. */
  readonly iss: number;
  readonly irs: number;
  readonly tsOffset: number;
  /** The peer's habits: what its SYN says. */
  readonly peer: {
    readonly mss: number | undefined;
    readonly wscale: number | undefined;
    readonly sackOk: boolean;
    readonly timestamps: boolean;
    readonly ecn: boolean;
    readonly wnd: number;
  };
  /** Fast Open: of an active open the cookie (hexadecimal, '' asks for one), of a passive one whether it is taken. */
  readonly tfo?: string;
  readonly tfoAccept?: true;
}

/** One segment of the peer's. Its octets follow from where it stands: see octets.ts. */
export interface FuzzSegment {
  /** TcpFlag bits. */
  flags: number;
  seq: number;
  ack: number;
  /** As in the header, unscaled. */
  wnd: number;
  len: number;
  urg?: number;
  mss?: number;
  wscale?: number;
  sackOk?: true;
  ts?: readonly [val: number, ecr: number];
  /** Left and right edges in turn. */
  sack?: readonly number[];
  /** Hexadecimal. */
  tfo?: string;
  ecn?: number;
}

export type Action =
  | { readonly do: 'open'; readonly kind: 'active' | 'passive' }
  /** `more`: the next one is of the same batch. `owned`: the receiver may keep its octets. */
  | { readonly do: 'segment'; readonly seg: FuzzSegment; readonly more?: true; readonly owned?: true }
  /** For a connection in TIME-WAIT: the SYN of a next incarnation. */
  | { readonly do: 'give way'; readonly seg: FuzzSegment }
  | { readonly do: 'send' | 'send urgent' | 'lend'; readonly len: number }
  | { readonly do: 'receive'; readonly times: number }
  | { readonly do: 'close' | 'release' | 'abort' | 'reuse' | 'put away' | 'keep lent' }
  | { readonly do: 'set'; readonly name: keyof SocketOptions; readonly value: number | boolean | string }
  | { readonly do: 'press'; readonly pressed: boolean }
  | { readonly do: 'icmp'; readonly code: ErrorCode; readonly seq: number }
  | { readonly do: 'path'; readonly mss: number; readonly seq: number }
  /** Microseconds; timers that are due on the way expire at their time. */
  | { readonly do: 'wait'; readonly us: number };

/** What a run may not do, and did. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** Name of the invariant: a shrunk run must break the same. */
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`);
    this.rule = rule;
  }
}

export interface Run {
  readonly setup: Setup;
  readonly actions: readonly Action[];
}

/** Rows of the transition table as the fuzzer counts them. */
export const rowText = (from: State, event: string, to: State): string => `${from} --${event}--> ${to}`;
