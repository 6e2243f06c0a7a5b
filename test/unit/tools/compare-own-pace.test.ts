import { expect, test } from 'vitest';
import { type Micros, micros, ms } from '../../../src/base/time.ts';
import { OwnPace } from '../../../src/tools/compare/own-pace.ts';

test('time in which the process did not run is no time on its own pace', () => {
  let now = 0;
  const pace = new OwnPace(() => micros(now));
  pace.stop();
  for (const at of [4, 8, 12]) {
    now = ms(at);
    pace.tick();
  }
  // then it does not run for 100 ms
  now = ms(112);
  pace.tick();
  const between = (a: Micros, b: Micros): number => pace.of(b) - pace.of(a);
  expect(between(ms(2), ms(11))).toBe(ms(9));
  expect(between(ms(12), ms(112))).toBe(ms(10));
  expect(between(ms(50), ms(90))).toBe(0);
  now = ms(116);
  pace.tick();
  expect(between(ms(112), ms(116))).toBe(ms(4));
});
