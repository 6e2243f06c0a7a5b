/** A capture file read to its end, or to where it breaks, in pieces of bounded size. */
import { type FileHandle, open } from 'node:fs/promises';
import { type CaptureFormat, CaptureScanner } from '../../pcap/capture-scan.ts';
import { PcapError } from '../../pcap/pcap-error.ts';
import { unpacked } from '../../pcap/unpack.ts';
import type { Trace } from './trace.ts';

/** Octets read at once. */
const PIECE = 1 << 18;

export interface ReadOutcome {
  readonly format: CaptureFormat;
  /** Octets of the file that were looked at. */
  readonly octets: number;
  /** Where and why it stopped before the file's end; undefined when it didn't. */
  readonly broken: { readonly message: string; readonly offset: number; readonly record: number } | undefined;
}

/**
 * Gives `trace` all whole packets of the file at `path`, or of octets as they come, which may be packed with gzip, and finishes it. `onProgress` is told
 * the octets of the file read so far and, where it is known, how many there are; `ready` is waited for before more is read.
 * Rejects with PcapError when the file is no capture, or as `fs` does; what breaks after the first packet is in the outcome.
 */
export async function traceFile(
  path: string | AsyncIterable<Uint8Array>,
  trace: Trace,
  onProgress: (octets: number, of: number | undefined) => void = () => {},
  ready: () => Promise<void> | undefined = () => undefined,
): Promise<ReadOutcome> {
  if (typeof path !== 'string') return traceOctets(path, undefined, trace, onProgress, ready);
  const file = await open(path);
  try {
    const stat = await file.stat();
    return await traceOctets(piecesOf(file), stat.isFile() ? stat.size : undefined, trace, onProgress, ready);
  } finally {
    await file.close();
  }
}

async function traceOctets(
  source: AsyncIterable<Uint8Array>,
  size: number | undefined,
  trace: Trace,
  onProgress: (octets: number, of: number | undefined) => void,
  ready: () => Promise<void> | undefined,
): Promise<ReadOutcome> {
  const scanner = new CaptureScanner(trace);
  let octets = 0;
  let broken: ReadOutcome['broken'];
  const counted = count(source, (len) => {
    octets += len;
    onProgress(octets, size);
  });
  try {
    for await (const piece of unpacked(counted)) {
      scanner.push(piece);
      const room = ready();
      if (room !== undefined) await room;
    }
    scanner.finish();
  } catch (error) {
    if (!(error instanceof PcapError) || scanner.format === undefined) throw error;
    broken = { message: error.message, offset: error.offset, record: scanner.packets + 1 };
  }
  trace.finish();
  return { format: scanner.format!, octets, broken };
}

async function* count(
  source: AsyncIterable<Uint8Array>,
  onRead: (octets: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of source) {
    onRead(piece.length);
    yield piece;
  }
}

/** The same memory for each: a piece is not to be kept. */
async function* piecesOf(file: FileHandle): AsyncGenerator<Uint8Array, void, void> {
  const piece = new Uint8Array(PIECE);
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, PIECE);
    if (bytesRead === 0) return;
    yield piece.subarray(0, bytesRead);
  }
}
