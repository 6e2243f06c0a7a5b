import fc from 'fast-check';
import { expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { CaptureScanner } from '../../../src/pcap/capture-scan.ts';
import { PcapError } from '../../../src/pcap/pcap-error.ts';
import { LinkType, pcapHeader, pcapRecord } from '../../../src/pcap/pcap-writer.ts';
import { pcapngInterface, pcapngPacket, pcapngSection } from '../../../src/pcap/pcapng-writer.ts';
import { readCapture } from '../../../src/pcap/read-capture.ts';

interface Got {
  readonly t: number;
  readonly octets: readonly number[];
  readonly wireLen: number;
  readonly linkType: number;
}

/** Pushes `octets` in pieces of these sizes, in turn; the piece is spoilt after each push, since none may be kept. */
function scan(octets: Uint8Array, sizes: readonly number[] = []): { packets: Got[]; error: unknown; format: unknown } {
  const packets: Got[] = [];
  const scanner = new CaptureScanner({
    packet: (t, bytes, at, end, wireLen, linkType) =>
      packets.push({ t, octets: [...bytes.subarray(at, end)], wireLen, linkType }),
  });
  try {
    for (let at = 0, i = 0; at < octets.length; i++) {
      const size = sizes.length === 0 ? octets.length : sizes[i % sizes.length]!;
      const piece = octets.slice(at, at + size);
      scanner.push(piece);
      piece.fill(0xee);
      at += size;
    }
    scanner.finish();
    return { packets, error: undefined, format: scanner.format };
  } catch (error) {
    return { packets, error, format: scanner.format };
  }
}

async function read(octets: Uint8Array): Promise<{ packets: Got[]; error: unknown }> {
  const packets: Got[] = [];
  async function* whole() {
    yield octets;
  }
  try {
    for await (const p of readCapture(whole()))
      packets.push({ t: p.t, octets: [...p.octets], wireLen: p.wireLen, linkType: p.linkType });
    return { packets, error: undefined };
  } catch (error) {
    return { packets, error };
  }
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));
const somePackets = fc.array(
  fc.record({ t: fc.integer({ min: 0, max: 4e15 }), octets: fc.uint8Array({ maxLength: 200 }) }),
  { maxLength: 20 },
);
const someSizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 });

function nanoseconds(octets: Uint8Array): Uint8Array {
  const view = new DataView(octets.buffer);
  view.setUint32(0, 0xa1b23c4d, true);
  for (let at = 24; at < octets.length; at += 16 + view.getUint32(at + 8, true))
    view.setUint32(at + 4, view.getUint32(at + 4, true) * 1000 + 999, true);
  return octets;
}

const FORMATS = {
  pcap: (packets: readonly { t: number; octets: Uint8Array }[]) =>
    join(pcapHeader(LinkType.EN10MB), ...packets.map((p) => pcapRecord(micros(p.t), p.octets))),
  'pcap, nanoseconds': (packets: readonly { t: number; octets: Uint8Array }[]) => nanoseconds(FORMATS.pcap(packets)),
  pcapng: (packets: readonly { t: number; octets: Uint8Array }[]) =>
    join(
      pcapngSection({ application: 'test' }),
      pcapngInterface({ name: 'v0' }),
      ...packets.map((p) => pcapngPacket(micros(p.t), p.octets, { comments: ['x'], dir: 'in' })),
    ),
} as const;

for (const [format, write] of Object.entries(FORMATS)) {
  test(`${format}: packets are those that the reader of single packets gives, however the file is cut in pieces`, async () => {
    await fc.assert(
      fc.asyncProperty(somePackets, someSizes, async (packets, sizes) => {
        const octets = write(packets.map((p) => ({ ...p, t: format === 'pcapng' ? p.t : p.t % 4e9 })));
        const got = scan(octets, sizes);
        const wanted = await read(octets);
        expect(got.error).toBeUndefined();
        expect(got.packets).toEqual(wanted.packets);
        expect(got.format).toBe(format);
      }),
    );
  });

  test(`${format}: a file cut off anywhere gives all whole packets, then says where the one that is not began`, async () => {
    await fc.assert(
      fc.asyncProperty(somePackets, someSizes, fc.nat(), async (packets, sizes, cut) => {
        const whole = write(packets.map((p) => ({ ...p, t: p.t % 4e9 })));
        const octets = whole.subarray(0, cut % (whole.length + 1));
        const got = scan(octets, sizes);
        const wanted = await read(octets);
        expect(got.packets).toEqual(wanted.packets);
        // Of a file that ends before its format shows, the two tell differently.
        if (got.format === undefined) expect(got.error).toBeInstanceOf(PcapError);
        else if (wanted.error instanceof PcapError)
          expect(got.error).toMatchObject({ code: wanted.error.code, offset: wanted.error.offset });
        else expect(got.error).toBeUndefined();
      }),
    );
  });
}

test('an absurd length ends it at that record, after the packets before it', () => {
  const good = FORMATS.pcap([
    { t: 1, octets: Uint8Array.of(1, 2, 3) },
    { t: 2, octets: Uint8Array.of(4) },
  ]);
  const bad = pcapRecord(micros(3), Uint8Array.of(5));
  new DataView(bad.buffer).setUint32(8, 0x7fffffff, true);
  for (const sizes of [[], [7]]) {
    const { packets, error } = scan(join(good, bad, good), sizes);
    expect(packets.map((p) => p.t)).toEqual([1, 2]);
    expect(error).toMatchObject({ code: 'pcap-bad-length', offset: good.length });
  }
});

test('times of pcapng in nanoseconds and in odd units come out in microseconds', () => {
  const withUnit = (unit: number, high: number, low: number): number => {
    const face = pcapngInterface({ name: 'v0' });
    // The option's one octet: kind 9, length 1.
    const at = face.findIndex((_, i) => face[i] === 9 && face[i + 1] === 0 && face[i + 2] === 1 && face[i + 3] === 0);
    face[at + 4] = unit;
    const packet = pcapngPacket(micros(0), Uint8Array.of(1));
    const view = new DataView(packet.buffer);
    view.setUint32(12, high, true);
    view.setUint32(16, low, true);
    return scan(join(pcapngSection({ application: 'test' }), face, packet)).packets[0]!.t;
  };
  const nanos = 1_790_000_000_123_456_789n;
  const [high, low] = [Number(nanos >> 32n), Number(nanos & 0xffffffffn)];
  expect(withUnit(9, high, low)).toBe(1_790_000_000_123_456);
  expect(withUnit(3, 0, 5)).toBe(5000);
  expect(withUnit(0x80 | 10, 0, 1024)).toBe(1_000_000);
});

test('what is no capture is refused', () => {
  expect(scan(new Uint8Array(0)).error).toMatchObject({ code: 'pcap-unknown-format' });
  expect(scan(Uint8Array.of(1, 2)).error).toMatchObject({ code: 'pcap-unknown-format' });
  expect(scan(new TextEncoder().encode('no capture at all')).error).toMatchObject({ code: 'pcap-unknown-format' });
  expect(scan(pcapHeader().subarray(0, 20)).error).toMatchObject({ code: 'pcap-truncated' });
  const other = pcapHeader();
  other[4] = 9;
  expect(scan(other).error).toMatchObject({ code: 'pcap-bad-version' });
});
