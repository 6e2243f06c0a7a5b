/**
 * Frames of one interface through a packet socket (AF_PACKET) of our addon. Needs CAP_NET_RAW; loads in worker threads.
 *
 * Each frame has the kernel's virtio_net_hdr in front: it says what is left to do of the checksum and where a super-frame
 * is to be cut, in both directions. When the interface goes down the socket stays, and goes on with it when it is up
 * again. Frames sent into `lo` are lost in the kernel: see packet.ts.
 */
import { ETHERNET_HEADER_LEN, type Mac, parseMac } from '../wire/ethernet.ts';
import { IpProtocol, Ipv4At } from '../wire/ipv4.ts';
import { Batch, type BatchReceiver, RECEIVE_BATCH } from './batch.ts';
import { LinkFailure } from './failure.ts';
import type { FrameIn, FrameLink, FrameReceiver } from './frames.ts';
import { type ChecksumState, type LinkCounters, newLinkCounters, type PacketOut, type SendOutcome } from './link.ts';
import { errnoOf, type Handle, loadAddon, PacketWith } from './native.ts';
import { LITTLE } from './netlink.ts';
import { type Interface, interfaceNamed } from './route.ts';

export interface PacketSocketOptions {
  readonly interface: string;
  /** From frameFilter(); absent: every frame. */
  readonly filter?: Uint8Array;
  /** Also frames for other stations: for an address or a bridge of ours. */
  readonly promiscuous?: boolean;
  /** Largest packet sent, octets; the interface's when absent. */
  readonly mtu?: number;
  /** Payloads larger than a segment may be given to `send`, and the kernel or the card cuts them. Default false. */
  readonly gso?: boolean;
  /** Frames go to the card past the interface's queueing discipline, and are lost where that would have kept them. Default false. */
  readonly pastQueues?: boolean;
  /** Frames are dealt out among the sockets of the group, which are of one interface. */
  readonly fanout?: FanoutGroup;
  /** Frames say how long they have waited to be taken; it costs the kernel a look at its clock for each. Default false. */
  readonly arrivals?: boolean;
  /** It does not keep the process alive. */
  readonly background?: boolean;
  /** Octets of the largest packet to be received; 65535 when absent. What is larger is ignored. */
  readonly mostPacket?: number;
  /** Octets of socket buffer asked for, 32 MiB when absent; without CAP_NET_ADMIN net.core.rmem_max limits it. */
  readonly receiveBuffer?: number;
  /** The same for what is to be sent; 8 MiB when absent. */
  readonly sendBuffer?: number;
}

/**
 * A group of packet sockets among which the kernel deals out what their filters take (PACKET_FANOUT). 'hash': by addresses
 * and ports, the same for both directions of a connection; 'cpu': by the processor that received. ARP and ICMP come to one
 * of the group only, and which socket a connection belongs to changes when one joins or leaves: where that matters,
 * FrameFilter.share deals out by filter instead.
 */
export interface FanoutGroup {
  /** 1 to 65535, this network namespace's own. */
  readonly id: number;
  readonly mode: keyof typeof FANOUT;
}

const FANOUT = { hash: 0, balance: 1, cpu: 2 } as const;
/** Fragments are put together before they are dealt out. */
const FANOUT_DEFRAG = 0x8000;

/** ARPHRD numbers. */
export const Hardware = { ETHERNET: 1, LOOPBACK: 772 } as const;

/** Octets of struct virtio_net_hdr, and where its fields lie; in the machine's order. */
const VNET_LEN = 10;
const Vnet = { FLAGS: 0, GSO_TYPE: 1, HEADER_LEN: 2, GSO_SIZE: 4, CSUM_START: 6, CSUM_OFFSET: 8 } as const;
const VnetFlag = { NEEDS_CSUM: 1, DATA_VALID: 2 } as const;
const VnetGso = { NONE: 0, TCPV4: 1, ECN: 0x80 } as const;
const TCP_CHECKSUM_AT = 16;
const UDP_CHECKSUM_AT = 6;
const TCP_FLAGS_AT = 13;
const TCP_CWR = 0x80;

const MAX_PACKET = 65_535;
/** In a slot beside the packet, at most: its Ethernet header, and what the kernel puts in front. */
const SLOT_HEAD = 64;
/** What is asked for. */
export const RECEIVE_BUFFER = 32 << 20;
const SEND_BUFFER = 8 << 20;
/** How often an interface that is down is looked at. */
const DOWN_POLL_MS = 200;

