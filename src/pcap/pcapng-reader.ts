/**
 * pcapng read (draft-ietf-opsawg-pcapng), one packet at a time: either byte order, any resolution of time, several
 * sections and interfaces, packets enhanced, simple and of the old kind, with their comments. Blocks of other types are
 * passed over, as the draft asks.
 */
import { type Micros, micros } from '../base/time.ts';
import { OctetReader } from './octet-reader.ts';
import { PcapError } from './pcap-error.ts';
import type { PcapPacket } from './pcap-reader.ts';
import { PCAP_SNAPLEN } from './pcap-writer.ts';
import { BlockType, BYTE_ORDER_MAGIC, PcapngOption } from './pcapng-writer.ts';

export interface PcapngPacket extends PcapPacket {
  /** In the file's order. */
  readonly comments: readonly string[];
  readonly dir?: 'in' | 'out';
  /** The interface's name, where the file has it. */
  readonly interface?: string;
}

/** What an interface's block says about the packets that name it. */
export interface SectionInterface {
  readonly linkType: number;
  readonly snaplen: number;
  readonly name: string | undefined;
  /** Units of its time stamps in a second. */
  readonly perSecond: bigint;
}

/** Fixed fields, octets after a block's type and length, and the least of a packet's block. */
const FIXED_LEN: Readonly<Record<number, number>> = {
  [BlockType.SECTION]: 16,
  [BlockType.INTERFACE]: 8,
  [BlockType.OLD_PACKET]: 20,
  [BlockType.SIMPLE]: 4,
  [BlockType.PACKET]: 20,
};
/** Type, length, and the length once more behind. Octets. */
export const BLOCK_FRAME_LEN = 12;
/** A packet and generous options: a longer block is a broken file, and must not be waited for. */
const MAX_BLOCK_LEN = PCAP_SNAPLEN + (1 << 20);
const utf8 = new TextDecoder();

/**
 * The packets of a capture, in the file's order. Where the file is broken or cut off, all whole packets before that place
 * come first, then a PcapError with the offset of the block that is not whole.
 */
export async function* readPcapng(source: AsyncIterable<Uint8Array>): AsyncGenerator<PcapngPacket, void, void> {
  const octets = new OctetReader(source);
  const section = new Section();
  try {
    while (await octets.has(1)) {
      const at = octets.offset;
      const block = await readBlock(octets, section, at);
      const packet = section.take(block, at);
      if (packet !== undefined) yield packet;
    }
    if (octets.offset === 0) throw new PcapError('pcap-unknown-format', 0, 'not a capture file: it is empty');
  } finally {
    await octets.close();
  }
}

/** A whole block. */
async function readBlock(octets: OctetReader, section: Section, at: number): Promise<DataView> {
  if (!(await octets.has(BLOCK_FRAME_LEN))) throw cutOff(at, octets.held, BLOCK_FRAME_LEN);
  const head = octets.take(BLOCK_FRAME_LEN);
  const len = blockLen(viewOf(head), section, 0, at === 0, at);
  const rest = len - BLOCK_FRAME_LEN;
  if (!(await octets.has(rest))) throw cutOff(at, octets.held + BLOCK_FRAME_LEN, len);
  const whole = new Uint8Array(len);
  whole.set(head);
  if (rest > 0) whole.set(octets.take(rest), BLOCK_FRAME_LEN);
  const block = viewOf(whole);
  if (block.getUint32(len - 4, section.littleEndian) !== len)
    throw new PcapError(
      'pcap-bad-length',
      at,
      `a block whose two lengths differ (${len} and ${block.getUint32(len - 4, section.littleEndian)})`,
    );
  return block;
}

/**
 * How long the block at `at` of `view` says it is, checked; `offset` is its place in the file for messages. Sets the byte
 * order first where a section begins. All of the block's first BLOCK_FRAME_LEN octets are there.
 */
export function blockLen(view: DataView, section: Section, at: number, isFirst: boolean, offset: number = at): number {
  // The magic number of this block reads the same either way.
  if (view.getUint32(at) === BlockType.SECTION) section.begin(view, at, offset);
  else if (isFirst) throw new PcapError('pcap-unknown-format', offset, 'not a pcapng file: it begins with no section');
  const len = view.getUint32(at + 4, section.littleEndian);
  const type = view.getUint32(at, section.littleEndian);
  const least = BLOCK_FRAME_LEN + (FIXED_LEN[type] ?? 0);
  if (len < least || len % 4 !== 0 || len > MAX_BLOCK_LEN)
    throw new PcapError('pcap-bad-length', offset, `a block of ${len} octets`);
  return len;
}

const viewOf = (octets: Uint8Array): DataView => new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
const cutOff = (at: number, got: number, wanted: number): PcapError =>
  new PcapError('pcap-truncated', at, `the capture is cut off: ${got} of ${wanted} octets of a block`);

/** What the blocks before say about those that follow. */
export class Section {
  littleEndian = true;
  #interfaces: SectionInterface[] = [];

