/** What this process may do, as the kernel tells it: the capability sets in /proc/self/status (capabilities(7)). */
import { readFileSync } from 'node:fs';

/** Bits of linux/capability.h; those that matter here. */
export const Capability = { SETGID: 6, SETUID: 7, NET_BIND_SERVICE: 10, NET_ADMIN: 12, NET_RAW: 13 } as const;

export interface CapabilitySets {
  readonly effective: bigint;
  readonly permitted: bigint;
  /** What can be had at all, by whatever means. */
  readonly bounding: bigint;
}

export const hasCapability = (set: bigint, bit: number): boolean => ((set >> BigInt(bit)) & 1n) === 1n;

/** Of this process; or from the `status` of one of its threads. */
export function capabilitySets(status = readFileSync('/proc/self/status', 'utf8')): CapabilitySets {
  const set = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  return { effective: set('CapEff'), permitted: set('CapPrm'), bounding: set('CapBnd') };
}
