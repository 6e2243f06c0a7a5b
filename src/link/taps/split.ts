/**
 * One link for several stacks, each with an address of its own: what comes in goes to the stack whose address it is for.
 * Loopback is such a link, since every address of this machine is reached there from this machine.
 */
import { type Ipv4, Ipv4At } from '../../wire/ipv4.ts';
import { readI32 } from '../../wire/octets.ts';
import type { Link, LinkCounters, LinkError, LinkReceiver, PacketIn, PacketOut, SendOutcome } from '../link.ts';

/** A part of `link` for each address, in their order. The link is closed with the last of them. */
export function splitLink(link: Link, addresses: readonly Ipv4[]): readonly Link[] {
  const splitter = new Splitter(link);
  return addresses.map((address) => new Part(splitter, address));
}

class Splitter implements LinkReceiver {
  readonly link: Link;
  readonly #receivers = new Map<Ipv4, LinkReceiver>();
  /** Who gets what went wrong with a packet: its sender, while it sends. */
  #sender: LinkReceiver | undefined;
  #started = false;
  #open = 0;

  constructor(link: Link) {
    this.link = link;
  }

  opened(): void {
    this.#open++;
  }

  start(address: Ipv4, receiver: LinkReceiver): void {
    this.#receivers.set(address, receiver);
    if (this.#started) return;
    this.#started = true;
    this.link.start(this);
  }

  send(packet: PacketOut, sender: LinkReceiver | undefined): SendOutcome {
    this.#sender = sender;
    const outcome = this.link.send(packet);
    this.#sender = undefined;
    return outcome;
  }

  close(address: Ipv4): void {
    this.#receivers.delete(address);
    if (--this.#open === 0) this.link.close();
  }

  onPacket(packet: PacketIn): void {
    if (packet.end - packet.at < Ipv4At.DST + 4) return;
    // the brand of an address, which any 32 bits are
    const to = readI32(packet.bytes, packet.at + Ipv4At.DST) as Ipv4;
    this.#receivers.get(to)?.onPacket(packet);
  }

  onBatchEnd(more?: boolean): void {
    for (const receiver of this.#receivers.values()) receiver.onBatchEnd(more);
  }

  onWritable(): void {
    for (const receiver of this.#receivers.values()) receiver.onWritable();
  }

  onError(error: LinkError): void {
    if (this.#sender !== undefined && !error.fatal) this.#sender.onError(error);
    else for (const receiver of this.#receivers.values()) receiver.onError(error);
  }
}

class Part implements Link {
  readonly driver: string;
  readonly mtu: number;
  readonly receiveMtu: number;
  readonly maxGsoPayload: number;
  readonly completesChecksum: boolean;
  readonly counters: Readonly<LinkCounters>;
  readonly drops?: () => number;
  readonly #splitter: Splitter;
  readonly #address: Ipv4;
  #receiver: LinkReceiver | undefined;
  #closed = false;

  constructor(splitter: Splitter, address: Ipv4) {
    const { link } = splitter;
    this.driver = link.driver;
    this.mtu = link.mtu;
    this.receiveMtu = link.receiveMtu;
    this.maxGsoPayload = link.maxGsoPayload;
    this.completesChecksum = link.completesChecksum;
    this.counters = link.counters;
    if (link.drops !== undefined) this.drops = () => link.drops!();
    this.#splitter = splitter;
    this.#address = address;
    splitter.opened();
  }

  start(receiver: LinkReceiver): void {
    this.#receiver = receiver;
    this.#splitter.start(this.#address, receiver);
  }

  send(packet: PacketOut): SendOutcome {
    return this.#closed ? 'error' : this.#splitter.send(packet, this.#receiver);
  }

  flush(): void {
    this.#splitter.link.flush();
  }

  poll(): void {
    this.#splitter.link.poll?.();
  }

  awaitAnswer(): void {
    this.#splitter.link.awaitAnswer?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#splitter.close(this.#address);
  }
}
