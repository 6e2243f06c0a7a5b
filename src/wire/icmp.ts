/**
 * ICMP, RFC 792: a reused record of fields, and the part of a datagram that an error quotes. Next-hop MTU as in
 * RFC 1191 §4, length of the quote as in RFC 4884 §4.
 *
 * What an error means for a connection, and whether to believe it (RFC 5927), is for the stack to say.
 */
import { Gather } from '../base/gather.ts';
import { type Seq, toSeq } from '../base/seq.ts';
import { foldChecksum, sumGather, sumOctets } from './checksum.ts';
import { decodeQuotedIpv4, type Ipv4Decode, Ipv4Header } from './ipv4.ts';
import { readI32, readU16, writeI32, writeU16 } from './octets.ts';

export const ICMP_HEADER_LEN = 8;

export const IcmpType = {
  ECHO_REPLY: 0,
  UNREACHABLE: 3,
  SOURCE_QUENCH: 4,
  REDIRECT: 5,
  ECHO: 8,
  TIME_EXCEEDED: 11,
  PARAMETER_PROBLEM: 12,
} as const;

/** Codes of UNREACHABLE: RFC 792, RFC 1122 §3.2.2.1 (6 to 12), RFC 1812 §5.2.7.1 (13 to 15). */
export const UnreachableCode = {
  NET: 0,
  HOST: 1,
  PROTOCOL: 2,
  PORT: 3,
  FRAGMENTATION_NEEDED: 4,
  SOURCE_ROUTE_FAILED: 5,
  NET_UNKNOWN: 6,
  HOST_UNKNOWN: 7,
  SOURCE_HOST_ISOLATED: 8,
  NET_PROHIBITED: 9,
  HOST_PROHIBITED: 10,
  NET_TOS: 11,
  HOST_TOS: 12,
  ADMINISTRATIVELY_PROHIBITED: 13,
  HOST_PRECEDENCE_VIOLATION: 14,
  PRECEDENCE_CUTOFF: 15,
} as const;

const UNREACHABLE_TEXT = [
  'network unreachable',
  'host unreachable',
  'protocol unreachable',
  'port unreachable',
  'fragmentation needed and DF set',
  'source route failed',
  'destination network unknown',
  'destination host unknown',
  'source host isolated',
  'communication with destination network prohibited',
  'communication with destination host prohibited',
  'network unreachable for type of service',
  'host unreachable for type of service',
  'communication administratively prohibited',
  'host precedence violation',
  'precedence cutoff in effect',
] as const;

/** What a message says, for people. */
export function icmpText(type: number, code: number): string {
  switch (type) {
    case IcmpType.ECHO_REPLY:
      return 'echo reply';
    case IcmpType.UNREACHABLE:
      return UNREACHABLE_TEXT[code] ?? `destination unreachable, code ${code}`;
    case IcmpType.SOURCE_QUENCH:
      return 'source quench';
    case IcmpType.REDIRECT:
      return 'redirect';
    case IcmpType.ECHO:
      return 'echo request';
    case IcmpType.TIME_EXCEEDED:
      return code === 1 ? 'fragment reassembly time exceeded' : 'time to live exceeded in transit';
    case IcmpType.PARAMETER_PROBLEM:
      return 'parameter problem';
    default:
      return `ICMP type ${type}, code ${code}`;
  }
}

/** Messages about a datagram, which they quote (RFC 1122 §3.2.2). */
export function isIcmpError(type: number): boolean {
  return (
    type === IcmpType.UNREACHABLE ||
    type === IcmpType.SOURCE_QUENCH ||
    type === IcmpType.REDIRECT ||
    type === IcmpType.TIME_EXCEEDED ||
    type === IcmpType.PARAMETER_PROBLEM
  );
}

/** One message, in or out. One instance is reused for every message: keep nothing that points into it. */
export class IcmpMessage {
  type = 0;
  code = 0;
  checksum = 0;
  /** The second word of the header as int32; the properties below are the parts of it that some type gives a meaning. */
  rest = 0;
  /** What follows the header: echo data, or the quoted datagram. */
  readonly payload = new Gather();
  /** Of an error, the quoted datagram: `[quotedAt, quotedEnd)` of the buffer given to decodeIcmp, which alone sets them. */
  quotedAt = 0;
  quotedEnd = 0;

  /** ECHO, ECHO_REPLY. */
  get identifier(): number {
    return this.rest >>> 16;
  }
  set identifier(n: number) {
    this.rest = (n << 16) | (this.rest & 0xffff);
  }

  /** ECHO, ECHO_REPLY. */
  get sequence(): number {
    return this.rest & 0xffff;
  }
  set sequence(n: number) {
    this.rest = (this.rest & ~0xffff) | (n & 0xffff);
  }

