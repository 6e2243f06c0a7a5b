/** A way through tokens, for the parsers: look, take, and say what was expected where. */
import type { Token, TokenKind } from './lexer.ts';
import { type Place, ScenarioError } from './model.ts';

/** Lists in lists, parentheses in parentheses. */
const MAX_DEPTH = 100;

export class Cursor {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get token(): Token {
    return this.#tokens[this.#at]!;
  }

  get isAtEnd(): boolean {
    return this.token.kind === 'end';
  }

  get place(): Place {
    return this.token.place;
  }

  /** `ahead` tokens further on. */
  look(ahead: number): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
  }

  take(): Token {
    const token = this.token;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  /** The next token is this mark or word. */
  isAt(text: string): boolean {
    const { kind } = this.token;
    return (kind === 'mark' || kind === 'word') && this.token.text === text;
  }

  /** Takes it if it is there. */
  skip(text: string): boolean {
    if (!this.isAt(text)) return false;
    this.take();
    return true;
  }

  expect(text: string): void {
    if (!this.skip(text)) throw this.wrong(`'${text}'`);
  }

  takeKind(kind: TokenKind, what: string): string {
    if (this.token.kind !== kind) throw this.wrong(what);
    return this.take().text;
  }

  /** A whole number, decimal or hexadecimal, perhaps negative. */
  takeInteger(what: string): number {
    const negative = this.skip('-');
    const { kind, text } = this.token;
    if ((kind !== 'number' && kind !== 'hex') || text.includes('.')) throw this.wrong(what);
    this.take();
    return negative ? -Number(text) : Number(text);
  }

  /** The same, no less than `least` and no more than `most`. */
  takeWithin(least: number, most: number, what: string): number {
    const { place } = this;
    const n = this.takeInteger(what);
    if (n < least || n > most) throw new ScenarioError(place, `${what} is from ${least} to ${most}, not ${n}`);
    return n;
  }

  /** For what may hold things of its own kind, so that no text exhausts the stack. */
  nested<T>(parse: () => T): T {
    if (this.#depth === MAX_DEPTH) throw new ScenarioError(this.place, `nested deeper than ${MAX_DEPTH}`);
    this.#depth++;
    const parsed = parse();
    this.#depth--;
    return parsed;
  }

  /** `what` is what should stand here. */
  wrong(what: string): ScenarioError {
    const { kind, text, place } = this.token;
    const found = kind === 'end' ? 'the end' : `'${printable(text.length > 30 ? `${text.slice(0, 30)}…` : text)}'`;
    return new ScenarioError(place, `expected ${what}, found ${found}`);
  }
}

/** A file that is no text at all must not write to a terminal what it likes. */
const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\ufffd]/gu, (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
