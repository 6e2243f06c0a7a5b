/**
 * The Ethernet II header, IEEE 802.3 §3.1, as one reused record of fields, and hardware addresses.
 *
 * VLAN tags are left alone: a tagged frame has EtherType.VLAN and belongs to another interface.
 */
import { readI32, readU16, writeI32, writeU16 } from './octets.ts';

declare const macBrand: unique symbol;
/** A hardware address: 48 bits, the first octet on the wire the highest. */
export type Mac = number & { readonly [macBrand]: true };

/** The one way from a number below 2^48 to a hardware address. */
export const toMac = (n: number): Mac => n as Mac;

export const MAC_BROADCAST = toMac(0xffff_ffff_ffff);
export const MAC_NONE = toMac(0);

export const ETHERNET_HEADER_LEN = 14;

/** IANA's numbers; below 0x0600 the field is an 802.3 length. */
export const EtherType = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd } as const;

/** `text` as a hardware address: six octets of one or two hex digits with colons between; undefined otherwise. */
export function parseMac(text: string): Mac | undefined {
  const parts = text.split(':');
  if (parts.length !== 6) return undefined;
  let mac = 0;
  for (const part of parts) {
    if (!/^[0-9a-fA-F]{1,2}$/.test(part)) return undefined;
    mac = mac * 256 + Number.parseInt(part, 16);
  }
  return toMac(mac);
}

export function macText(mac: Mac): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
}

/** Sent to many: the group bit, IEEE 802 §8.2; broadcast included. */
export const isGroupMac = (mac: Mac): boolean => (Math.floor(mac / 2 ** 40) & 1) !== 0;

/** One frame's header, in or out. One instance is reused for every frame. */
export class EthernetHeader {
  dst: Mac = MAC_NONE;
  src: Mac = MAC_NONE;
  /** EtherType, or below 0x0600 an 802.3 length. */
  type = 0;
}

/** Why octets are no frame; 'ok' when they are. */
export type EthernetDecode = 'ok' | 'ethernet-truncated';

/** Reads the header of the frame in `[at, end)` of `bytes`; what it carries begins ETHERNET_HEADER_LEN further. */
export function decodeEthernet(bytes: Uint8Array, at: number, end: number, header: EthernetHeader): EthernetDecode {
  if (end - at < ETHERNET_HEADER_LEN) return 'ethernet-truncated';
  header.dst = readMac(bytes, at);
  header.src = readMac(bytes, at + 6);
  header.type = readU16(bytes, at + 12);
  return 'ok';
}

/** Writes `header` at `at` of `to`; returns its length. */
export function encodeEthernet(header: EthernetHeader, to: Uint8Array, at: number): number {
  writeMac(to, at, header.dst);
  writeMac(to, at + 6, header.src);
  writeU16(to, at + 12, header.type);
  return ETHERNET_HEADER_LEN;
}

export function readMac(bytes: Uint8Array, at: number): Mac {
  return toMac(readU16(bytes, at) * 2 ** 32 + (readI32(bytes, at + 2) >>> 0));
}

export function writeMac(to: Uint8Array, at: number, mac: Mac): void {
  writeU16(to, at, Math.floor(mac / 2 ** 32));
  writeI32(to, at + 2, mac);
}
