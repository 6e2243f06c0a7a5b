/**
 * gzip undone on the way in, for captures are often kept so; the octets of any other file pass as they are. Where the packed
 * file is cut off or damaged, what came before that place, up to some KiB, comes first, and then the error.
 */
import { createGunzip, type Gunzip } from 'node:zlib';
import { PcapError } from './pcap-error.ts';
import { peeked } from './peek.ts';

const GZIP_MAGIC = 0x1f8b;
/** Octets given to zlib at once: what they come to, a thousand times as much at the worst, is held in memory. */
const PIECE = 1 << 14;

/** A chunk that `source` gave is not looked at any more when the next one is asked for. Rejects with PcapError, or as `source` does. */
export async function* unpacked(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const { head, all } = await peeked(source, 2);
  const [a = 0, b = 0] = head;
  if (((a << 8) | b) === GZIP_MAGIC) yield* gunzipped(all);
  else yield* all;
}

async function* gunzipped(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const gunzip = createGunzip();
  const out: Uint8Array[] = [];
  let outLen = 0;
  gunzip.on('data', (octets: Uint8Array) => {
    out.push(octets);
    outLen += octets.length;
  });
  const ended = new Promise<Error | undefined>((resolve) => {
    gunzip.once('error', resolve).once('end', () => resolve(undefined));
  });
  try {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; at += PIECE) {
        const error = await Promise.race([written(gunzip, chunk.subarray(at, at + PIECE)), ended]);
        yield* out.splice(0);
        if (error !== undefined) throw brokenAt(outLen, error);
      }
    }
    gunzip.end();
    const error = await ended;
    yield* out.splice(0);
    if (error !== undefined) throw brokenAt(outLen, error);
  } finally {
    gunzip.destroy();
  }
}

/** What comes of `octets` has come when this is through; an error is told by the stream. */
const written = (gunzip: Gunzip, octets: Uint8Array): Promise<undefined> =>
  new Promise((resolve) => {
    gunzip.write(octets, (error) => {
      if (error === undefined || error === null) resolve(undefined);
    });
  });

function brokenAt(unpackedLen: number, error: Error): PcapError {
  const isCutOff = 'code' in error && error.code === 'Z_BUF_ERROR';
  return isCutOff
    ? new PcapError('pcap-truncated', unpackedLen, 'the gzip file is cut off')
    : new PcapError('pcap-bad-compression', unpackedLen, `the gzip file is damaged: ${error.message}`);
}
