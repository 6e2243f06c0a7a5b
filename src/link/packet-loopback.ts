/**
 * Loopback for the packet driver. What comes is seen by a packet socket like on any interface; frames sent into `lo`
 * through one are dropped by the kernel (they have no route that says they may come in), so packets leave through a raw
 * IP socket. The kernel fills in their total length, and the identification when it is 0.
 */
import { ETHERNET_HEADER_LEN } from '../wire/ethernet.ts';
import { Ipv4At } from '../wire/ipv4.ts';
import { readI32 } from '../wire/octets.ts';
import { Batch } from './batch.ts';
import type { FrameIn, FrameLink } from './frames.ts';
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
import { loadAddon } from './native.ts';
import { packetFailure } from './packet-socket.ts';

const SEND_BUFFER = 8 << 20;
const MAX_PACKET = 65_535;

/** `frames`: of loopback, and closed with it. `sendBuffer`: octets asked for. Throws LinkFailure: EPERM. */
export function loopbackLink(frames: FrameLink, sendBuffer = SEND_BUFFER): Link {
  try {
    return new LoopbackLink(frames, sendBuffer);
  } catch (error) {
    frames.close();
    throw packetFailure(error, frames.interface);
  }
}

class LoopbackLink implements Link {
  readonly driver: string;
  readonly mtu: number;
  readonly receiveMtu = MAX_PACKET;
  readonly maxGsoPayload = 0;
  readonly completesChecksum = false;
  readonly counters: LinkCounters = newLinkCounters();
  readonly #frames: FrameLink;
  readonly #batch: Batch;
  readonly #lost = (code: string): void => this.#tell(code);
  readonly #in: MutablePacketIn = { bytes: new Uint8Array(0), at: 0, end: 0, checksum: 'unverified', owned: false };
  #receiver: LinkReceiver | undefined;
  #told = '';
  #closed = false;

  constructor(frames: FrameLink, sendBuffer: number) {
    this.driver = frames.driver;
    this.mtu = frames.mtu;
    this.#frames = frames;
    this.#batch = new Batch(loadAddon().rawIpOpen(sendBuffer), 0, {
      onBatch() {},
      onRoom: () => {
        this.flush();
        this.#receiver?.onWritable();
      },
      onSocketError: this.#lost,
    });
  }

  start(receiver: LinkReceiver): void {
    this.#receiver = receiver;
    this.#frames.start({
      onFrame: (frame) => this.#onFrame(frame, receiver),
      onBatchEnd: (more) => receiver.onBatchEnd(more),
      onWritable: () => receiver.onWritable(),
      onError: (error) => receiver.onError(error),
    });
  }

  send(packet: PacketOut): SendOutcome {
    if (this.#closed) return 'error';
    const { headerLen, payload } = packet;
    const len = headerLen + payload.len;
    if (len > this.mtu) {
      this.#tell('EMSGSIZE');
      return 'error';
    }
    let at = this.#batch.begin();
    if (at < 0) {
      this.flush();
      at = this.#batch.begin();
      if (at < 0) return 'full';
    }
    for (let i = 0; i < headerLen; i++) this.#batch.headers[at + i] = packet.header[i]!;
    this.#batch.put(headerLen, payload, readI32(packet.header, Ipv4At.DST));
    this.counters.packetsOut++;
    this.counters.octetsOut += len;
    return 'sent';
  }

  flush(): void {
    if (this.#batch.flush(this.#lost) > 0) this.#told = '';
  }

  poll(): void {
    this.#frames.poll?.();
  }

  awaitAnswer(): void {
    this.#frames.awaitAnswer?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#receiver = undefined;
    this.#batch.close();
    this.#frames.close();
  }

  #onFrame(frame: FrameIn, receiver: LinkReceiver): void {
    if (this.#closed) return;
    const packet = this.#in;
    packet.bytes = frame.bytes;
    packet.at = frame.at + ETHERNET_HEADER_LEN;
    packet.end = frame.end;
    packet.checksum = frame.checksum;
    packet.owned = frame.owned;
    this.counters.packetsIn++;
    this.counters.octetsIn += packet.end - packet.at;
    receiver.onPacket(packet);
  }

  #tell(code: string): void {
    this.counters.errorsOut++;
    if (this.#told === code) return;
    this.#told = code;
    this.#receiver?.onError({ code, message: `sending on ${this.#frames.interface}: ${code}`, fatal: false });
  }
}

interface MutablePacketIn extends PacketIn {
  bytes: Uint8Array;
  at: number;
  end: number;
  checksum: ChecksumState;
  owned: boolean;
}
