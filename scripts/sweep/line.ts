/** A line to a stack under test, over which one cell of the sweep is played: socket calls at its one end, segments at the other. */
import type { State } from '../../src/tcp/machine.ts';
import { type CallRequest, type CallResult, callText } from '../../src/tools/scenario/calls.ts';
import type { SentPacket } from '../../src/tools/scenario/target.ts';
import type { Addresses } from './peer.ts';

export interface Line {
  readonly addresses: Addresses;
  /** Packets that the stack has sent here and nobody has looked at yet, oldest first. */
  readonly sent: SentPacket[];
  /** Microseconds, on the clock that `sent` has. */
  now(): number;
  /** Lets `us` pass, or less when `ready` holds before; then it returns true. */
  pass(us: number, ready?: () => boolean): Promise<boolean>;
  /** `octets`: how many a write writes. No call is made here that would block. */
  call(request: CallRequest, octets?: number): Promise<CallResult>;
  send(packet: Uint8Array): void;
  /** Of the connection between the two; undefined when the stack knows of none. */
  state(): Promise<State | undefined>;
  close(): Promise<void>;
}

/** A call that has to succeed for a cell to be played at all. */
export async function must(line: Line, request: CallRequest, octets = 0): Promise<number> {
  const { result, errno } = await line.call(request, octets);
  if (result < 0) throw new Error(`${callText(request)} failed with ${errno}`);
  return result;
}

/** Settings of both: what is not asked for must not leave by itself while a cell is looked at. */
export const SETTINGS = ['net.ipv4.tcp_rto_min_us=3000000', 'net.ipv4.tcp_early_retrans=0'] as const;
