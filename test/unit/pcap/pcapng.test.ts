import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { PcapError } from '../../../src/pcap/pcap-error.ts';
import { LinkType, pcapHeader, pcapRecord } from '../../../src/pcap/pcap-writer.ts';
import { readPcapng } from '../../../src/pcap/pcapng-reader.ts';
import { pcapngInterface, pcapngPacket, pcapngSection, pcapngStatistics } from '../../../src/pcap/pcapng-writer.ts';
import { type CapturedPacket, readCapture } from '../../../src/pcap/read-capture.ts';

type Reader = (source: AsyncIterable<Uint8Array>) => AsyncIterable<CapturedPacket>;

async function* chunked(octets: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < octets.length; i++) {
    const size = sizes.length === 0 ? octets.length : sizes[i % sizes.length]!;
    yield octets.subarray(at, at + size);
    at += size;
  }
}

async function read(octets: Uint8Array, sizes: readonly number[] = [], reader: Reader = readPcapng) {
  const packets: CapturedPacket[] = [];
  try {
    for await (const packet of reader(chunked(octets, sizes))) packets.push(packet);
    return { packets, error: undefined };
  } catch (error) {
    return { packets, error };
  }
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));
const section = pcapngSection({ application: 'test', os: 'none' });
const plain = (p: CapturedPacket) => ({ ...p, octets: [...p.octets] });

test('packets come back with time, direction, comments and the name of their interface', async () => {
  const capture = join(
    section,
    pcapngInterface({ name: 'v0' }),
    pcapngInterface({ name: 'eth1', linkType: LinkType.EN10MB }),
    pcapngPacket(micros(1_790_000_000_123_456), Uint8Array.of(1, 2, 3), {
      dir: 'in',
      comments: ['SYN-SENT -> ESTABLISHED', 'µ'],
    }),
    pcapngPacket(micros(7), Uint8Array.of(4), { interface: 1 }),
    pcapngStatistics(micros(8), { received: 2, systemDrops: 1 }),
  );
  const { packets, error } = await read(capture);
  expect(error).toBeUndefined();
  expect(packets.map(plain)).toEqual([
    {
      t: 1_790_000_000_123_456,
      octets: [1, 2, 3],
      wireLen: 3,
      linkType: LinkType.RAW,
      comments: ['SYN-SENT -> ESTABLISHED', 'µ'],
      dir: 'in',
      interface: 'v0',
    },
    { t: 7, octets: [4], wireLen: 1, linkType: LinkType.EN10MB, comments: [], interface: 'eth1' },
  ]);
});

test('whatever was written comes back, however its octets are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          t: fc.nat(2 ** 52).map(micros),
          octets: fc.uint8Array({ maxLength: 60, size: 'max' }),
          dir: fc.constantFrom('in' as const, 'out' as const),
          comments: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }),
        }),
        { maxLength: 6 },
      ),
      fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 5 }),
      async (list, sizes) => {
        const capture = join(
          section,
          pcapngInterface({ name: 'x' }),
          ...list.map(({ t, octets, ...o }) => pcapngPacket(t, octets, o)),
        );
        const { packets, error } = await read(capture, sizes);
        expect(error).toBeUndefined();
        expect(packets.map(({ t, octets, dir, comments }) => ({ t, octets: [...octets], dir, comments }))).toEqual(
          list.map((p) => ({ ...p, octets: [...p.octets] })),
        );
      },
    ),
  );
});

test('a comment longer than an option can be is cut at a character', async () => {
  const capture = join(
    section,
    pcapngInterface({ name: 'x' }),
    pcapngPacket(micros(0), Uint8Array.of(), { comments: ['é'.repeat(40_000)] }),
  );
  expect((await read(capture)).packets[0]!.comments).toEqual(['é'.repeat(32_767)]);
});

/** A block of any kind, in either byte order. */
function block(type: number, body: readonly number[], littleEndian = false): Uint8Array {
  const octets = new Uint8Array(12 + body.length);
  const view = new DataView(octets.buffer);
  view.setUint32(0, type, littleEndian);
  view.setUint32(4, octets.length, littleEndian);
  octets.set(body, 8);
  view.setUint32(octets.length - 4, octets.length, littleEndian);
  return octets;
}

const BIG_SECTION = block(0x0a0d0d0a, [0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, ...new Array<number>(8).fill(0xff)]);

