/**
 * Where IP begins in a captured packet, by its link type (tcpdump.org/linktypes.html): Ethernet with any VLAN tags, Linux
 * cooked (both versions), bare IP, and the loopback of BSD and macOS.
 */
import { EtherType } from '../../wire/ethernet.ts';
import { readU16 } from '../../wire/octets.ts';

const Link = {
  NULL: 0,
  EN10MB: 1,
  RAW_BSD: 12,
  RAW_OPENBSD: 14,
  RAW: 101,
  LOOP: 108,
  LINUX_SLL: 113,
  IPV4: 228,
  IPV6: 229,
  LINUX_SLL2: 276,
} as const;

const NAMES: Readonly<Record<number, string>> = {
  [Link.NULL]: 'BSD loopback',
  [Link.EN10MB]: 'Ethernet',
  [Link.RAW_BSD]: 'raw IP',
  [Link.RAW_OPENBSD]: 'raw IP',
  [Link.RAW]: 'raw IP',
  [Link.LOOP]: 'OpenBSD loopback',
  [Link.LINUX_SLL]: 'Linux cooked',
  [Link.IPV4]: 'raw IPv4',
  [Link.IPV6]: 'raw IPv6',
  [Link.LINUX_SLL2]: 'Linux cooked v2',
};

/** 802.1ad and the tag some switches used before it. */
const SERVICE_TAG = 0x88a8;
const OLD_SERVICE_TAG = 0x9100;

/** Not IP: ARP, another protocol, an 802.3 frame, or too short to tell. */
export const NO_IP = -1;
/** A link type that isn't read. */
export const UNKNOWN_LINK = -2;

/** The offset of the IP header in `[at, end)`, or NO_IP, or UNKNOWN_LINK. */
export function ipAt(bytes: Uint8Array, at: number, end: number, linkType: number): number {
  switch (linkType) {
    case Link.EN10MB:
      return at + 14 <= end ? behindTags(bytes, at + 12, end) : NO_IP;
    case Link.LINUX_SLL:
      return at + 16 <= end ? behindTags(bytes, at + 14, end) : NO_IP;
    case Link.LINUX_SLL2:
      return at + 20 <= end && isIp(readU16(bytes, at)) ? at + 20 : NO_IP;
    case Link.RAW:
    case Link.RAW_BSD:
    case Link.RAW_OPENBSD:
    case Link.IPV4:
    case Link.IPV6:
      return at;
    // Four octets of address family, in either byte order and with numbers that differ between systems: the version of IP
    // itself tells more.
    case Link.NULL:
    case Link.LOOP:
      return at + 5 <= end && (bytes[at + 4]! >>> 4 === 4 || bytes[at + 4]! >>> 4 === 6) ? at + 4 : NO_IP;
    default:
      return UNKNOWN_LINK;
  }
}

/** What follows the ethertype at `at`, tags passed over. */
function behindTags(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i + 2 <= end) {
    const type = readU16(bytes, i);
    if (isIp(type)) return i + 2;
    if (type !== EtherType.VLAN && type !== SERVICE_TAG && type !== OLD_SERVICE_TAG) return NO_IP;
    i += 4;
  }
  return NO_IP;
}

const isIp = (type: number): boolean => type === EtherType.IPV4 || type === EtherType.IPV6;

/** 'Ethernet', or 'link type 147' for one that isn't read. */
export const linkTypeText = (linkType: number): string => NAMES[linkType] ?? `link type ${linkType}`;
