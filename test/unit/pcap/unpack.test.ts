import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { PcapError } from '../../../src/pcap/pcap-error.ts';
import { pcapHeader, pcapRecord } from '../../../src/pcap/pcap-writer.ts';
import { readCapture } from '../../../src/pcap/read-capture.ts';
import { unpacked } from '../../../src/pcap/unpack.ts';

/** In pieces of these sizes, in turn, all in the same memory. */
async function* pieces(octets: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array, void, void> {
  const memory = new Uint8Array(Math.max(...sizes));
  for (let at = 0, i = 0; at < octets.length; at += sizes[i++ % sizes.length]!) {
    const piece = octets.subarray(at, at + sizes[i % sizes.length]!);
    memory.fill(0xee);
    memory.set(piece);
    yield memory.subarray(0, piece.length);
  }
}

async function all(octets: Uint8Array, sizes: readonly number[]): Promise<{ got: Uint8Array; error: unknown }> {
  const got: Uint8Array[] = [];
  try {
    for await (const piece of unpacked(pieces(octets, sizes))) got.push(piece.slice());
    return { got: Uint8Array.from(Buffer.concat(got)), error: undefined };
  } catch (error) {
    return { got: Uint8Array.from(Buffer.concat(got)), error };
  }
}

async function* whole(octets: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield octets.slice(0, 1);
  yield octets.slice(1);
}

const someSizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 });

test('octets pass as they are, and packed ones as they were, however they are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), someSizes, async (octets, sizes) => {
      const isGzip = octets[0] === 0x1f && octets[1] === 0x8b;
      if (!isGzip) expect(await all(octets, sizes)).toEqual({ got: octets, error: undefined });
      expect(await all(gzipSync(octets), sizes)).toEqual({ got: octets, error: undefined });
    }),
    { numRuns: 30 },
  );
});

test('several packed one behind the other are one', async () => {
  const both = Buffer.concat([gzipSync(Buffer.from('hello, ')), gzipSync(Buffer.from('tcp'))]);
  expect(Buffer.from((await all(both, [7])).got).toString()).toBe('hello, tcp');
});

test('of a packed file that is cut off or damaged, what is before that place comes first', async () => {
  const octets = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 8);
  const packed = gzipSync(octets);
  const cut = await all(packed.subarray(0, packed.length / 2), [1000]);
  expect(cut.got.length).toBeGreaterThan(50_000);
  expect(Buffer.compare(cut.got, octets.subarray(0, cut.got.length))).toBe(0);
  expect(cut.error).toBeInstanceOf(PcapError);
  expect(cut.error).toMatchObject({ code: 'pcap-truncated', offset: cut.got.length });
  packed.fill(0xff, packed.length / 2, packed.length / 2 + 50);
  const damaged = await all(packed, [1000]);
  expect(damaged.got.length).toBeGreaterThan(50_000);
  expect(damaged.error).toMatchObject({ code: 'pcap-bad-compression', offset: damaged.got.length });
});

test('a packed capture is read as one that isn’t', async () => {
  const capture = Buffer.concat([pcapHeader(), pcapRecord(micros(5), Uint8Array.of(1, 2, 3))]);
  const packets = async (octets: Uint8Array): Promise<unknown[]> => {
    const got: unknown[] = [];
    for await (const packet of readCapture(whole(octets))) got.push({ ...packet, octets: [...packet.octets] });
    return got;
  };
  expect(await packets(gzipSync(capture))).toEqual(await packets(capture));
  expect(await packets(capture)).toHaveLength(1);
});

test.each<[readonly number[], string, string]>([
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'pcap-is-compressed', 'packed with xz (`xz -dk FILE` unpacks it)'],
  [[0x42, 0x5a, 0x68, 0x39], 'pcap-is-compressed', 'packed with bzip2'],
  [[...Buffer.from('{"schema":1}')], 'pcap-is-json', 'not a capture file but JSON'],
  [[...Buffer.from('hello')], 'pcap-unknown-format', 'unknown magic number 68656c6c'],
])('%j is no capture, and it is said what it seems to be', async (octets, code, message) => {
  const read = async (): Promise<void> => {
    for await (const _ of readCapture(pieces(Uint8Array.from(octets), [100])));
  };
  await expect(read()).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});
