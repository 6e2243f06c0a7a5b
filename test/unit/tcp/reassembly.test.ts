import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Seq, seqDiff, toSeq } from '../../../src/base/seq.ts';
import { Reassembly } from '../../../src/tcp/reassembly.ts';
import { pattern } from '../../support/harness.ts';

/** Just below 2^32, so that almost everything wraps. */
const BASE = 0xffff_ff80;
const seq = (n: number): Seq => toSeq(BASE + n);

function blocks(r: Reassembly, max = 4): number[][] {
  const sack: Seq[] = new Array<Seq>(10).fill(toSeq(0));
  const count = r.writeSack(sack, 2, max);
  return Array.from({ length: count }, (_, i) => [
    seqDiff(sack[2 + 2 * i]!, seq(0)),
    seqDiff(sack[3 + 2 * i]!, seq(0)),
  ]);
}

const insert = (r: Reassembly, from: number, len: number): number => r.insert(seq(from), pattern(from, len));

describe('octets ahead of RCV.NXT', () => {
  test('are kept as copies, and given back where they stand', () => {
    const r = new Reassembly();
    const octets = pattern(100, 50);
    expect(r.insert(seq(100), octets)).toBe(50);
    octets.fill(0);
    expect(r.takeAt(seq(99))).toBeUndefined();
    expect(r.takeAt(seq(100))).toEqual(pattern(100, 50));
    expect([r.isEmpty, r.len]).toEqual([true, 0]);
  });

  test('what is new of an overlap is taken: before, behind, between, around', () => {
    const r = new Reassembly();
    expect(insert(r, 100, 100)).toBe(100);
    expect(insert(r, 50, 100)).toBe(50);
    expect(insert(r, 150, 100)).toBe(50);
    expect(insert(r, 300, 10)).toBe(10);
    expect(insert(r, 320, 10)).toBe(10);
    expect(insert(r, 240, 200)).toBe(170);
    expect(insert(r, 60, 300)).toBe(0);
    expect(r.len).toBe(390);
    let at = 50;
    for (let piece = r.takeAt(seq(at)); piece !== undefined; piece = r.takeAt(seq(at))) {
      expect(piece).toEqual(pattern(at, piece.length));
      at += piece.length;
    }
    expect(at).toBe(440);
  });

  test('what has been passed is dropped, what is passed in part is cut', () => {
    const r = new Reassembly();
    insert(r, 10, 10);
    insert(r, 30, 10);
    expect(r.takeAt(seq(35))).toEqual(pattern(35, 5));
    expect([r.isEmpty, r.len]).toEqual([true, 0]);
    insert(r, 10, 10);
    expect(r.takeAt(seq(20))).toBeUndefined();
    expect(r.isEmpty).toBe(true);
  });

  test('cost their memory too', () => {
    const r = new Reassembly();
    insert(r, 10, 10);
    insert(r, 30, 10);
    expect(r.cost).toBe(20 + 2 * 256);
    r.clear();
    expect([r.cost, r.len, r.isEmpty]).toEqual([0, 0, true]);
    expect(blocks(r)).toEqual([]);
  });

  test('that are ours to keep are kept where they lie, unless that holds on to more than twice as much', () => {
    const cost = (len: number, buffer: number, owned: boolean): number => {
      const r = new Reassembly();
      r.insert(seq(100), new Uint8Array(buffer).subarray(0, len), owned);
      return r.cost - 256;
    };
    expect([cost(500, 1000, true), cost(499, 1000, true), cost(1000, 1000, true)]).toEqual([1000, 499, 1000]);
    expect([cost(999, 1000, false), cost(1000, 1000, false)]).toEqual([999, 1000]);
    // What is new of them counts, not what came.
    const r = new Reassembly();
    insert(r, 0, 600);
    r.insert(seq(0), new Uint8Array(1000), true);
    expect(r.cost).toBe(600 + 400 + 2 * 256);
    expect(r.takeAt(seq(0))).toHaveLength(600);
    expect(r.takeAt(seq(600))).toHaveLength(400);
    expect([r.cost, r.len]).toEqual([0, 0]);
  });

  test('are what a set of places says, through any inserts', () => {
    const piece = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 60 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 50 }), (pieces) => {
        const r = new Reassembly();
        const have = new Set<number>();
        for (const [from, len] of pieces) {
          const before = have.size;
          for (let i = from; i < from + len; i++) have.add(i);
          expect(insert(r, from, len)).toBe(have.size - before);
          expect(r.len).toBe(have.size);
          // Each block is a whole run of what is there, and the first holds what came last.
          const told = blocks(r);
          expect(told[0]![0]).toBeLessThanOrEqual(from);
          expect(told[0]![1]).toBeGreaterThan(from);
          for (const [left, right] of told) {
            for (let i = left!; i < right!; i++) expect(have.has(i)).toBe(true);
            expect([have.has(left! - 1), have.has(right!)]).toEqual([false, false]);
          }
          expect(new Set(told.map(([left]) => left)).size).toBe(told.length);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('SACK blocks', () => {
  test('as many as asked for, from where asked', () => {
    const r = new Reassembly();
    for (let n = 1; n <= 6; n++) {
      insert(r, n * 100, 10);
      blocks(r);
    }
    expect(blocks(r, 2)).toEqual([
      [600, 610],
      [500, 510],
    ]);
    expect(blocks(r, 0)).toEqual([]);
  });

  test('of more islands than are remembered some are told none the less', () => {
    const r = new Reassembly();
    for (let n = 1; n <= 40; n++) insert(r, n * 100, 10);
    expect(blocks(r)).toHaveLength(4);
    // Filled from the newest down, the older ones are still known.
    for (let n = 39; n >= 30; n--) {
      insert(r, n * 100 + 10, 90);
      expect(blocks(r)).toHaveLength(4);
    }
    expect(blocks(r)[0]).toEqual([3000, 4010]);
  });

  test('what arrives in one piece after another is one block, and crowds out no other', () => {
    const r = new Reassembly();
    for (let n = 1; n <= 3; n++) insert(r, n * 100, 10);
    for (let n = 0; n < 30; n++) insert(r, 400 + n * 10, 10);
    expect(blocks(r)).toEqual([
      [400, 700],
      [300, 310],
      [200, 210],
      [100, 110],
    ]);
    insert(r, 700, 10);
    expect(blocks(r)[0]).toEqual([400, 710]);
  });

  test('what comes again and again crowds out no other, either', () => {
    const r = new Reassembly();
    for (let n = 1; n <= 6; n++) insert(r, n * 100, 10);
    for (let i = 0; i < 20; i++) insert(r, (5 + (i % 2)) * 100, 10);
    expect(blocks(r)).toEqual([
      [600, 610],
      [500, 510],
      [400, 410],
      [300, 310],
    ]);
  });

  test('blocks that have grown together or were passed are told no more', () => {
    const r = new Reassembly();
    for (let n = 1; n <= 6; n++) insert(r, n * 100, 10);
    insert(r, 110, 290);
    while (r.takeAt(seq(100)) !== undefined);
    r.takeAt(seq(450));
    expect(blocks(r, 3)).toEqual([
      [600, 610],
      [500, 510],
    ]);
    r.clear();
    expect(blocks(r, 3)).toEqual([]);
  });
});