export interface PacketFrames extends FrameLink {
  /** Octets the kernel holds for us until we take them. */
  readonly receiveBuffer: number;
  /** From now on what this one takes, in place of the other; none is lost that both take. */
  filterBy(filter: Uint8Array): void;
}

/** Throws LinkFailure: ENOTBUILT, EPERM, ENODEV, ENETDOWN, ENOTSUP (no Ethernet). */
export function openPacketSocket(o: PacketSocketOptions): PacketFrames {
  const on = interfaceNamed(o.interface);
  if (!on.up) throw new LinkFailure('ENETDOWN', `interface ${on.name} is down`, `ip link set ${on.name} up`);
  if (on.hardware !== Hardware.ETHERNET && on.hardware !== Hardware.LOOPBACK) {
    throw new LinkFailure(
      'ENOTSUP',
      `${on.name} is no Ethernet (hardware type ${on.hardware}), which the packet driver needs`,
      'use --driver raw',
    );
  }
  return new PacketSocket(o, on, openSocket(o, on));
}

function openSocket(o: PacketSocketOptions, on: Interface): Handle {
  const wanted =
    PacketWith.VNET_HEADER |
    PacketWith.NO_OUTGOING |
    (o.pastQueues ? PacketWith.PAST_QUEUES : 0) |
    (o.promiscuous ? PacketWith.PROMISCUOUS : 0) |
    (o.arrivals ? PacketWith.ARRIVALS : 0);
  try {
    const { receiveBuffer = RECEIVE_BUFFER, sendBuffer = SEND_BUFFER } = o;
    return loadAddon().packetOpen(on.ifindex, wanted, receiveBuffer, sendBuffer, o.filter, fanoutArgument(o.fanout));
  } catch (error) {
    throw packetFailure(error, on.name);
  }
}

const fanoutArgument = (group: FanoutGroup | undefined): number =>
  group === undefined ? 0 : group.id | ((FANOUT[group.mode] | FANOUT_DEFRAG) << 16);

export function packetFailure(error: unknown, name: string): unknown {
  const code = errnoOf(error);
  switch (code) {
    case undefined:
    case 'ENOTBUILT':
      return error;
    case 'EPERM':
    case 'EACCES':
      return new LinkFailure(
        'EPERM',
        `cannot open a packet socket on ${name}: not permitted`,
        'run it as root (sudo), or give it CAP_NET_RAW',
      );
    case 'ENODEV':
    case 'ENXIO':
      return new LinkFailure('ENODEV', `no interface ${name}`, '`ip link` lists the interfaces there are');
    default:
      return new LinkFailure(
        code,
        `cannot open a packet socket on ${name}: ${error instanceof Error ? error.message : code}`,
        'use --driver raw',
      );
  }
}

