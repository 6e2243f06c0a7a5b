/**
 * What crosses threads in a cluster: messages about sockets by number, octets as buffers that change owner. The front
 * numbers what it opens evenly, a worker what it accepts oddly.
 */

import type { GuardKind } from '../link/guard.ts';
import type { Profile, SocketOptions, Sysctl } from '../tcp/config.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { DriverName } from './driver.ts';

/** What a worker is started with. */
export interface WorkerSettings {
  readonly index: number;
  readonly of: number;
  readonly remote: Ipv4;
  readonly source?: Ipv4;
  readonly interface?: string;
  readonly guard?: 'auto' | GuardKind;
  readonly driver?: DriverName;
  readonly offload?: boolean;
  readonly profile?: Profile;
  readonly sysctl?: Partial<Sysctl>;
}

export type ToWorker =
  | {
      readonly type: 'connect';
      readonly id: number;
      readonly address: Ipv4;
      readonly port: number;
      readonly options?: Partial<SocketOptions>;
    }
  | {
      readonly type: 'listen';
      readonly port: number;
      readonly backlog?: number;
      readonly options?: Partial<SocketOptions>;
    }
  | { readonly type: 'write'; readonly id: number; readonly octets: Uint8Array }
  | { readonly type: 'end'; readonly id: number }
  /** The reader has taken so many octets. */
  | { readonly type: 'taken'; readonly id: number; readonly len: number }
  | { readonly type: 'destroy'; readonly id: number; readonly reset: boolean }
  | { readonly type: 'close' };

/** An error as it can be sent. */
export interface SentError {
  readonly message: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly hint?: string;
}

export interface Names {
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
}

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly error: SentError }
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'accepted'; readonly id: number; readonly names: Names }
  | { readonly type: 'connected'; readonly id: number; readonly names: Names }
  | { readonly type: 'data'; readonly id: number; readonly octets: Uint8Array }
  /** The oldest write is the connection's now. */
  | { readonly type: 'written'; readonly id: number }
  | { readonly type: 'finished'; readonly id: number }
  | { readonly type: 'ended'; readonly id: number }
  | { readonly type: 'gone'; readonly id: number; readonly error?: SentError };

/** Octets that a socket's reader may have before some have to be taken. */
export const READ_AHEAD = 1 << 20;

export function sentError(error: unknown): SentError {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, syscall, hint } = error as { code?: unknown; syscall?: unknown; hint?: unknown };
  return {
    message: error.message,
    ...(typeof code === 'string' && { code }),
    ...(typeof syscall === 'string' && { syscall }),
    ...(typeof hint === 'string' && { hint }),
  };
}

export const errorFrom = ({ message, ...rest }: SentError): Error => Object.assign(new Error(message), rest);

/** Copied into a buffer of their own, to be transferred. Buffer's `slice` would not copy. */
export const ownOctets = (octets: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(octets);
