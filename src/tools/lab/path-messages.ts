/** What a lab and the process of its path tell each other; values that the structured clone carries. */
import type { Micros } from '../../base/time.ts';
import type { FaultCounters, Faults } from '../../link/faults.ts';
import type { LabSide, PathRule, RuleFate } from './path-rule.ts';

/** Faults of one direction without a script: scripts are rules. */
export type PathFaults = Omit<Faults, 'script'>;

export interface PathSettings {
  /** Interfaces in the path's namespace, towards each end. */
  readonly interfaces: Readonly<Record<LabSide, string>>;
  /** Of what each end sends. */
  readonly faults: Readonly<Record<LabSide, PathFaults>>;
  readonly seed: number;
  /** Each packet is looked at and told of; without it merged segments pass as they are, and there are no rules. */
  readonly watch: boolean;
  /** Octets of a packet that are told, from its IP header on. */
  readonly snapLen: number;
}

export interface SeenOnPath {
  /** When it came to the path: microseconds of the monotonic clock. */
  readonly at: Micros;
  readonly from: LabSide;
  /** As it came, or as a rule has changed it. */
  readonly bytes: Uint8Array;
  /** What a rule made of it, if one did; losses by chance don't show here. */
  readonly fate: RuleFate | undefined;
  /** Not sent by `from`, but injected. */
  readonly injected?: true;
}

export type ToPath =
  | { readonly op: 'start'; readonly settings: PathSettings }
  | { readonly op: 'rule'; readonly id: number; readonly rule: PathRule }
  | { readonly op: 'clear'; readonly id: number; readonly rules: readonly number[] }
  | {
      readonly op: 'inject';
      readonly id: number;
      readonly to: LabSide;
      readonly packets: readonly Uint8Array[];
      /** They stand in the list of what was seen. */
      readonly told: boolean;
    }
  | { readonly op: 'counters'; readonly id: number };

export type PathCounters = Readonly<Record<LabSide, Readonly<FaultCounters>>>;

export type FromPath =
  | { readonly op: 'ready' }
  | { readonly op: 'failed'; readonly code: string; readonly message: string; readonly hint: string }
  | { readonly op: 'seen'; readonly packets: readonly SeenOnPath[] }
  | { readonly op: 'done'; readonly id: number; readonly counters?: PathCounters };
