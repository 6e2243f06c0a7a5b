/**
 * The code of a scenario, `%{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%`: packetdrill runs Python there; here it is
 * a small language of its own with Python's spelling and precedence. `assert EXPRESSION [, EXPRESSION]`, `print(…)`,
 * `NAME = EXPRESSION`; numbers, names, strings, arithmetic, comparisons (chained, too), `and`, `or`, `not`. Nothing
 * else: no calls, no attributes, no loops, so it can't do harm. Pure: what a name stands for is given in.
 */
import { Cursor } from './cursor.ts';
import type { Token } from './lexer.ts';
import { type Place, ScenarioError } from './model.ts';

export type Expression =
  | { readonly kind: 'constant'; readonly value: Scalar }
  | { readonly kind: 'name'; readonly name: string; readonly place: Place }
  | { readonly kind: 'unary'; readonly op: string; readonly of: Expression }
  | { readonly kind: 'binary'; readonly op: string; readonly left: Expression; readonly right: Expression }
  /** `a < b <= c`. */
  | { readonly kind: 'compare'; readonly first: Expression; readonly rest: readonly (readonly [string, Expression])[] };

export type Scalar = number | string | boolean;

export type Statement =
  | {
      readonly kind: 'assert';
      readonly test: Expression;
      readonly say: Expression | undefined;
      readonly text: string;
      readonly place: Place;
    }
  | { readonly kind: 'print'; readonly of: readonly Expression[] }
  | { readonly kind: 'set'; readonly name: string; readonly to: Expression };

/** What a name stands for; undefined when it stands for nothing. */
export type Lookup = (name: string) => Scalar | undefined;

/** `place` is that of the code's beginning in its file. Throws ScenarioError. */
export function parseCode(code: string, place: Place): readonly Statement[] {
  const statements: Statement[] = [];
  let line = place.line;
  for (const [i, text] of code.split('\n').entries()) {
    // Behind '%{' on the first line, at the margin on the others.
    const column = i === 0 ? place.column + 2 : 1;
    statements.push(...parseLine(text, line, column));
    line++;
  }
  return statements;
}

const RULES: readonly (readonly [Token['kind'], RegExp])[] = [
  ['hex', /0x[0-9a-fA-F]+/y],
  ['number', /[0-9]+\.?[0-9]*(?:e[-+]?[0-9]+)?/y],
  ['word', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['string', /"[^"]*"|'[^']*'/y],
  ['mark', /\/\/|<<|>>|<=|>=|==|!=|\*\*|./y],
];

/** `1 + 1 + …` is worked out from the inside, so its length is a depth. */
const MAX_WORDS = 1000;

function lexLine(text: string, line: number, column: number): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (text[at] === '#') break;
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    for (const [kind, rule] of RULES) {
      rule.lastIndex = at;
      const found = rule.exec(text)?.[0];
      if (found === undefined) continue;
      tokens.push({ kind, text: kind === 'string' ? found.slice(1, -1) : found, place: { line, column: column + at } });
      at += found.length;
      break;
    }
  }
  const end: Token = { kind: 'end', text: '', place: { line, column: column + at } };
  if (tokens.length > MAX_WORDS) throw new ScenarioError(end.place, `a line of code has ${MAX_WORDS} words at most`);
  return [...tokens, end];
}

function parseLine(text: string, line: number, column: number): readonly Statement[] {
  const at = new Cursor(lexLine(text, line, column));
  const statements: Statement[] = [];
  while (!at.isAtEnd) {
    if (at.skip(';')) continue;
    statements.push(parseStatement(at, text, column));
    if (!at.isAtEnd && !at.isAt(';')) throw at.wrong("an operator or ';'");
  }
  return statements;
}

function parseStatement(at: Cursor, line: string, column: number): Statement {
  const { place } = at;
  if (at.skip('assert')) {
    const from = at.place.column - column;
    const test = parseExpression(at);
    const text = line.slice(from, at.place.column - column).trim();
    const say = at.skip(',') ? parseExpression(at) : undefined;
    return { kind: 'assert', test, say, text, place };
  }
  if (at.isAt('print')) {
    at.take();
    at.expect('(');
    const of = at.isAt(')') ? [] : [parseExpression(at)];
    while (at.skip(',')) of.push(parseExpression(at));
    at.expect(')');
    return { kind: 'print', of };
  }
  if (at.token.kind === 'word' && at.look(1).text === '=') {
    const name = at.take().text;
    at.expect('=');
    return { kind: 'set', name, to: parseExpression(at) };
  }
  throw at.wrong('assert, print(…) or NAME = … (the code is not Python, see the manual)');
}

