import { expect, test } from 'vitest';
import { micros, ms, NEVER, seconds } from '../../../src/base/time.ts';
import { IdleSweep, type Sweepable } from '../../../src/stack/idle-sweep.ts';

class Item implements Sweepable {
  sweepPlace = -1;
  roundsLeft = 0;
  patience = 0;
}

interface Rig {
  readonly sweep: IdleSweep<Item>;
  readonly gone: Item[];
  /** Time passes, up to `to` ms; what is due runs. Says how often. */
  pass(to: number): number;
  readonly now: () => number;
}

function rig(): Rig {
  const gone: Item[] = [];
  let now = micros(0);
  const sweep = new IdleSweep<Item>((e) => gone.push(e));
  return {
    sweep,
    gone,
    now: () => now,
    pass(to) {
      let runs = 0;
      for (; sweep.next <= ms(to); runs++) {
        now = micros(Math.max(now, sweep.next));
        sweep.run(now);
      }
      now = ms(to);
      return runs;
    },
  };
}

test('what nothing touches any more goes within half a second, and then nothing is due', () => {
  const r = rig();
  const items = [new Item(), new Item(), new Item()];
  for (const item of items) r.sweep.stir(item, micros(0));
  r.pass(1000);
  expect(new Set(r.gone)).toEqual(new Set(items));
  expect(r.sweep.next).toBe(NEVER);
});

test('what is touched stays', () => {
  const r = rig();
  const [busy, quiet] = [new Item(), new Item()];
  r.sweep.stir(quiet, micros(0));
  for (let t = 0; t < 2000; t += 50) {
    r.pass(t);
    r.sweep.stir(busy, ms(t));
  }
  expect(r.gone).toEqual([quiet]);
});

test('one that talks every two seconds is left alone after a few times, and goes when it falls silent', () => {
  const r = rig();
  const item = new Item();
  for (let t = 0; t < 100_000; t += 2000) {
    r.pass(t);
    r.sweep.stir(item, ms(t));
  }
  expect(r.gone.length).toBeGreaterThan(1);
  expect(r.gone.length).toBeLessThan(7);
  const before = r.gone.length;
  r.pass(120_000);
  expect(r.gone.length).toBe(before + 1);
});

test('what is no more is not looked at, wherever it stood', () => {
  const r = rig();
  const items = Array.from({ length: 10 }, () => new Item());
  for (const item of items) r.sweep.stir(item, micros(0));
  for (const i of [9, 0, 4]) r.sweep.forget(items[i]!);
  r.sweep.forget(items[0]!);
  r.pass(1000);
  expect(new Set(r.gone)).toEqual(new Set(items.filter((_, i) => ![9, 0, 4].includes(i))));
});

test('of very many that fall silent at once some go at a time, and all within seconds', () => {
  const r = rig();
  for (let i = 0; i < 20_000; i++) r.sweep.stir(new Item(), micros(0));
  r.sweep.run(ms(200));
  r.sweep.run(ms(400));
  expect(r.gone.length).toBeGreaterThan(0);
  expect(r.gone.length).toBeLessThan(1000);
  r.pass(seconds(3) / 1000);
  expect(r.gone.length).toBe(20_000);
});

test('one that comes while others go has its full time', () => {
  const r = rig();
  for (let i = 0; i < 2000; i++) r.sweep.stir(new Item(), micros(0));
  r.sweep.run(ms(200));
  r.sweep.run(ms(400));
  const late = new Item();
  r.sweep.stir(late, ms(401));
  r.pass(560);
  expect(r.gone).not.toContain(late);
  r.pass(1500);
  expect(r.gone).toContain(late);
});
