/**
 * Captures of any format read in bulk: octets are pushed in as they come from the file, and each whole packet is handed to
 * a sink where it lies, without an object of its own. For one packet at a time, to keep, see read-capture.ts.
 *
 * Classic pcap goes through the package pcap-parser, each record's header checked in front of it (see pcap-reader.ts for
 * why), in runs of whole records; nanoseconds and pcapng are read here.
 */
import { EventEmitter } from 'node:events';
import { type Packet, parse } from 'pcap-parser';
import { type Micros, micros } from '../base/time.ts';
import { notACapture, PcapError } from './pcap-error.ts';
import { PCAP_HEADER_LEN, PCAP_MAGIC_MICROS, PCAP_RECORD_HEADER_LEN, PCAP_SNAPLEN } from './pcap-writer.ts';
import { BLOCK_FRAME_LEN, blockLen, Section, type SectionInterface } from './pcapng-reader.ts';
import { BlockType } from './pcapng-writer.ts';
import { joined } from './peek.ts';

const PCAP_MAGIC_NANOS = 0xa1b23c4d;

/** Takes packets: `[at, end)` of `bytes`, valid during the call only; `wireLen` octets of it were on the wire. */
export interface PacketSink {
  packet(t: Micros, bytes: Uint8Array, at: number, end: number, wireLen: number, linkType: number): void;
}

export type CaptureFormat = 'pcap' | 'pcap, nanoseconds' | 'pcapng';

/** One format's records: takes whole ones from the front of `[0, octets.length)` and returns how many octets they were. */
interface RecordReader {
  readonly format: CaptureFormat;
  read(octets: Uint8Array, view: DataView): number;
  /** What the rest of a file that ends inside a record wanted to be, for the message. */
  wanted(octets: Uint8Array, view: DataView): { readonly what: string; readonly len: number };
}

export class CaptureScanner {
  readonly #sink: PacketSink;
  #reader: RecordReader | undefined;
  #rest: Uint8Array = NO_OCTETS;
  #offset = 0;
  #packets = 0;

  constructor(sink: PacketSink) {
    this.#sink = {
      packet: (t, bytes, at, end, wireLen, linkType) => {
        this.#packets++;
        sink.packet(t, bytes, at, end, wireLen, linkType);
      },
    };
  }

  /** Undefined until the first octets have come. */
  get format(): CaptureFormat | undefined {
    return this.#reader?.format;
  }

  /** Whole packets so far. */
  get packets(): number {
    return this.#packets;
  }

  /**
   * The next octets of the file; they are not kept. Throws PcapError where the file is no capture or stops being one, all
   * whole packets before that place handed over.
   */
  push(octets: Uint8Array): void {
    const all = this.#rest.length === 0 ? octets : joined(this.#rest, octets);
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    let taken = 0;
    if (this.#reader === undefined) {
      const begun = beginReader(all, view, this.#sink);
      if (begun !== undefined) {
        this.#reader = begun.reader;
        taken = begun.taken;
        this.#offset += taken;
      }
    }
    if (this.#reader !== undefined) {
      const octetsLeft = taken === 0 ? all : all.subarray(taken);
      const before = this.#offset;
      try {
        this.#offset += this.#reader.read(octetsLeft, viewOf(octetsLeft));
        taken += this.#offset - before;
      } catch (error) {
        if (!(error instanceof PcapError)) throw error;
        throw new PcapError(error.code, before + error.offset, textOf(error));
      }
    }
    // A Buffer's own slice would be no copy.
    this.#rest = taken === all.length ? NO_OCTETS : new Uint8Array(all.subarray(taken));
  }

  /** The file has ended. Throws PcapError when it did so inside a record, or held nothing. */
  finish(): void {
    const rest = this.#rest;
    if (this.#reader === undefined) {
      if (rest.length === 0) throw new PcapError('pcap-unknown-format', 0, 'not a capture file: it is empty');
      if (rest.length < 4)
        throw new PcapError('pcap-unknown-format', 0, `not a capture file: it has ${rest.length} octets`);
      throw new PcapError(
        'pcap-truncated',
        0,
        `the capture is cut off: ${rest.length} of ${PCAP_HEADER_LEN} octets of its header`,
      );
    }
    if (rest.length === 0) return;
    const { what, len } = this.#reader.wanted(rest, viewOf(rest));
    throw new PcapError(
      'pcap-truncated',
      this.#offset,
      `the capture is cut off: ${rest.length} of ${len} octets of ${what}`,
    );
  }
}

