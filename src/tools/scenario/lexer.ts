/** The words of packetdrill's language: what a scenario's text consists of, each with its place. */
import { type Place, ScenarioError } from './model.ts';

export type TokenKind =
  | 'number'
  | 'hex'
  | 'word'
  | 'string'
  | 'address'
  | 'option'
  | 'command'
  | 'code'
  | 'mark'
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Without its quotes. */
  readonly text: string;
  readonly place: Place;
}

/** `//! covers: MUST-13`. */
export interface Directive {
  readonly key: string;
  readonly value: string;
  readonly place: Place;
}

export interface Lexed {
  /** The last one is of kind 'end'. */
  readonly tokens: readonly Token[];
  readonly directives: readonly Directive[];
}

/** Tried in this order at each place. */
const RULES: readonly (readonly [TokenKind, RegExp])[] = [
  ['address', /[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/y],
  ['option', /--[A-Za-z0-9_]+/y],
  ['hex', /0x[0-9a-fA-F]+\b/y],
  ['number', /[0-9]*\.[0-9]+(?![A-Za-z_])/y],
  ['number', /[0-9]+(?![A-Za-z0-9_])/y],
  ['word', /[A-Za-z0-9_]+/y],
  ['mark', /\.\.\./y],
  ['mark', /[^\s]/y],
];

/** Throws ScenarioError on what is never closed. */
export function lex(text: string): Lexed {
  return new Lexer(text).run();
}

class Lexer {
  readonly #text: string;
  #at = 0;
  #line = 1;
  #lineAt = 0;
  readonly #tokens: Token[] = [];
  readonly #directives: Directive[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  run(): Lexed {
    while (this.#at < this.#text.length) this.#next();
    this.#push('end', '');
    return { tokens: this.#tokens, directives: this.#directives };
  }

  get #place(): Place {
    return { line: this.#line, column: this.#at - this.#lineAt + 1 };
  }

  #next(): void {
    const text = this.#text;
    const rest = text[this.#at]!;
    if (/\s/.test(rest)) this.#advance(1);
    else if (text.startsWith('//', this.#at)) this.#comment();
    // A line of its own that begins with '#' is a comment in scripts of the Linux tree.
    else if (rest === '#' && this.#at === this.#lineAt) this.#advance(this.#toEndOfLine());
    else if (text.startsWith('/*', this.#at)) this.#advance(this.#enclosed('/*', '*/').length);
    else if (text.startsWith('%{', this.#at)) this.#quoted('code', '%{', '}%');
    else if (rest === '`') this.#quoted('command', '`', '`');
    else if (rest === '"') this.#quoted('string', '"', '"');
    else this.#plain();
  }

  #plain(): void {
    for (const [kind, rule] of RULES) {
      rule.lastIndex = this.#at;
      const found = rule.exec(this.#text)?.[0];
      if (found === undefined) continue;
      this.#push(kind, found);
      this.#advance(found.length);
      return;
    }
  }

  #comment(): void {
    const comment = this.#text.slice(this.#at, this.#at + this.#toEndOfLine());
    const found = /^\/\/!\s*([A-Za-z-]+)\s*(?::\s*(.*?))?\s*$/.exec(comment);
    if (found !== null) this.#directives.push({ key: found[1]!, value: found[2] ?? '', place: this.#place });
    this.#advance(comment.length);
  }

  #quoted(kind: TokenKind, open: string, close: string): void {
    const whole = this.#enclosed(open, close);
    this.#push(kind, whole.slice(open.length, -close.length));
    this.#advance(whole.length);
  }

  /** From `open` at this place to `close`, both included. A backslash keeps the octet behind it from closing. */
  #enclosed(open: string, close: string): string {
    let end = this.#at + open.length;
    while (end < this.#text.length && !this.#text.startsWith(close, end))
      end += this.#text[end] === '\\' && close.length === 1 ? 2 : 1;
    if (end >= this.#text.length) throw new ScenarioError(this.#place, `${open} is never closed by ${close}`);
    return this.#text.slice(this.#at, end + close.length);
  }

  #toEndOfLine(): number {
    const end = this.#text.indexOf('\n', this.#at);
    return (end < 0 ? this.#text.length : end) - this.#at;
  }

  #push(kind: TokenKind, text: string): void {
    this.#tokens.push({ kind, text, place: this.#place });
  }

  #advance(len: number): void {
    const end = this.#at + len;
    while (this.#at < end) {
      if (this.#text[this.#at++] !== '\n') continue;
      this.#line++;
      this.#lineAt = this.#at;
    }
  }
}
