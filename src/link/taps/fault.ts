/**
 * A link on which things go wrong (impaired-path.ts): packets lost, duplicated, reordered, delayed, corrupted and queued for
 * a slow wire, by seeded chance or by a script that names the packet. Sits around any link, real or in memory; all its
 * time comes from the clock it is given.
 *
 * It offers no segmentation offload, so that what it does to a packet sent it does to one wire segment, and a merged
 * segment that arrives is cut as the wire's MTU says, which is what there is to go by.
 */
import { Gather } from '../../base/gather.ts';
import { type Random, seededRandom } from '../../base/random.ts';
import type { Clock, Micros } from '../../base/time.ts';
import type { Fate, FaultCounters, Faults, Script } from '../faults.ts';
import { type Held, ImpairedPath, type PathEnds } from '../impaired-path.ts';
import type { Link, LinkCounters, LinkError, LinkReceiver, PacketIn, PacketOut, SendOutcome } from '../link.ts';
import { isLargerThanWire, SuperSegment } from '../super-segment.ts';

export interface FaultTapOptions {
  /** Not shared: the tap uses its alarm. */
  readonly clock: Clock;
  /** Each direction draws its own sequence from it: what happens to its n-th packet hangs on the seed alone. */
  readonly random: Random;
  readonly in?: Faults;
  readonly out?: Faults;
}

export interface FaultLink extends Link {
  readonly faults: { readonly in: Readonly<FaultCounters>; readonly out: Readonly<FaultCounters> };
}

export function faultTap(link: Link, options: FaultTapOptions): FaultLink {
  return new FaultTap(link, options);
}

/** The packets of these numbers, counted from 1 in their direction, meet `fate`; the others pass. */
export function onNth(numbers: readonly number[], fate: Fate): Script {
  return (_packet, n) => (numbers.includes(n) ? fate : 'pass');
}

/** The first `count` packets that are `such` meet `fate`; the others pass. */
export function onFirst(such: (packet: PacketIn) => boolean, fate: Fate, count = 1): Script {
  let left = count;
  return (packet) => {
    if (left === 0 || !such(packet)) return 'pass';
    left--;
    return fate;
  };
}

class FaultTap implements FaultLink, LinkReceiver {
  readonly driver: string;
  readonly mtu: number;
  readonly receiveMtu: number;
  readonly maxGsoPayload = 0;
  readonly completesChecksum: boolean;
  readonly counters: Readonly<LinkCounters>;
  readonly faults: FaultLink['faults'];
  readonly drops?: () => number;

  readonly #link: Link;
  readonly #clock: Clock;
  readonly #in: ImpairedPath<PacketIn, Held>;
  readonly #out: ImpairedPath<PacketOut, HeldOut>;
  readonly #merged = new SuperSegment();
  readonly #piece: Piece;
  #receiver: LinkReceiver | undefined;
  #closed = false;
  /** Someone above was told 'full' by us. */
  #owesWritable = false;