const NO_OCTETS = new Uint8Array(0);
const viewOf = (octets: Uint8Array): DataView => new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

/** PcapError adds its place to the message; taken off here, since it is counted from another beginning. */
const textOf = (error: PcapError): string => error.message.replace(/ at octet \d+$/, '');

/** The reader of the format that the file's first octets show; undefined when there are too few to tell. */
function beginReader(
  octets: Uint8Array,
  view: DataView,
  sink: PacketSink,
): { readonly reader: RecordReader; readonly taken: number } | undefined {
  if (octets.length < 4) return undefined;
  if (view.getUint32(0) === BlockType.SECTION) return { reader: new BlockReader(sink), taken: 0 };
  const littleEndian = view.getUint32(0, true) === PCAP_MAGIC_MICROS || view.getUint32(0, true) === PCAP_MAGIC_NANOS;
  const magic = view.getUint32(0, littleEndian);
  if (magic !== PCAP_MAGIC_MICROS && magic !== PCAP_MAGIC_NANOS) throw notACapture(view.getUint32(0));
  if (octets.length < PCAP_HEADER_LEN) return undefined;
  const major = view.getUint16(4, littleEndian);
  const minor = view.getUint16(6, littleEndian);
  if (major !== 2 || minor !== 4)
    throw new PcapError('pcap-bad-version', 4, `pcap version ${major}.${minor}, where 2.4 is known,`);
  const linkType = view.getUint32(20, littleEndian) & 0x03ffffff;
  const reader =
    magic === PCAP_MAGIC_NANOS
      ? new NanosReader(littleEndian, linkType, sink)
      : new MicrosReader(littleEndian, linkType, new Uint8Array(octets.subarray(0, PCAP_HEADER_LEN)), sink);
  return { reader, taken: PCAP_HEADER_LEN };
}

/** How long the record at `at` is; undefined when it is not all there. */
function recordLen(view: DataView, at: number, littleEndian: boolean): number | undefined {
  if (view.byteLength - at < PCAP_RECORD_HEADER_LEN) return undefined;
  const capLen = view.getUint32(at + 8, littleEndian);
  if (capLen > PCAP_SNAPLEN)
    throw new PcapError(
      'pcap-bad-length',
      at,
      `a record of ${capLen} octets, where none has more than ${PCAP_SNAPLEN},`,
    );
  const len = PCAP_RECORD_HEADER_LEN + capLen;
  return len > view.byteLength - at ? undefined : len;
}

function wantedRecord(view: DataView, littleEndian: boolean): { readonly what: string; readonly len: number } {
  const known = view.byteLength >= PCAP_RECORD_HEADER_LEN;
  return { what: 'a record', len: PCAP_RECORD_HEADER_LEN + (known ? view.getUint32(8, littleEndian) : 0) };
}

/** Classic pcap, by the package: it is given runs of records that were looked through, and knows of no others. */
class MicrosReader implements RecordReader {
  readonly format = 'pcap';
  readonly #littleEndian: boolean;
  readonly #input = Object.assign(new EventEmitter(), { pause: () => {}, resume: () => {} });

