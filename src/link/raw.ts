/**
 * The portable driver, on the packages raw-socket (out) and cap (in). Main thread only; needs CAP_NET_RAW.
 *
 * Out: a raw IPv4 socket of protocol 255, which takes packets with their header and is given none: the kernel routes them,
 * finds the neighbour, and fills in the header's checksum, and its identification when that is 0. Goes through netfilter's
 * OUTPUT. In: a capture on one interface, ahead of netfilter, filtered in the kernel to what is for our address and ports.
 * What each package does wrong and how that is kept away from here is in native-notes.md.
 */
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { type Ipv4, Ipv4At, ipv4Text, toIpv4 } from '../wire/ipv4.ts';
import { readI32 } from '../wire/octets.ts';
import { LinkFailure, packageNotBuilt } from './failure.ts';
import type { PortRange } from './filter.ts';
import {
  type ChecksumState,
  type Link,
  type LinkCounters,
  type LinkReceiver,
  newLinkCounters,
  type PacketIn,
  type PacketOut,
  type SendOutcome,
} from './link.ts';
import { interfaceNamed } from './route.ts';
import { openSniffer, SNAPSHOT_LEN, type Sniffer } from './sniffer.ts';

export interface RawLinkOptions {
  /** Where packets come in; from routeTo(). */
  readonly interface: string;
  /** Ours: packets to it, or to each of them, are delivered. */
  readonly address: Ipv4 | readonly Ipv4[];
  /** Of ours; undefined delivers every TCP port of the address. */
  readonly ports?: readonly number[];
  /** Of ours too. */
  readonly portRanges?: readonly PortRange[];
  /** Largest packet sent, octets. */
  readonly mtu: number;
  readonly loopback: boolean;
  /** Packets leave by `interface` whatever the routes say (SO_BINDTODEVICE): the user asked for it. */
  readonly bind?: boolean;
  /** Of the capture's ring; what suits the interface when absent. */
  readonly ringOctets?: number;
  /** Of the sending socket's buffer, 4 MiB when absent; net.core.wmem_max limits it. */
  readonly sendBuffer?: number;
}

/** What is used of the package raw-socket; it has no types of its own. */
interface RawSocket {
  readonly wrap: {
    send(bytes: Uint8Array, at: number, len: number, address: string, done: () => void): void;
    on(event: 'sendReady', listener: () => void): void;
  };
  on(event: 'error', listener: (error: Error) => void): void;
  setOption(level: number, option: number, value: number): void;
  setOption(level: number, option: number, value: Uint8Array, len: number): void;
  pauseRecv(): void;
  resumeSend(): void;
  close(): void;
}
type RawSocketModule = { createSocket(options: { protocol: number }): RawSocket };

/** Protocol 255: packets come with their header, and none is ever received. */
const IPPROTO_RAW = 255;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_BINDTODEVICE = 25;
/** As much as sysctl net.core.wmem_max allows of it. */
const SEND_BUFFER = 4 << 20;
const MAX_PACKET = 65535;
const ETHERNET_HEADER_LEN = 14;
/** ARPHRD_ETHER. */
const ETHERNET = 1;
/**
 * Octets of ring. A slot takes 64 KiB where the interface merges segments, as nearly all do, and the kernel allocates
 * twice that, at once: 1024 slots, 128 MiB. On loopback, where segments of 64 KiB are the rule, fewer will do.
 */
export const RING_OCTETS = 64 << 20;
const LOOPBACK_RING_OCTETS = 24 << 20;
/**
 * cap doesn't return to the event loop before its ring is empty, and in a flood it never is: so after this long, looked at
 * every so many packets, a batch ends although more are waiting. No sooner, since the answers to what is sent then are
 * there at once, and with them the ring would stay full in a long transfer too, and timers never have their turn.
 */
const LONGEST_BATCH_MS = 5;
const LOOK_EVERY = 64;

/** A socket that nobody refers to is collected, closed, and what it had to send is gone, without a word. */
const PINNED = new Set<RawSocket>();

/** Throws LinkFailure: ENOTBUILT, EWORKER, EPERM, ENODEV, EIO. */
export async function openRawLink(o: RawLinkOptions): Promise<Link> {
  const socket = openSocket(o);
  try {
    return new RawLink(o, socket);
  } catch (error) {
    socket.close();
    PINNED.delete(socket);
    throw error;
  }
}

