/**
 * Transport checksums that a sender left to hardware: seeing them and completing them, for taps that change octets or
 * show them. Sender and hardware agree that the field holds the pseudo-header's sum, not complemented.
 */
import { foldChecksum, pseudoHeaderSum, sumOctets } from '../../wire/checksum.ts';
import { decodeIpv4, IpProtocol, Ipv4Header } from '../../wire/ipv4.ts';
import { readU16, writeU16 } from '../../wire/octets.ts';
import type { ChecksumState } from '../link.ts';

const TCP_CHECKSUM_AT = 16;
const UDP_CHECKSUM_AT = 6;
const ip = new Ipv4Header();

/** Where the packet in `[at, end)` has a transport checksum with a pseudo-header; 0 when it has none, or is a fragment. */
function checksumFieldAt(bytes: Uint8Array, at: number, end: number): number {
  if (decodeIpv4(bytes, at, end, ip, true) !== 'ok' || ip.isFragment) return 0;
  const offset =
    ip.protocol === IpProtocol.TCP ? TCP_CHECKSUM_AT : ip.protocol === IpProtocol.UDP ? UDP_CHECKSUM_AT : 0;
  const fieldAt = ip.payloadAt + offset;
  return offset > 0 && fieldAt + 2 <= ip.payloadEnd ? fieldAt : 0;
}

/**
 * Completes the transport checksum of the packet in `[at, end)`, in place, when it was left to hardware: `known` says
 * so, or says nothing ('unverified') and the field holds just the pseudo-header's sum. True when it did.
 * A 'verified' one is completed as well: merged frames come with the field as the sender left it.
 */
export function completeChecksum(bytes: Uint8Array, at: number, end: number, known: ChecksumState): boolean {
  const fieldAt = checksumFieldAt(bytes, at, end);
  if (fieldAt === 0) return false;
  const transportLen = ip.payloadEnd - ip.payloadAt;
  const pseudo = pseudoHeaderSum(ip.src, ip.dst, ip.protocol, transportLen);
  const before = readU16(bytes, fieldAt);
  if (known === 'unverified' && before !== pseudo) return false;
  writeU16(bytes, fieldAt, 0);
  const right = foldChecksum(sumOctets(pseudo, bytes, ip.payloadAt, transportLen));
  // Zero in UDP means none was made (RFC 768); the other zero says the same sum.
  writeU16(bytes, fieldAt, right === 0 && ip.protocol === IpProtocol.UDP ? 0xffff : right);
  return right !== before;
}

/**
 * Where the packet's checksum lies if it is the very value a sender leaves to hardware, as happens to one complete
 * packet in 65536; 0 otherwise. A receiver takes such a packet for good whatever its octets.
 */
export function ambiguousChecksumAt(bytes: Uint8Array, at: number, end: number): number {
  const fieldAt = checksumFieldAt(bytes, at, end);
  if (fieldAt === 0) return 0;
  const pseudo = pseudoHeaderSum(ip.src, ip.dst, ip.protocol, ip.payloadEnd - ip.payloadAt);
  return readU16(bytes, fieldAt) === pseudo ? fieldAt : 0;
}

/** `[from, to)` of the packet in `[at, end)`: what its IP header carries; all of it when it is no IPv4 packet. */
export function payloadRange(bytes: Uint8Array, at: number, end: number): readonly [from: number, to: number] {
  if (decodeIpv4(bytes, at, end, ip, true) !== 'ok' || ip.payloadAt === ip.payloadEnd) return [at, end];
  return [ip.payloadAt, ip.payloadEnd];
}
