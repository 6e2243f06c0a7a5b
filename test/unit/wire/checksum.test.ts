import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Gather } from '../../../src/base/gather.ts';
import {
  foldChecksum,
  foldSum,
  pseudoHeaderSum,
  sumGather,
  sumOctets,
  updateChecksum,
} from '../../../src/wire/checksum.ts';
import { toIpv4 } from '../../../src/wire/ipv4.ts';

/** The sum by the letter of RFC 1071: words of 16 bits, carries folded as they come. */
function plainSum(octets: readonly number[]): number {
  let sum = 0n;
  for (let i = 0; i < octets.length; i += 2) sum += BigInt((octets[i] ?? 0) * 256 + (octets[i + 1] ?? 0));
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
  return Number(sum);
}

const octets = (max: number) => fc.uint8Array({ maxLength: max, size: 'max' });

describe('sums', () => {
  test('the example of RFC 1071 §3', () => {
    const example = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sumOctets(0, example, 0, 8)).toBe(0xddf2);
    expect(foldChecksum(0xddf2)).toBe(0x220d);
  });

  test('equal the plain definition at any start and length', () => {
    fc.assert(
      fc.property(octets(300), fc.nat(9), fc.nat(0xffff), (all, skip, start) => {
        const at = Math.min(skip, all.length);
        const expected = plainSum([start >>> 8, start & 0xff, ...all.subarray(at)]);
        expect(sumOctets(start, all, at, all.length - at)).toBe(expected);
      }),
    );
  });

  test('read nothing outside the octets given', () => {
    fc.assert(
      fc.property(octets(400), octets(9), octets(9), fc.nat(40), (inner, before, after, offset) => {
        const whole = Uint8Array.of(...new Uint8Array(offset), ...before, ...inner, ...after);
        const view = whole.subarray(offset);
        expect(sumOctets(0, view, before.length, inner.length)).toBe(plainSum([...inner]));
      }),
    );
  });

  test.each([127, 128, 129, 0x7fff, 0x8000, 0xffff, 0x10000, 0xfffff, 0x100001, 0x200011])(
    'do not overflow over %i octets of ones',
    (len) => {
      const ones = new Uint8Array(len).fill(0xff);
      expect(sumOctets(0xffff, ones, 0, len)).toBe(plainSum([0xff, 0xff, ...ones]));
    },
  );

  test('stay exact over 64 MiB', () => {
    const ones = new Uint8Array(0x4000001).fill(0xff);
    expect(sumOctets(1, ones, 0, ones.length)).toBe(0xff01);
  });

  test('over a gather equal those over the same octets in one piece, odd parts or not', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(octets(20), octets(300)), { maxLength: 8 }), fc.nat(0xffff), (parts, start) => {
        const gather = new Gather();
        for (const part of parts) gather.push(Uint8Array.of(0xaa, ...part, 0x55), 1, part.length);
        const whole = new Uint8Array(gather.len);
        gather.copyTo(whole, 0);
        expect(sumGather(start, gather)).toBe(sumOctets(start, whole, 0, whole.length));
      }),
    );
  });

  test('fold carries from any 32 bits', () => {
    expect(foldSum(0xffffffff)).toBe(0xffff);
    expect(foldSum(0x1ffff)).toBe(1);
    expect(foldSum(0)).toBe(0);
  });
});

describe('the pseudo-header', () => {
  test('sums what RFC 9293 §3.1 lays out', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.nat(255), fc.nat(0xffff), (src, dst, protocol, len) => {
        const buf = new Uint8Array(12);
        const view = new DataView(buf.buffer);
        view.setInt32(0, src);
        view.setInt32(4, dst);
        view.setUint8(9, protocol);
        view.setUint16(10, len);
        expect(pseudoHeaderSum(toIpv4(src), toIpv4(dst), protocol, len)).toBe(plainSum([...buf]));
      }),
    );
  });

  test('takes the length of a merged segment, more than 16 bits', () => {
    expect(pseudoHeaderSum(toIpv4(0), toIpv4(0), 6, 0x23456)).toBe(plainSum([0, 6, 0, 2, 0x34, 0x56]));
  });
});

describe('incremental update', () => {
  test('equals a full sum after one word changed', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 4, maxLength: 40, size: 'max' }),
        fc.nat(0xffff),
        fc.nat(18),
        (buf, after, word) => {
          // All zeros is the one sum with two forms (RFC 1624 §3); no header has it.
          buf[0] = 0x45;
          const at = 2 + ((2 * word) % (buf.length - 3));
          const even = at & ~1;
          const before = (buf[even]! << 8) | buf[even + 1]!;
          const old = foldChecksum(sumOctets(0, buf, 0, buf.length));
          buf[even] = after >>> 8;
          buf[even + 1] = after;
          expect(updateChecksum(old, before, after)).toBe(foldChecksum(sumOctets(0, buf, 0, buf.length)));
        },
      ),
    );
  });
});
