/**
 * Two ends of a cable in one process, in virtual time: the link of tests, simulations and examples.
 *
 * It behaves as a veth pair does: packets are copied when sent, keep their order, take `delay` and, with a `rate`,
 * their time on the wire; those due in one instant arrive as one batch. A packet that leaves with a partial checksum
 * arrives with one ('partial'), and one to be cut by the driver (gsoSize) arrives whole. For a path that loses, delays
 * and queues put a fault tap (taps/fault.ts) around an end.
 */
import { type Micros, micros } from '../base/time.ts';
import type { VirtualTime } from '../base/virtual-time.ts';
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

export interface MemoryLinkOptions {
  /** One way, each packet; default 0: the same instant, in the next event. */
  readonly delay?: Micros;
  /** Octets, default 1500. */
  readonly mtu?: number;
  /** Octets per second in each direction; default unlimited. */
  readonly rate?: number;
  /** With `rate`: octets that may wait for the wire before `send` says 'full'; default unlimited. */
  readonly queue?: number;
  /** Default false. */
  readonly completesChecksum?: boolean;
  /** Default 0. */
  readonly maxGsoPayload?: number;
  /** Most packets in one batch; default unlimited. */
  readonly batch?: number;
  /** Packets that arrive are the receiver's to keep; default false. */
  readonly gives?: boolean;
}

/** The two ends, not started. A packet that arrives at an end not started, or closed, is lost. */
export function memoryLink(time: VirtualTime, options: MemoryLinkOptions = {}): [Link, Link] {
  const a = new MemoryEnd(time, options);
  const b = new MemoryEnd(time, options);
  a.joinTo(b);
  b.joinTo(a);
  return [a, b];
}

/** What the total length field of an IPv4 header can say. */
const MAX_PACKET_LEN = 65_535;

interface Travelling {
  bytes: Uint8Array;
  at: number;
  end: number;
  checksum: ChecksumState;
  owned: boolean;
  due: Micros;
}

class MemoryEnd implements Link {
  readonly driver = 'memory';
  readonly mtu: number;
  readonly receiveMtu = MAX_PACKET_LEN;
  readonly maxGsoPayload: number;
  readonly completesChecksum: boolean;
  readonly counters: LinkCounters = newLinkCounters();

  readonly #time: VirtualTime;
  readonly #delay: number;
  readonly #rate: number;
  readonly #queue: number;
  readonly #batch: number;
  readonly #gives: boolean;
  #peer: MemoryEnd = this;
  #receiver: LinkReceiver | undefined;
  #closed = false;

  /** On the way to this end, in order of arrival; the first `#taken` have been delivered. */
  #incoming: Travelling[] = [];
  #taken = 0;
  /** The last instant for which a delivery is scheduled. */
  #deliveryAt = -1;
  /** Records and their octets, for reuse: what a receiver keeps in spite of `owned: false` is overwritten soon. */
  readonly #spare: Travelling[] = [];

  /** When the wire has taken all that was sent. */
  #busyUntil = 0;
  #owesWritable = false;

  constructor(time: VirtualTime, o: MemoryLinkOptions) {
    this.#time = time;
    this.#delay = o.delay ?? 0;
    this.mtu = o.mtu ?? 1500;
    this.#rate = o.rate ?? Number.POSITIVE_INFINITY;
    this.#queue = o.queue ?? Number.POSITIVE_INFINITY;
    this.#batch = o.batch ?? Number.POSITIVE_INFINITY;
    this.#gives = o.gives ?? false;
    this.completesChecksum = o.completesChecksum ?? false;
    this.maxGsoPayload = o.maxGsoPayload ?? 0;
  }

  joinTo(peer: MemoryEnd): void {
    this.#peer = peer;
  }

