/** Segments into IPv4 packets, RFC 791: built in place in one reused header, the payload by reference. */
import { Gather } from '../base/gather.ts';
import type { Link, PacketOut, SendOutcome } from '../link/link.ts';
import { foldChecksum, pseudoHeaderSum, sumGather, sumOctets } from '../wire/checksum.ts';
import { encodeIpv4, IPV4_HEADER_LEN, IpProtocol, type Ipv4, Ipv4Flag, Ipv4Header } from '../wire/ipv4.ts';
import { writeU16 } from '../wire/octets.ts';
import { encodeTcp, TCP_MAX_HEADER_LEN, type TcpSegment } from '../wire/tcp.ts';

/** Where the checksum field stands in a TCP header. */
const TCP_CHECKSUM_AT = 16;

class ReusedPacket implements PacketOut {
  readonly header = new Uint8Array(IPV4_HEADER_LEN + TCP_MAX_HEADER_LEN);
  headerLen = 0;
  payload = new Gather();
  gsoSize = 0;
  readonly transportAt = IPV4_HEADER_LEN;
  checksumPartial = false;
}

export class IpOutput {
  readonly #link: Link;
  readonly #packet = new ReusedPacket();
  readonly #ip = new Ipv4Header();
  #id: number;

  /** `firstId`: random, so that it tells nothing of other traffic. */
  constructor(link: Link, firstId: number) {
    this.#link = link;
    this.#id = firstId & 0xffff;
    this.#packet.checksumPartial = link.completesChecksum;
  }

  /** `mss`: octets of payload in a wire segment, for a link that cuts larger ones; `ttl` and `tos` as the user set them. */
  send(seg: TcpSegment, src: Ipv4, dst: Ipv4, mss: number, ttl: number, tos: number): SendOutcome {
    const packet = this.#packet;
    packet.payload = seg.payload;
    seg.checksum = 0;
    const tcpLen = encodeTcp(seg, packet.header, IPV4_HEADER_LEN);
    packet.headerLen = IPV4_HEADER_LEN + tcpLen;
    packet.gsoSize = seg.payload.len > mss ? mss : 0;
    const pseudo = pseudoHeaderSum(src, dst, IpProtocol.TCP, tcpLen + seg.payload.len);
    const checksum = packet.checksumPartial ? pseudo : this.#checksum(pseudo, tcpLen);
    writeU16(packet.header, IPV4_HEADER_LEN + TCP_CHECKSUM_AT, checksum);

    const ip = this.#ip;
    ip.totalLen = packet.headerLen + seg.payload.len;
    ip.id = this.#id;
    this.#id = (this.#id + 1) & 0xffff;
    ip.dscp = tos >> 2;
    ip.ecn = seg.ecn;
    ip.flags = Ipv4Flag.DF;
    ip.ttl = ttl;
    ip.protocol = IpProtocol.TCP;
    ip.src = src;
    ip.dst = dst;
    encodeIpv4(ip, packet.header, 0);
    return this.#link.send(packet);
  }

  #checksum(pseudo: number, tcpLen: number): number {
    const header = sumOctets(pseudo, this.#packet.header, IPV4_HEADER_LEN, tcpLen);
    return foldChecksum(sumGather(header, this.#packet.payload));
  }
}
