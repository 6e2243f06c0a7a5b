/**
 * Many mutants in one text, all of them asleep: a number chooses the one in force, and each place notes that it was passed.
 * So one process tries thousands, and none is tried on a test that never comes by.
 *
 *   a < b   becomes   (M === 7 ? (a <= b) : M === 8 ? (a >= b) : (P[7] = 1, a < b))
 *
 * A constant of the module, `const LIMIT = 16`, is written out where it is used, for it has its value before any test begins.
 * What else a module computes while it is read can't be switched; such places are passed before any test.
 */
import ts from 'typescript';
import type { Mutant } from './mutant.ts';

/** The global with the number of the mutant in force; 0 for none. */
export const IN_FORCE = '__tcpxMutant';
/** The global where a place that is passed sets a 1, at the number of its first mutant. */
export const PLACES = '__tcpxPlaces';

export interface Numbered {
  /** From 1. */
  readonly id: number;
  /** Of the first at the same place. */
  readonly place: number;
  readonly mutant: Mutant;
}

/** Mutants of the same place get numbers one after another. */
export function numbered(mutants: readonly Mutant[]): readonly Numbered[] {
  const places = new Map<string, number>();
  return mutants.map((mutant, i) => {
    const key = `${mutant.file}:${mutant.start}-${mutant.end}`;
    const place = places.get(key) ?? i + 1;
    places.set(key, place);
    return { id: i + 1, place, mutant };
  });
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly all: Numbered[];
  readonly inner: Place[];
  /** Another place that is written here. */
  readonly stands?: Place;
}

/** `mutants` are those of this text; nothing else of it is changed, and lines stay where they are. */
export function switchable(text: string, mutants: readonly Numbered[]): string {
  const places = mutants.map((one) => ({ start: one.mutant.start, end: one.mutant.end, one }));
  const constants = moduleConstants(text);
  const uses = constants.flatMap(({ init, isExported, uses }) => {
    const within = places.filter(({ start, end }) => init.start <= start && end <= init.end);
    if (within.length === 0) return [];
    const stands: Place = { ...init, all: [], inner: nested(within) };
    // Other modules read the constant itself.
    if (!isExported) for (const one of within) places.splice(places.indexOf(one), 1);
    return uses.map((use) => ({ ...use, stands }));
  });
  return rewritten(text, { start: 0, end: text.length, all: [], inner: nested([...places, ...uses]) });
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Expressions lie in one another or apart. */
function nested(ranges: readonly (Range & { readonly one?: Numbered; readonly stands?: Place })[]): Place[] {
  const top: Place[] = [];
  const open: Place[] = [];
  for (const { start, end, one, stands } of ranges.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    while (open.length > 0 && open.at(-1)!.end <= start) open.pop();
    const around = open.at(-1);
    if (one !== undefined && around !== undefined && around.start === start && around.end === end) {
      around.all.push(one);
      continue;
    }
    const all = one === undefined ? [] : [one];
    const place: Place = { start, end, all, inner: [], ...(stands !== undefined && { stands }) };
    (around?.inner ?? top).push(place);
    open.push(place);
  }
  return top;
}

interface ModuleConstant {
  readonly init: Range;
  readonly isExported: boolean;
  readonly uses: readonly Range[];
}

/** `const NAME = …` of numbers, sums and calls, and where NAME is read in this text. */
function moduleConstants(text: string): readonly ModuleConstant[] {
  const source = ts.createSourceFile('', text, ts.ScriptTarget.ES2023, true);
  const range = (node: ts.Node): Range => ({ start: node.getStart(source), end: node.end });
  return source.statements.filter(ts.isVariableStatement).flatMap((statement) =>
    statement.declarationList.declarations.flatMap(({ name, initializer }) => {
      if (initializer === undefined || !/^[A-Z][A-Z0-9_]*$/.test(name.getText()) || !isScalar(initializer)) return [];
      const uses: Range[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isTypeNode(node)) return;
        if (ts.isIdentifier(node) && node.text === name.getText() && isRead(node)) uses.push(range(node));
        ts.forEachChild(node, visit);
      };
      visit(source);
      const isExported = statement.modifiers?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword) === true;
      return [{ init: range(initializer), isExported, uses }];
    }),
  );
}

function isScalar(node: ts.Expression): boolean {
  if (ts.isBinaryExpression(node)) return isScalar(node.left) && isScalar(node.right);
  if (ts.isPrefixUnaryExpression(node)) return isScalar(node.operand);
  if (ts.isCallExpression(node)) return node.arguments.every(isScalar);
  return ts.isNumericLiteral(node) || ts.isIdentifier(node) || ts.isPropertyAccessExpression(node);
}

function isRead(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isVariableDeclaration(parent)) return parent.initializer === node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  return !ts.isShorthandPropertyAssignment(parent) && !ts.isExportSpecifier(parent) && !ts.isImportSpecifier(parent);
}

function rewritten(text: string, { start, end, all, inner, stands }: Place): string {
  if (stands !== undefined) return `(${rewritten(text, stands)})`;
  let out = '';
  let at = start;
  for (const place of inner) {
    out += text.slice(at, place.start) + rewritten(text, place);
    at = place.end;
  }
  out += text.slice(at, end);
  const first = all[0];
  if (first === undefined) return out;
  const note = `${PLACES}[${first.place}] = 1`;
  if (first.mutant.kind === 'return') return `{ ${note}; if (${IN_FORCE} !== ${first.id}) ${out} }`;
  const others = all.map(({ id, mutant }) => `${IN_FORCE} === ${id} ? (${mutant.replacement}) : `).join('');
  return `(${others}(${note}, ${out}))`;
}
