/**
 * pcapng as octets (draft-ietf-opsawg-pcapng): a section with its interfaces, then a block per packet with its time in
 * microseconds, its direction and comments, and the interfaces' statistics at the end. Little-endian, version 1.0.
 * Pure: whoever has the file writes what these return.
 */
import type { Micros } from '../base/time.ts';
import { LinkType, PCAP_SNAPLEN } from './pcap-writer.ts';

export const BlockType = {
  SECTION: 0x0a0d0d0a,
  INTERFACE: 1,
  OLD_PACKET: 2,
  SIMPLE: 3,
  STATISTICS: 5,
  PACKET: 6,
} as const;
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** Options of every block, §3.5, and of the blocks written here. */
export const PcapngOption = {
  END: 0,
  COMMENT: 1,
  SHB_OS: 3,
  SHB_USERAPPL: 4,
  IF_NAME: 2,
  IF_TSRESOL: 9,
  EPB_FLAGS: 2,
  ISB_STARTTIME: 2,
  ISB_ENDTIME: 3,
  ISB_IFRECV: 4,
  ISB_IFDROP: 5,
  ISB_OSDROP: 7,
} as const;

/** Microseconds: 10^-6 s. */
const TSRESOL = 6;
/** What an option's length field can say. */
const MAX_OPTION_LEN = 0xffff;

type Option = readonly [code: number, value: Uint8Array];
const utf8 = new TextEncoder();

/** The block a capture begins with. `application`: who writes it, `os`: where. */
export function pcapngSection(o: { readonly application: string; readonly os?: string }): Uint8Array {
  const options: Option[] = [[PcapngOption.SHB_USERAPPL, text(o.application)]];
  if (o.os !== undefined) options.unshift([PcapngOption.SHB_OS, text(o.os)]);
  const { octets, view } = block(BlockType.SECTION, 16, 0, options);
  view.setUint32(8, BYTE_ORDER_MAGIC, true);
  view.setUint16(12, 1, true);
  // The section's length is not known while it is written.
  view.setBigInt64(16, -1n, true);
  return octets;
}

/** An interface; packets name it by its place among them, counted from 0. */
export function pcapngInterface(o: { readonly name: string; readonly linkType?: number }): Uint8Array {
  const { octets, view } = block(BlockType.INTERFACE, 8, 0, [
    [PcapngOption.IF_NAME, text(o.name)],
    [PcapngOption.IF_TSRESOL, Uint8Array.of(TSRESOL)],
  ]);
  view.setUint16(8, o.linkType ?? LinkType.RAW, true);
  view.setUint32(12, PCAP_SNAPLEN, true);
  return octets;
}

export interface PcapngPacketOptions {
  /** Place of its interface; 0 when absent. */
  readonly interface?: number;
  readonly dir?: 'in' | 'out';
  readonly comments?: readonly string[];
}

const INBOUND = 1;
const OUTBOUND = 2;

/** One packet, copied. `t`: microseconds since 1970. */
export function pcapngPacket(t: Micros, packet: Uint8Array, o: PcapngPacketOptions = {}): Uint8Array {
  const capLen = Math.min(packet.length, PCAP_SNAPLEN);
  const options: Option[] = (o.comments ?? []).map((comment) => [PcapngOption.COMMENT, text(comment)] as const);
  if (o.dir !== undefined) {
    const flags = new Uint8Array(4);
    flags[0] = o.dir === 'in' ? INBOUND : OUTBOUND;
    options.push([PcapngOption.EPB_FLAGS, flags]);
  }
  const { octets, view } = block(BlockType.PACKET, 20, capLen, options);
  view.setUint32(8, o.interface ?? 0, true);
  writeTime(view, 12, t);
  view.setUint32(20, capLen, true);
  view.setUint32(24, packet.length, true);
  octets.set(packet.subarray(0, capLen), 28);
  return octets;
}

export interface PcapngStatistics {
  readonly interface?: number;
  readonly startedAt?: Micros;
  /** Packets that arrived. */
  readonly received?: number;
  /** Dropped by the interface. */
  readonly interfaceDrops?: number;
  /** Dropped by the system for want of room. */
  readonly systemDrops?: number;
}

/** What the interface counted up to `t`. */
export function pcapngStatistics(t: Micros, o: PcapngStatistics = {}): Uint8Array {
  const options: Option[] = [];
  if (o.startedAt !== undefined) options.push([PcapngOption.ISB_STARTTIME, time(o.startedAt)]);
  options.push([PcapngOption.ISB_ENDTIME, time(t)]);
  if (o.received !== undefined) options.push([PcapngOption.ISB_IFRECV, count(o.received)]);
  if (o.interfaceDrops !== undefined) options.push([PcapngOption.ISB_IFDROP, count(o.interfaceDrops)]);
  if (o.systemDrops !== undefined) options.push([PcapngOption.ISB_OSDROP, count(o.systemDrops)]);
  const { octets, view } = block(BlockType.STATISTICS, 12, 0, options);
  view.setUint32(8, o.interface ?? 0, true);
  writeTime(view, 12, t);
  return octets;
}

/** A block with its type, both lengths and options in place; `fixedLen` octets for fields and `dataLen` for data are zero. */
function block(
  type: number,
  fixedLen: number,
  dataLen: number,
  options: readonly Option[],
): { readonly octets: Uint8Array; readonly view: DataView } {
  const optionsAt = 8 + fixedLen + padded(dataLen);
  let len = optionsAt + 4;
  for (const [, value] of options) len += 4 + padded(value.length);
  if (options.length > 0) len += 4;
  const octets = new Uint8Array(len);
  const view = new DataView(octets.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, len, true);
  let at = optionsAt;
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    octets.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  view.setUint32(len - 4, len, true);
  return { octets, view };
}

const padded = (len: number): number => (len + 3) & ~3;

/** Cut at a character where it is longer than an option can be. */
function text(s: string): Uint8Array {
  const octets = utf8.encode(s);
  if (octets.length <= MAX_OPTION_LEN) return octets;
  let end = MAX_OPTION_LEN;
  while (end > 0 && (octets[end]! & 0xc0) === 0x80) end--;
  return octets.subarray(0, end);
}

function time(t: Micros): Uint8Array {
  const octets = new Uint8Array(8);
  writeTime(new DataView(octets.buffer), 0, t);
  return octets;
}

/** The high word first, whatever the byte order. */
function writeTime(view: DataView, at: number, t: Micros): void {
  view.setUint32(at, Math.floor(t / 2 ** 32), true);
  view.setUint32(at + 4, t % 2 ** 32, true);
}

function count(n: number): Uint8Array {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, BigInt(n), true);
  return octets;
}
