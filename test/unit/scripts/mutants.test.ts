import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { survivorsOf } from '../../../scripts/mutants/again.ts';
import { draw, fateOf } from '../../../scripts/mutants/draw.ts';
import { EQUIVALENT, equivalentOf } from '../../../scripts/mutants/equivalent.ts';
import { applyMutant, type Kind, mutantAt, mutantsOf } from '../../../scripts/mutants/mutant.ts';
import { IN_FORCE, numbered, PLACES, switchable } from '../../../scripts/mutants/switchable.ts';
import { seededRandom } from '../../../src/base/random.ts';

const changes = (text: string, ...kinds: Kind[]): string[] =>
  mutantsOf('a.ts', text, kinds).map((m) => `${m.original} → ${m.replacement}`);

describe('a mutant', () => {
  test('moves the bound of a comparison by one, or makes it the opposite', () => {
    expect(changes('if (a < b) f();', 'comparison')).toEqual(['a < b → a <= b', 'a < b → a >= b']);
    expect(changes('f(a === b);', 'comparison')).toEqual(['a === b → a !== b']);
    expect(changes('f(seqLt(a, b));', 'comparison')).toEqual([
      'seqLt(a, b) → !seqLt(b, a)',
      'seqLt(a, b) → !seqLt(a, b)',
    ]);
  });

  test('is one more or one less of a count, and a tenth more or less of a measure', () => {
    expect(changes('f(3, 0, true);', 'constant')).toEqual(['3 → 4', '3 → 2', '0 → 1', 'true → false']);
    expect(changes('f(300_000, 0.5);', 'constant')).toEqual([
      '300_000 → 330000',
      '300_000 → 270000',
      '0.5 → 0.55',
      '0.5 → 0.45',
    ]);
  });

  test('leaves types, comments, texts and the names of properties alone', () => {
    expect(changes("import a from 'x'; type T = 1 | 2; let v: 3; const o = { 4: v }; f('5 < 6'); // 7 < 8")).toEqual(
      [],
    );
  });

  test('changes nothing but its place, and only in the text that it was found in', () => {
    const text = 'f(1);\nif (a < b) g(2);\n';
    const [mutant] = mutantsOf('a.ts', text, ['comparison']);
    expect(applyMutant(text, mutant!)).toBe('f(1);\nif (a <= b) g(2);\n');
    expect(mutant!.line).toBe(2);
    expect(() => applyMutant(`\n${text}`, mutant!)).toThrow("a.ts:2 does not read 'a < b' any more");
  });

  test("of one's own stands where its text stands", () => {
    expect(applyMutant('f(x); f(x);', mutantAt('a.ts', 'f(x); f(x);', 'f(x)', 'g()', 2))).toBe('f(x); g();');
    expect(() => mutantAt('a.ts', 'f(x); f(x);', 'f(x)', 'g()')).toThrow("a.ts has 'f(x)' more than once");
    expect(() => mutantAt('a.ts', 'f(x);', 'h', 'g')).toThrow("a.ts does not have 'h'");
  });
});

describe('all mutants in one text', () => {
  const text = 'const LIMIT = 16;\nfunction f(a, b) { if (!a) return; return a + 1 < b || a === LIMIT; }\nresult = f;';
  const mutants = numbered(mutantsOf('a.ts', text));
  const scope: Record<string, unknown> = { [IN_FORCE]: 0, [PLACES]: [] as number[] };
  const built = new Function('scope', `with (scope) { let result; ${switchable(text, mutants)} return result; }`);
  const f = built(scope) as (a: number, b: number) => boolean | undefined;

  test.each(mutants.map((one) => [`${one.mutant.original} → ${one.mutant.replacement}`, one] as const))(
    '%s is in force when its number is',
    (_, { id, mutant }) => {
      const alone = new Function(`let result; ${applyMutant(text, mutant)} return result;`)() as typeof f;
      for (const [a, b] of [
        [0, 5],
        [1, 2],
        [1, 3],
        [3, 1],
        [15, 0],
        [16, 0],
        [17, 0],
      ] as const) {
        scope[IN_FORCE] = id;
        expect(f(a, b)).toBe(alone(a, b));
      }
    },
  );

  test('notes the places that are passed, those of constants where they are used', () => {
    const passed = (a: number): string[] => {
      const places: number[] = [];
      Object.assign(scope, { [IN_FORCE]: 0, [PLACES]: places });
      f(a, 0);
      return mutants.filter(({ id }) => places[id] === 1).map(({ mutant }) => mutant.original);
    };
    expect(passed(0)).toEqual(['!a', 'return;']);
    expect(passed(5)).toContain('16');
  });
});