class RawLink implements Link {
  readonly driver = 'raw';
  readonly mtu: number;
  /** The capture cuts frames at its snapshot length, and does not tell one that was cut from one that just fits. */
  readonly receiveMtu = SNAPSHOT_LEN - 1 - ETHERNET_HEADER_LEN;
  readonly maxGsoPayload = 0;
  readonly completesChecksum = false;
  readonly counters: LinkCounters = newLinkCounters();
  readonly #socket: RawSocket;
  readonly #sniffer: Sniffer;
  readonly #packet = Buffer.alloc(MAX_PACKET);
  readonly #in: MutablePacketIn = { bytes: new Uint8Array(0), at: 0, end: 0, checksum: 'unverified', owned: false };
  #receiver: LinkReceiver | undefined;
  #closed = false;
  #batch = 0;
  #endedAt = 0;
  #endScheduled = false;
  #destination: Ipv4 = toIpv4(0);
  #destinationText = '0.0.0.0';

  constructor(o: RawLinkOptions, socket: RawSocket) {
    this.mtu = Math.min(o.mtu, MAX_PACKET);
    this.#socket = socket;
    socket.wrap.on('sendReady', () => this.#receiver?.onWritable());
    this.#sniffer = openSniffer({
      interface: o.interface,
      filter: captureFilter(o),
      ringOctets: o.ringOctets ?? (o.loopback ? LOOPBACK_RING_OCTETS : RING_OCTETS),
      onPacket: (bytes, at, end, truncated) => this.#onPacket(bytes, at, end, truncated),
    });
  }

  start(receiver: LinkReceiver): void {
    this.#receiver = receiver;
  }

  send(packet: PacketOut): SendOutcome {
    if (this.#closed) return 'error';
    const len = packet.headerLen + packet.payload.len;
    const bytes = this.#packet;
    if (len > this.mtu)
      return this.#failed('EMSGSIZE', `a packet of ${len} octets is larger than the MTU of ${this.mtu}`);
    bytes.set(packet.header.subarray(0, packet.headerLen), 0);
    packet.payload.copyTo(bytes, packet.headerLen);
    const destination = toIpv4(readI32(bytes, Ipv4At.DST));
    if (destination !== this.#destination) {
      this.#destination = destination;
      this.#destinationText = ipv4Text(destination);
    }
    try {
      this.#socket.wrap.send(bytes, 0, len, this.#destinationText, ignore);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const code = errnoOfText(text);
      if (code === 'EAGAIN') {
        this.#socket.resumeSend();
        return 'full';
      }
      return this.#failed(code, `sending to ${this.#destinationText}: ${text}`);
    }
    this.counters.packetsOut++;
    this.counters.octetsOut += len;
    return 'sent';
  }

  /** Nothing waits: each packet leaves in `send`. */
  flush(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#receiver = undefined;
    this.#sniffer.close();
    this.#socket.close();
    PINNED.delete(this.#socket);
  }

  #onPacket(bytes: Uint8Array, at: number, end: number, truncated: boolean): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    if (truncated) {
      this.counters.ignoredIn++;
      return;
    }
    this.counters.packetsIn++;
    this.counters.octetsIn += end - at;
    this.#in.bytes = bytes;
    this.#in.at = at;
    this.#in.end = end;
    receiver.onPacket(this.#in);
    if (++this.#batch % LOOK_EVERY === 0 && performance.now() - this.#endedAt > LONGEST_BATCH_MS) this.#endBatch();
    if (!this.#endScheduled) {
      // Runs right after the poll phase in which cap hands over all it has; a microtask would run after each packet.
      this.#endScheduled = true;
      setImmediate(() => {
        this.#endScheduled = false;
        if (this.#batch > 0) this.#endBatch();
      });
    }
  }

  #endBatch(): void {
    this.#batch = 0;
    this.#endedAt = performance.now();
    this.#receiver?.onBatchEnd();
  }

  #failed(code: string, message: string): SendOutcome {
    this.counters.errorsOut++;
    this.#receiver?.onError({ code, message, fatal: code === 'ENODEV' || code === 'ENXIO' });
    return 'error';
  }
}

