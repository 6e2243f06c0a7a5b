import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { PcapError } from '../../../src/pcap/pcap-error.ts';
import { type PcapPacket, readPcap, readPcapFile } from '../../../src/pcap/pcap-reader.ts';
import { LinkType, PCAP_SNAPLEN, pcapHeader, pcapRecord, pcapRecordHeader } from '../../../src/pcap/pcap-writer.ts';

async function* chunked(octets: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < octets.length; i++) {
    const size = sizes.length === 0 ? octets.length : sizes[i % sizes.length]!;
    yield octets.subarray(at, at + size);
    at += size;
  }
}

/** What comes out: packets, then the error if there is one. */
async function read(
  octets: Uint8Array,
  sizes: readonly number[] = [],
): Promise<{ packets: PcapPacket[]; error: unknown }> {
  const packets: PcapPacket[] = [];
  try {
    for await (const packet of readPcap(chunked(octets, sizes))) packets.push(packet);
    return { packets, error: undefined };
  } catch (error) {
    return { packets, error };
  }
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));
const plain = (octets: Uint8Array): number[] => Array.from(octets);

/** The same capture in big-endian order, or with nanoseconds. */
function rewritten(capture: Uint8Array, { bigEndian, nanos }: { bigEndian: boolean; nanos: boolean }): Uint8Array {
  const from = new DataView(capture.buffer, capture.byteOffset, capture.byteLength);
  const octets = capture.slice();
  const to = new DataView(octets.buffer);
  const u32 = (at: number, n = from.getUint32(at, true)) => to.setUint32(at, n, !bigEndian);
  u32(0, nanos ? 0xa1b23c4d : 0xa1b2c3d4);
  to.setUint16(4, 2, !bigEndian);
  to.setUint16(6, 4, !bigEndian);
  for (const at of [8, 12, 16, 20]) u32(at);
  for (let at = 24; at < capture.length; at += 16 + from.getUint32(at + 8, true)) {
    for (const field of [0, 8, 12]) u32(at + field);
    u32(at + 4, from.getUint32(at + 4, true) * (nanos ? 1000 : 1) + (nanos ? 999 : 0));
  }
  return octets;
}

const packetList = fc.array(
  fc.tuple(fc.nat(2 ** 32 * 1_000_000 - 1).map(micros), fc.uint8Array({ maxLength: 60, size: 'max' })),
  {
    maxLength: 6,
  },
);

const two = join(pcapHeader(), pcapRecord(micros(5), Uint8Array.of(1, 2, 3)), pcapRecord(micros(6), Uint8Array.of(4)));
const secondAt = 24 + 16 + 3;

