/**
 * As much of IPv6 (RFC 8200) as is needed to look at captures: where the transport begins behind the extension headers, and
 * addresses as text (RFC 5952). The stack itself speaks IPv4.
 */
import { IpProtocol } from './ipv4.ts';
import { readU16 } from './octets.ts';

export const IPV6_HEADER_LEN = 40;

export const Ipv6At = { PAYLOAD_LEN: 4, NEXT_HEADER: 6, SRC: 8, DST: 24 } as const;

/** Extension headers with a next header and a length in front, §4. */
const NEXT = { HOP_BY_HOP: 0, ROUTING: 43, FRAGMENT: 44, AUTHENTICATION: 51, DESTINATION: 60 } as const;

/** Where TCP begins in the packet at `[at, end)`; 'fragment' for a part of a datagram. */
export function tcpInIpv6(bytes: Uint8Array, at: number, end: number): number | 'no-tcp' | 'fragment' | 'truncated' {
  if (end - at < IPV6_HEADER_LEN) return 'truncated';
  let next = bytes[at + Ipv6At.NEXT_HEADER]!;
  let i = at + IPV6_HEADER_LEN;
  for (;;) {
    if (next === IpProtocol.TCP) return i;
    if (i + 8 > end) return 'truncated';
    switch (next) {
      case NEXT.HOP_BY_HOP:
      case NEXT.ROUTING:
      case NEXT.DESTINATION:
        next = bytes[i]!;
        i += (bytes[i + 1]! + 1) * 8;
        break;
      case NEXT.AUTHENTICATION:
        next = bytes[i]!;
        i += (bytes[i + 1]! + 2) * 4;
        break;
      case NEXT.FRAGMENT:
        // An offset and a flag of zero: a datagram that was never cut (RFC 6946).
        if ((readU16(bytes, i + 2) & 0xfff9) !== 0) return bytes[i] === IpProtocol.TCP ? 'fragment' : 'no-tcp';
        next = bytes[i]!;
        i += 8;
        break;
      default:
        return 'no-tcp';
    }
  }
}

/** Eight groups, 32 bits a word, as RFC 5952 §4 wants them: lower case, the longest run of zeros as '::'. */
export function ipv6Text(words: readonly [number, number, number, number]): string {
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  let bestFrom = -1;
  let bestLen = 1;
  for (let i = 0; i < groups.length; i++) {
    let len = 0;
    while (groups[i + len] === 0) len++;
    if (len > bestLen) {
      bestFrom = i;
      bestLen = len;
    }
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (bestFrom < 0) return hex(groups);
  return `${hex(groups.slice(0, bestFrom))}::${hex(groups.slice(bestFrom + bestLen))}`;
}

/** `text` as four words; undefined when it is no IPv6 address (without a zone, without dotted IPv4). */
export function parseIpv6(text: string): readonly [number, number, number, number] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groupsOf = (part: string): (number | undefined)[] =>
    part === '' ? [] : part.split(':').map((g) => (/^[0-9a-fA-F]{1,4}$/.test(g) ? Number.parseInt(g, 16) : undefined));
  const left = groupsOf(halves[0]!);
  const right = halves.length === 2 ? groupsOf(halves[1]!) : [];
  const missing = 8 - left.length - right.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...left, ...new Array<number>(missing).fill(0), ...right];
  if (groups.includes(undefined)) return undefined;
  const word = (i: number): number => (groups[2 * i]! << 16) | groups[2 * i + 1]! | 0;
  return [word(0), word(1), word(2), word(3)];
}
