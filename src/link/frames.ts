/**
 * Frames of one interface, for what lives between them and IP packets: neighbours, bridges. A super-frame that the
 * kernel merged, or is to cut, is one frame here.
 */
import type { Mac } from '../wire/ethernet.ts';
import type { LinkCounters, LinkError, PacketIn, PacketOut, SendOutcome } from './link.ts';

/** A received frame, from its Ethernet header on; as PacketIn in all else. */
export interface FrameIn extends PacketIn {
  /** Octets of payload in each segment that was merged into it; 0 when it is one as it was on the wire. */
  readonly gsoSize: number;
  /** Microseconds from its coming to the interface until its batch was received, 1 s at most; 0 where nobody looks. */
  readonly waited: number;
}

export interface FrameReceiver {
  onFrame(frame: FrameIn): void;
  onBatchEnd(more?: boolean): void;
  onWritable(): void;
  onError(error: LinkError): void;
  /** The interface is up again after ENETDOWN. */
  onUp?(): void;
}

export interface FrameLink {
  readonly driver: string;
  readonly interface: string;
  /** The interface's own hardware address. */
  readonly mac: Mac;
  /** Largest IP packet sent, octets. */
  readonly mtu: number;
  readonly receiveMtu: number;
  readonly maxGsoPayload: number;
  readonly completesChecksum: boolean;
  readonly counters: Readonly<LinkCounters>;
  /** Frames the kernel dropped because they were not taken in time. */
  drops(): number;
  /** Delivers from now on. Called once. */
  start(receiver: FrameReceiver): void;
  /** `ethernet`: the header in front of what `packet` holds; all of it is copied, the packet's payload may not be until `flush`. */
  send(ethernet: Uint8Array, packet: PacketOut): SendOutcome;
  flush(): void;
  /** As Link's. */
  poll?(): void;
  /** What was sent has an answer, and nothing more is to be sent before it: a driver may stay awake for it. */
  awaitAnswer?(): void;
  /** Idempotent. Nothing is delivered afterwards. */
  close(): void;
}
