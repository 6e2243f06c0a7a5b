import { expect, test } from 'vitest';
import { example } from './embedding-example.ts';

test('the example of the documentation does what it says', () => {
  expect(example()).toEqual([
    '0.040 A SYN-SENT -> ESTABLISHED',
    '0.080 A reads hello, round trip 40000 µs',
    '0.080 A ESTABLISHED -> FIN-WAIT-1',
    '0.120 A FIN-WAIT-1 -> TIME-WAIT',
    '60.120 A TIME-WAIT -> CLOSED',
  ]);
});
