import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Keeper } from '../../../src/base/keeper.ts';

function through(values: readonly (number | boolean)[]): (number | boolean)[] {
  const k = new Keeper();
  const keep = (v: number | boolean): number | boolean => (typeof v === 'number' ? k.number(v) : k.flag(v));
  k.pack();
  for (const v of values) keep(v);
  const text = k.packed();
  k.pack();
  k.number(12_345);
  k.unpack(text);
  return values.map((v) => keep(typeof v === 'number' ? 77 : !v));
}

test('what was packed comes back, in its order', () => {
  const number = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true }), fc.nat(300));
  fc.assert(
    fc.property(fc.array(fc.oneof(number, fc.boolean()), { maxLength: 300 }), (values) => {
      expect(through(values)).toEqual(values.map((v) => (v === 0 ? 0 : v)));
    }),
  );
});

test.each([0, 1, 223, 224, 255, 256, -1, -255, -256, 2 ** 31 - 1, -(2 ** 31), 2 ** 48 - 1, 2 ** 48, 2 ** 53 - 1, 0.5])(
  '%d comes back',
  (value) => {
    expect(through([value])).toEqual([value]);
    expect(through([-value])).toEqual([value === 0 ? 0 : -value]);
  },
);

test('infinities come back', () => {
  expect(through([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])).toEqual([
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]);
});

test('small numbers take an octet each', () => {
  const k = new Keeper();
  k.pack();
  for (let i = 0; i < 100; i++) k.number(i);
  expect(k.packed().length).toBe(100);
});
