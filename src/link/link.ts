/**
 * How IP packets come and go. A driver (raw, packet, memory) is a Link; a tap (fault, capture) is a Link around one.
 * What carries frames puts Ethernet and neighbours underneath: above this line there are IP packets only.
 */
import type { Gather } from '../base/gather.ts';

/**
 * What is known of a received packet's transport checksum.
 * 'unverified': check it. 'partial': the sender left it to hardware that never came; the octets are good.
 * 'verified': whoever delivered it has checked it.
 */
export type ChecksumState = 'unverified' | 'partial' | 'verified';

/** A received IP packet: `[at, end)` of `bytes`. Reused by the driver: valid during the call only, unless `owned`. */
export interface PacketIn {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
  readonly checksum: ChecksumState;
  /** The receiver may keep `bytes`; the driver won't write to it again. */
  readonly owned: boolean;
}

/** An IP packet to send: `header` holds IP and transport header, `payload` what follows, gathered by the driver. */
export interface PacketOut {
  readonly header: Uint8Array;
  readonly headerLen: number;
  readonly payload: Gather;
  /** Octets of payload a wire segment may carry when the driver is to cut this one (GSO); 0 when it is one segment. */
  readonly gsoSize: number;
  /** Where in `header` the transport header begins. */
  readonly transportAt: number;
  /** The transport checksum covers the pseudo-header only; the driver completes it. Only where `Link.completesChecksum`. */
  readonly checksumPartial: boolean;
}

/** 'full': not now, ask again after `onWritable`. 'error': lost, and `onError` has said why. */
export type SendOutcome = 'sent' | 'full' | 'error';

/** A failure of the path to the wire. `fatal`: nothing more will come or go. */
export interface LinkError {
  /** Errno name: EMSGSIZE, ENETUNREACH, EPERM, ENETDOWN, ENOBUFS… */
  readonly code: string;
  readonly message: string;
  readonly fatal: boolean;
}

export interface LinkReceiver {
  onPacket(packet: PacketIn): void;
  /** The batch is over: acknowledge, send what may be sent. `more`: another one waits already. */
  onBatchEnd(more?: boolean): void;
  onWritable(): void;
  onError(error: LinkError): void;
}

export interface LinkCounters {
  packetsIn: number;
  packetsOut: number;
  octetsIn: number;
  octetsOut: number;
  /** Arrived, but not for us or not whole. */
  ignoredIn: number;
  errorsOut: number;
}

export function newLinkCounters(): LinkCounters {
  return { packetsIn: 0, packetsOut: 0, octetsIn: 0, octetsOut: 0, ignoredIn: 0, errorsOut: 0 };
}

export interface Link {
  /** 'raw', 'packet', 'memory'; taps keep the name of what they wrap. */
  readonly driver: string;
  /** Largest IP packet sent, octets. */
  readonly mtu: number;
  /** Largest IP packet that can be received, octets (a capture's snapshot length may be below the MTU on loopback). */
  readonly receiveMtu: number;
  /** Most payload octets in one `send` (GSO); 0 when a send is one wire segment. */
  readonly maxGsoPayload: number;
  readonly completesChecksum: boolean;
  readonly counters: Readonly<LinkCounters>;
  /** Delivers from now on. Called once. */
  start(receiver: LinkReceiver): void;
  send(packet: PacketOut): SendOutcome;
  /** Packets that the kernel dropped because they were not taken in time; absent where the driver can't know. */
  drops?(): number;
  /** Everything given to `send` leaves now; no payload is referred to any longer. */
  flush(): void;
  /** Delivers what has arrived, and not been looked at, now rather than on a later turn; absent where that can't be had. */
  poll?(): void;
  /** What was sent has an answer, and nothing more is to be sent before it: a driver may stay awake for it. */
  awaitAnswer?(): void;
  /** Idempotent. Nothing is delivered afterwards. */
  close(): void;
}
