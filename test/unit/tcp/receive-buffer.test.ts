import { expect, test } from 'vitest';
import { micros } from '../../../src/base/time.ts';
import { ReceiveBuffer } from '../../../src/tcp/receive-buffer.ts';

const lensOf = (...pieces: readonly number[]): readonly number[] => {
  const buffer = new ReceiveBuffer(100_000, 100_000);
  for (const len of pieces) buffer.copy(new Uint8Array(len), 0, len);
  const lens: number[] = [];
  for (let o = buffer.take(micros(0), 0); o !== undefined; o = buffer.take(micros(0), 0)) lens.push(o.length);
  return lens;
};

test('octets that wait share a block where they are few, and those of a kilobyte have their own', () => {
  expect(lensOf(1, 1, 1, 1)).toEqual([1, 3]);
  expect(lensOf(1, 1023, 1)).toEqual([1, 1024]);
  expect(lensOf(1, 1024, 1)).toEqual([1, 1024, 1]);
});

test('what comes next can be seen before it is taken', () => {
  const buffer = new ReceiveBuffer(100_000, 100_000);
  expect(buffer.next).toBeUndefined();
  buffer.copy(new Uint8Array([7, 8]), 0, 2);
  const { next } = buffer;
  expect(next).toEqual(new Uint8Array([7, 8]));
  expect(buffer.take(micros(0), 0)).toBe(next);
  expect(buffer.next).toBeUndefined();
});
