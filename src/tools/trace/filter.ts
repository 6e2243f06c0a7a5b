/**
 * Which connections to look at, in words like tcpdump's, for whole connections:
 *
 *     port 443 and not host 10.0.0.7
 *     client net 10.0.0.0/8 or (server host 2001:db8::1 and port 80)
 *
 * `client` and `server` narrow what follows to that end; 'and' may be left out between two conditions.
 */
import { inPrefix, parseIpv4, toIpv4 } from '../../wire/ipv4.ts';
import { parseIpv6 } from '../../wire/ipv6.ts';
import type { TracedConnection } from './connection.ts';
import type { Side } from './end-states.ts';

export type ConnectionFilter = (connection: TracedConnection) => boolean;

/** What is wrong, and at which character, counted from 1. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
  readonly column: number;

  constructor(message: string, column: number) {
    super(`${message} at character ${column}`);
    this.column = column;
  }
}

/** Throws FilterError. */
export function parseFilter(text: string): ConnectionFilter {
  return new FilterParser(text).parse();
}

interface Word {
  readonly text: string;
  /** From 1. */
  readonly column: number;
}

const EITHER: readonly Side[] = [0, 1];

class FilterParser {
  readonly #words: readonly Word[];
  readonly #end: number;
  #place = 0;

  constructor(text: string) {
    this.#words = [...text.matchAll(/[()]|[^\s()]+/g)].map((m) => ({ text: m[0], column: m.index + 1 }));
    this.#end = text.length + 1;
  }

  parse(): ConnectionFilter {
    const filter = this.#either();
    const rest = this.#words[this.#place];
    if (rest !== undefined) throw new FilterError(`'${rest.text}' is not expected`, rest.column);
    return filter;
  }

  #either(): ConnectionFilter {
    const left = this.#both();
    if (!this.#takes('or')) return left;
    const right = this.#either();
    return (c) => left(c) || right(c);
  }

  #both(): ConnectionFilter {
    const left = this.#one();
    const next = this.#words[this.#place]?.text;
    if (next === undefined || next === 'or' || next === ')') return left;
    this.#takes('and');
    const right = this.#both();
    return (c) => left(c) && right(c);
  }

  #one(): ConnectionFilter {
    if (this.#takes('not')) {
      const inner = this.#one();
      return (c) => !inner(c);
    }
    if (this.#takes('(')) {
      const inner = this.#either();
      if (!this.#takes(')')) throw new FilterError("')' is missing", this.#column);
      return inner;
    }
    const sides: readonly Side[] = this.#takes('client') ? [0] : this.#takes('server') ? [1] : EITHER;
    if (this.#takes('host')) return this.#host(sides);
    if (this.#takes('net')) return this.#net(sides);
    if (this.#takes('port')) return this.#port(sides);
    throw new FilterError('a condition is expected (host ADDRESS, net ADDRESS/LENGTH, port NUMBER)', this.#column);
  }

  #host(sides: readonly Side[]): ConnectionFilter {
    const { text, column } = this.#word('an address');
    const v4 = parseIpv4(text);
    const words = v4 === undefined ? parseIpv6(text) : ([v4, 0, 0, 0] as const);
    if (words === undefined) throw new FilterError(`'${text}' is not an address`, column);
    return (c) =>
      c.isIpv6 === (v4 === undefined) && sides.some((side) => words.every((word, i) => c.addresses[side][i] === word));
  }

  #net(sides: readonly Side[]): ConnectionFilter {
    const { text, column } = this.#word('ADDRESS/LENGTH');
    const [address = '', len = ''] = text.split('/');
    const network = parseIpv4(address);
    const prefixLen = /^[0-9]{1,2}$/.test(len) ? Number(len) : 33;
    if (network === undefined || prefixLen > 32)
      throw new FilterError(`'${text}' is not an IPv4 ADDRESS/LENGTH`, column);
    return (c) => !c.isIpv6 && sides.some((side) => inPrefix(toIpv4(c.addresses[side][0]!), network, prefixLen));
  }

  #port(sides: readonly Side[]): ConnectionFilter {
    const { text, column } = this.#word('a port');
    const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 65_536;
    if (port > 65_535) throw new FilterError(`'${text}' is not a port`, column);
    return (c) => sides.some((side) => c.ports[side] === port);
  }

  #takes(word: string): boolean {
    if (this.#words[this.#place]?.text !== word) return false;
    this.#place++;
    return true;
  }

  #word(what: string): Word {
    const word = this.#words[this.#place];
    if (word === undefined) throw new FilterError(`${what} is missing`, this.#end);
    this.#place++;
    return word;
  }

  get #column(): number {
    return this.#words[this.#place]?.column ?? this.#end;
  }
}