  constructor(link: Link, o: FaultTapOptions) {
    this.#link = link;
    this.#clock = o.clock;
    this.driver = link.driver;
    this.mtu = link.mtu;
    this.receiveMtu = link.receiveMtu;
    this.completesChecksum = link.completesChecksum;
    this.counters = link.counters;
    if (link.drops !== undefined) this.drops = () => link.drops!();
    this.#piece = { bytes: new Uint8Array(link.mtu), at: 0, end: 0, checksum: 'unverified', owned: false };
    this.#in = new ImpairedPath(o.in ?? {}, o.clock, seededRandom(o.random.uint32()), this.#inEnds());
    this.#out = new ImpairedPath(o.out ?? {}, o.clock, seededRandom(o.random.uint32()), outEnds(link));
    this.faults = { in: this.#in.counters, out: this.#out.counters };
  }

  start(receiver: LinkReceiver): void {
    this.#receiver = receiver;
    this.#link.start(this);
  }

  send(packet: PacketOut): SendOutcome {
    if (this.#closed) return 'error';
    const outcome = this.#out.take(packet);
    if (outcome === 'full') this.#owesWritable = true;
    this.#arm();
    return outcome;
  }

  flush(): void {
    this.#link.flush();
  }

  poll(): void {
    this.#link.poll?.();
  }

  awaitAnswer(): void {
    this.#link.awaitAnswer?.();
  }

  close(): void {
    this.#closed = true;
    this.#in.clear();
    this.#out.clear();
    this.#arm();
    this.#link.close();
  }

  onPacket(packet: PacketIn): void {
    if (this.#closed) return;
    const { bytes, at, end } = packet;
    const merged = this.#merged;
    if (isLargerThanWire(bytes, at, end, this.mtu) && merged.begin(bytes, at, end, 0, this.mtu) > 1) {
      const piece = this.#piece;
      for (let i = 0; i < merged.count && !this.#closed; i++) {
        piece.end = merged.write(i, piece.bytes, 0);
        this.#in.take(piece);
      }
    } else this.#in.take(packet);
    this.#arm();
  }

  onBatchEnd(more?: boolean): void {
    if (!this.#closed) this.#receiver?.onBatchEnd(more);
  }

  onWritable(): void {
    if (this.#closed) return;
    if (this.#out.pump(true)) this.#link.flush();
    this.#arm();
    if (this.#out.isBlocked || !this.#owesWritable) return;
    this.#owesWritable = false;
    this.#receiver?.onWritable();
  }

  onError(error: LinkError): void {
    if (!this.#closed) this.#receiver?.onError(error);
  }

  #inEnds(): PathEnds<PacketIn, Held> {
    const deliver = (packet: PacketIn): SendOutcome => {
      if (!this.#closed) this.#receiver?.onPacket(packet);
      return 'sent';
    };
    return {
      len: (p) => p.end - p.at,
      copy: (p) => ({
        bytes: p.bytes.slice(p.at, p.end),
        at: 0,
        end: p.end - p.at,
        checksum: p.checksum,
        owned: false,
      }),
      again: (held) => held,
      pass: deliver,
      emit: deliver,
      lose: () => {},
      drop: () => {},
    };
  }

  #arm(): void {
    const inDue = this.#in.nextDue;
    const outDue = this.#out.nextDue;
    this.#clock.wakeAt(Math.min(inDue, outDue) as Micros, this.#wake);
  }

  readonly #wake = (): void => {
    if (this.#closed) return;
    if (this.#in.pump() && !this.#closed) this.#receiver?.onBatchEnd();
    if (this.#out.pump()) this.#link.flush();
    this.#arm();
  };
}

/** One wire segment of a merged one. */
interface Piece extends PacketIn {
  end: number;
}

/** A copy of a packet that leaves. */
interface HeldOut extends Held {
  readonly headerLen: number;
  readonly transportAt: number;
}

function outEnds(link: Link): PathEnds<PacketOut, HeldOut> {
  const payload = new Gather();
  return {
    len: (p) => p.headerLen + p.payload.len,
    copy(p) {
      const bytes = new Uint8Array(p.headerLen + p.payload.len);
      bytes.set(p.header.subarray(0, p.headerLen));
      p.payload.copyTo(bytes, p.headerLen);
      const checksum = p.checksumPartial ? 'partial' : 'unverified';
      return {
        bytes,
        at: 0,
        end: bytes.length,
        checksum,
        owned: false,
        headerLen: p.headerLen,
        transportAt: p.transportAt,
      };
    },
    again: (held) => held,
    lose: () => {},
    drop: () => {},
    pass: (p) => link.send(p),
    emit(held) {
      payload.clear();
      payload.push(held.bytes, held.headerLen, held.end - held.headerLen);
      return link.send({
        header: held.bytes,
        headerLen: held.headerLen,
        payload,
        gsoSize: 0,
        transportAt: held.transportAt,
        checksumPartial: held.checksum === 'partial',
      });
    },
  };
}
