/** Captures of either format, told apart by their first octets. */
import { createReadStream } from 'node:fs';
import { type PcapPacket, readPcap } from './pcap-reader.ts';
import { type PcapngPacket, readPcapng } from './pcapng-reader.ts';
import { BlockType } from './pcapng-writer.ts';

/** A packet of either format: classic pcap knows no comments, directions and interfaces. */
export type CapturedPacket = PcapPacket & Partial<Pick<PcapngPacket, 'comments' | 'dir' | 'interface'>>;

/** The packets of the capture file at `path`. Rejects with PcapError, or as `fs` does. */
export function readCaptureFile(path: string): AsyncGenerator<CapturedPacket, void, void> {
  return readCapture(createReadStream(path));
}

/** The packets of a capture, pcap or pcapng, in the file's order; errors as of readPcap and readPcapng. */
export async function* readCapture(source: AsyncIterable<Uint8Array>): AsyncGenerator<CapturedPacket, void, void> {
  const chunks = source[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let held = 0;
  while (held < 4) {
    const next = await chunks.next();
    if (next.done === true) break;
    first.push(next.value);
    held += next.value.length;
  }
  const all = followed(first, chunks);
  yield* startsSection(first) ? readPcapng(all) : readPcap(all);
}

function startsSection(chunks: readonly Uint8Array[]): boolean {
  const magic = new Uint8Array(4);
  let at = 0;
  for (const chunk of chunks) {
    magic.set(chunk.subarray(0, 4 - at), at);
    at = Math.min(4, at + chunk.length);
  }
  return at === 4 && new DataView(magic.buffer).getUint32(0) === BlockType.SECTION;
}

async function* followed(first: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
