/** Captures of either format, told apart by their first octets, as they are or packed with gzip. */
import { createReadStream } from 'node:fs';
import { type PcapPacket, readPcap } from './pcap-reader.ts';
import { type PcapngPacket, readPcapng } from './pcapng-reader.ts';
import { BlockType } from './pcapng-writer.ts';
import { peeked } from './peek.ts';
import { unpacked } from './unpack.ts';

/** A packet of either format: classic pcap knows no comments, directions and interfaces. */
export type CapturedPacket = PcapPacket & Partial<Pick<PcapngPacket, 'comments' | 'dir' | 'interface'>>;

/** The packets of the capture file at `path`. Rejects with PcapError, or as `fs` does. */
export function readCaptureFile(path: string): AsyncGenerator<CapturedPacket, void, void> {
  return readCapture(createReadStream(path));
}

/** The packets of a capture, pcap or pcapng, in the file's order; errors as of readPcap and readPcapng. */
export async function* readCapture(source: AsyncIterable<Uint8Array>): AsyncGenerator<CapturedPacket, void, void> {
  const { head, all } = await peeked(unpacked(source), 4);
  const isSection = head.length === 4 && new DataView(head.buffer).getUint32(0) === BlockType.SECTION;
  yield* isSection ? readPcapng(all) : readPcap(all);
}
