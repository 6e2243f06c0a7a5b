/**
 * ARP for IPv4 over Ethernet, RFC 826, as one reused record of fields under the RFC's names without their `ar$`.
 */
import { EtherType, MAC_NONE, type Mac, readMac, writeMac } from './ethernet.ts';
import { type Ipv4, readIpv4, toIpv4, writeIpv4 } from './ipv4.ts';
import { readU16, writeU16 } from './octets.ts';

/** Octets; a frame's padding follows. */
export const ARP_LEN = 28;

export const ArpOp = { REQUEST: 1, REPLY: 2 } as const;

const HARDWARE_ETHERNET = 1;

export class ArpPacket {
  /** ArpOp, or whatever came. */
  op: number = ArpOp.REQUEST;
  /** Sender's hardware and protocol address. */
  sha: Mac = MAC_NONE;
  spa: Ipv4 = toIpv4(0);
  /** Target's; `tha` means nothing in a request. */
  tha: Mac = MAC_NONE;
  tpa: Ipv4 = toIpv4(0);
}

/** Why octets are no ARP packet we can read; 'ok' when they are. */
export type ArpDecode = 'ok' | 'arp-truncated' | 'arp-not-ethernet-ipv4';

/** Reads the packet in `[at, end)` of `bytes` into `arp`; what follows its 28 octets is padding. */
export function decodeArp(bytes: Uint8Array, at: number, end: number, arp: ArpPacket): ArpDecode {
  if (end - at < ARP_LEN) return 'arp-truncated';
  const isEthernetIpv4 =
    readU16(bytes, at) === HARDWARE_ETHERNET &&
    readU16(bytes, at + 2) === EtherType.IPV4 &&
    bytes[at + 4] === 6 &&
    bytes[at + 5] === 4;
  if (!isEthernetIpv4) return 'arp-not-ethernet-ipv4';
  arp.op = readU16(bytes, at + 6);
  arp.sha = readMac(bytes, at + 8);
  arp.spa = readIpv4(bytes, at + 14);
  arp.tha = readMac(bytes, at + 18);
  arp.tpa = readIpv4(bytes, at + 24);
  return 'ok';
}

/** Writes `arp` at `at` of `to`; returns ARP_LEN. */
export function encodeArp(arp: ArpPacket, to: Uint8Array, at: number): number {
  writeU16(to, at, HARDWARE_ETHERNET);
  writeU16(to, at + 2, EtherType.IPV4);
  to[at + 4] = 6;
  to[at + 5] = 4;
  writeU16(to, at + 6, arp.op);
  writeMac(to, at + 8, arp.sha);
  writeIpv4(to, at + 14, arp.spa);
  writeMac(to, at + 18, arp.tha);
  writeIpv4(to, at + 24, arp.tpa);
  return ARP_LEN;
}
