/**
 * IP packets over frames: Ethernet and neighbours (RFC 894, RFC 826) under a stack, and, for an address of our own, all that
 * a host on the segment owes the others: it claims the address, answers ARP for it, and answers pings.
 *
 * Only frames sent to this very station are handed up, so that TCP never answers what was broadcast (RFC 1122 §4.2.3.10).
 * A neighbour that doesn't answer is told to the stack as Linux tells it to its own: by an ICMP host unreachable from our own
 * address, for each packet that waited.
 */
import { Gather } from '../base/gather.ts';
import type { Random } from '../base/random.ts';
import { type Clock, type Micros, micros, NEVER, seconds } from '../base/time.ts';
import { AddressClaim, type ClaimTiming } from '../ip/address-claim.ts';
import { echoReply, hostUnreachable } from '../ip/icmp-answers.ts';
import { Neighbours, type Released } from '../ip/neighbours.ts';
import type { FrameIn, FrameLink, FrameReceiver } from '../link/frames.ts';
import {
  type Link,
  type LinkCounters,
  type LinkError,
  type LinkReceiver,
  newLinkCounters,
  type PacketIn,
  type PacketOut,
  type SendOutcome,
} from '../link/link.ts';
import { ARP_LEN, ArpOp, ArpPacket, decodeArp, encodeArp } from '../wire/arp.ts';
import {
  decodeEthernet,
  ETHERNET_HEADER_LEN,
  EthernetHeader,
  EtherType,
  encodeEthernet,
  MAC_BROADCAST,
  MAC_NONE,
  type Mac,
  macText,
} from '../wire/ethernet.ts';
import { IpProtocol, type Ipv4, Ipv4At, ipv4Text, readIpv4, toIpv4 } from '../wire/ipv4.ts';

export interface EthernetLinkOptions {
  readonly frames: FrameLink;
  /** This link's own: it sets the alarm. */
  readonly clock: Clock;
  readonly address: Ipv4;
  /** In our frames, and in those for us. */
  readonly mac: Mac;
  /** The neighbour that takes what is for `to`: itself, or a gateway; undefined when there is no way. */
  readonly nextHop: (to: Ipv4) => Ipv4 | undefined;
  /** The address is ours alone; without it, it is this machine's too, whose kernel answers for it. */
  readonly own?: OwnAddressOptions;
}

export interface OwnAddressOptions {
  readonly random: Random;
  readonly timing: ClaimTiming;
  /** Once: 'claimed', or the hardware address of whoever uses it already. A conflict afterwards is a fatal link error. */
  readonly onClaim: (outcome: 'claimed' | Mac) => void;
}

export class EthernetLink implements Link, FrameReceiver {
  readonly driver: string;
  readonly mtu: number;
  readonly receiveMtu: number;
  readonly maxGsoPayload: number;
  readonly completesChecksum: boolean;
  readonly counters: LinkCounters = newLinkCounters();
  readonly #frames: FrameLink;
  readonly #clock: Clock;
  readonly #address: Ipv4;
  readonly #mac: Mac;
  readonly #nextHop: (to: Ipv4) => Ipv4 | undefined;
  readonly #own: OwnAddressOptions | undefined;
  readonly #claim: AddressClaim | undefined;
  readonly #neighbours: Neighbours<PacketOut>;
  readonly #header = new EthernetHeader();
  readonly #arp = new ArpPacket();
  /** In front of IP packets; the last destination stays in it. */
  readonly #ethernet = new Uint8Array(ETHERNET_HEADER_LEN);
  readonly #arpEthernet = new Uint8Array(ETHERNET_HEADER_LEN);
  readonly #arpFrame = bare(new Uint8Array(ARP_LEN));
  readonly #in: MutablePacketIn = { bytes: new Uint8Array(0), at: 0, end: 0, checksum: 'unverified', owned: false };
  readonly #wake = (): void => this.#onAlarm();
  #receiver: LinkReceiver | undefined;
  #lastTo: Ipv4 = toIpv4(0);
  #lastHop: Ipv4 = toIpv4(0);
  #hopAt: Micros = micros(0);
  #lastMac: Mac = MAC_NONE;
  #confirmedAt: Micros;
  #alarmAt: Micros = NEVER;
  #told = false;
  /** Of the frames' errorsOut, those that ours has. */
  #refused = 0;
  #closed = false;
  #sentAt: Micros = micros(0);

