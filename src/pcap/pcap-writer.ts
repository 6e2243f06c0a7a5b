/**
 * Classic pcap as octets (draft-ietf-opsawg-pcap): the file's header once, then a record per packet. Little-endian,
 * microseconds, version 2.4. Pure: whoever has the file writes what these return.
 */
import type { Micros } from '../base/time.ts';

/** What a record holds, by the numbers of tcpdump.org/linktypes.html: IP packets bare, or Ethernet frames. */
export const LinkType = { EN10MB: 1, RAW: 101 } as const;

/** tcpdump's default and libpcap's limit; longer packets are cut. Octets. */
export const PCAP_SNAPLEN = 262144;

export const PCAP_MAGIC_MICROS = 0xa1b2c3d4;
export const PCAP_HEADER_LEN = 24;
export const PCAP_RECORD_HEADER_LEN = 16;

/** The 24 octets a capture file begins with. */
export function pcapHeader(linkType: number = LinkType.RAW, snaplen: number = PCAP_SNAPLEN): Uint8Array {
  const octets = new Uint8Array(PCAP_HEADER_LEN);
  const view = new DataView(octets.buffer);
  view.setUint32(0, PCAP_MAGIC_MICROS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, snaplen, true);
  view.setUint32(20, linkType, true);
  return octets;
}

/**
 * The 16 octets before a packet of `len` octets, of which the first PCAP_SNAPLEN at most are to follow.
 * `t`: microseconds since 1970, when a reader is to show a date.
 */
export function pcapRecordHeader(t: Micros, len: number): Uint8Array {
  const octets = new Uint8Array(PCAP_RECORD_HEADER_LEN);
  writeRecordHeader(new DataView(octets.buffer), t, len);
  return octets;
}

/** A whole record: header and packet, copied. */
export function pcapRecord(t: Micros, packet: Uint8Array): Uint8Array {
  const capLen = Math.min(packet.length, PCAP_SNAPLEN);
  const octets = new Uint8Array(PCAP_RECORD_HEADER_LEN + capLen);
  writeRecordHeader(new DataView(octets.buffer), t, packet.length);
  octets.set(packet.subarray(0, capLen), PCAP_RECORD_HEADER_LEN);
  return octets;
}

function writeRecordHeader(view: DataView, t: Micros, len: number): void {
  view.setUint32(0, Math.floor(t / 1_000_000), true);
  view.setUint32(4, t % 1_000_000, true);
  view.setUint32(8, Math.min(len, PCAP_SNAPLEN), true);
  view.setUint32(12, len, true);
}
