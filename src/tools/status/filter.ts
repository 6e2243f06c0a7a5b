/**
 * ss's filters: `state established`, `exclude time-wait`, `dport = :443`, `src 10.0.0.0/8`, joined by `and`, `or`, `not`
 * and parentheses. Without a word on states it is those of ss: all but listening, closed, TIME-WAIT and SYN-RECEIVED.
 */

import type { State } from '../../tcp/machine.ts';
import { type Ipv4, inPrefix, parseIpv4 } from '../../wire/ipv4.ts';
import type { ConnectionStatus } from './model.ts';

export type Wanted = (connection: ConnectionStatus) => boolean;

/** A filter that is none. The message goes on where ss's would. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}

export const SS_STATES: Readonly<Record<State, string>> = {
  CLOSED: 'UNCONN',
  LISTEN: 'LISTEN',
  'SYN-SENT': 'SYN-SENT',
  'SYN-RECEIVED': 'SYN-RECV',
  ESTABLISHED: 'ESTAB',
  'FIN-WAIT-1': 'FIN-WAIT-1',
  'FIN-WAIT-2': 'FIN-WAIT-2',
  'CLOSE-WAIT': 'CLOSE-WAIT',
  CLOSING: 'CLOSING',
  'LAST-ACK': 'LAST-ACK',
  'TIME-WAIT': 'TIME-WAIT',
};

const ALL = Object.keys(SS_STATES) as readonly State[];
const BUCKETS: readonly State[] = ['TIME-WAIT', 'SYN-RECEIVED'];
const without = (...gone: readonly State[]): readonly State[] => ALL.filter((state) => !gone.includes(state));
const USUAL = without('LISTEN', 'CLOSED', ...BUCKETS);

const GROUPS: Readonly<Record<string, readonly State[]>> = {
  all: ALL,
  connected: without('LISTEN', 'CLOSED'),
  synchronized: without('LISTEN', 'CLOSED', 'SYN-SENT'),
  bucket: BUCKETS,
  big: without(...BUCKETS),
  listening: ['LISTEN'],
  listen: ['LISTEN'],
  established: ['ESTABLISHED'],
  estab: ['ESTABLISHED'],
  'syn-recv': ['SYN-RECEIVED'],
  closed: ['CLOSED'],
  unconnected: ['CLOSED'],
  ...Object.fromEntries(ALL.map((state) => [state.toLowerCase(), [state]])),
};

/** Throws FilterError. */
export function parseFilter(text: string): Wanted {
  const tokens = text.match(/[<>=!]=|&&|\|\||[()!|&<>=]|[^\s()|&<>=!]+/g) ?? [];
  const parser = new Parser(tokens);
  const states = parser.states(USUAL);
  const wanted = parser.done ? () => true : parser.either();
  if (!parser.done) throw new FilterError(`'${parser.next}' is not expected there`);
  return (connection) => states.has(connection.state) && wanted(connection);
}

type Compare = (a: number, b: number) => boolean;

const OPERATORS: Readonly<Record<string, Compare>> = {
  ...named((a, b) => a === b, '=', '==', 'eq'),
  ...named((a, b) => a !== b, '!=', 'ne', 'neq'),
  ...named((a, b) => a > b, '>', 'gt'),
  ...named((a, b) => a < b, '<', 'lt'),
  ...named((a, b) => a >= b, '>=', 'ge', 'geq'),
  ...named((a, b) => a <= b, '<=', 'le', 'leq'),
};