describe('the draw', () => {
  const mutants = mutantsOf('a.ts', 'f(a < b, 3, c > d, 4, e === g);', ['comparison', 'constant']);

  test('is the same for the same seed, one change at a place', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { made } = draw(mutants, 3, seededRandom(seed));
      expect(made).toEqual(draw(mutants, 3, seededRandom(seed)).made);
      expect(new Set(made.map((m) => m.start)).size).toBe(3);
    }
  });

  test('of all is every change at every place', () => {
    expect(draw(mutants, 5, seededRandom(1))).toEqual({ made: mutants, explained: [], first: mutants });
  });

  test('has another in the place of what leaves the program the same, and tells of both', () => {
    const isExplained = ({ original }: { readonly original: string }): boolean => original === '3' || original === '4';
    for (let seed = 0; seed < 20; seed++) {
      const { made, explained } = draw(mutants, 3, seededRandom(seed), isExplained);
      expect([made.length, made.some(isExplained), explained.every(isExplained)]).toEqual([3, false, true]);
    }
    expect(draw(mutants, 5, seededRandom(1), isExplained).explained).toHaveLength(4);
  });

  test('tells what became of the first, whatever came in the place of those explained', () => {
    const isExplained = ({ original }: { readonly original: string }): boolean => original === '3' || original === '4';
    for (let seed = 0; seed < 20; seed++) {
      const drawn = draw(mutants, 3, seededRandom(seed), isExplained);
      // Without reasons nothing is replaced: what is drawn first is the same.
      expect(new Set(drawn.first)).toEqual(new Set(draw(mutants, 3, seededRandom(seed)).made));
      const [explained, others] = [drawn.first.filter(isExplained), drawn.first.filter((m) => !isExplained(m))];
      expect(fateOf(drawn, () => false)).toEqual({
        drawn: 3,
        caught: 0,
        explained: explained.length,
        neither: others.length,
      });
      expect(fateOf(drawn, (m) => m === others[0])).toMatchObject({ caught: 1, neither: others.length - 1 });
    }
  });
});

describe('those that survived an earlier run', () => {
  const every = mutantsOf('a.ts', 'f(1);\n\nf(1);\ng(a < b);\n', ['constant', 'comparison']);
  const said = (line: number, replacement: string, verdict: string): string =>
    JSON.stringify({ file: 'a.ts', line, original: '1', replacement, verdict });
  const found = (...lines: readonly string[]): readonly string[] =>
    survivorsOf(['what npm prints', ...lines, '{"seed":1,"made":2}'].join('\n'), every).map(
      ({ line, replacement }) => `${line}: ${replacement}`,
    );

  test('are found at the nearest line, should the source have moved', () => {
    expect(found(said(1, '2', 'survived'))).toEqual(['1: 2']);
    expect(found(said(4, '0', 'survived'))).toEqual(['3: 0']);
  });

  test('those that were caught, or are there no more, are not', () => {
    expect(found(said(1, '2', 'caught'), said(1, '3', 'survived'))).toEqual([]);
  });
});

describe('what is said to be equivalent', () => {
  const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

  test('is there: each entry stands for changes of the sources as they are', () => {
    const said = new Set<string>();
    for (const file of new Set(EQUIVALENT.map((e) => e.file))) {
      const text = readFileSync(`${ROOT}${file}`, 'utf8');
      for (const mutant of mutantsOf(file, text)) {
        const known = equivalentOf(mutant, text);
        if (known !== undefined) said.add(`${EQUIVALENT.indexOf(known)} ${mutant.original} → ${mutant.replacement}`);
      }
    }
    const missing = EQUIVALENT.flatMap((e, i) =>
      e.changes.filter((change) => !said.has(`${i} ${change}`)).map((change) => `${e.file}: ${e.line}: ${change}`),
    );
    expect(missing).toEqual([]);
  });
});
