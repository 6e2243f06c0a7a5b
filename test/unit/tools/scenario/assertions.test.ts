import { expect, test } from 'vitest';
import { parseCode, runCode, type Scalar } from '../../../../src/tools/scenario/assertions.ts';

const PLACE = { line: 1, column: 1 };
const NAMES: Readonly<Record<string, Scalar>> = { x: 7, y: 2, big: 2 ** 40 + 1 };

/** What `expression` prints. */
function value(expression: string): string {
  const printed: string[] = [];
  const failure = runCode(
    parseCode(`print(${expression})`, PLACE),
    (n) => NAMES[n],
    new Map(),
    (line) => printed.push(line),
  );
  return failure?.message ?? printed[0]!;
}

test.each([
  ['1 + 2 * 3', '7'],
  ['(1 + 2) * 3', '9'],
  ['x // y', '3'],
  ['-x // y', '-4'],
  ['-x % 3', '2'],
  ['x / y', '3.5'],
  ['1 << 3 | 1', '9'],
  ['0x10 & ~0', '16'],
  ['big & 0xffffffffff', '1'],
  ['x == 7', 'true'],
  ['1 < y <= 2', 'true'],
  ['1 < x < 3', 'false'],
  ['not x == 7 or y == 2', 'true'],
  ['x and y', '2'],
  ['0 or "text"', 'text'],
  ['x & 3 == 3', 'true'],
  ['True + 1', '2'],
  ['nobody', 'nobody is not known here'],
  ['1.5 & 1', '& wants whole numbers, not 1.5'],
  ['1 | "a"', "| wants numbers, not 'a'"],
  ['"a" + "b"', "+ wants numbers, not 'a'"],
  ['-"a"', "- wants numbers, not 'a'"],
  ['1 / 0', '1 / 0 is no number'],
  ['x % 0', '7 % 0 is no number'],
])('%s is %s', (expression, wanted) => {
  expect(value(expression)).toBe(wanted);
});

test('what a line sets the next one knows, and the code ends at the first assertion that does not hold', () => {
  const variables = new Map<string, Scalar>();
  const code = parseCode(' a = x - 1; assert a == 6\nassert a < 3, "too large"\nassert False', { line: 5, column: 4 });
  expect(
    runCode(
      code,
      (n) => NAMES[n],
      variables,
      () => {},
    ),
  ).toEqual({
    place: { line: 6, column: 1 },
    message: 'assert a < 3: a = 6, too large',
  });
  expect(variables.get('a')).toBe(6);
});
