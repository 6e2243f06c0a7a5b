import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Gather } from '../../../src/base/gather.ts';
import { SendBuffer } from '../../../src/tcp/send-buffer.ts';
import { pattern } from '../../support/harness.ts';

function gathered(buffer: SendBuffer, place: number, len: number): Uint8Array {
  const gather = new Gather();
  buffer.gather(place, len, gather);
  expect(gather.len).toBe(len);
  const octets = new Uint8Array(len);
  expect(gather.copyTo(octets, 0)).toBe(len);
  return octets;
}

describe('the send buffer', () => {
  test('gives back what was written, at its place', () => {
    const buffer = new SendBuffer();
    buffer.append(pattern(0, 10));
    buffer.append(pattern(10, 5));
    expect([buffer.len, buffer.end]).toEqual([15, 15]);
    expect(gathered(buffer, 0, 15)).toEqual(pattern(0, 15));
    expect(gathered(buffer, 8, 4)).toEqual(pattern(8, 4));
    expect(gathered(buffer, 15, 0)).toEqual(pattern(15, 0));
  });

  test('copies on the way in: the writer’s buffer is free at once', () => {
    const buffer = new SendBuffer();
    for (const len of [10, 5000]) {
      const octets = pattern(buffer.end, len);
      buffer.append(octets);
      octets.fill(0xee);
    }
    expect(gathered(buffer, 0, 5010)).toEqual(pattern(0, 5010));
  });

  test('lets go of what is before a place, of nothing that is not, and never of more than there is', () => {
    const buffer = new SendBuffer();
    buffer.append(pattern(0, 100));
    buffer.dropTo(40);
    expect([buffer.len, buffer.end]).toEqual([60, 100]);
    buffer.dropTo(30);
    expect(buffer.len).toBe(60);
    expect(gathered(buffer, 40, 60)).toEqual(pattern(40, 60));
    buffer.dropTo(100);
    expect([buffer.len, buffer.end]).toEqual([0, 100]);
    buffer.append(pattern(100, 3));
    expect(gathered(buffer, 100, 3)).toEqual(pattern(100, 3));
  });

  test('small writes share memory: a stream of single octets gathers in one part', () => {
    const buffer = new SendBuffer();
    for (let i = 0; i < 1000; i++) buffer.append(pattern(i, 1));
    const gather = new Gather();
    buffer.gather(0, 1000, gather);
    expect(gather.count).toBe(1);
  });

  test('a block of small writes is 4096 octets, of others 32 768; half of the small one is small', () => {
    const parts = (...lens: readonly number[]): number => {
      const buffer = new SendBuffer();
      for (const len of lens) buffer.append(pattern(buffer.end, len));
      const gather = new Gather();
      buffer.gather(0, buffer.len, gather);
      return gather.count;
    };
    expect([parts(2048, 2048), parts(2048, 2048, 1), parts(2048, 2049)]).toEqual([1, 2, 2]);
    expect([parts(2049, 2048), parts(2049, 30_719), parts(2049, 30_720)]).toEqual([1, 1, 2]);
  });

  test('blocks that nobody uses any more are kept for the next, up to 4 MiB', () => {
    const blocks = (count: number): SendBuffer[] =>
      Array.from({ length: count }, () => {
        const buffer = new SendBuffer();
        buffer.append(pattern(0, 1));
        return buffer;
      });
    const memoryOf = (buffer: SendBuffer): ArrayBufferLike => {
      const gather = new Gather();
      buffer.gather(0, 1, gather);
      return gather.bufs[0]!.buffer;
    };
    const first = blocks(1100);
    const used = new Set(first.map(memoryOf));
    for (const buffer of first) buffer.dropTo(1);
    const again = blocks(1100);
    expect(again.filter((buffer) => used.has(memoryOf(buffer)))).toHaveLength(1024);
  });

  test('a large write is in few parts, however it was cut', () => {
    const buffer = new SendBuffer();
    buffer.append(pattern(0, 50_000));
    const gather = new Gather();
    buffer.gather(10, 40_000, gather);
    expect(gather.count).toBe(2);
  });

  test('cleared, it is empty where it stood', () => {
    const buffer = new SendBuffer();
    buffer.append(pattern(0, 5000));
    buffer.clear();
    expect([buffer.len, buffer.end]).toEqual([0, 5000]);
    buffer.append(pattern(5000, 10));
    expect(gathered(buffer, 5002, 8)).toEqual(pattern(5002, 8));
  });

  test('cleared, it owes nobody what was lent', () => {
    const buffer = new SendBuffer();
    buffer.lend(pattern(0, 5000));
    buffer.clear();
    expect([buffer.lent, buffer.isAwaited]).toEqual([0, false]);
  });

  test('what is lent is not copied, and is free when it is dropped', () => {
    const buffer = new SendBuffer();
    const octets = pattern(0, 6000);
    buffer.lend(octets);
    expect([buffer.len, buffer.lent]).toEqual([6000, 6000]);
    const gather = new Gather();
    buffer.gather(100, 200, gather);
    expect(gather.bufs[0]).toBe(octets);
    buffer.dropTo(2000);
    expect(buffer.lent).toBe(4000);
    buffer.append(pattern(6000, 10));
    buffer.dropTo(6000);
    expect([buffer.len, buffer.lent]).toEqual([10, 0]);
    expect(gathered(buffer, 6000, 10)).toEqual(pattern(6000, 10));
  });

  test('one buffer may be lent twice', () => {
    const buffer = new SendBuffer();
    const octets = pattern(0, 5000);
    buffer.lend(octets);
    buffer.append(pattern(0, 3));
    buffer.lend(octets);
    buffer.dropTo(4000);
    expect(buffer.lent).toBe(6000);
    buffer.own();
    expect(buffer.lent).toBe(0);
    octets.fill(0xee);
    expect(gathered(buffer, 4000, 1000)).toEqual(pattern(4000, 1000));
    expect(gathered(buffer, 5003, 5000)).toEqual(pattern(0, 5000));
  });

  test('does what a plain array does, through any appends, loans, drops and gathers', () => {
    const len = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 3000, max: 70_000 }));
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('append', 'lend'), a: len, b: fc.constant(0) }),
      fc.record({ kind: fc.constantFrom('drop', 'gather', 'own'), a: fc.nat(1000), b: fc.nat(1000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const buffer = new SendBuffer();
        let start = 0;
        let end = 0;
        /** Where each loan ends, and the writer's buffer: it is overwritten as soon as it is free. */
        let loans: { readonly end: number; readonly octets: Uint8Array }[] = [];
        const overwrite = (): void => {
          const free = loans.filter((l) => buffer.lent === 0 || l.end <= start);
          for (const { octets } of free) octets.fill(0xee);
          loans = loans.filter((l) => !free.includes(l));
        };
        for (const { kind, a, b } of steps) {
          const octets = pattern(end, a);
          if (kind === 'append') {
            buffer.append(octets);
            octets.fill(0xee);
            end += a;
          } else if (kind === 'lend') {
            buffer.lend(octets);
            end += a;
            loans.push({ end, octets });
          } else if (kind === 'own') {
            buffer.own();
            expect(buffer.lent).toBe(0);
          } else if (kind === 'drop') {
            start += Math.floor(((end - start) * a) / 1000);
            buffer.dropTo(start);
          } else {
            const from = start + Math.floor(((end - start) * Math.min(a, b)) / 1000);
            const to = start + Math.floor(((end - start) * Math.max(a, b)) / 1000);
            expect(gathered(buffer, from, to - from)).toEqual(pattern(from, to - from));
          }
          overwrite();
          expect([buffer.len, buffer.end]).toEqual([end - start, end]);
        }
      }),
      { numRuns: 200 },
    );
  });
});
