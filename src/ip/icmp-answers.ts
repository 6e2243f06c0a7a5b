/**
 * ICMP that a host makes of packets, RFC 792 and RFC 1122 §3.2.2: the reply to an echo request (§3.2.2.6), and the
 * "host unreachable" that a host tells itself when a neighbour doesn't answer.
 */
import { foldChecksum, sumOctets } from '../wire/checksum.ts';
import {
  decodeIcmp,
  encodeIcmp,
  ICMP_HEADER_LEN,
  IcmpMessage,
  IcmpType,
  icmpChecksumGood,
  UnreachableCode,
} from '../wire/icmp.ts';
import { decodeIpv4, encodeIpv4, IPV4_HEADER_LEN, IpProtocol, type Ipv4, Ipv4Header } from '../wire/ipv4.ts';

const TTL = 64;
const ip = new Ipv4Header();
const icmp = new IcmpMessage();

/**
 * The packet that answers the echo request in `[at, end)` of `bytes`, if that is a good one to `address`; undefined
 * otherwise. Requests in fragments and to many are not answered.
 */
export function echoReply(bytes: Uint8Array, at: number, end: number, address: Ipv4): Uint8Array | undefined {
  if (decodeIpv4(bytes, at, end, ip) !== 'ok' || ip.protocol !== IpProtocol.ICMP) return undefined;
  if (ip.dst !== address || ip.isFragment) return undefined;
  const { payloadAt, payloadEnd } = ip;
  if (decodeIcmp(bytes, payloadAt, payloadEnd, icmp) !== 'ok' || icmp.type !== IcmpType.ECHO || icmp.code !== 0)
    return undefined;
  const isGood =
    foldChecksum(sumOctets(0, bytes, at, ip.ihl * 4)) === 0 && icmpChecksumGood(bytes, payloadAt, payloadEnd);
  if (!isGood) return undefined;
  icmp.type = IcmpType.ECHO_REPLY;
  return icmpPacket(address, ip.src, ip.dscp);
}

/** What a host whose `packet` (from its IP header on) could not be delivered is told, by itself: nobody answers for the address. */
export function hostUnreachable(packet: Uint8Array): Uint8Array | undefined {
  if (decodeIpv4(packet, 0, packet.length, ip, true) !== 'ok') return undefined;
  icmp.clear();
  icmp.type = IcmpType.UNREACHABLE;
  icmp.code = UnreachableCode.HOST;
  icmp.payload.push(packet, 0, Math.min(packet.length, ip.payloadAt + 8));
  return icmpPacket(ip.src, ip.src, 0);
}

/** `icmp` in an IPv4 packet of its own. */
function icmpPacket(src: Ipv4, dst: Ipv4, dscp: number): Uint8Array {
  const packet = new Uint8Array(IPV4_HEADER_LEN + ICMP_HEADER_LEN + icmp.payload.len);
  ip.clear();
  ip.totalLen = packet.length;
  ip.dscp = dscp;
  ip.ttl = TTL;
  ip.protocol = IpProtocol.ICMP;
  ip.src = src;
  ip.dst = dst;
  encodeIpv4(ip, packet, 0);
  encodeIcmp(icmp, packet, IPV4_HEADER_LEN);
  icmp.payload.copyTo(packet, IPV4_HEADER_LEN + ICMP_HEADER_LEN);
  icmp.payload.clear();
  return packet;
}
