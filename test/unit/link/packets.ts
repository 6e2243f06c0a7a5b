/** Packets to send and a receiver that remembers, for tests of links and taps. */
import { Gather } from '../../../src/base/gather.ts';
import type { ChecksumState, Link, LinkError, LinkReceiver, PacketOut } from '../../../src/link/link.ts';

export interface OutOptions {
  readonly gsoSize?: number;
  readonly checksumPartial?: boolean;
  readonly transportAt?: number;
}

/** A packet of octets without meaning: `head` as header, `parts` as payload. */
export function packetOf(head: ArrayLike<number>, parts: readonly ArrayLike<number>[] = [], o: OutOptions = {}): PacketOut {
  const payload = new Gather();
  for (const part of parts) payload.push(Uint8Array.from([0xee, ...Array.from(part), 0xee]), 1, part.length);
  return {
    header: Uint8Array.from([...Array.from(head), 0xdd]),
    headerLen: head.length,
    payload,
    gsoSize: o.gsoSize ?? 0,
    transportAt: o.transportAt ?? 20,
    checksumPartial: o.checksumPartial ?? false,
  };
}

export interface Received {
  readonly octets: readonly number[];
  readonly checksum: ChecksumState;
}

/** Starts `link` and notes what it delivers: batches of packets, errors, times it said it was writable. */
export class Recorder implements LinkReceiver {
  readonly batches: Received[][] = [];
  readonly errors: LinkError[] = [];
  writable = 0;
  onEach: () => void = () => {};
  #batch: Received[] = [];

  constructor(link: Link) {
    link.start(this);
  }

  /** Everything received, batches forgotten. */
  get octets(): (readonly number[])[] {
    return this.batches.flat().map((p) => p.octets);
  }

  onPacket: LinkReceiver['onPacket'] = (p) => {
    this.#batch.push({ octets: [...p.bytes.subarray(p.at, p.end)], checksum: p.checksum });
    this.onEach();
  };

  onBatchEnd(): void {
    this.batches.push(this.#batch);
    this.#batch = [];
  }

  onWritable(): void {
    this.writable++;
  }

  onError(error: LinkError): void {
    this.errors.push(error);
  }
}