  /** UNREACHABLE with FRAGMENTATION_NEEDED: octets, IP header included; 0 from routers older than RFC 1191. */
  get nextHopMtu(): number {
    return this.rest & 0xffff;
  }
  set nextHopMtu(n: number) {
    this.rest = (this.rest & ~0xffff) | (n & 0xffff);
  }

  /** PARAMETER_PROBLEM: which octet of the quoted datagram. */
  get pointer(): number {
    return this.rest >>> 24;
  }
  set pointer(n: number) {
    this.rest = (n << 24) | (this.rest & 0xffffff);
  }

  /** UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM: 32-bit words of quote before RFC 4884 extensions; 0 without those. */
  get quotedWords(): number {
    return (this.rest >>> 16) & 0xff;
  }
  set quotedWords(n: number) {
    this.rest = (this.rest & ~0xff0000) | ((n & 0xff) << 16);
  }

  /** Empties every field, so that what is not set is not sent. */
  clear(): void {
    this.type = 0;
    this.code = 0;
    this.checksum = 0;
    this.rest = 0;
    this.payload.clear();
    this.quotedAt = 0;
    this.quotedEnd = 0;
  }
}

/** Why octets are no ICMP message; 'ok' when they are. */
export type IcmpDecode = 'ok' | 'icmp-truncated';

/** Reads the message in `[at, end)` of `bytes` into `message`, payload by reference. */
export function decodeIcmp(bytes: Uint8Array, at: number, end: number, message: IcmpMessage): IcmpDecode {
  if (end - at < ICMP_HEADER_LEN) return 'icmp-truncated';
  message.clear();
  message.type = bytes[at]!;
  message.code = bytes[at + 1]!;
  message.checksum = readU16(bytes, at + 2);
  message.rest = readI32(bytes, at + 4);
  const payloadAt = at + ICMP_HEADER_LEN;
  if (payloadAt < end) message.payload.push(bytes, payloadAt, end - payloadAt);
  if (isIcmpError(message.type)) {
    message.quotedAt = payloadAt;
    message.quotedEnd = end;
    const quotedLen = hasQuotedWords(message.type) ? message.quotedWords * 4 : 0;
    if (quotedLen > 0 && payloadAt + quotedLen < end) message.quotedEnd = payloadAt + quotedLen;
  }
  return 'ok';
}

function hasQuotedWords(type: number): boolean {
  return type === IcmpType.UNREACHABLE || type === IcmpType.TIME_EXCEEDED || type === IcmpType.PARAMETER_PROBLEM;
}

/** The checksum of the message in `[at, end)` of `bytes` is right. */
export function icmpChecksumGood(bytes: Uint8Array, at: number, end: number): boolean {
  return foldChecksum(sumOctets(0, bytes, at, end - at)) === 0;
}

/**
 * Writes the header of `message` at `at` of `to`, with the checksum of header and payload worked out; returns
 * ICMP_HEADER_LEN. The payload follows as it is gathered; `checksum` is not read.
 */
export function encodeIcmp(message: IcmpMessage, to: Uint8Array, at: number): number {
  to[at] = message.type;
  to[at + 1] = message.code;
  writeU16(to, at + 2, 0);
  writeI32(to, at + 4, message.rest);
  writeU16(to, at + 2, foldChecksum(sumGather(sumOctets(0, to, at, ICMP_HEADER_LEN), message.payload)));
  return ICMP_HEADER_LEN;
}

/** What an error says of the datagram it is about: the IP header and the first eight octets behind it (RFC 792). */
export class IcmpQuote {
  readonly ip = new Ipv4Header();
  /** The transport header's first eight octets, as TCP has them. */
  srcPort = 0;
  dstPort = 0;
  seq: Seq = toSeq(0);
}

/** Why octets are no quote; 'ok' when they are. */
export type IcmpQuoteDecode = Ipv4Decode | 'icmp-quote-truncated';

/**
 * Reads the quoted datagram in `[at, end)` of `bytes` into `quote`. Only its first octets are there, so its total
 * length isn't checked. A later fragment quotes no transport header: see `quote.ip.fragmentOffset`.
 */
export function decodeIcmpQuote(bytes: Uint8Array, at: number, end: number, quote: IcmpQuote): IcmpQuoteDecode {
  const outcome = decodeQuotedIpv4(bytes, at, end, quote.ip);
  if (outcome !== 'ok') return outcome;
  const transportAt = quote.ip.payloadAt;
  if (end - transportAt < 8) return 'icmp-quote-truncated';
  quote.srcPort = readU16(bytes, transportAt);
  quote.dstPort = readU16(bytes, transportAt + 2);
  quote.seq = toSeq(readI32(bytes, transportAt + 4));
  return 'ok';
}
