/**
 * A bridge between two interfaces whose path is impaired (impaired-path.ts): a frame that comes in at one end goes out at
 * the other, or what is left of it does. It learns nothing and answers nothing.
 *
 * What the kernels at its ends left undone because no wire was in between is done first: a merged segment is cut, a
 * checksum completed, so that what is lost, doubled and corrupted are packets as a wire carries them. Frames that carry
 * no IPv4 (ARP above all) wait like others, and nothing else happens to them: they have no checksum to show it.
 */
import { Gather } from '../base/gather.ts';
import { type Random, seededRandom } from '../base/random.ts';
import { type Clock, type Micros, micros, NEVER } from '../base/time.ts';
import { ETHERNET_HEADER_LEN, EtherType } from '../wire/ethernet.ts';
import { readU16 } from '../wire/octets.ts';
import type { FaultCounters, Faults } from './faults.ts';
import type { FrameIn, FrameLink, FrameReceiver } from './frames.ts';
import { type Held, ImpairedPath, type PathEnds } from './impaired-path.ts';
import type { LinkError, PacketOut, SendOutcome } from './link.ts';
import { SuperSegment } from './super-segment.ts';
import { completeChecksum } from './taps/left-checksum.ts';

const ETHER_TYPE_AT = 12;

export interface BridgeCounters extends Readonly<FaultCounters> {
  /** As they came in: a merged segment is one, and several packets. */
  readonly frames: number;
  /** Octets of the packets that came in, with their Ethernet headers. */
  readonly octets: number;
  /** Too large for the interface they were to leave by, and nothing that can be cut. */
  readonly tooLarge: number;
  /** Found the interface they were to leave by full. */
  readonly sendFailures: number;
  /** Lost by the kernel, because they were not taken in time. */
  readonly missed: number;
}

export interface BridgeOptions {
  readonly a: FrameLink;
  readonly b: FrameLink;
  /** From a to b, and from b to a. */
  readonly ab: Faults;
  readonly ba: Faults;
  /** Not shared: the bridge uses its alarm. */
  readonly clock: Clock;
  /** Each direction draws its own sequence from it. */
  readonly random: Random;
  onError(link: FrameLink, error: LinkError): void;
}

export class ImpairedBridge {
  readonly #clock: Clock;
  readonly #ab: BridgeLane;
  readonly #ba: BridgeLane;
  #alarmAt: number = Number.POSITIVE_INFINITY;
  #closed = false;
  readonly #wake = (): void => this.#onAlarm();