/** Loosest first, as in Python; comparisons stand between `not` and `|`. */
const LOGICAL = [['or'], ['and']] as const;
const ARITHMETIC = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']] as const;
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>='] as const;

function parseExpression(at: Cursor, level = 0): Expression {
  const ops = LOGICAL[level];
  if (ops === undefined) return parseNot(at);
  let left = parseExpression(at, level + 1);
  for (let op = ops.find((o) => at.isAt(o)); op !== undefined; op = ops.find((o) => at.isAt(o))) {
    at.take();
    left = { kind: 'binary', op, left, right: parseExpression(at, level + 1) };
  }
  return left;
}

function parseNot(at: Cursor): Expression {
  if (at.skip('not')) return { kind: 'unary', op: 'not', of: at.nested(() => parseNot(at)) };
  const first = parseArithmetic(at, 0);
  const rest: [string, Expression][] = [];
  for (let op = COMPARISONS.find((o) => at.isAt(o)); op !== undefined; op = COMPARISONS.find((o) => at.isAt(o))) {
    at.take();
    rest.push([op, parseArithmetic(at, 0)]);
  }
  return rest.length === 0 ? first : { kind: 'compare', first, rest };
}

function parseArithmetic(at: Cursor, level: number): Expression {
  const ops: readonly string[] | undefined = ARITHMETIC[level];
  if (ops === undefined) return parseUnary(at);
  let left = parseArithmetic(at, level + 1);
  for (let op = ops.find((o) => at.isAt(o)); op !== undefined; op = ops.find((o) => at.isAt(o))) {
    at.take();
    left = { kind: 'binary', op, left, right: parseArithmetic(at, level + 1) };
  }
  return left;
}

function parseUnary(at: Cursor): Expression {
  for (const op of ['-', '+', '~']) if (at.skip(op)) return { kind: 'unary', op, of: at.nested(() => parseUnary(at)) };
  if (at.skip('(')) {
    const inner = at.nested(() => parseExpression(at));
    at.expect(')');
    return inner;
  }
  const { kind, place } = at.token;
  if (kind === 'number' || kind === 'hex') return { kind: 'constant', value: Number(at.take().text) };
  if (kind === 'string') return { kind: 'constant', value: at.take().text };
  if (kind !== 'word') throw at.wrong('a number, a name or a parenthesis');
  const name = at.take().text;
  if (name === 'True' || name === 'False') return { kind: 'constant', value: name === 'True' };
  if (at.isAt('(') || at.isAt('.') || at.isAt('['))
    throw at.wrong(`an operator (${name} can't be called or looked into here)`);
  return { kind: 'name', name, place };
}

/** Why an assertion did not hold, or what could not be worked out; undefined when all is well. */
export interface CodeFailure {
  /** Undefined where it is that of the whole step. */
  readonly place: Place | undefined;
  readonly message: string;
}

/** Runs the statements; `variables` keeps what they set. */
export function runCode(
  statements: readonly Statement[],
  lookup: Lookup,
  variables: Map<string, Scalar>,
  print: (line: string) => void,
): CodeFailure | undefined {
  const known: Lookup = (name) => variables.get(name) ?? lookup(name);
  let place: Place | undefined;
  try {
    for (const statement of statements) {
      place = statement.kind === 'assert' ? statement.place : undefined;
      if (statement.kind === 'set') variables.set(statement.name, evaluate(statement.to, known));
      else if (statement.kind === 'print') print(statement.of.map((e) => String(evaluate(e, known))).join(' '));
      else if (!truth(evaluate(statement.test, known))) {
        const values = namesIn(statement.test).map((name) => `${name} = ${String(known(name))}`);
        const said = statement.say === undefined ? [] : [String(evaluate(statement.say, known))];
        return {
          place: statement.place,
          message: `assert ${statement.text}: ${[...new Set([...values, ...said])].join(', ')}`,
        };
      }
    }
    return undefined;
  } catch (error) {
    if (error instanceof ScenarioError) return { place: error.place, message: error.message };
    if (error instanceof NoValue) return { place, message: error.message };
    throw error;
  }
}

