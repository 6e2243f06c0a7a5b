/**
 * How a probe's packets come and go, and its time: a live host through the driver (live-path.ts), this machine's kernel in
 * a namespace of its own (kernel-path.ts), tcpx in virtual time (virtual-path.ts). Times are microseconds.
 */
import type { Ipv4 } from '../../wire/ipv4.ts';

/** A port of ours that the kernel leaves alone until it is closed. */
export interface PortLease {
  readonly port: number;
  close(): void;
}

export interface Path {
  readonly local: Ipv4;
  readonly remote: Ipv4;
  readonly remotePort: number;
  /** Octets of the largest IP packet. */
  readonly mtu: number;
  /** Gets each IP packet that comes, `t` as now() has it. */
  onPacket: ((bytes: Uint8Array, t: number) => void) | undefined;
  now(): number;
  /** Calls `run` once it is `at`; returns how to undo it. */
  at(at: number, run: () => void): () => void;
  send(packet: Uint8Array): void;
  /** Throws LinkFailure. */
  lease(): PortLease;
  /** Lets its time pass until `task` is through; absent where time passes by itself. */
  run?<T>(task: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A request that makes the peer send much, and one that makes it close first; each absent where none is known. */
export interface Requests {
  readonly data?: Uint8Array;
  readonly close?: Uint8Array;
}