class PacketSocket implements PacketFrames, BatchReceiver {
  readonly driver = 'packet';
  readonly interface: string;
  readonly mac: Mac;
  readonly mtu: number;
  readonly receiveMtu = MAX_PACKET;
  readonly maxGsoPayload: number;
  readonly receiveBuffer: number;
  readonly completesChecksum = true;
  readonly counters: LinkCounters = newLinkCounters();
  readonly #ifindex: number;
  readonly #handle: Handle;
  readonly #batch: Batch;
  /** The batch's headers, two octets each. */
  readonly #pairs: Uint16Array;
  readonly #ethernetPairs = new Pairs();
  readonly #headerPairs = new Pairs();
  readonly #in: MutableFrameIn = {
    bytes: NOTHING,
    at: VNET_LEN,
    end: 0,
    checksum: 'unverified',
    owned: false,
    gsoSize: 0,
    waited: 0,
  };
  readonly #lost = (code: string): void => this.#onLost(code);
  #receiver: FrameReceiver | undefined;
  #drops = 0;
  /** The failure of sending that was told last; told once, until something leaves again. */
  #told = '';
  #downPoll: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(o: PacketSocketOptions, on: Interface, handle: Handle) {
    this.interface = on.name;
    this.mac = parseMac(on.mac ?? '') ?? (0 as Mac);
    this.mtu = Math.min(o.mtu ?? on.mtu, MAX_PACKET);
    this.maxGsoPayload = o.gso ? MAX_PACKET - 120 : 0;
    this.#ifindex = on.ifindex;
    this.#handle = handle;
    // The kernel says twice what it grants.
    this.receiveBuffer = loadAddon().packetRoom(handle) / 2;
    const slotLen = (o.mostPacket ?? MAX_PACKET + 1) + SLOT_HEAD;
    this.#batch = new Batch(handle, slotLen, this, o.arrivals);
    if (o.background === true) this.#batch.toBackground();
    this.#pairs = new Uint16Array(this.#batch.headers.buffer);
  }

  start(receiver: FrameReceiver): void {
    this.#receiver = receiver;
  }

  send(ethernet: Uint8Array, packet: PacketOut): SendOutcome {
    if (this.#closed) return 'error';
    const { header, headerLen, payload } = packet;
    const wireLen = packet.gsoSize > 0 ? Math.min(payload.len, packet.gsoSize) : payload.len;
    if (headerLen + wireLen > this.mtu) {
      this.counters.errorsOut++;
      this.#tell('EMSGSIZE', `a packet of ${headerLen + wireLen} octets is larger than the MTU of ${this.mtu}`);
      return 'error';
    }
    let at = this.#batch.begin();
    if (at < 0) {
      this.flush();
      at = this.#batch.begin();
      if (at < 0) return 'full';
    }
    const ethernetAt = at + VNET_LEN;
    this.#ethernetPairs.copy(ethernet, ethernet.length, this.#pairs, ethernetAt);
    this.#headerPairs.copy(header, headerLen, this.#pairs, ethernetAt + ethernet.length);
    if ((headerLen & 1) === 1)
      this.#batch.headers[ethernetAt + ethernet.length + headerLen - 1] = header[headerLen - 1]!;
    this.#writeVnet(at, ethernet.length, packet);
    this.#batch.put(VNET_LEN + ethernet.length + headerLen, payload, 0);
    this.counters.packetsOut++;
    this.counters.octetsOut += headerLen + payload.len;
    return 'sent';
  }

  flush(): void {
    if (this.#batch.flush(this.#lost) > 0) this.#told = '';
  }

  filterBy(filter: Uint8Array): void {
    if (!this.#closed) loadAddon().packetFilter(this.#handle, filter);
  }

  poll(): void {
    this.#batch.poll();
  }

  awaitAnswer(): void {
    this.#batch.awaitAnswer();
  }

  drops(): number {
    if (!this.#closed) this.#drops += loadAddon().packetDrops(this.#handle);
    return this.#drops;
  }

  close(): void {
    if (this.#closed) return;
    this.drops();
    this.#closed = true;
    this.#receiver = undefined;
    clearInterval(this.#downPoll);
    this.#batch.close();
  }

  onBatch(count: number): void {
    const receiver = this.#receiver;
    if (receiver === undefined) {
      this.counters.ignoredIn += count;
      return;
    }
    for (let i = 0; i < count && !this.#closed; i++) this.#onFrame(i, this.#batch.lens[i]!, receiver);
    if (!this.#closed) receiver.onBatchEnd(count === RECEIVE_BATCH);
  }

  onRoom(): void {
    this.flush();
    this.#receiver?.onWritable();
  }

  onSocketError(code: string): void {
    if (code === 'ENETDOWN') this.#onDown();
    else this.#tell(code, `${this.interface}: ${code}`);
  }

  #onFrame(i: number, len: number, receiver: FrameReceiver): void {
    const slot = this.#batch.slots[i]!;
    if (len > slot.length || len < VNET_LEN + ETHERNET_HEADER_LEN) {
      this.counters.ignoredIn++;
      return;
    }
    this.counters.packetsIn++;
    this.counters.octetsIn += len - VNET_LEN - ETHERNET_HEADER_LEN;
    const frame = this.#in;
    const flags = slot[Vnet.FLAGS]!;
    frame.bytes = slot;
    frame.end = len;
    frame.owned = len >= slot.length / 2;
    if (frame.owned) this.#batch.giveAway(i);
    frame.checksum = flags & VnetFlag.NEEDS_CSUM ? 'partial' : flags & VnetFlag.DATA_VALID ? 'verified' : 'unverified';
    frame.gsoSize = slot[Vnet.GSO_TYPE] === VnetGso.NONE ? 0 : readNative(slot, Vnet.GSO_SIZE);
    const { waits } = this.#batch;
    if (waits !== undefined) frame.waited = waits[i]!;
    receiver.onFrame(frame);
  }

  #writeVnet(at: number, ethernetLen: number, packet: PacketOut): void {
    const { headers } = this.#batch;
    const pairs = this.#pairs;
    const { checksumPartial } = packet;
    const isCut = packet.gsoSize > 0 && packet.payload.len > packet.gsoSize;
    const transportAt = ethernetLen + packet.transportAt;
    headers[at + Vnet.FLAGS] = checksumPartial ? VnetFlag.NEEDS_CSUM : 0;
    headers[at + Vnet.GSO_TYPE] = isCut ? gsoType(packet) : VnetGso.NONE;
    pairs[(at + Vnet.HEADER_LEN) >> 1] = isCut ? ethernetLen + packet.headerLen : 0;
    pairs[(at + Vnet.GSO_SIZE) >> 1] = isCut ? packet.gsoSize : 0;
    pairs[(at + Vnet.CSUM_START) >> 1] = checksumPartial ? transportAt : 0;
    pairs[(at + Vnet.CSUM_OFFSET) >> 1] = checksumPartial ? checksumOffset(packet) : 0;
  }

  #onLost(code: string): void {
    this.counters.errorsOut++;
    if (code === 'ENETDOWN') this.#onDown();
    else if (code === 'ENXIO' || code === 'ENODEV') this.#vanished();
    else if (code === 'ENOBUFS')
      this.#tell(code, `${this.interface} takes no packet: no carrier, or its queue is full`);
    else this.#tell(code, `sending on ${this.interface}: ${code}`);
  }

  #tell(code: string, message: string, fatal = false): void {
    if (this.#told === code && !fatal) return;
    this.#told = code;
    this.#receiver?.onError({ code, message, fatal });
  }

  /** The kernel puts the socket back to work when the interface is up again, and says nothing; nor when it is gone. */
  #onDown(): void {
    if (this.#downPoll !== undefined || this.#closed) return;
    this.#downPoll = setInterval(() => this.#lookAgain(), DOWN_POLL_MS);
    this.#downPoll.unref();
    this.#tell('ENETDOWN', `${this.interface} is down; going on when it is up again`);
  }

  #lookAgain(): void {
    let now: Interface;
    try {
      now = interfaceNamed(this.interface);
    } catch {
      this.#vanished();
      return;
    }
    if (now.ifindex !== this.#ifindex) this.#vanished();
    if (now.ifindex !== this.#ifindex || !now.up) return;
    clearInterval(this.#downPoll);
    this.#downPoll = undefined;
    this.#told = '';
    this.#receiver?.onUp?.();
    this.#receiver?.onWritable();
  }

  #vanished(): void {
    clearInterval(this.#downPoll);
    this.#downPoll = undefined;
    this.#tell('ENODEV', `${this.interface} is no longer there`, true);
  }
}

/** Copies octets in pairs, which takes half as long as one by one; the view of whose they were last is kept. */
class Pairs {
  #of: Uint8Array = NOTHING;
  #pairs: Uint16Array = new Uint16Array(0);

  /** All but the last octet of an odd `len`, from the beginning of `from` to `toAt`, which is even. */
  copy(from: Uint8Array, len: number, to: Uint16Array, toAt: number): void {
    if (from !== this.#of) this.#look(from);
    const pairs = this.#pairs;
    const first = toAt >> 1;
    const count = len >> 1;
    for (let i = 0; i < count; i++) to[first + i] = pairs[i]!;
  }

  #look(at: Uint8Array): void {
    const isEven = (at.byteOffset & 1) === 0;
    const even = isEven ? at : at.slice();
    // A copy is of what it holds now.
    this.#of = isEven ? at : NOTHING;
    this.#pairs = new Uint16Array(even.buffer, even.byteOffset, even.length >> 1);
  }
}

interface MutableFrameIn extends FrameIn {
  bytes: Uint8Array;
  at: number;
  end: number;
  checksum: ChecksumState;
  owned: boolean;
  gsoSize: number;
  waited: number;
}

const NOTHING = new Uint8Array(0);

/** 16 bits in the machine's order. */
const readNative = (bytes: Uint8Array, at: number): number =>
  LITTLE ? bytes[at]! | (bytes[at + 1]! << 8) : (bytes[at]! << 8) | bytes[at + 1]!;

const checksumOffset = (packet: PacketOut): number =>
  packet.header[Ipv4At.PROTOCOL] === IpProtocol.UDP ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT;

/** CWR belongs on the first segment only (RFC 3168 §6.1.2). */
const gsoType = (packet: PacketOut): number =>
  (packet.header[packet.transportAt + TCP_FLAGS_AT]! & TCP_CWR) !== 0 ? VnetGso.TCPV4 | VnetGso.ECN : VnetGso.TCPV4;
