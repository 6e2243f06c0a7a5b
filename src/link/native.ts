/**
 * Our addon, src/link/native: the one file that loads it. What it does and what not is in native-notes.md.
 *
 * Its errors carry `code` (errno's name) and `syscall`. It may be loaded in worker threads too.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Ipv4 } from '../wire/ipv4.ts';
import { LinkFailure } from './failure.ts';

declare const handleBrand: unique symbol;
/** A file descriptor in the addon's keeping: closed by `close`, or with the thread that holds it. */
export type Handle = object & { readonly [handleBrand]: true };

/** Bits of portListen's `wanted`. */
export const GuardWith = { MD5: 1, MINTTL: 2 } as const;

/** Bits of packetOpen's `wanted`. */
export const PacketWith = { VNET_HEADER: 1, NO_OUTGOING: 2, PAST_QUEUES: 4, PROMISCUOUS: 8, ARRIVALS: 16 } as const;
/** What a batch's socket is ready for. */
export const Ready = { READ: 1, WRITE: 2 } as const;
/** Parts of a message, and fields of one in batchAttach's `sends`. */
export const MOST_PARTS = 7;
export const SEND_FIELDS = 3 + 2 * MOST_PARTS;

export interface Addon {
  /** A kernel listener on the port that ignores every segment; port 0: the kernel's choice. */
  portListen(address: Ipv4, port: number, wanted: number): Handle;
  /** A kernel socket that is bound to the port and does nothing. */
  portBind(address: Ipv4, port: number): Handle;
  portOf(handle: Handle): number;
  netlinkOpen(protocol: number): Handle;
  /** Sends one datagram to the kernel; the first datagram of its answer. */
  netlinkAsk(handle: Handle, request: Uint8Array): Uint8Array;
  /**
   * A packet socket on one interface; it sees nothing before `filter` (octets of struct sock_filter) is in place.
   * `fanout`: the argument of PACKET_FANOUT, 0 for no group.
   */
  packetOpen(
    ifindex: number,
    wanted: number,
    receiveBuffer: number,
    sendBuffer: number,
    filter: Uint8Array | undefined,
    fanout: number,
  ): Handle;
  packetFilter(handle: Handle, filter: Uint8Array): void;
  /** Frames lost for want of buffer since it was last asked. */
  packetDrops(handle: Handle): number;
  /** Octets of receive buffer it was given, the kernel's own needs included: twice what was granted. */
  packetRoom(handle: Handle): number;
  /** A raw socket that takes packets with their IP header, and is given none. */
  rawIpOpen(sendBuffer: number): Handle;
  /** Once for a handle: what batches are made of; src/link/native/batch.c has the layout. `waits`: where the socket stamps what comes. */
  batchAttach(
    handle: Handle,
    slots: readonly Uint8Array[],
    lens: Int32Array,
    headers: Uint8Array,
    stride: number,
    sends: Int32Array,
    onReady: (events: number, errno: number) => void,
    waits: Int32Array | undefined,
  ): void;
  /** `events`: bits of Ready. */
  batchWatch(handle: Handle, events: number): void;
  /** From now on, that it is watched keeps no process alive. */
  batchBackground(handle: Handle): void;
  /** What was sent will have an answer: if the last came soon, the loop doesn't sleep while this one may. */
  batchAwait(handle: Handle): void;
  /** Another buffer for a slot; the one before is the caller's again. */
  batchLend(handle: Handle, slot: number, octets: Uint8Array): void;
  /** Slots filled; below 0 an errno. Never waits. */
  batchReceive(handle: Handle): number;
  /** Messages sent, from `first` on; below 0 the errno of the first. */
  batchSend(handle: Handle, first: number, count: number, parts: readonly Uint8Array[]): number;
  /** An alarm of microseconds on this thread's event loop, which it does not keep alive. */
  timerOpen(onRing: () => void): Handle;
  /** Rings once, `us` from now; below 0 not at all. In place of what was set before. */
  timerSet(handle: Handle, us: number): void;
  /** The process keeps so many octets of freed memory, where it would give most of it back to the kernel. */
  keepFreed(octets: number): void;
  /** Idempotent. */
  close(handle: Handle): void;
}

// Both src/link and dist/link are two below the package's root.
const BUILD = new URL('../../src/link/native/build/', import.meta.url);
let addon: Addon | undefined;

/** Throws LinkFailure ENOTBUILT when there is no addon, with why. */
export function loadAddon(): Addon {
  if (addon === undefined) {
    try {
      // the shape of our own binary
      addon = createRequire(import.meta.url)(new URL('Release/tcpx.node', BUILD).pathname) as Addon;
    } catch (error) {
      throw notBuilt(error);
    }
  }
  return addon;
}

function notBuilt(error: unknown): LinkFailure {
  const [why = '', remedy = 'npm rebuild tcpx, or in a checkout: npm run install'] =
    reasonLeftByInstall(error).split('\n');
  return new LinkFailure('ENOTBUILT', `the addon is not built: ${why}`, remedy);
}

/** What scripts/build-addon.mjs left when it could not build: the reason and the remedy, a line each. */
function reasonLeftByInstall(error: unknown): string {
  try {
    return readFileSync(new URL('not-built.txt', BUILD), 'utf8').trim();
  } catch {
    const missing = error instanceof Error && /Cannot find module/.test(error.message);
    return missing
      ? 'its install script did not run'
      : String(error instanceof Error ? error.message : error).split('\n')[0]!;
  }
}

/** The errno name an error of the addon's carries; undefined for any other. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
