/** What the tests of wire/ share: octets amid others, at any alignment, and segments at random. */
import fc from 'fast-check';
import { toSeq } from '../../../src/base/seq.ts';
import { ABSENT, TcpSegment } from '../../../src/wire/tcp.ts';

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

export const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
export const uint16 = fc.nat(0xffff);
export const octet = fc.nat(0xff);

/** The same octets in places where what surrounds them differs; a decoder that looks outside answers differently. */
export interface Placed {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
}

export function placements(octets: Uint8Array, offset: number): Placed[] {
  const exact = octets.slice();
  const amid = (poison: number): Placed => {
    const bytes = new Uint8Array(offset + octets.length + 80).fill(poison);
    bytes.set(octets, offset);
    return { bytes, at: offset, end: offset + octets.length };
  };
  return [{ bytes: exact, at: 0, end: exact.length }, amid(0x00), amid(0x01), amid(0x02), amid(0xff)];
}

/** Octets that mean something at the start of an option: kinds and lengths. */
const optionOctet = fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 10, 18, 34, 0xff);

/**
 * Octets at random, all of them or those after `like`, the beginning that makes them pass: without it, most would be
 * refused at the first look.
 */
export function octetsLike(like: Uint8Array): fc.Arbitrary<Uint8Array> {
  const length = { maxLength: 120, size: 'max' } as const;
  return fc
    .tuple(fc.oneof(fc.uint8Array(length), fc.array(optionOctet, length)), fc.boolean())
    .map(([random, alike]) => {
      const octets = Uint8Array.from(random);
      if (alike) octets.set(like.subarray(0, octets.length));
      return octets;
    });
}

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

/** Any segment that one header has room for. */
export const segments: fc.Arbitrary<TcpSegment> = fc
  .record({
    srcPort: uint16,
    dstPort: uint16,
    seq: int32,
    ack: int32,
    flags: octet,
    reserved: fc.nat(0xf),
    wnd: uint16,
    checksum: uint16,
    urgentPointer: uint16,
    mss: optional(uint16),
    wscale: optional(octet),
    sackPermitted: fc.boolean(),
    ts: optional(fc.tuple(int32, int32)),
    sack: fc.array(fc.tuple(int32, int32), { maxLength: 4 }),
    payload: fc.array(fc.uint8Array({ maxLength: 40, size: 'max' }), { maxLength: 3 }),
  })
  .map((x) => {
    const seg = new TcpSegment();
    seg.srcPort = x.srcPort;
    seg.dstPort = x.dstPort;
    seg.seq = toSeq(x.seq);
    seg.ack = toSeq(x.ack);
    seg.flags = x.flags;
    seg.reserved = x.reserved;
    seg.wnd = x.wnd;
    seg.checksum = x.checksum;
    seg.urgentPointer = x.urgentPointer;
    seg.mss = x.mss ?? ABSENT;
    seg.wscale = x.wscale ?? ABSENT;
    seg.sackPermitted = x.sackPermitted;
    seg.hasTimestamps = x.ts !== undefined;
    if (x.ts) [seg.tsVal, seg.tsEcr] = x.ts;
    const others =
      (x.mss === undefined ? 0 : 4) + (x.ts ? 12 : x.sackPermitted ? 4 : 0) + (x.wscale === undefined ? 0 : 4);
    const blocks = x.sack.slice(0, Math.floor((40 - others - 4) / 8));
    seg.sackCount = blocks.length;
    blocks.flat().forEach((edge, i) => {
      seg.sack[i] = toSeq(edge);
    });
    for (const part of x.payload) seg.payload.push(part, 0, part.length);
    return seg;
  });