describe('a capture', () => {
  test('gives back every packet that was written, however its octets are cut, in either order and either unit', async () => {
    await fc.assert(
      fc.asyncProperty(
        packetList,
        fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 5 }),
        fc.boolean(),
        fc.boolean(),
        async (list, sizes, bigEndian, nanos) => {
          const capture = join(pcapHeader(LinkType.EN10MB), ...list.map(([t, octets]) => pcapRecord(t, octets)));
          const { packets, error } = await read(rewritten(capture, { bigEndian, nanos }), sizes);
          expect(error).toBeUndefined();
          expect(packets.map(({ t, octets, wireLen, linkType }) => [t, plain(octets), wireLen, linkType])).toEqual(
            list.map(([t, octets]) => [t, plain(octets), octets.length, LinkType.EN10MB]),
          );
        },
      ),
    );
  });

  test('cut off anywhere, gives its whole packets and then says where the rest is missing', async () => {
    for (let len = 0; len < two.length; len++) {
      const { packets, error } = await read(two.subarray(0, len), [7]);
      const whole = len >= secondAt ? 1 : 0;
      expect(packets).toHaveLength(whole);
      if (len === 24 || len === secondAt) {
        expect(error).toBeUndefined();
        continue;
      }
      expect(error).toBeInstanceOf(PcapError);
      const { code, offset, message } = error as PcapError;
      expect([code, offset]).toEqual([
        len < 4 ? 'pcap-unknown-format' : 'pcap-truncated',
        len < 24 ? 0 : whole ? secondAt : 24,
      ]);
      expect(message).toContain(len < 4 ? `it has ${len} octets` : `at octet ${offset}`);
    }
  });

  test('a record longer than any capture holds ends it at once, not at the end of the file', async () => {
    const capture = join(two, new Uint8Array(1000));
    new DataView(capture.buffer).setUint32(secondAt + 8, PCAP_SNAPLEN + 1, true);
    const { packets, error } = await read(capture);
    expect(packets).toHaveLength(1);
    expect(error).toMatchObject({ code: 'pcap-bad-length', offset: secondAt });
  });

  test('the longest packet there may be is read from small chunks', async () => {
    const longest = new Uint8Array(PCAP_SNAPLEN).map((_, i) => i);
    const { packets, error } = await read(join(pcapHeader(), pcapRecord(micros(1), longest)), [1000]);
    expect(error).toBeUndefined();
    expect(Buffer.compare(packets[0]!.octets, longest)).toBe(0);
  });

  test.each([
    ['pcap-is-pcapng', (o: Uint8Array) => o.set([0x0a, 0x0d, 0x0d, 0x0a])],
    ['pcap-unknown-format', (o: Uint8Array) => o.set([0x7f, 0x45, 0x4c, 0x46])],
    ['pcap-bad-version', (o: Uint8Array) => o.set([9, 0], 4)],
    ['pcap-bad-version', (o: Uint8Array) => o.set([5, 0], 6)],
  ])('is refused as %s', async (code, change) => {
    const capture = two.slice();
    change(capture);
    const { packets, error } = await read(capture);
    expect(packets).toEqual([]);
    expect(error).toMatchObject({ name: 'PcapError', code });
  });

  test('closes its source when the reader has seen enough', async () => {
    let closed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield two;
        yield new Uint8Array(1);
      } finally {
        closed = true;
      }
    }
    for await (const _ of readPcap(source())) break;
    expect(closed).toBe(true);
  });

  test('packets stay as they were when more is read', async () => {
    const kept: PcapPacket[] = [];
    for await (const packet of readPcap(chunked(two, [1]))) kept.push(packet);
    expect(kept.map((p) => plain(p.octets))).toEqual([[1, 2, 3], [4]]);
  });

  test('tcpdump made is read whole', async () => {
    const packets: PcapPacket[] = [];
    for await (const packet of readPcapFile(new URL('../../fixtures/kernel.pcap', import.meta.url).pathname))
      packets.push(packet);
    expect(packets).toHaveLength(96);
    expect(packets.every((p) => p.wireLen === p.octets.length && p.linkType === LinkType.EN10MB)).toBe(true);
    const times = packets.map((p) => p.t);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test('that is not there is the error of the file system', async () => {
    await expect(readPcapFile('/nonexistent/x.pcap').next()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('writing', () => {
  test('a packet longer than the snapshot length is cut, and its length kept', async () => {
    const capture = join(pcapHeader(), pcapRecord(micros(1), new Uint8Array(PCAP_SNAPLEN + 5)));
    const { packets, error } = await read(capture);
    expect(error).toBeUndefined();
    expect([packets[0]!.octets.length, packets[0]!.wireLen]).toEqual([PCAP_SNAPLEN, PCAP_SNAPLEN + 5]);
  });

  test('the header of a record alone is that of the whole record', () => {
    const t = micros(1_700_000_000_123_456);
    expect(pcapRecordHeader(t, 3)).toEqual(pcapRecord(t, Uint8Array.of(1, 2, 3)).subarray(0, 16));
  });

  test('IP packets are written as such unless told otherwise', async () => {
    expect((await read(two)).packets[0]!.linkType).toBe(LinkType.RAW);
  });
});
