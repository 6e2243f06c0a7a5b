/** What measurements share: options, clock, processor time, and the words said to the bench. */
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import type { Said } from '../program.ts';
import type { StackOptions } from './stacks.ts';

export type Work = 'send' | 'receive' | 'both' | 'rtt' | 'handshake' | 'connect-close' | 'rpc' | 'idle';

export interface ClientOptions extends StackOptions {
  readonly work: Work;
  /** Measured. */
  readonly seconds: number;
  /** Before that. */
  readonly warmSeconds: number;
  /** Connections at once, where there are several. */
  readonly count: number;
  /** Octets of a write. */
  readonly chunk: number;
}

/** CLOCK_MONOTONIC in microseconds. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

/**
 * Of all processors since boot, in seconds. `busy`: user, nice, system, irq, softirq, not idle and iowait; `stolen`: a
 * hypervisor gave them to others when somebody here wanted to run.
 */
export function processorSeconds(): { readonly busy: number; readonly stolen: number } {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .map(Number);
  return { busy: (user! + nice! + system! + irq! + softirq!) / 100, stolen: steal! / 100 };
}

export function say(event: string, fields: Said = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

/** What the bench says. */
export const input: Interface = createInterface({ input: process.stdin });

export const delay = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
