/**
 * IPv4 addresses and the IPv4 header, RFC 791 §3.1, as one reused record of fields.
 *
 * Checks that things fit and judges nothing: whether the checksum is good is a question of its own
 * (`ipv4ChecksumGood`), whether an address makes sense is for the stack to say.
 */
import { foldChecksum, sumOctets } from './checksum.ts';
import { readI32, readU16, writeI32, writeU16 } from './octets.ts';

declare const ipv4Brand: unique symbol;
/** An IPv4 address as int32 in host order: 127.0.0.1 is 0x7f000001. */
export type Ipv4 = number & { readonly [ipv4Brand]: true };

/** The one way from a number (32 bits, signed or not) to an address. */
export const toIpv4 = (n: number): Ipv4 => (n | 0) as Ipv4;

export const IPV4_HEADER_LEN = 20;
export const IPV4_MAX_HEADER_LEN = 60;

/** Protocol numbers, IANA. */
export const IpProtocol = { ICMP: 1, TCP: 6, UDP: 17 } as const;

/** The three flag bits, RFC 791 §3.1; RESERVED is sent as 0. */
export const Ipv4Flag = { MF: 1, DF: 2, RESERVED: 4 } as const;

/** Where the header's fields lie, octets from its start, for those that patch a packet in place. */
export const Ipv4At = {
  TOTAL_LEN: 2,
  ID: 4,
  FRAGMENT: 6,
  TTL: 8,
  PROTOCOL: 9,
  CHECKSUM: 10,
  SRC: 12,
  DST: 16,
} as const;

/** `text` as an address; undefined when it is not four decimal octets, dotted, without leading zeros. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return undefined;
    const octet = Number(part);
    if (octet > 255) return undefined;
    address = (address << 8) | octet;
  }
  return toIpv4(address);
}

export function ipv4Text(a: Ipv4): string {
  return `${a >>> 24}.${(a >>> 16) & 0xff}.${(a >>> 8) & 0xff}.${a & 0xff}`;
}

/** 224.0.0.0/4, RFC 1112 §4. */
export const isMulticast = (a: Ipv4): boolean => a >>> 28 === 14;
/** 127.0.0.0/8, RFC 1122 §3.2.1.3. */
export const isLoopback = (a: Ipv4): boolean => a >>> 24 === 127;
/** The limited broadcast address, 255.255.255.255. */
export const isBroadcast = (a: Ipv4): boolean => a === -1;
/** 0.0.0.0: no address. */
export const isUnspecified = (a: Ipv4): boolean => a === 0;

/** `a` lies in `network`/`prefixLen`; prefixLen 0 to 32. Host bits of `network` don't count. */
export function inPrefix(a: Ipv4, network: Ipv4, prefixLen: number): boolean {
  return prefixLen === 0 || (a ^ network) >>> (32 - prefixLen) === 0;
}

/** `a` is the broadcast address of `network`/`prefixLen`; a prefix of 31 or 32 has none (RFC 3021). */
export function isDirectedBroadcast(a: Ipv4, network: Ipv4, prefixLen: number): boolean {
  return prefixLen > 0 && prefixLen < 31 && inPrefix(a, network, prefixLen) && (a | (-1 << (32 - prefixLen))) === -1;
}

/** One IPv4 header, in or out. One instance is reused for every packet: keep nothing that points into it. */
export class Ipv4Header {
  version = 4;
  /** Header length in 32-bit words. decodeIpv4 sets it; encodeIpv4 works it out. */
  ihl = 5;
  /** RFC 2474, six bits. */
  dscp = 0;
  /** RFC 3168, two bits. */
  ecn = 0;
  /** Octets, header included, as in the field. */
  totalLen = 0;
  id = 0;
  /** Ipv4Flag bits. */
  flags = 0;
  /** Octets (the field times 8). */
  fragmentOffset = 0;
  ttl = 0;
  protocol = 0;
  checksum = 0;
  src: Ipv4 = toIpv4(0);
  dst: Ipv4 = toIpv4(0);
  /** Option octets, padding included. encodeIpv4 sends them, padded with zeros to a multiple of four; at most 40. */
  optionsBuf: Uint8Array = NO_OCTETS;
  optionsAt = 0;
  optionsLen = 0;
  /** What the packet carries, `[payloadAt, payloadEnd)` of the buffer given to decodeIpv4, which alone sets them. */
  payloadAt = 0;
  payloadEnd = 0;

  /** Part of a datagram rather than a whole one. */
  get isFragment(): boolean {
    return (this.flags & Ipv4Flag.MF) !== 0 || this.fragmentOffset !== 0;
  }

  /** Empties every field, so that what is not set is not sent. */
  clear(): void {
    this.version = 4;
    this.ihl = 5;
    this.dscp = 0;
    this.ecn = 0;
    this.totalLen = 0;
    this.id = 0;
    this.flags = 0;
    this.fragmentOffset = 0;
    this.ttl = 0;
    this.protocol = 0;
    this.checksum = 0;
    this.src = toIpv4(0);
    this.dst = toIpv4(0);
    this.optionsBuf = NO_OCTETS;
    this.optionsAt = 0;
    this.optionsLen = 0;
    this.payloadAt = 0;
    this.payloadEnd = 0;
  }
}

const NO_OCTETS = new Uint8Array(0);