  /** Frames pass from now on, until `close`. */
  constructor(o: BridgeOptions) {
    this.#clock = o.clock;
    this.#ab = new BridgeLane(o.a, o.b, o.ab, o.clock, seededRandom(o.random.uint32()));
    this.#ba = new BridgeLane(o.b, o.a, o.ba, o.clock, seededRandom(o.random.uint32()));
    o.a.start(this.#receiver(o, o.a, this.#ab, this.#ba));
    o.b.start(this.#receiver(o, o.b, this.#ba, this.#ab));
  }

  get ab(): BridgeCounters {
    return this.#ab.counters;
  }

  get ba(): BridgeCounters {
    return this.#ba.counters;
  }

  /** Closes the interfaces too. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#clock.wakeAt(Number.POSITIVE_INFINITY as Micros, this.#wake);
    this.#ab.close();
    this.#ba.close();
  }

  #receiver(o: BridgeOptions, link: FrameLink, from: BridgeLane, towards: BridgeLane): FrameReceiver {
    return {
      onFrame: (frame) => from.take(frame),
      onBatchEnd: () => {
        from.flush();
        this.#arm();
      },
      onWritable: () => {
        towards.pump(true);
        this.#arm();
      },
      onError: (error) => o.onError(link, error),
    };
  }

  #onAlarm(): void {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#ab.pump();
    this.#ba.pump();
    this.#arm();
  }

  #arm(): void {
    const at = Math.min(this.#ab.nextDue, this.#ba.nextDue);
    if (at === this.#alarmAt || this.#closed) return;
    this.#alarmAt = at;
    this.#clock.wakeAt(at as Micros, this.#wake);
  }
}

/** A packet in a frame of our own: `ethernet` is the view of the header that lies in front of it. */
interface HeldFrame extends Held {
  readonly ethernet: Uint8Array;
  /** The view of what follows it. */
  readonly packet: Uint8Array;
  end: number;
  /** Of a run of segments, IP and TCP headers; 0 when it is one packet. */
  headersLen: number;
  transportAt: number;
  gsoSize: number;
}

/**
 * A frame given to the interface may be referred to until it has left, and the batch it leaves in holds so many at most:
 * after as many others it is free again.
 */
const IN_FLIGHT = 128;
/** Buffers kept for reuse; more were a burst. */
const MAX_SPARE = 4096;
const MAX_SPARE_LARGE = 512;
/** A merged segment of 65535 octets in its frame. */
const LARGE_LEN = ETHERNET_HEADER_LEN + 65_535;

class BridgeLane {
  readonly #from: FrameLink;
  readonly #to: FrameLink;
  readonly #clock: Clock;
  /** When the batch at hand was received; NEVER between two. */
  #receivedAt: Micros = NEVER;
  readonly #path: ImpairedPath<HeldFrame, HeldFrame>;
  readonly #merged = new SuperSegment();
  readonly #bufferLen: number;
  readonly #spare: HeldFrame[] = [];
  readonly #spareLarge: HeldFrame[] = [];
  readonly #inFlight: (HeldFrame | undefined)[] = new Array<HeldFrame | undefined>(IN_FLIGHT).fill(undefined);
  #nextInFlight = 0;
  readonly #out: FrameOut = {
    header: NOTHING,
    headerLen: 0,
    payload: new Gather(),
    gsoSize: 0,
    transportAt: 0,
    checksumPartial: false,
  };
  #frames = 0;
  #octets = 0;
  #tooLarge = 0;
  #sendFailures = 0;

  constructor(from: FrameLink, to: FrameLink, faults: Faults, clock: Clock, random: Random) {
    this.#from = from;
    this.#to = to;
    this.#clock = clock;
    this.#bufferLen = ETHERNET_HEADER_LEN + Math.max(from.mtu, to.mtu);
    this.#path = new ImpairedPath(faults, clock, random, this.#ends());
  }

  get counters(): BridgeCounters {
    return {
      frames: this.#frames,
      octets: this.#octets,
      ...this.#path.counters,
      tooLarge: this.#tooLarge,
      sendFailures: this.#sendFailures,
      missed: this.#from.drops(),
    };
  }

  get nextDue(): Micros {
    return this.#path.nextDue;
  }

  /** Cuts what is merged, completes what is left to hardware, and sends each packet on its way. */
  take(frame: FrameIn): void {
    const { bytes, at, end } = frame;
    const packetAt = at + ETHERNET_HEADER_LEN;
    if (packetAt > end) return;
    this.#frames++;
    const isIpv4 = readU16(bytes, at + ETHER_TYPE_AT) === EtherType.IPV4;
    const { mtu } = this.#to;
    const merged = this.#merged;
    if (isIpv4 && frame.gsoSize > 0 && merged.begin(bytes, packetAt, end, frame.gsoSize, mtu) > 1) {
      for (let i = 0; i < merged.count; ) i += this.#takePart(frame, i);
      return;
    }
    if (end - packetAt > mtu) {
      this.#tooLarge++;
      return;
    }
    const held = this.#buffer(end - at);
    copy(bytes, at, held.bytes, 0, end - at);
    held.end = end - at;
    if (isIpv4 && frame.checksum !== 'unverified')
      completeChecksum(held.bytes, ETHERNET_HEADER_LEN, held.end, frame.checksum);
    held.checksum = 'unverified';
    held.gsoSize = 0;
    held.headersLen = 0;
    this.#octets += held.end;
    this.#sent(held, this.#path.take(held, !isIpv4, this.#cameAt(frame)));
  }

  /**
   * Of the merged segment in `frame` the `i`-th piece, or the run of pieces from there that nothing happens to but
   * delay: those stay merged, and the interface they leave by has them cut. Returns how many pieces that were.
   */
  #takePart(frame: FrameIn, i: number): number {
    const { bytes, at } = frame;
    const came = this.#cameAt(frame);
    const merged = this.#merged;
    const fits = merged.headersLen + merged.mss <= this.#to.mtu && this.#to.maxGsoPayload > 0;
    const run = fits ? this.#path.untouched(merged.count - i) : 0;
    const count = Math.max(1, run);
    const held = this.#buffer(ETHERNET_HEADER_LEN + merged.headersLen + count * merged.mss);
    copy(bytes, at, held.bytes, 0, ETHERNET_HEADER_LEN);
    held.end = ETHERNET_HEADER_LEN + merged.writeRun(i, count, held.bytes, ETHERNET_HEADER_LEN);
    held.checksum = 'unverified';
    held.headersLen = count > 1 ? merged.headersLen : 0;
    held.gsoSize = count > 1 ? merged.mss : 0;
    held.transportAt = merged.ipHeaderLen;
    this.#octets += held.end + (count - 1) * (ETHERNET_HEADER_LEN + merged.headersLen);
    this.#sent(held, run > 0 ? this.#path.takeUntouched(held, count, came) : this.#path.take(held, false, came));
    return count;
  }

  pump(writable = false): void {
    this.#path.pump(writable);
    this.#to.flush();
  }

  /** The batch is over. */
  flush(): void {
    this.#receivedAt = NEVER;
    this.#to.flush();
  }

  /** The kernel says how long before its batch was received. */
  #cameAt(frame: FrameIn): Micros {
    if (this.#receivedAt === NEVER) this.#receivedAt = this.#clock.now();
    return micros(this.#receivedAt - frame.waited);
  }

  close(): void {
    this.#path.clear();
    this.#from.close();
  }

  #sent(held: HeldFrame, outcome: SendOutcome): void {
    if (outcome !== 'full') return;
    this.#sendFailures++;
    this.#release(held);
  }

  #ends(): PathEnds<HeldFrame, HeldFrame> {
    return {
      len: (held) => held.end,
      // It is ours already.
      copy: (held) => held,
      again: (held) => {
        const twin = this.#buffer(held.end);
        copy(held.bytes, 0, twin.bytes, 0, held.end);
        twin.end = held.end;
        twin.checksum = held.checksum;
        twin.gsoSize = 0;
        twin.headersLen = 0;
        return twin;
      },
      pass: (held) => this.#emit(held),
      emit: (held) => this.#emit(held),
      lose: (held) => this.#release(held),
      drop: (held) => this.#release(held),
    };
  }

