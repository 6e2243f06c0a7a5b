/** The small changes among which breaks are looked for: each an expression, so that all can be built into one text and switched. */
import ts from 'typescript';
import { type Mutant, mutantsOf } from '../../../scripts/mutants/mutant.ts';

export interface Change {
  readonly mutant: Mutant;
  /** The comments above it, up to its file's header: what it is about. */
  readonly about: string;
}

/** What stands for a statement that is left out. */
export const NOTHING = 'undefined';

/** Statements left out, `if`s that are never or always taken, and what tests in general should notice, in this order. */
export function changesOf(file: string, text: string): readonly Change[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const header = text.startsWith('/**') ? text.slice(0, text.indexOf('*/')) : '';
  const left: Mutant[] = [];
  const never: Mutant[] = [];
  const mutant = (node: ts.Node, replacement: string): Mutant => {
    const start = node.getStart(source);
    const line = source.getLineAndCharacterOfPosition(start).line + 1;
    return { file, kind: 'logic', start, end: node.end, line, original: node.getText(source), replacement };
  };
  const visit = (node: ts.Node): void => {
    if (ts.isExpressionStatement(node) && !node.getText(source).startsWith('super'))
      left.push(mutant(node.expression, NOTHING));
    if (ts.isIfStatement(node)) never.push(mutant(node.expression, 'false'), mutant(node.expression, 'true'));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...left, ...never, ...mutantsOf(file, text)].flatMap((one) => {
    const node = nodeAt(source, one);
    return isSwitchable(node) ? [{ mutant: one, about: `${header} ${commentsAbove(text, node)}` }] : [];
  });
}

/** Inside a function, and not what a loop waits for: that would never end. */
function isSwitchable(node: ts.Node): boolean {
  for (let at = node; !ts.isSourceFile(at); at = at.parent) {
    const { parent } = at;
    if (ts.isForStatement(parent) && at !== parent.statement) return false;
    if ((ts.isWhileStatement(parent) || ts.isDoStatement(parent)) && at === parent.expression) return false;
    if (ts.isFunctionLike(at)) return true;
  }
  return false;
}

function nodeAt(source: ts.SourceFile, { start, end }: Mutant): ts.Node {
  let at: ts.Node = source;
  for (;;) {
    const inner: ts.Node | undefined = ts.forEachChild(at, (child) =>
      child.getStart(source) <= start && end <= child.end ? child : undefined,
    );
    if (inner === undefined) return at;
    at = inner;
  }
}

function commentsAbove(text: string, node: ts.Node): string {
  const comments: string[] = [];
  for (let at: ts.Node = node; !ts.isSourceFile(at); at = at.parent)
    for (const { pos, end } of ts.getLeadingCommentRanges(text, at.getFullStart()) ?? [])
      comments.push(text.slice(pos, end));
  return comments.join(' ');
}