/**
 * Why octets are no IPv4 packet; 'ok' when they are. 'ip-truncated': fewer octets than the header says there are.
 * 'ip-bad-length': the total length ends inside the header.
 */
export type Ipv4Decode = 'ok' | 'ip-truncated' | 'ip-not-version-4' | 'ip-bad-ihl' | 'ip-bad-length';

/**
 * Reads the packet in `[at, end)` of `bytes` into `header`. Octets beyond the total length are the frame's padding.
 * `zeroMeansAll`: a total length of 0 stands for all there is, as in a merged frame too long for the field.
 */
export function decodeIpv4(
  bytes: Uint8Array,
  at: number,
  end: number,
  header: Ipv4Header,
  zeroMeansAll = false,
): Ipv4Decode {
  const outcome = readHeader(bytes, at, end, header);
  if (outcome !== 'ok') return outcome;
  const packetLen = header.totalLen === 0 && zeroMeansAll ? end - at : header.totalLen;
  if (packetLen < header.ihl * 4) return 'ip-bad-length';
  if (packetLen > end - at) return 'ip-truncated';
  header.payloadEnd = at + packetLen;
  return 'ok';
}

/**
 * Reads a packet of which only the first octets are in `[at, end)`, as ICMP errors quote it: the total length is read
 * and not checked (some hosts alter it before they quote), and the payload is what is there.
 */
export function decodeQuotedIpv4(bytes: Uint8Array, at: number, end: number, header: Ipv4Header): Ipv4Decode {
  return readHeader(bytes, at, end, header);
}

/** Everything but the total length's check; the payload ends at `end`. */
function readHeader(bytes: Uint8Array, at: number, end: number, header: Ipv4Header): Ipv4Decode {
  if (end - at < 1) return 'ip-truncated';
  const first = bytes[at]!;
  if (first >>> 4 !== 4) return 'ip-not-version-4';
  if (end - at < IPV4_HEADER_LEN) return 'ip-truncated';
  const ihl = first & 0xf;
  if (ihl < 5) return 'ip-bad-ihl';
  const headerLen = ihl * 4;
  if (headerLen > end - at) return 'ip-truncated';

  header.version = 4;
  header.ihl = ihl;
  header.dscp = bytes[at + 1]! >>> 2;
  header.ecn = bytes[at + 1]! & 3;
  header.totalLen = readU16(bytes, at + Ipv4At.TOTAL_LEN);
  header.id = readU16(bytes, at + Ipv4At.ID);
  const fragment = readU16(bytes, at + Ipv4At.FRAGMENT);
  header.flags = fragment >>> 13;
  header.fragmentOffset = (fragment & 0x1fff) << 3;
  header.ttl = bytes[at + Ipv4At.TTL]!;
  header.protocol = bytes[at + Ipv4At.PROTOCOL]!;
  header.checksum = readU16(bytes, at + Ipv4At.CHECKSUM);
  header.src = readIpv4(bytes, at + Ipv4At.SRC);
  header.dst = readIpv4(bytes, at + Ipv4At.DST);
  header.optionsBuf = bytes;
  header.optionsAt = at + IPV4_HEADER_LEN;
  header.optionsLen = headerLen - IPV4_HEADER_LEN;
  header.payloadAt = at + headerLen;
  header.payloadEnd = end;
  return 'ok';
}

/** The checksum of the header that `decodeIpv4` read from `bytes` at `at` is right. */
export function ipv4ChecksumGood(bytes: Uint8Array, at: number, header: Ipv4Header): boolean {
  return foldChecksum(sumOctets(0, bytes, at, header.ihl * 4)) === 0;
}

/**
 * Writes `header` at `at` of `to`, with its checksum worked out; returns the header's length. `totalLen` is sent as it
 * is set; `version`, `ihl` and `checksum` are not read. `to` has IPV4_MAX_HEADER_LEN octets of room, or what it takes.
 */
export function encodeIpv4(header: Ipv4Header, to: Uint8Array, at: number): number {
  const headerLen = IPV4_HEADER_LEN + ((header.optionsLen + 3) & ~3);
  to[at] = 0x40 | (headerLen >>> 2);
  to[at + 1] = (header.dscp << 2) | (header.ecn & 3);
  writeU16(to, at + Ipv4At.TOTAL_LEN, header.totalLen);
  writeU16(to, at + Ipv4At.ID, header.id);
  writeU16(to, at + Ipv4At.FRAGMENT, (header.flags << 13) | (header.fragmentOffset >>> 3));
  to[at + Ipv4At.TTL] = header.ttl;
  to[at + Ipv4At.PROTOCOL] = header.protocol;
  writeU16(to, at + Ipv4At.CHECKSUM, 0);
  writeIpv4(to, at + Ipv4At.SRC, header.src);
  writeIpv4(to, at + Ipv4At.DST, header.dst);
  for (let i = 0; i < headerLen - IPV4_HEADER_LEN; i++) {
    to[at + IPV4_HEADER_LEN + i] = i < header.optionsLen ? header.optionsBuf[header.optionsAt + i]! : 0;
  }
  writeU16(to, at + Ipv4At.CHECKSUM, foldChecksum(sumOctets(0, to, at, headerLen)));
  return headerLen;
}

export const readIpv4 = (bytes: Uint8Array, at: number): Ipv4 => toIpv4(readI32(bytes, at));
export const writeIpv4 = (to: Uint8Array, at: number, a: Ipv4): void => writeI32(to, at, a);