function named(compare: Compare, ...names: readonly string[]): Readonly<Record<string, Compare>> {
  return Object.fromEntries(names.map((name) => [name, compare]));
}

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length;
  }

  get next(): string | undefined {
    return this.#tokens[this.#at]?.toLowerCase();
  }

  /** `state X`, `exclude X`, as often as they come, in front of all else. */
  states(usual: readonly State[]): ReadonlySet<State> {
    let chosen: Set<State> | undefined;
    for (;;) {
      if (this.#take('state')) {
        chosen ??= new Set();
        for (const state of this.#group()) chosen.add(state);
      } else if (this.#take('exclude')) {
        chosen ??= new Set(ALL);
        for (const state of this.#group()) chosen.delete(state);
      } else return chosen ?? new Set(usual);
    }
  }

  either(): Wanted {
    let one = this.#both();
    while (this.#take('or', '|', '||')) {
      const [a, b] = [one, this.#both()];
      one = (c) => a(c) || b(c);
    }
    return one;
  }

  #both(): Wanted {
    let one = this.#single();
    for (;;) {
      const joined = this.#take('and', '&', '&&');
      if (!joined && (this.done || this.next === 'or' || this.next === '|' || this.next === '||' || this.next === ')'))
        return one;
      const [a, b] = [one, this.#single()];
      one = (c) => a(c) && b(c);
    }
  }

  #single(): Wanted {
    if (this.#take('not', '!')) {
      const inner = this.#single();
      return (c) => !inner(c);
    }
    if (this.#take('(')) {
      const inner = this.either();
      if (!this.#take(')')) throw new FilterError("a ')' is missing");
      return inner;
    }
    if (this.#take('sport')) return this.#port((c) => c.localPort);
    if (this.#take('dport')) return this.#port((c) => c.remotePort);
    if (this.#take('src'))
      return this.#place(
        (c) => c.localAddress,
        (c) => c.localPort,
      );
    if (this.#take('dst'))
      return this.#place(
        (c) => c.remoteAddress,
        (c) => c.remotePort,
      );
    throw new FilterError(
      this.done
        ? 'it ends where a condition is expected'
        : `'${this.next}' is neither state, exclude, src, dst, sport nor dport`,
    );
  }

  #port(of: (c: ConnectionStatus) => number): Wanted {
    const compare = this.#operator();
    const port = portOf(this.#word('a port').replace(/^:/, ''));
    return (c) => compare(of(c), port);
  }

  #place(address: (c: ConnectionStatus) => string, port: (c: ConnectionStatus) => number): Wanted {
    const compare = this.#operator();
    const word = this.#word('an address');
    const [, host = '', len, , wantedPort] = /^([^/:]*)(?:\/(\d+))?(:(.+))?$/.exec(word) ?? [];
    const everywhere = host === '' || host === '*';
    const network = everywhere ? undefined : parseIpv4(host);
    const bits = Number(len ?? 32);
    if ((network === undefined && !everywhere) || bits > 32 || (everywhere && wantedPort === undefined))
      throw new FilterError(`'${word}' is not an IPv4 address, with a prefix or port behind it if need be`);
    const exact = wantedPort === undefined || wantedPort === '*' ? undefined : portOf(wantedPort);
    const isSame = (c: ConnectionStatus): boolean =>
      (network === undefined || inPrefix(parseIpv4(address(c)) as Ipv4, network, bits)) &&
      (exact === undefined || port(c) === exact);
    if (compare(1, 0) !== compare(-1, 0) || compare(0, 0) === compare(1, 0))
      throw new FilterError('addresses are the same or not: = and !=');
    return compare(0, 0) ? isSame : (c) => !isSame(c);
  }

  #operator(): Compare {
    const compare = this.next === undefined ? undefined : OPERATORS[this.next];
    if (compare === undefined) return (a, b) => a === b;
    this.#at++;
    return compare;
  }

  #group(): readonly State[] {
    const word = this.#word('a state');
    const group = GROUPS[word.toLowerCase()];
    if (group === undefined) throw new FilterError(`'${word}' is no state: ${Object.keys(GROUPS).join(', ')}`);
    return group;
  }

  #word(what: string): string {
    const word = this.#tokens[this.#at++];
    if (word === undefined) throw new FilterError(`it ends where ${what} is expected`);
    return word;
  }

  #take(...words: readonly string[]): boolean {
    if (this.next === undefined || !words.includes(this.next)) return false;
    this.#at++;
    return true;
  }
}

function portOf(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new FilterError(`'${text}' is no port`);
}