/** An operator that can't be used on what it was given. */
class NoValue extends Error {}

export function evaluate(e: Expression, lookup: Lookup): Scalar {
  switch (e.kind) {
    case 'constant':
      return e.value;
    case 'name': {
      const value = lookup(e.name);
      if (value === undefined) throw new ScenarioError(e.place, `${e.name} is not known here`);
      return value;
    }
    case 'unary': {
      const of = evaluate(e.of, lookup);
      if (e.op === 'not') return !truth(of);
      const n = numberFor(e.op, of);
      return e.op === '-' ? -n : e.op === '~' ? -n - 1 : n;
    }
    case 'binary':
      return binary(e.op, e.left, e.right, lookup);
    case 'compare': {
      let left = evaluate(e.first, lookup);
      for (const [op, of] of e.rest) {
        const right = evaluate(of, lookup);
        if (!compare(op, left, right)) return false;
        left = right;
      }
      return true;
    }
  }
}

const truth = (v: Scalar): boolean => v !== 0 && v !== '' && v !== false;
const plain = (v: Scalar): number | string => (typeof v === 'boolean' ? Number(v) : v);

function numberFor(op: string, v: Scalar): number {
  if (typeof v === 'string') throw new NoValue(`${op} wants numbers, not '${v}'`);
  return Number(v);
}

function bits(op: string, n: number): bigint {
  if (!Number.isInteger(n)) throw new NoValue(`${op} wants whole numbers, not ${n}`);
  return BigInt(n);
}

function binary(op: string, left: Expression, right: Expression, lookup: Lookup): Scalar {
  const first = evaluate(left, lookup);
  if (op === 'and') return truth(first) ? evaluate(right, lookup) : first;
  if (op === 'or') return truth(first) ? first : evaluate(right, lookup);
  const a = numberFor(op, first);
  const b = numberFor(op, evaluate(right, lookup));
  const result = arithmetic(op, a, b);
  if (!Number.isFinite(result)) throw new NoValue(`${a} ${op} ${b} is no number`);
  return result;
}

function arithmetic(op: string, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    case '%':
      return a - b * Math.floor(a / b);
    // Masks and shifts of numbers beyond 32 bits, too.
    case '&':
      return Number(bits(op, a) & bits(op, b));
    case '|':
      return Number(bits(op, a) | bits(op, b));
    case '^':
      return Number(bits(op, a) ^ bits(op, b));
    case '<<':
      return a * 2 ** b;
    default:
      return Math.floor(a / 2 ** b);
  }
}

function compare(op: string, left: Scalar, right: Scalar): boolean {
  const a = plain(left);
  const b = plain(right);
  switch (op) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    default:
      return a >= b;
  }
}

/** Throws ScenarioError where a name stands for nothing: `isKnown` tells what there is beside `variables`, which grow. */
export function checkNames(
  statements: readonly Statement[],
  isKnown: (name: string) => boolean,
  variables: Set<string>,
): void {
  const check = (e: Expression | undefined): void => {
    if (e?.kind === 'name' && !variables.has(e.name) && !isKnown(e.name))
      throw new ScenarioError(e.place, `${e.name} is not known here`);
    if (e?.kind === 'unary') check(e.of);
    if (e?.kind === 'binary') [e.left, e.right].forEach(check);
    if (e?.kind === 'compare') [e.first, ...e.rest.map(([, of]) => of)].forEach(check);
  };
  for (const statement of statements) {
    if (statement.kind === 'print') statement.of.forEach(check);
    else if (statement.kind === 'assert') [statement.test, statement.say].forEach(check);
    else {
      check(statement.to);
      variables.add(statement.name);
    }
  }
}

function namesIn(e: Expression): readonly string[] {
  switch (e.kind) {
    case 'constant':
      return [];
    case 'name':
      return [e.name];
    case 'unary':
      return namesIn(e.of);
    case 'binary':
      return [...namesIn(e.left), ...namesIn(e.right)];
    case 'compare':
      return [...namesIn(e.first), ...e.rest.flatMap(([, of]) => namesIn(of))];
  }
}