test('big-endian, nanoseconds, simple and old packets, unknown blocks and a second section are read', async () => {
  const nanos = block(1, [0, 101, 0, 0, 0, 0, 0, 2, 0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]);
  const capture = join(
    BIG_SECTION,
    nanos,
    block(0xbad, [1, 2, 3, 4]),
    // Enhanced: interface 0, 5 000 000 000 + 1999 ns, one octet of one.
    block(6, [0, 0, 0, 0, 0, 0, 0, 1, 0x2a, 0x05, 0xf9, 0xcf, 0, 0, 0, 1, 0, 0, 0, 1, 9, 0, 0, 0]),
    // Simple: three octets on the wire, two kept by the interface's limit.
    block(3, [0, 0, 0, 3, 7, 8, 0, 0]),
    // Old: interface 0 and a drop count.
    block(2, [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0x0f, 0xa0, 0, 0, 0, 1, 0, 0, 0, 1, 6, 0, 0, 0]),
    section,
    pcapngInterface({ name: 'later' }),
    pcapngPacket(micros(3), Uint8Array.of(5)),
  );
  const { packets, error } = await read(capture);
  expect(error).toBeUndefined();
  expect(packets.map((p) => [p.t, [...p.octets], p.wireLen, p.interface])).toEqual([
    [5_000_001, [9], 1, undefined],
    [0, [7, 8], 3, undefined],
    [4, [6], 1, undefined],
    [3, [5], 1, 'later'],
  ]);
});

describe('what is broken is told with its place, after what was whole', () => {
  const good = join(section, pcapngInterface({ name: 'x' }));
  const packet = pcapngPacket(micros(1), Uint8Array.of(1, 2, 3, 4, 5));
  const lies = (at: number, octets: readonly number[]): Uint8Array => {
    const copy = packet.slice();
    copy.set(octets, at);
    return copy;
  };
  const cases: readonly (readonly [string, Uint8Array, string, number, number])[] = [
    [
      'cut off in a block',
      join(good, packet, packet.subarray(0, 20)),
      'pcap-truncated',
      good.length + packet.length,
      1,
    ],
    ['cut off in a length', join(good, packet.subarray(0, 6)), 'pcap-truncated', good.length, 0],
    ['an absurd length', join(good, lies(4, [0xfc, 0xff, 0xff, 0x7f])), 'pcap-bad-length', good.length, 0],
    ['lengths that differ', join(good, lies(packet.length - 4, [8])), 'pcap-bad-length', good.length, 0],
    ['a packet longer than its block', join(good, lies(20, [200])), 'pcap-bad-length', good.length, 0],
    ['an interface that nobody described', join(good, lies(8, [3])), 'pcap-bad-length', good.length, 0],
    [
      'a version to come',
      block(0x0a0d0d0a, [0x1a, 0x2b, 0x3c, 0x4d, 0, 2, ...new Array<number>(10).fill(0)]),
      'pcap-bad-version',
      0,
      0,
    ],
    ['no section', packet, 'pcap-unknown-format', 0, 0],
    ['nothing at all', new Uint8Array(0), 'pcap-unknown-format', 0, 0],
  ];
  test.each(cases)('%s', async (_name, octets, code, offset, whole) => {
    const { packets, error } = await read(octets);
    expect(error).toBeInstanceOf(PcapError);
    expect(error).toMatchObject({ code, offset });
    expect(packets).toHaveLength(whole);
  });
});

test('no octets whatever make the reader hang, or fail in any way but its own', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(120), async (noise, keep) => {
      const whole = join(section, pcapngInterface({ name: 'x' }), pcapngPacket(micros(1), Uint8Array.of(1, 2, 3)));
      const { error } = await read(join(whole.subarray(0, keep), noise));
      if (error !== undefined) expect(error).toBeInstanceOf(PcapError);
    }),
  );
});

test('one function reads either format, told apart by the first octets however they come', async () => {
  const classic = join(pcapHeader(LinkType.RAW), pcapRecord(micros(5), Uint8Array.of(1)));
  const modern = join(section, pcapngInterface({ name: 'x' }), pcapngPacket(micros(5), Uint8Array.of(1)));
  for (const capture of [classic, modern])
    for (const sizes of [[], [1], [3, 2]]) {
      const { packets, error } = await read(capture, sizes, readCapture);
      expect(error).toBeUndefined();
      expect(packets.map((p) => [p.t, [...p.octets]])).toEqual([[5, [1]]]);
    }
  expect((await read(new Uint8Array(0), [], readCapture)).error).toMatchObject({ code: 'pcap-unknown-format' });
  expect((await read(Uint8Array.of(1, 2), [1], readCapture)).error).toMatchObject({ code: 'pcap-unknown-format' });
});