  /** Frames come from now on: claiming an address doesn't wait for `start`. */
  constructor(o: EthernetLinkOptions) {
    const { frames, clock } = o;
    this.driver = frames.driver;
    this.mtu = frames.mtu;
    this.receiveMtu = frames.receiveMtu;
    this.maxGsoPayload = frames.maxGsoPayload;
    this.completesChecksum = frames.completesChecksum;
    this.#frames = frames;
    this.#clock = clock;
    this.#address = o.address;
    this.#mac = o.mac;
    this.#nextHop = o.nextHop;
    this.#own = o.own;
    this.#neighbours = new Neighbours(o.mac, o.address);
    this.#confirmedAt = clock.now();
    this.#header.src = o.mac;
    if (o.own !== undefined) this.#claim = new AddressClaim(o.address, o.mac, o.own.random, o.own.timing, clock.now());
    frames.start(this);
    this.#serve();
  }

  start(receiver: LinkReceiver): void {
    this.#receiver = receiver;
  }

  send(packet: PacketOut): SendOutcome {
    if (this.#closed || (this.#claim !== undefined && this.#claim.state !== 'claimed')) return 'error';
    const now = this.#clock.now();
    this.#sentAt = now;
    const to = readIpv4(packet.header, Ipv4At.DST);
    if (to !== this.#lastTo || now - this.#hopAt > HOP_AGE) {
      const hop = this.#nextHop(to);
      if (hop === undefined) return this.#noWay(to);
      this.#lastTo = to;
      this.#lastHop = hop;
      this.#hopAt = now;
    }
    const mac = this.#neighbours.resolve(this.#lastHop, now);
    let outcome: SendOutcome = 'sent';
    if (mac === undefined) this.#neighbours.hold(this.#lastHop, copyOf(packet), packet.headerLen + packet.payload.len);
    else outcome = this.#sendTo(mac, packet);
    if (this.#neighbours.nextTimeout() < this.#alarmAt) this.#ask();
    if (outcome === 'sent') {
      this.counters.packetsOut++;
      this.counters.octetsOut += packet.headerLen + packet.payload.len;
    } else if (outcome === 'error') this.#countRefused();
    return outcome;
  }

  drops(): number {
    return this.#frames.drops();
  }

  flush(): void {
    this.#frames.flush();
    this.#countRefused();
  }

  poll(): void {
    if (!this.#closed) this.#frames.poll?.();
  }

  awaitAnswer(): void {
    this.#frames.awaitAnswer?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#receiver = undefined;
    this.#clock.wakeAt(NEVER, this.#wake);
    this.#frames.close();
  }

  // What the frames say.

  onFrame(frame: FrameIn): void {
    const { bytes, at, end } = frame;
    const header = this.#header;
    if (decodeEthernet(bytes, at, end, header) !== 'ok') {
      this.counters.ignoredIn++;
      return;
    }
    if (header.type === EtherType.ARP && (header.dst === this.#mac || header.dst === MAC_BROADCAST))
      this.#onArp(bytes, at + ETHERNET_HEADER_LEN, end);
    else if (header.type === EtherType.IPV4 && header.dst === this.#mac) this.#onIp(frame, header.src);
    else this.counters.ignoredIn++;
  }

  onBatchEnd(more?: boolean): void {
    this.#receiver?.onBatchEnd(more);
    this.#frames.flush();
  }

  onWritable(): void {
    this.#receiver?.onWritable();
  }

  onError(error: LinkError): void {
    if (error.fatal) this.#tellClaim(error);
    this.#receiver?.onError(error);
  }

  onUp(): void {
    this.#neighbours.distrust();
    this.#claim?.announceAgain(this.#clock.now());
    this.#serve();
    this.onBatchEnd();
  }

  #onIp(frame: FrameIn, from: Mac): void {
    // When we sent last is near enough, and who never sends needs no neighbour.
    const now = this.#sentAt;
    // Not for each packet: a second is fine enough for what counts thirty.
    if (from === this.#lastMac && now - this.#confirmedAt > seconds(1)) {
      this.#confirmedAt = now;
      this.#neighbours.confirm(this.#lastHop, from, now);
    }
    const at = frame.at + ETHERNET_HEADER_LEN;
    this.counters.packetsIn++;
    this.counters.octetsIn += frame.end - at;
    if (this.#own !== undefined && frame.bytes[at + Ipv4At.PROTOCOL] === IpProtocol.ICMP) {
      const reply = echoReply(frame.bytes, at, frame.end, this.#address);
      if (reply !== undefined) {
        this.send(bare(reply));
        return;
      }
    }
    const packet = this.#in;
    packet.bytes = frame.bytes;
    packet.at = at;
    packet.end = frame.end;
    packet.checksum = frame.checksum;
    packet.owned = frame.owned;
    this.#receiver?.onPacket(packet);
  }

  #onArp(bytes: Uint8Array, at: number, end: number): void {
    const arp = this.#arp;
    if (decodeArp(bytes, at, end, arp) !== 'ok') {
      this.counters.ignoredIn++;
      return;
    }
    const now = this.#clock.now();
    this.#claim?.onArp(arp, now);
    this.#neighbours.onArp(arp, now);
    // RFC 826: asked for what is ours. Somebody who probes for it (sender 0.0.0.0) is answered too (RFC 5227 §2.1.1).
    if (arp.op === ArpOp.REQUEST && arp.tpa === this.#address && this.#claim?.state === 'claimed') {
      const asker = arp.sha;
      arp.op = ArpOp.REPLY;
      arp.tha = asker;
      arp.tpa = arp.spa;
      arp.sha = this.#mac;
      arp.spa = this.#address;
      this.#sendArp(asker);
    }
    this.#serve();
  }

  #onAlarm(): void {
    this.#alarmAt = NEVER;
    const now = this.#clock.now();
    this.#claim?.onTimeout(now);
    this.#neighbours.onTimeout(now);
    this.#serve();
    this.onBatchEnd();
  }

  /** As #ask, and lets go what has waited: not for inside `send`, since it hands packets up. */
  #serve(): void {
    if (this.#closed) return;
    this.#ask();
    for (const released of this.#neighbours.takeReleased()) this.#release(released);
    this.#tellClaim();
  }

  /** Sends what claim and neighbours want sent, and sets the alarm. */
  #ask(): void {
    if (this.#claim?.emit(this.#arp)) this.#sendArp(MAC_BROADCAST);
    for (let to = this.#neighbours.emit(this.#arp); to !== undefined; to = this.#neighbours.emit(this.#arp))
      this.#sendArp(to);
    const at = sooner(this.#claim?.nextTimeout() ?? NEVER, this.#neighbours.nextTimeout());
    if (at === this.#alarmAt) return;
    this.#alarmAt = at;
    this.#clock.wakeAt(at, this.#wake);
  }

  #release({ mac, waiting }: Released<PacketOut>): void {
    for (const packet of waiting) {
      if (mac !== undefined) this.#sendTo(mac, packet);
      else {
        this.counters.errorsOut++;
        this.#tellUnreachable(packet);
      }
    }
    this.#frames.flush();
  }

  #tellUnreachable(packet: PacketOut): void {
    const error = hostUnreachable(packet.header.subarray(0, packet.headerLen));
    if (error === undefined || this.#receiver === undefined) return;
    this.#receiver.onPacket({ bytes: error, at: 0, end: error.length, checksum: 'unverified', owned: true });
  }

  /** Once for the claim's outcome, and once more when the address is lost later. */
  #tellClaim(failure?: LinkError): void {
    const claim = this.#claim;
    if (claim === undefined || this.#own === undefined) return;
    if (!this.#told && (claim.state !== 'probing' || failure !== undefined)) {
      this.#told = true;
      this.#own.onClaim(claim.state === 'claimed' ? 'claimed' : (claim.conflictWith ?? MAC_NONE));
    } else if (claim.state === 'lost' && this.#receiver !== undefined) {
      const receiver = this.#receiver;
      const other = macText(claim.conflictWith ?? MAC_NONE);
      receiver.onError({
        code: 'EADDRINUSE',
        message: `${ipv4Text(this.#address)} is used by ${other} as well, which does not give way`,
        fatal: true,
      });
      this.close();
    }
  }

  #sendTo(mac: Mac, packet: PacketOut): SendOutcome {
    if (mac !== this.#lastMac) {
      this.#lastMac = mac;
      this.#writeHeader(this.#ethernet, mac, EtherType.IPV4);
    }
    return this.#frames.send(this.#ethernet, packet);
  }

  #sendArp(to: Mac): void {
    this.#writeHeader(this.#arpEthernet, to, EtherType.ARP);
    encodeArp(this.#arp, this.#arpFrame.header, 0);
    this.#frames.send(this.#arpEthernet, this.#arpFrame);
    this.#frames.flush();
  }

  /** What the kernel refuses is known to the frames alone, and only once it was to leave. */
  #countRefused(): void {
    const refused = this.#frames.counters.errorsOut;
    this.counters.errorsOut += refused - this.#refused;
    this.#refused = refused;
  }

  #writeHeader(bytes: Uint8Array, dst: Mac, type: number): void {
    this.#header.dst = dst;
    this.#header.src = this.#mac;
    this.#header.type = type;
    encodeEthernet(this.#header, bytes, 0);
  }

  #noWay(to: Ipv4): SendOutcome {
    this.counters.errorsOut++;
    this.#receiver?.onError({ code: 'ENETUNREACH', message: `no gateway for ${ipv4Text(to)}`, fatal: false });
    return 'error';
  }
}

interface MutablePacketIn extends PacketIn {
  bytes: Uint8Array;
  at: number;
  end: number;
  checksum: PacketIn['checksum'];
  owned: boolean;
}

/** Octets as a packet with nothing left to do: headers up to 100 octets, the rest as payload. */
function bare(octets: Uint8Array): PacketOut {
  const headerLen = Math.min(octets.length, MOST_HEADER);
  const payload = new Gather();
  if (headerLen < octets.length) payload.push(octets, headerLen, octets.length - headerLen);
  return { header: octets, headerLen, payload, gsoSize: 0, transportAt: 0, checksumPartial: false };
}

const MOST_HEADER = 100;

/** How long the next hop of the last destination is believed: routes change. */
const HOP_AGE = seconds(5);

const sooner = (a: Micros, b: Micros): Micros => (a < b ? a : b);

/** The stack reuses its packet, and its payload's octets may be another's by the time the neighbour has answered. */
function copyOf(packet: PacketOut): PacketOut {
  const octets = new Uint8Array(packet.payload.len);
  packet.payload.copyTo(octets, 0);
  const payload = new Gather();
  payload.push(octets, 0, octets.length);
  return {
    header: packet.header.slice(0, packet.headerLen),
    headerLen: packet.headerLen,
    payload,
    gsoSize: packet.gsoSize,
    transportAt: packet.transportAt,
    checksumPartial: packet.checksumPartial,
  };
}