  start(receiver: LinkReceiver): void {
    if (this.#receiver !== undefined) throw new Error('memory link: started twice');
    this.#receiver = receiver;
  }

  send(packet: PacketOut): SendOutcome {
    if (this.#closed) return 'error';
    const len = packet.headerLen + packet.payload.len;
    this.#checkCaller(packet);
    const wireLen = packet.gsoSize > 0 ? Math.min(len, packet.headerLen + packet.gsoSize) : len;
    if (wireLen > this.mtu || len > MAX_PACKET_LEN) {
      this.counters.errorsOut++;
      this.#receiver?.onError({
        code: 'EMSGSIZE',
        message: `packet of ${wireLen} octets, MTU ${this.mtu}`,
        fatal: false,
      });
      return 'error';
    }
    const now = this.#time.now;
    const startsAt = Math.max(now, this.#busyUntil);
    const waiting = this.#rate === Number.POSITIVE_INFINITY ? 0 : ((startsAt - now) * this.#rate) / 1e6;
    // An idle wire takes any packet, or one larger than the queue could never leave.
    if (waiting > 0 && waiting + len > this.#queue) {
      this.#promiseWritable(
        micros(Math.ceil(now + (Math.min(waiting, waiting + len - this.#queue) / this.#rate) * 1e6)),
      );
      return 'full';
    }
    this.#busyUntil = startsAt + (len / this.#rate) * 1e6;
    this.counters.packetsOut++;
    this.counters.octetsOut += len;
    this.#peer.#arriveAt(micros(Math.ceil(this.#busyUntil) + this.#delay), packet, len);
    return 'sent';
  }

  flush(): void {}

  close(): void {
    this.#closed = true;
    this.#incoming = [];
    this.#taken = 0;
  }

  /** Mistakes of the stack above, not of the network: they must not pass as packet loss. */
  #checkCaller(packet: PacketOut): void {
    if (packet.checksumPartial && !this.completesChecksum)
      throw new Error('memory link: a partial checksum, and completesChecksum is false');
    if (packet.gsoSize > 0 && packet.payload.len > this.maxGsoPayload) {
      throw new Error(
        `memory link: ${packet.payload.len} octets to be cut, and maxGsoPayload is ${this.maxGsoPayload}`,
      );
    }
  }

  /** `at`: when the packet refused would fit. */
  #promiseWritable(at: Micros): void {
    if (this.#owesWritable) return;
    this.#owesWritable = true;
    this.#time.schedule(at, () => {
      this.#owesWritable = false;
      if (!this.#closed) this.#receiver?.onWritable();
    });
  }

  #arriveAt(due: Micros, packet: PacketOut, len: number): void {
    if (this.#closed) return;
    const t = this.#spare.pop() ?? { bytes: EMPTY, at: 0, end: 0, checksum: 'unverified', owned: this.#gives, due };
    if (t.bytes.length < len || t.owned) t.bytes = new Uint8Array(Math.max(len, this.mtu));
    t.bytes.set(packet.header.subarray(0, packet.headerLen), 0);
    t.end = packet.payload.copyTo(t.bytes, packet.headerLen);
    t.checksum = packet.checksumPartial ? 'partial' : 'unverified';
    t.due = due;
    this.#incoming.push(t);
    this.#scheduleDelivery(due);
  }

  #scheduleDelivery(due: Micros): void {
    if (due <= this.#deliveryAt) return;
    this.#deliveryAt = due;
    this.#time.schedule(due, this.#deliver);
  }

  /** One batch: what is due now, up to `batch`. What a receiver makes the peer send meanwhile is of the next one. */
  readonly #deliver = (): void => {
    const now = this.#time.now;
    if (this.#deliveryAt === now) this.#deliveryAt = -1;
    const receiver = this.#receiver;
    let count = 0;
    while (
      this.#taken + count < this.#incoming.length &&
      count < this.#batch &&
      this.#incoming[this.#taken + count]!.due <= now
    )
      count++;
    for (let i = 0; i < count && !this.#closed; i++) {
      const t = this.#incoming[this.#taken++]!;
      if (receiver === undefined) this.counters.ignoredIn++;
      else {
        this.counters.packetsIn++;
        this.counters.octetsIn += t.end;
        receiver.onPacket(t satisfies PacketIn);
      }
      this.#spare.push(t);
    }
    this.#forgetTaken();
    if (count > 0 && !this.#closed) receiver?.onBatchEnd();
    const next = this.#incoming[this.#taken];
    if (next !== undefined && next.due <= now) this.#time.schedule(now, this.#deliver);
  };

  /** Shifting packet by packet would be quadratic. */
  #forgetTaken(): void {
    if (this.#taken === this.#incoming.length) this.#incoming.length = 0;
    else if (this.#taken > 1024 && this.#taken * 2 > this.#incoming.length) this.#incoming.splice(0, this.#taken);
    else return;
    this.#taken = 0;
  }
}

const EMPTY = new Uint8Array(0);
