/**
 * What a scenario is: user calls, segments put on the wire, segments expected and time, in one order. The text form is
 * packetdrill's language (parse.ts, format.ts); tests build the same model with builder.ts; run.ts plays it.
 *
 * Times are microseconds. Sequence numbers are as in the text: on a SYN the number itself, elsewhere counted from the
 * sender's initial sequence number, so that the first octet is 1. `in` and `out` are seen from the stack under test.
 */
import type { Statement } from './assertions.ts';

/** Where in its text something stands; both count from 1. A scenario from the builder has line = step number, column 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** 'after': since the step before; 'at': since the scenario began; 'any': whenever. */
export type When =
  | { readonly kind: 'after' | 'at'; readonly from: number; readonly to: number }
  | { readonly kind: 'any' };

/** No step comes later than that after another, in seconds: eleven days and a half. */
export const MAX_SECONDS = 1_000_000;

/** An argument or a result of a call, as written; `place` where there is a text. */
export type Value = BareValue & { readonly place?: Place };

export type BareValue =
  | { readonly kind: 'any' }
  | { readonly kind: 'number'; readonly n: number; readonly hex?: true }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'flags'; readonly of: readonly Value[] }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  | { readonly kind: 'struct'; readonly fields: readonly Field[] }
  | { readonly kind: 'apply'; readonly name: string; readonly args: readonly Value[] };

/** `onoff=1`; without a name in an iovec's `{..., 1000}`. */
export interface Field {
  readonly name: string | undefined;
  readonly value: Value;
}

export type OptionSpec =
  | { readonly kind: 'nop' | 'eol' | 'sackOK' }
  | { readonly kind: 'mss' | 'wscale'; readonly n: number }
  | { readonly kind: 'sack'; readonly blocks: readonly (readonly [left: number, right: number])[] }
  | { readonly kind: 'TS'; readonly val: number; readonly ecr: number }
  /** Hexadecimal cookie, '' asks for one, or a name that stands for the cookie first seen. */
  | { readonly kind: 'FO' | 'FOEXP'; readonly cookie: string }
  /** Octets of any option, kind and length included: for what has no name, or a wrong length. */
  | { readonly kind: 'hex'; readonly octets: string };

export type EcnSpec = 'noecn' | 'ect0' | 'ect1' | 'ect01' | 'ce';

/** What stands in brackets before the flags. All but the first three are additions of ours to the language. */
export interface IpSpec {
  readonly ecn?: EcnSpec;
  /** The whole octet of RFC 2474 and 3168. */
  readonly tos?: number;
  readonly ttl?: number;
  /** Which connection of the scenario, from 1; without it the one of the segment before. */
  readonly conn?: number;
  /** In only: a wrong TCP checksum. */
  readonly badsum?: true;
  /** In only: source and destination instead of the scenario's. */
  readonly from?: string;
  readonly to?: string;
  /** The four reserved bits of the TCP header. */
  readonly reserved?: number;
  /** In only: the data offset field, in words. */
  readonly offset?: number;
  /** In only: octets of IP options, hexadecimal. */
  readonly ipopt?: string;
  /** In only: the next segment arrives in the same batch. */
  readonly more?: true;
}

export interface SegmentSpec {
  readonly kind: 'segment';
  readonly ip: IpSpec;
  /** TcpFlag bits. */
  readonly flags: number;
  readonly seq: number;
  readonly len: number;
  readonly ack?: number;
  readonly wnd?: number;
  readonly urg?: number;
  /** Exactly these, in this order; 'any': not looked at. */
  readonly options: readonly OptionSpec[] | 'any';
}

/** An ICMP error that quotes a segment of the stack under test. */
export interface IcmpSpec {
  readonly kind: 'icmp';
  readonly ip: IpSpec;
  readonly type: string;
  readonly code: string | undefined;
  readonly mtu: number | undefined;
  /** Sequence number and octets of the quoted segment; without it, what it sent last. */
  readonly quoted: { readonly seq: number; readonly len: number } | undefined;
}

export type PacketSpec = SegmentSpec | IcmpSpec;

interface StepBase {
  readonly when: When;
  readonly place: Place;
}

export interface CallStep extends StepBase {
  readonly kind: 'call';
  /** A call that blocks: when it returns, counted as `when` is. */
  readonly until?: number;
  readonly name: string;
  readonly args: readonly Value[];
  readonly result: Value;
  readonly errno?: string;
  /** What stands in parentheses behind the errno, for people. */
  readonly note?: string;
}

export type Step =
  | CallStep
  | (StepBase & { readonly kind: 'in'; readonly packet: PacketSpec })
  | (StepBase & { readonly kind: 'out'; readonly packet: SegmentSpec })
  /** `textPlace`: of the backquote in front of it. */
  | (StepBase & { readonly kind: 'command'; readonly command: string; readonly textPlace: Place })
  | (StepBase & { readonly kind: 'code'; readonly code: string; readonly statements: readonly Statement[] });

/** What a scenario is played on. */
export const TARGETS = ['tcpx', 'kernel', 'live', 'against'] as const;
export type TargetName = (typeof TARGETS)[number];

/** What the comments that begin with `//!` say: packetdrill skips them. */
export interface About {
  /** One sentence: what is to be seen. */
  readonly title?: string;
  /** Identifiers of requirements, and names of claims. */
  readonly covers: readonly string[];
  /** Of tcpx; Linux's behaviour when absent. */
  readonly profile?: 'linux' | 'rfc';
  /** What may leave is listed, all of it: anything else fails the scenario. */
  readonly exact: boolean;
  /** Where it makes sense; everywhere when absent. */
  readonly on?: readonly TargetName[];
  /** Why the kernel fails it: what it does instead. */
  readonly kernelDiffers?: string;
}

/** `--name=value`. */
export interface ScenarioOption {
  readonly name: string;
  readonly value: string;
  /** Of the value. */
  readonly place: Place;
}

export interface Scenario {
  /** The file's name without its extension. */
  readonly name: string;
  /** Where its text is from; for messages. */
  readonly file: string;
  readonly about: About;
  readonly options: readonly ScenarioOption[];
  readonly steps: readonly Step[];
  /** Its text by lines; the builder's are formatted. */
  readonly lines: readonly string[];
}

/** A mistake in a scenario's text, or something in it that is not supported: nothing of it is run. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
  readonly place: Place;

  constructor(place: Place, message: string) {
    super(message);
    this.place = place;
  }
}