  /** A section's block lies at `at` of `view`, and at `offset` of the file. */
  begin(view: DataView, at: number, offset: number): void {
    const isLittle = view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC;
    if (!isLittle && view.getUint32(at + 8) !== BYTE_ORDER_MAGIC)
      throw new PcapError('pcap-unknown-format', offset, 'a section without a byte-order magic');
    this.littleEndian = isLittle;
    this.#interfaces = [];
  }

  /** The block's packet, if it is one. */
  take(block: DataView, at: number): PcapngPacket | undefined {
    const le = this.littleEndian;
    switch (block.getUint32(0, le)) {
      case BlockType.SECTION: {
        const major = block.getUint16(12, le);
        if (major !== 1)
          throw new PcapError(
            'pcap-bad-version',
            at,
            `pcapng version ${major}.${block.getUint16(14, le)}, where 1.0 is known,`,
          );
        return undefined;
      }
      case BlockType.INTERFACE:
        this.#interfaces.push(this.#interface(block, at));
        return undefined;
      case BlockType.PACKET:
        return this.#packet(block, at, block.getUint32(8, le));
      case BlockType.OLD_PACKET:
        return this.#packet(block, at, block.getUint16(8, le));
      case BlockType.SIMPLE:
        return this.#simplePacket(block, at);
      default:
        return undefined;
    }
  }

  #interface(block: DataView, at: number): SectionInterface {
    let name: string | undefined;
    let perSecond = 1_000_000n;
    for (const [code, value] of this.#options(block, 16, at)) {
      if (code === PcapngOption.IF_NAME) name = utf8.decode(value);
      else if (code === PcapngOption.IF_TSRESOL && value.length === 1) {
        const exponent = BigInt(value[0]! & 0x7f);
        perSecond = value[0]! & 0x80 ? 2n ** exponent : 10n ** exponent;
      }
    }
    return {
      linkType: block.getUint16(8, this.littleEndian),
      snaplen: block.getUint32(12, this.littleEndian),
      name,
      perSecond,
    };
  }

  interfaceAt(place: number, at: number): SectionInterface {
    const known = this.#interfaces[place];
    if (known === undefined)
      throw new PcapError('pcap-bad-length', at, `a packet of interface ${place}, which is not described,`);
    return known;
  }

  #packet(block: DataView, at: number, place: number): PcapngPacket {
    const le = this.littleEndian;
    const on = this.interfaceAt(place, at);
    const capLen = block.getUint32(20, le);
    const octets = dataOf(block, 28, capLen, at);
    const comments: string[] = [];
    let dir: 'in' | 'out' | undefined;
    for (const [code, value] of this.#options(block, 28 + ((capLen + 3) & ~3), at)) {
      if (code === PcapngOption.COMMENT) comments.push(utf8.decode(value));
      else if (code === PcapngOption.EPB_FLAGS && value.length === 4) {
        const flags = viewOf(value).getUint32(0, le) & 3;
        dir = flags === 1 ? 'in' : flags === 2 ? 'out' : undefined;
      }
    }
    return {
      t: timeOf(block.getUint32(12, le), block.getUint32(16, le), on),
      octets,
      wireLen: block.getUint32(24, le),
      linkType: on.linkType,
      comments,
      ...(dir !== undefined && { dir }),
      ...(on.name !== undefined && { interface: on.name }),
    };
  }

  /** No time, no options, and the captured length follows from the interface's limit. */
  #simplePacket(block: DataView, at: number): PcapngPacket {
    const on = this.interfaceAt(0, at);
    const wireLen = block.getUint32(8, this.littleEndian);
    const capLen = Math.min(wireLen, on.snaplen === 0 ? wireLen : on.snaplen);
    return {
      t: micros(0),
      octets: dataOf(block, 12, capLen, at),
      wireLen,
      linkType: on.linkType,
      comments: [],
      ...(on.name !== undefined && { interface: on.name }),
    };
  }

  *#options(block: DataView, from: number, at: number): Generator<readonly [code: number, value: Uint8Array]> {
    const end = block.byteLength - 4;
    let i = from;
    while (i + 4 <= end) {
      const code = block.getUint16(i, this.littleEndian);
      const len = block.getUint16(i + 2, this.littleEndian);
      if (code === PcapngOption.END) return;
      if (i + 4 + len > end) throw new PcapError('pcap-bad-length', at, 'a block whose options are longer than it');
      yield [code, new Uint8Array(block.buffer, block.byteOffset + i + 4, len)];
      i += 4 + ((len + 3) & ~3);
    }
  }
}

function dataOf(block: DataView, from: number, len: number, at: number): Uint8Array {
  if (from + len > block.byteLength - 4)
    throw new PcapError('pcap-bad-length', at, `a packet of ${len} octets in a block of ${block.byteLength}`);
  return new Uint8Array(block.buffer, block.byteOffset + from, len);
}

function timeOf(high: number, low: number, { perSecond }: SectionInterface): Micros {
  const units = (BigInt(high) << 32n) | BigInt(low);
  return micros(Number((units * 1_000_000n) / perSecond));
}