interface MutablePacketIn extends PacketIn {
  bytes: Uint8Array;
  at: number;
  end: number;
  checksum: ChecksumState;
}

const ignore = (): void => {};

/**
 * What is for us, in libpcap's language. `ether dst`: a capture is promiscuous and shows others' frames as well.
 * The later fragments of a packet have no ports. ICMP, for errors.
 */
export function captureFilter(o: Pick<RawLinkOptions, 'interface' | 'address' | 'ports' | 'portRanges'>): string {
  const { hardware, mac } = interfaceNamed(o.interface);
  const addresses = typeof o.address === 'number' ? [o.address] : o.address;
  const hosts = addresses.map((a) => `ip dst host ${ipv4Text(a)}`).join(' or ');
  const terms = [addresses.length === 1 ? hosts : `(${hosts})`];
  if (hardware === ETHERNET && mac !== undefined) terms.unshift(`ether dst ${mac}`);
  const ports =
    o.ports === undefined && o.portRanges === undefined
      ? 'tcp'
      : [
          ...(o.ports ?? []).map((port) => `tcp dst port ${port}`),
          ...(o.portRanges ?? []).map(({ from, to }) => `tcp dst portrange ${from}-${to}`),
          '(ip proto 6 and ip[6:2] & 0x1fff != 0)',
        ].join(' or ');
  return `${terms.join(' and ')} and (${ports} or icmp)`;
}

function openSocket(o: RawLinkOptions): RawSocket {
  const module = loadRawSocket();
  let socket: RawSocket;
  try {
    socket = module.createSocket({ protocol: IPPROTO_RAW });
  } catch (error) {
    throw openFailure(error);
  }
  PINNED.add(socket);
  socket.on('error', ignore);
  socket.pauseRecv();
  try {
    socket.setOption(SOL_SOCKET, SO_SNDBUF, o.sendBuffer ?? SEND_BUFFER);
    if (o.bind) {
      const name = Buffer.from(`${o.interface}\0`);
      socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, name, name.length);
    }
  } catch (error) {
    socket.close();
    PINNED.delete(socket);
    throw openFailure(error);
  }
  return socket;
}

function openFailure(error: unknown): LinkFailure {
  const text = error instanceof Error ? error.message : String(error);
  const code = errnoOfText(text);
  if (code === 'EPERM' || code === 'EACCES') {
    return new LinkFailure(
      'EPERM',
      'cannot open a raw socket: not permitted',
      'run it as root (sudo), or give it CAP_NET_RAW',
    );
  }
  return new LinkFailure(code, `cannot open a raw socket: ${text}`, '`ip link` lists the interfaces there are');
}

let loaded: RawSocketModule | undefined;

function loadRawSocket(): RawSocketModule {
  if (!isMainThread) {
    throw new LinkFailure(
      'EWORKER',
      'the package raw-socket cannot be used in a worker thread',
      'open the link on the main thread',
    );
  }
  if (loaded === undefined) {
    try {
      // an untyped package, described by RawSocket above
      loaded = createRequire(import.meta.url)('raw-socket') as RawSocketModule;
    } catch (error) {
      throw packageNotBuilt('raw-socket', error, 'python3 make g++');
    }
  }
  return loaded;
}

/** raw-socket's errors are strerror's text and nothing else. */
const ERRNO_BY_TEXT: Readonly<Record<string, string>> = {
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Message too long': 'EMSGSIZE',
  'Network is unreachable': 'ENETUNREACH',
  'No route to host': 'EHOSTUNREACH',
  'Network is down': 'ENETDOWN',
  'No buffer space available': 'ENOBUFS',
  'Resource temporarily unavailable': 'EAGAIN',
  'Invalid argument': 'EINVAL',
  'No such device': 'ENODEV',
  'No such device or address': 'ENXIO',
  'Bad file descriptor': 'EBADF',
  'Cannot assign requested address': 'EADDRNOTAVAIL',
  'Cannot allocate memory': 'ENOMEM',
  'Too many open files': 'EMFILE',
};

const errnoOfText = (text: string): string => ERRNO_BY_TEXT[text] ?? 'EIO';