  #emit(held: HeldFrame): SendOutcome {
    const out = this.#out;
    const { headersLen, gsoSize } = held;
    const payloadAt = held.at + headersLen;
    out.header = held.packet;
    out.headerLen = headersLen;
    out.transportAt = held.transportAt;
    out.gsoSize = gsoSize;
    out.checksumPartial = gsoSize > 0;
    out.payload.clear();
    out.payload.push(held.bytes, payloadAt, held.end - payloadAt);
    const outcome = this.#to.send(held.ethernet, out);
    if (outcome === 'full') return 'full';
    const before = this.#inFlight[this.#nextInFlight];
    if (before !== undefined) this.#release(before);
    this.#inFlight[this.#nextInFlight] = held;
    this.#nextInFlight = (this.#nextInFlight + 1) % IN_FLIGHT;
    return outcome;
  }

  #buffer(len: number): HeldFrame {
    const isLarge = len > this.#bufferLen;
    const spare = isLarge ? this.#spareLarge.pop() : this.#spare.pop();
    if (spare !== undefined) return spare;
    const bytes = new Uint8Array(isLarge ? LARGE_LEN : this.#bufferLen);
    return {
      bytes,
      ethernet: bytes.subarray(0, ETHERNET_HEADER_LEN),
      packet: bytes.subarray(ETHERNET_HEADER_LEN),
      at: ETHERNET_HEADER_LEN,
      end: 0,
      checksum: 'unverified',
      owned: false,
      headersLen: 0,
      transportAt: 0,
      gsoSize: 0,
    };
  }

  #release(held: HeldFrame): void {
    const isLarge = held.bytes.length > this.#bufferLen;
    const spare = isLarge ? this.#spareLarge : this.#spare;
    if (spare.length < (isLarge ? MAX_SPARE_LARGE : MAX_SPARE)) spare.push(held);
  }
}

interface FrameOut extends PacketOut {
  header: Uint8Array;
  headerLen: number;
  readonly payload: Gather;
  gsoSize: number;
  transportAt: number;
  checksumPartial: boolean;
}

const NOTHING = new Uint8Array(0);

function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, len: number): void {
  to.set(from.subarray(fromAt, fromAt + len), toAt);
}