  constructor(littleEndian: boolean, linkType: number, header: Uint8Array, sink: PacketSink) {
    this.#littleEndian = littleEndian;
    const parser = parse(this.#input);
    parser.on('packet', ({ header: h, data }: Packet) => {
      const t = micros(h.timestampSeconds * 1_000_000 + h.timestampMicroseconds);
      sink.packet(t, data, 0, data.length, h.originalLength, linkType);
    });
    parser.on('error', (error) => {
      throw error;
    });
    this.#input.emit('data', asBuffer(header));
  }

  read(octets: Uint8Array, view: DataView): number {
    let at = 0;
    let broken: unknown;
    try {
      for (let len = recordLen(view, at, this.#littleEndian); len !== undefined; ) {
        at += len;
        len = recordLen(view, at, this.#littleEndian);
      }
    } catch (error) {
      broken = error;
    }
    if (at > 0) this.#input.emit('data', asBuffer(octets.subarray(0, at)));
    if (broken !== undefined) throw broken;
    return at;
  }

  wanted(_octets: Uint8Array, view: DataView): { readonly what: string; readonly len: number } {
    return wantedRecord(view, this.#littleEndian);
  }
}

const asBuffer = (octets: Uint8Array): Buffer => Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);

/** The variant with nanoseconds, which the package refuses. */
class NanosReader implements RecordReader {
  readonly format = 'pcap, nanoseconds';
  readonly #littleEndian: boolean;
  readonly #linkType: number;
  readonly #sink: PacketSink;

  constructor(littleEndian: boolean, linkType: number, sink: PacketSink) {
    this.#littleEndian = littleEndian;
    this.#linkType = linkType;
    this.#sink = sink;
  }

  read(octets: Uint8Array, view: DataView): number {
    const le = this.#littleEndian;
    let at = 0;
    for (;;) {
      const len = recordLen(view, at, le);
      if (len === undefined) return at;
      const t = micros(view.getUint32(at, le) * 1_000_000 + Math.floor(view.getUint32(at + 4, le) / 1000));
      const wireLen = view.getUint32(at + 12, le);
      this.#sink.packet(t, octets, at + PCAP_RECORD_HEADER_LEN, at + len, wireLen, this.#linkType);
      at += len;
    }
  }

  wanted(_octets: Uint8Array, view: DataView): { readonly what: string; readonly len: number } {
    return wantedRecord(view, this.#littleEndian);
  }
}

/** pcapng: what describes is left to Section, and the packets in between are taken where they lie. */
class BlockReader implements RecordReader {
  readonly format = 'pcapng';
  readonly #section = new Section();
  readonly #sink: PacketSink;
  #begun = false;

  constructor(sink: PacketSink) {
    this.#sink = sink;
  }

  read(octets: Uint8Array, view: DataView): number {
    let at = 0;
    while (view.byteLength - at >= BLOCK_FRAME_LEN) {
      const len = blockLen(view, this.#section, at, !this.#begun);
      this.#begun = true;
      if (len > view.byteLength - at) break;
      this.#block(octets, view, at, len);
      at += len;
    }
    return at;
  }

  wanted(_octets: Uint8Array, view: DataView): { readonly what: string; readonly len: number } {
    const known = view.byteLength >= BLOCK_FRAME_LEN;
    return { what: 'a block', len: known ? view.getUint32(4, this.#section.littleEndian) : BLOCK_FRAME_LEN };
  }

  #block(octets: Uint8Array, view: DataView, at: number, len: number): void {
    const le = this.#section.littleEndian;
    if (view.getUint32(at + len - 4, le) !== len)
      throw new PcapError(
        'pcap-bad-length',
        at,
        `a block whose two lengths differ (${len} and ${view.getUint32(at + len - 4, le)})`,
      );
    if (view.getUint32(at, le) !== BlockType.PACKET) {
      const block = new Uint8Array(octets.subarray(at, at + len));
      const packet = this.#section.take(viewOf(block), at);
      if (packet !== undefined)
        this.#sink.packet(packet.t, packet.octets, 0, packet.octets.length, packet.wireLen, packet.linkType);
      return;
    }
    const on = this.#section.interfaceAt(view.getUint32(at + 8, le), at);
    const capLen = view.getUint32(at + 20, le);
    if (28 + capLen > len - 4)
      throw new PcapError('pcap-bad-length', at, `a packet of ${capLen} octets in a block of ${len}`);
    const t = blockTime(view.getUint32(at + 12, le), view.getUint32(at + 16, le), on);
    this.#sink.packet(t, octets, at + 28, at + 28 + capLen, view.getUint32(at + 24, le), on.linkType);
  }
}

/** 64 bits of units since 1970 as microseconds; exact in double precision for micro- and nanoseconds. */
function blockTime(high: number, low: number, { perSecond }: SectionInterface): Micros {
  if (perSecond === 1_000_000n) return micros(high * 2 ** 32 + low);
  // 2^32 = 4 294 967 × 1000 + 296.
  if (perSecond === 1_000_000_000n) return micros(high * 4_294_967 + Math.floor((high * 296 + low) / 1000));
  return micros(Number((((BigInt(high) << 32n) | BigInt(low)) * 1_000_000n) / perSecond));
}
