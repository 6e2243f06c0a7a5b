/**
 * Classic pcap read with the package pcap-parser, one packet at a time.
 *
 * The package loses a truncated last packet in silence, waits for ever (and copies for ever) on a record whose length is
 * absurd, takes versions it doesn't know, and refuses nanoseconds. So every header is checked in front of it, it is given
 * one header or one body at a time, and nanoseconds reach it as microseconds.
 */
import { EventEmitter } from 'node:events';
import { createReadStream } from 'node:fs';
import { type Packet, parse } from 'pcap-parser';
import { type Micros, micros } from '../base/time.ts';
import { OctetReader } from './octet-reader.ts';
import { notACapture, PcapError } from './pcap-error.ts';
import { PCAP_HEADER_LEN, PCAP_MAGIC_MICROS, PCAP_RECORD_HEADER_LEN, PCAP_SNAPLEN } from './pcap-writer.ts';

const PCAP_MAGIC_NANOS = 0xa1b23c4d;
const PCAPNG_MAGIC = 0x0a0d0d0a;

/** One captured packet. */
export interface PcapPacket {
  /** Microseconds since 1970, or whatever the writer's clock counts from. */
  readonly t: Micros;
  /** What was captured of the packet; the caller's to keep. */
  readonly octets: Uint8Array;
  /** The packet's length on the wire, octets: more than `octets` holds when the capture cut it. */
  readonly wireLen: number;
  /** LinkType, or whatever the file says. */
  readonly linkType: number;
}

/** The packets of the capture file at `path`. Rejects with PcapError, or as `fs` does. */
export function readPcapFile(path: string): AsyncGenerator<PcapPacket, void, void> {
  return readPcap(createReadStream(path));
}

/**
 * The packets of a capture, in the file's order. Where the file is broken or cut off, all whole packets before that place
 * come first, then a PcapError with the offset of the record that is not whole.
 */
export async function* readPcap(source: AsyncIterable<Uint8Array>): AsyncGenerator<PcapPacket, void, void> {
  const octets = new OctetReader(source);
  try {
    const format = await readFormat(octets);
    const parser = startParser(format);
    while (octets.held > 0 || (await octets.has(1))) {
      const recordAt = octets.offset;
      if (octets.held < PCAP_RECORD_HEADER_LEN && !(await octets.has(PCAP_RECORD_HEADER_LEN)))
        throw truncated(recordAt, octets.held, PCAP_RECORD_HEADER_LEN);
      const header = recordHeader(octets.take(PCAP_RECORD_HEADER_LEN), format);
      const capLen = header.getUint32(8, format.littleEndian);
      if (capLen > PCAP_SNAPLEN)
        throw new PcapError(
          'pcap-bad-length',
          recordAt,
          `a record of ${capLen} octets, where none has more than ${PCAP_SNAPLEN},`,
        );
      if (octets.held < capLen && !(await octets.has(capLen)))
        throw truncated(recordAt, octets.held + PCAP_RECORD_HEADER_LEN, capLen + PCAP_RECORD_HEADER_LEN);
      const { header: seen, data } = parser.packet(header, octets.take(capLen));
      yield {
        t: micros(seen.timestampSeconds * 1_000_000 + seen.timestampMicroseconds),
        octets: data,
        wireLen: seen.originalLength,
        linkType: format.linkType,
      };
    }
  } finally {
    await octets.close();
  }
}

function truncated(offset: number, got: number, wanted: number): PcapError {
  return new PcapError('pcap-truncated', offset, `the capture is cut off: ${got} of ${wanted} octets of a record`);
}

interface Format {
  /** The file's header, with the magic number of microseconds. */
  readonly header: DataView;
  readonly littleEndian: boolean;
  readonly nanos: boolean;
  readonly linkType: number;
}

/** Reads and checks the 24 octets in front. */
async function readFormat(octets: OctetReader): Promise<Format> {
  if (!(await octets.has(4)))
    throw new PcapError('pcap-unknown-format', 0, `not a capture file: it has ${octets.held} octets`);
  const magic = octets.take(4);
  const bigEndian = new DataView(magic.buffer, magic.byteOffset).getUint32(0);
  const littleEndian = new DataView(magic.buffer, magic.byteOffset).getUint32(0, true);
  if (bigEndian === PCAPNG_MAGIC)
    throw new PcapError('pcap-is-pcapng', 0, 'a pcapng file, where classic pcap is wanted,');
  const isLittleEndian = littleEndian === PCAP_MAGIC_MICROS || littleEndian === PCAP_MAGIC_NANOS;
  const known = isLittleEndian ? littleEndian : bigEndian;
  if (known !== PCAP_MAGIC_MICROS && known !== PCAP_MAGIC_NANOS) throw notACapture(bigEndian);
  if (!(await octets.has(PCAP_HEADER_LEN - 4))) throw truncatedHeader(octets.held + 4);

  const header = new DataView(new ArrayBuffer(PCAP_HEADER_LEN));
  header.setUint32(0, PCAP_MAGIC_MICROS, isLittleEndian);
  new Uint8Array(header.buffer).set(octets.take(PCAP_HEADER_LEN - 4), 4);
  const major = header.getUint16(4, isLittleEndian);
  const minor = header.getUint16(6, isLittleEndian);
  if (major !== 2 || minor !== 4)
    throw new PcapError('pcap-bad-version', 4, `pcap version ${major}.${minor}, where 2.4 is known,`);
  return {
    header,
    littleEndian: isLittleEndian,
    nanos: known === PCAP_MAGIC_NANOS,
    // The bits above say how long the frame check sequences are.
    linkType: header.getUint32(20, isLittleEndian) & 0x03ffffff,
  };
}

function truncatedHeader(got: number): PcapError {
  return new PcapError(
    'pcap-truncated',
    0,
    `the capture is cut off: ${got} of ${PCAP_HEADER_LEN} octets of its header`,
  );
}

/** A record's header of our own, nanoseconds made microseconds. */
function recordHeader(octets: Uint8Array, { nanos, littleEndian }: Format): DataView {
  const header = new DataView(new ArrayBuffer(PCAP_RECORD_HEADER_LEN));
  new Uint8Array(header.buffer).set(octets);
  if (nanos) header.setUint32(4, Math.floor(header.getUint32(4, littleEndian) / 1000), littleEndian);
  return header;
}

/** The package at work: it takes its input from a stream's events and hands back each packet before they return. */
function startParser(format: Format): { packet(header: DataView, body: Uint8Array): Packet } {
  const input = Object.assign(new EventEmitter(), { pause: () => {}, resume: () => {} });
  let packet: Packet | undefined;
  const parser = parse(input);
  parser.on('packet', (p) => {
    packet = p;
  });
  parser.on('error', (error) => {
    throw error;
  });
  const give = (octets: Uint8Array): void => {
    input.emit('data', Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength));
  };
  give(new Uint8Array(format.header.buffer));
  return {
    packet(header, body) {
      packet = undefined;
      give(new Uint8Array(header.buffer));
      if (body.length > 0) give(body);
      if (packet === undefined) throw new Error('pcap-parser gave no packet for a whole record');
      return packet;
    },
  };
}
