/**
 * Frames seen on an interface, through the package `cap` (libpcap): the one place where that package is loaded.
 *
 * Its traps, and what is done about each, are in native-notes.md; in short: what it writes to and the object itself
 * stay referenced for ever, since it keeps raw pointers and leaves its poll handle in the event loop; the ring is
 * sized for its snapshot length of 65535 octets; it runs on the main thread only.
 */
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { ETHERNET_HEADER_LEN, EtherType } from '../wire/ethernet.ts';
import { readU16 } from '../wire/octets.ts';
import { LinkFailure, packageNotBuilt } from './failure.ts';

/** What is used of cap's object; it has no types of its own. */
interface Cap {
  on(event: 'packet', listener: (octets: number, truncated: boolean) => void): this;
  /** Returns the name of the link type; throws an Error with text only. */
  open(device: string, filter: string, ringOctets: number, buffer: Uint8Array): string;
  close(): boolean;
}
type CapModule = { readonly Cap: new () => Cap };

/** Largest frame that is seen whole, octets: cap's fixed snapshot length. */
export const SNAPSHOT_LEN = 65535;

export interface SnifferOptions {
  readonly interface: string;
  /** In libpcap's language; '' for everything. */
  readonly filter: string;
  /** Size of the kernel's ring, octets. A frame takes 64 KiB of it, whatever its size. */
  readonly ringOctets: number;
  /**
   * An IPv4 packet, `[at, end)` of `bytes`, valid during the call only. `truncated`: its tail is lost. `ethernet`:
   * the frame's header lies right in front of `at`. Frames that carry anything else are left out.
   */
  readonly onPacket: (bytes: Uint8Array, at: number, end: number, truncated: boolean, ethernet: boolean) => void;
}

export interface Sniffer {
  readonly interface: string;
  /** Idempotent. Nothing is delivered afterwards. */
  close(): void;
}

/** See above: what cap was given, for as long as the process lives. */
const PINNED: unknown[] = [];

/** Own outgoing frames are seen too; on loopback each frame once. Throws LinkFailure. */
export function openSniffer(o: SnifferOptions): Sniffer {
  const { Cap } = loadCap();
  const cap = new Cap();
  const buffer = Buffer.alloc(SNAPSHOT_LEN + 1);
  PINNED.push(cap, buffer);
  // a plain view, since slice() of a Buffer doesn't copy
  const frame = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
  let headerLen = ETHERNET_HEADER_LEN;
  let closed = false;
  cap.on('packet', (octets, truncated) => {
    if (closed || octets < headerLen || !carriesIpv4(frame, headerLen)) return;
    o.onPacket(frame, headerLen, octets, truncated || octets >= SNAPSHOT_LEN, headerLen === ETHERNET_HEADER_LEN);
  });
  headerLen = headerLenOf(openCap(cap, o, buffer), o.interface, cap);
  return {
    interface: o.interface,
    close() {
      if (closed) return;
      closed = true;
      cap.close();
    },
  };
}

function openCap(cap: Cap, o: SnifferOptions, buffer: Uint8Array): string {
  try {
    return cap.open(o.interface, o.filter, o.ringOctets, buffer);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (/permi(t|ssion)/i.test(text)) {
      throw new LinkFailure(
        'EPERM',
        `cannot capture on ${o.interface}: not permitted`,
        'run it as root (sudo), or give it CAP_NET_RAW',
      );
    }
    if (/no such device/i.test(text)) {
      throw new LinkFailure('ENODEV', `no interface ${o.interface}`, '`ip link` lists the interfaces there are');
    }
    throw new LinkFailure('EIO', `cannot capture on ${o.interface}: ${text}`, '`ip link show` tells whether it is up');
  }
}

/** Octets in front of the IP packet, by the link type's name as cap gives it. */
function headerLenOf(linkType: string, name: string, cap: Cap): number {
  switch (linkType) {
    case 'ETHERNET':
      return ETHERNET_HEADER_LEN;
    case 'RAW':
      return 0;
    case 'NULL':
      return 4;
    case 'LINKTYPE_LINUX_SLL':
      return 16;
    default:
      cap.close();
      throw new LinkFailure(
        'EPROTONOSUPPORT',
        `${name} has a link type that is not known here (${linkType})`,
        'choose another interface with -I',
      );
  }
}

/** By the frame's type field, which ends every kind of header but RAW's (none) and NULL's (an address family in host order). */
function carriesIpv4(frame: Uint8Array, headerLen: number): boolean {
  if (headerLen <= 4) return frame[headerLen]! >>> 4 === 4;
  return readU16(frame, headerLen - 2) === EtherType.IPV4;
}

let loaded: CapModule | undefined;

function loadCap(): CapModule {
  if (!isMainThread) {
    throw new LinkFailure(
      'EWORKER',
      'the package cap cannot be used in a worker thread',
      'open the link on the main thread',
    );
  }
  if (loaded === undefined) {
    try {
      // an untyped package, described by Cap above
      loaded = createRequire(import.meta.url)('cap') as CapModule;
    } catch (error) {
      throw packageNotBuilt('cap', error, 'libpcap-dev python3 make g++');
    }
  }
  return loaded;
}
