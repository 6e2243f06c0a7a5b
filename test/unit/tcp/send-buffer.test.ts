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

  test('a large write is one part of its own', () => {
    const buffer = new SendBuffer();
    buffer.append(pattern(0, 50_000));
    const gather = new Gather();
    buffer.gather(10, 40_000, gather);
    expect([gather.count, gather.bufs[0]!.length]).toEqual([1, 50_000]);
  });

  test('cleared, it is empty where it stood', () => {
    const buffer = new SendBuffer();
    buffer.append(pattern(0, 5000));
    buffer.clear();
    expect([buffer.len, buffer.end]).toEqual([0, 5000]);
    buffer.append(pattern(5000, 10));
    expect(gathered(buffer, 5002, 8)).toEqual(pattern(5002, 8));
  });

  test('does what a plain array does, through any appends, drops and gathers', () => {
    const len = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 3000, max: 20_000 }));
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append'), a: len, b: fc.constant(0) }),
      fc.record({ kind: fc.constantFrom('drop', 'gather'), a: fc.nat(1000), b: fc.nat(1000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const buffer = new SendBuffer();
        let start = 0;
        let end = 0;
        for (const { kind, a, b } of steps) {
          if (kind === 'append') {
            buffer.append(pattern(end, a));
            end += a;
          } else if (kind === 'drop') {
            start += Math.floor(((end - start) * a) / 1000);
            buffer.dropTo(start);
          } else {
            const from = start + Math.floor(((end - start) * Math.min(a, b)) / 1000);
            const to = start + Math.floor(((end - start) * Math.max(a, b)) / 1000);
            expect(gathered(buffer, from, to - from)).toEqual(pattern(from, to - from));
          }
          expect([buffer.len, buffer.end]).toEqual([end - start, end]);
        }
      }),
      { numRuns: 200 },
    );
  });
});
