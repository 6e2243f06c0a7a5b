import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { type Micros, micros, ms, NEVER } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';

test('events run in order of their instants, those of one instant as they were scheduled', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (instants) => {
      const time = new VirtualTime();
      const ran: [number, number][] = [];
      instants.forEach((at, i) => {
        time.schedule(micros(at), () => {
          expect(time.now).toBe(at);
          ran.push([at, i]);
        });
      });
      while (time.step());
      const sorted = instants.map((at, i): [number, number] => [at, i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      expect(ran).toEqual(sorted);
    }),
  );
});

test('an event scheduled for the past runs in this instant, after what is due in it', () => {
  const time = new VirtualTime(ms(5));
  const ran: string[] = [];
  time.schedule(ms(5), () => ran.push('due'));
  time.schedule(ms(1), () => ran.push(`late at ${time.now}`));
  time.runUntil(ms(5));
  expect(ran).toEqual(['due', 'late at 5000']);
});

test('runUntil runs what is due up to its instant and leaves time there', () => {
  const time = new VirtualTime();
  const ran: number[] = [];
  for (const at of [1, 2, 3]) time.schedule(ms(at), () => ran.push(at));
  time.runUntil(ms(2));
  expect(ran).toEqual([1, 2]);
  expect(time.now).toBe(ms(2));
  time.runUntil(ms(1));
  expect(time.now).toBe(ms(2));
  time.runUntil(ms(10));
  expect(time.now).toBe(ms(10));
});

test('runUntil NEVER ends when there is nothing left, at the last instant', () => {
  const time = new VirtualTime();
  time.schedule(ms(3), () => {});
  time.runUntil(NEVER);
  expect(time.now).toBe(ms(3));
});

test('runWhile says whether its condition ceased to hold before the limit', () => {
  const time = new VirtualTime();
  let open = true;
  time.schedule(ms(3), () => {
    open = false;
  });
  expect(time.runWhile(() => open, ms(2))).toBe(false);
  expect(time.now).toBe(ms(2));
  expect(time.runWhile(() => open, ms(9))).toBe(true);
  expect(time.now).toBe(ms(3));
  expect(time.runWhile(() => true, ms(9))).toBe(false);
  expect(time.now).toBe(ms(9));
});

test('a clock has one alarm: a new one replaces the old, NEVER cancels', () => {
  const time = new VirtualTime();
  const clock = time.clock();
  const rang: string[] = [];
  clock.wakeAt(ms(1), () => rang.push('first'));
  clock.wakeAt(ms(2), () => rang.push(`second at ${clock.now()}`));
  time.runUntil(ms(3));
  expect(rang).toEqual(['second at 2000']);
  clock.wakeAt(ms(4), () => rang.push('cancelled'));
  clock.wakeAt(NEVER, () => rang.push('never'));
  time.runUntil(ms(10));
  expect(rang).toEqual(['second at 2000']);
});

test('an alarm can be set again from within its own call', () => {
  const time = new VirtualTime();
  const clock = time.clock();
  const rang: Micros[] = [];
  const tick = (): void => {
    rang.push(clock.now());
    if (rang.length < 3) clock.wakeAt(micros(clock.now() + 10), tick);
  };
  clock.wakeAt(micros(10), tick);
  time.runUntil(ms(1));
  expect(rang).toEqual([10, 20, 30]);
});

test('the alarms of two clocks are their own', () => {
  const time = new VirtualTime();
  const [a, b] = [time.clock(), time.clock()];
  const rang: string[] = [];
  a.wakeAt(ms(1), () => rang.push('a'));
  b.wakeAt(ms(1), () => rang.push('b'));
  a.wakeAt(ms(1), () => rang.push('a again'));
  time.runUntil(ms(1));
  expect(rang).toEqual(['b', 'a again']);
});

test('alarms that are moved or cancelled leave nothing behind', () => {
  const time = new VirtualTime();
  const clocks = Array.from({ length: 10 }, () => time.clock());
  const random = seededRandom(1);
  for (let i = 0; i < 10_000; i++) clocks[i % 10]!.wakeAt(micros(random.uint32()), () => {});
  expect(time.pending).toBe(10);
  for (const clock of clocks) clock.wakeAt(NEVER, () => {});
  expect(time.pending).toBe(0);
  expect(time.nextAt).toBe(NEVER);
});

test('any mixture of alarms moved, cancelled and events runs as a sorted list would', () => {
  const act = fc.record({
    clock: fc.integer({ min: 0, max: 5 }),
    at: fc.integer({ min: 0, max: 50 }),
    cancel: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 100 }), (acts) => {
      const time = new VirtualTime();
      const clocks = Array.from({ length: 5 }, () => time.clock());
      const ran: string[] = [];
      const expected: { at: number; order: number; name: string }[] = [];
      acts.forEach(({ clock, at, cancel }, order) => {
        const name = `${clock}:${order}`;
        if (clock === 5) time.schedule(micros(at), () => ran.push(name));
        else {
          const old = expected.findIndex((e) => e.name.startsWith(`${clock}:`));
          if (old >= 0) expected.splice(old, 1);
          clocks[clock]!.wakeAt(cancel ? NEVER : micros(at), () => ran.push(name));
          if (cancel) return;
        }
        expected.push({ at, order, name });
      });
      while (time.step());
      expected.sort((a, b) => a.at - b.at || a.order - b.order);
      expect(ran).toEqual(expected.map((e) => e.name));
    }),
  );
});

test('an event that throws is over, and the rest go on', () => {
  const time = new VirtualTime();
  const ran: string[] = [];
  time.schedule(ms(1), () => {
    throw new Error('bad event');
  });
  time.schedule(ms(2), () => ran.push('next'));
  expect(() => time.runUntil(ms(5))).toThrow('bad event');
  time.runUntil(ms(5));
  expect(ran).toEqual(['next']);
});
