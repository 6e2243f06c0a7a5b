import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Micros, micros, NEVER } from '../../../src/base/time.ts';
import { Deadlines, type Due } from '../../../src/stack/deadlines.ts';

const due = (): Due => ({ dueAt: NEVER, sortedAt: NEVER, place: -1 });

describe('deadlines', () => {
  test('the soonest is next, whatever the order they were set in', () => {
    const d = new Deadlines<Due>();
    expect(d.next).toBe(NEVER);
    const [a, b, c] = [due(), due(), due()];
    d.set(a, micros(30));
    d.set(b, micros(10));
    d.set(c, micros(20));
    expect(d.next).toBe(10);
    d.set(b, micros(5));
    expect(d.next).toBe(5);
    d.set(b, NEVER);
    expect(d.next).toBe(20);
    d.set(c, NEVER);
    expect(d.next).toBe(30);
    expect(c.place).toBe(-1);
  });

  test('one is due when its instant has come, and stays until it is set again', () => {
    const d = new Deadlines<Due>();
    const a = due();
    d.set(a, micros(10));
    expect(d.due(micros(9))).toBeUndefined();
    expect(d.due(micros(10))).toBe(a);
    expect(d.due(micros(11))).toBe(a);
    d.set(a, micros(12));
    expect(d.due(micros(11))).toBeUndefined();
    d.set(a, NEVER);
    expect(d.due(micros(100))).toBeUndefined();
  });

  test('one that is put off is not due at its old time, nor late at its new one', () => {
    const d = new Deadlines<Due>();
    const [a, b] = [due(), due()];
    d.set(a, micros(10));
    d.set(b, micros(20));
    d.set(a, micros(30));
    expect(d.due(micros(15))).toBeUndefined();
    expect(d.next).toBe(20);
    expect(d.due(micros(25))).toBe(b);
    d.set(b, NEVER);
    expect(d.due(micros(29))).toBeUndefined();
    expect(d.due(micros(30))).toBe(a);
  });

  test('setting NEVER what is not there changes nothing', () => {
    const d = new Deadlines<Due>();
    const a = due();
    d.set(a, NEVER);
    expect(d.next).toBe(NEVER);
    expect(a.place).toBe(-1);
  });

  test('agree with a sorted list through any sequence of settings', () => {
    const step = fc.tuple(fc.nat(19), fc.option(fc.nat(50), { nil: undefined }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const d = new Deadlines<Due>();
        const all = Array.from({ length: 20 }, due);
        const at = new Array<Micros>(20).fill(NEVER);
        for (const [i, when] of steps) {
          at[i] = when === undefined ? NEVER : micros(when);
          d.set(all[i]!, at[i]!);
          expect(d.next).toBeLessThanOrEqual(Math.min(...at));
        }
        const order: number[] = [];
        for (let e = d.due(micros(1000)); e !== undefined; e = d.due(micros(1000))) {
          order.push(e.dueAt);
          d.set(e, NEVER);
        }
        expect(order).toEqual(at.filter((t) => t !== NEVER).toSorted((x, y) => x - y));
      }),
    );
  });
});
