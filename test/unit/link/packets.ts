/** Packets to send and a receiver that remembers, for tests of links and taps. */
import { Gather } from '../../../src/base/gather.ts';
import { toSeq } from '../../../src/base/seq.ts';
import type { ChecksumState, Link, LinkError, LinkReceiver, PacketOut } from '../../../src/link/link.ts';
import { foldChecksum, pseudoHeaderSum, sumGather, sumOctets } from '../../../src/wire/checksum.ts';
import { encodeIpv4, IpProtocol, Ipv4Header, toIpv4 } from '../../../src/wire/ipv4.ts';
import { readU16, writeU16 } from '../../../src/wire/octets.ts';
import { encodeTcp, TcpFlag, TcpSegment, tcpHeaderLen } from '../../../src/wire/tcp.ts';

export interface OutOptions {
  readonly gsoSize?: number;
  readonly checksumPartial?: boolean;
  readonly transportAt?: number;
}

/** A packet of octets without meaning: `head` as header, `parts` as payload. */
export function packetOf(
  head: ArrayLike<number>,
  parts: readonly ArrayLike<number>[] = [],
  o: OutOptions = {},
): PacketOut {
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

export interface TcpOptions {
  readonly seq?: number;
  readonly payload?: readonly number[];
  readonly flags?: number;
  /** Leaves the checksum to hardware, as a kernel does on a veth. */
  readonly partial?: boolean;
}

const SRC = toIpv4(0x0a00_0001);
const DST = toIpv4(0x0a00_0002);

/** A TCP segment in IPv4 from 10.0.0.1:40000 to 10.0.0.2:80, its checksum complete or left to hardware. */
export function tcpPacket(o: TcpOptions = {}): PacketOut {
  const seg = new TcpSegment();
  seg.srcPort = 40_000;
  seg.dstPort = 80;
  seg.seq = toSeq(o.seq ?? 1);
  seg.flags = o.flags ?? TcpFlag.ACK;
  const ip = new Ipv4Header();
  ip.protocol = IpProtocol.TCP;
  ip.ttl = 64;
  ip.src = SRC;
  ip.dst = DST;
  const octets = Uint8Array.from(o.payload ?? []);
  const transportLen = tcpHeaderLen(seg) + octets.length;
  ip.totalLen = 20 + transportLen;
  const header = new Uint8Array(120);
  const transportAt = encodeIpv4(ip, header, 0);
  const pseudo = pseudoHeaderSum(SRC, DST, IpProtocol.TCP, transportLen);
  const tcpLen = encodeTcp(seg, header, transportAt);
  const packet = packetOf(header.subarray(0, transportAt + tcpLen), [octets], { checksumPartial: o.partial ?? false });
  const sum = sumGather(sumOctets(pseudo, packet.header, transportAt, tcpLen), packet.payload);
  writeU16(packet.header, transportAt + 16, o.partial ? pseudo : foldChecksum(sum));
  return packet;
}

/** How a receiver sees the checksum of a packet of `tcpPacket`: good, as left to hardware, or bad. */
export function checksumOf(octets: ArrayLike<number>): 'good' | 'partial' | 'bad' {
  const bytes = Uint8Array.from(Array.from(octets));
  const pseudo = pseudoHeaderSum(SRC, DST, IpProtocol.TCP, bytes.length - 20);
  if (foldChecksum(sumOctets(pseudo, bytes, 20, bytes.length - 20)) === 0) return 'good';
  return readU16(bytes, 36) === pseudo ? 'partial' : 'bad';
}
