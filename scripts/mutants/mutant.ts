/**
 * Small changes to a source, each of which a test should notice: comparisons, constants, and if asked for, logic, sums and
 * early returns. Found in the syntax tree, so that types, comments and texts are left alone. Changes nothing itself.
 *
 *   const [one] = listMutants(['src/tcp/rtt.ts']);
 *   applyMutant(readFileSync(one.file, 'utf8'), one);   // the mutated text
 */
import { readFileSync } from 'node:fs';
import ts from 'typescript';

export type Kind = 'comparison' | 'constant' | 'logic' | 'arithmetic' | 'return';

export const KINDS: readonly Kind[] = ['comparison', 'constant', 'logic', 'arithmetic', 'return'];

export interface Mutant {
  /** As it was given, so relative to where the program runs, or to the root of a copy. */
  readonly file: string;
  readonly kind: Kind;
  /** Of what is replaced, in UTF-16 units of the file; `end` is not part of it. */
  readonly start: number;
  readonly end: number;
  /** From 1. */
  readonly line: number;
  readonly original: string;
  readonly replacement: string;
}

/** Every mutant of these files, in the order of the text. `root` is where the files' names begin. */
export function listMutants(
  files: readonly string[],
  kinds: readonly Kind[] = ['comparison', 'constant'],
  root = '.',
): readonly Mutant[] {
  return files.flatMap((file) => mutantsOf(file, readFileSync(`${root}/${file}`, 'utf8'), kinds));
}

/** The same of one text. */
export function mutantsOf(file: string, text: string, kinds: readonly Kind[] = KINDS): readonly Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const found: Mutant[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
    for (const [kind, replacement] of changesOf(node)) {
      if (!kinds.includes(kind)) continue;
      const start = node.getStart(source);
      const line = source.getLineAndCharacterOfPosition(start).line + 1;
      found.push({ file, kind, start, end: node.end, line, original: node.getText(source), replacement });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Throws when the text is not the one that the mutant was found in. */
export function applyMutant(source: string, mutant: Mutant): string {
  const { file, line, start, end, original, replacement } = mutant;
  if (source.slice(start, end) !== original) throw new Error(`${file}:${line} does not read '${original}' any more`);
  return source.slice(0, start) + replacement + source.slice(end);
}

/**
 * A mutant of one's own: `original`, which the text has once, or the `nth` (from 1) of several, becomes `replacement`.
 * Throws when it is not there.
 */
export function mutantAt(file: string, text: string, original: string, replacement: string, nth?: number): Mutant {
  let start = text.indexOf(original);
  for (let i = 1; i < (nth ?? 1) && start >= 0; i++) start = text.indexOf(original, start + 1);
  if (start < 0) throw new Error(`${file} does not have '${original}'${nth === undefined ? '' : ` ${nth} times`}`);
  if (nth === undefined && text.includes(original, start + 1))
    throw new Error(`${file} has '${original}' more than once`);
  const line = text.slice(0, start).split('\n').length;
  return { file, kind: 'logic', start, end: start + original.length, line, original, replacement };
}

/** `src/tcp/rtt.ts:12: a < b → a <= b` */
export function mutantText({ file, line, original, replacement }: Mutant): string {
  const one = (text: string): string => text.replace(/\s+/g, ' ');
  return `${file}:${line}: ${one(original)} → ${one(replacement)}`;
}

type Change = readonly [Kind, string];

function changesOf(node: ts.Node): readonly Change[] {
  if (ts.isBinaryExpression(node)) return binaryChanges(node);
  if (ts.isNumericLiteral(node)) return isName(node) ? [] : numberChanges(node);
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [['constant', 'false']];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [['constant', 'true']];
  if (ts.isCallExpression(node)) return callChanges(node);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
    return [['logic', `(${node.operand.getText()})`]];
  if (ts.isReturnStatement(node) && ts.isIfStatement(node.parent) && node.expression === undefined)
    return [['return', ';']];
  return [];
}

/** The number of an enumeration's key, or of a property: not a value. */
function isName(node: ts.NumericLiteral): boolean {
  return ts.isPropertyAssignment(node.parent) && node.parent.name === node;
}

/** The bound moved by one, and the opposite. */
const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
};
const LOGIC: Readonly<Record<string, string>> = { '&&': '||', '||': '&&' };
const ARITHMETIC: Readonly<Record<string, string>> = { '+': '-', '-': '+', '*': '/', '/': '*', '+=': '-=', '-=': '+=' };

function binaryChanges(node: ts.BinaryExpression): readonly Change[] {
  const op = node.operatorToken.getText();
  const kind: Kind = op in COMPARISONS ? 'comparison' : op in LOGIC ? 'logic' : 'arithmetic';
  const ops = COMPARISONS[op] ?? [LOGIC[op] ?? ARITHMETIC[op] ?? []].flat();
  if (kind === 'arithmetic' && [node.left, node.right].some(isText)) return [];
  const text = node.getText();
  const at = node.operatorToken.getStart() - node.getStart();
  // `a || b && c`, and `a && b ?? c`, change their shape or do not parse: what was one operand stays one.
  const [left, right] = [text.slice(0, at), text.slice(at + op.length)];
  if (kind === 'logic') return ops.map((other) => [kind, `((${left.trim()}) ${other} (${right.trim()}))`]);
  return ops.map((other) => [kind, left + other + right]);
}

function isText(node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

/** From here on a round number is a measure, and one more would say nothing: it changes by a tenth. */
const MEASURE = 1000;

function numberChanges(node: ts.NumericLiteral): readonly Change[] {
  // The scanner has made decimals of hexadecimals and taken the separators out.
  const n = Number(node.text);
  const isMeasure = !Number.isInteger(n) || (n >= MEASURE && n % 100 === 0);
  const others = isMeasure ? [n * 1.1, n * 0.9].map(rounded) : n === 0 ? [1] : [n + 1, n - 1];
  return others.map((other) => ['constant', other.toString()]);
}

/** 0.1 and its like add up to long tails. */
const rounded = (n: number): number => Number(n.toPrecision(12));

/** Sequence numbers are compared by functions, which a file need not import all. */
const SEQ_COMPARISONS: ReadonlySet<string> = new Set(['seqLt', 'seqLeq']);

function callChanges(node: ts.CallExpression): readonly Change[] {
  const name = node.expression.getText();
  if (name === 'seqInWindow') return [['comparison', `!${node.getText()}`]];
  if (!SEQ_COMPARISONS.has(name)) return [];
  const [a, b] = node.arguments.map((argument) => argument.getText());
  // a ≤ b is not b < a.
  return [
    ['comparison', `!${name}(${b}, ${a})`],
    ['comparison', `!${node.getText()}`],
  ];
}
