/** Arguments and results of calls: numbers, names, strings, lists, structures, and what is joined by `|`. */
import type { Cursor } from './cursor.ts';
import type { BareValue, Field, Value } from './model.ts';

export function parseValue(at: Cursor): Value {
  const first = parseOne(at);
  if (!at.isAt('|')) return first;
  const of = [first];
  while (at.skip('|')) of.push(parseOne(at));
  return { kind: 'flags', of, ...(first.place !== undefined && { place: first.place }) };
}

function parseOne(at: Cursor): Value {
  const { place } = at;
  return { ...at.nested(() => parseBare(at)), place };
}

function parseBare(at: Cursor): BareValue {
  if (at.skip('...')) return { kind: 'any' };
  if (at.isAt('[')) return parseList(at);
  if (at.isAt('{')) return parseStruct(at);
  switch (at.token.kind) {
    case 'hex':
      return { kind: 'number', n: at.takeInteger('a number'), hex: true };
    case 'number':
    case 'mark':
      return { kind: 'number', n: at.takeInteger('a value') };
    case 'string': {
      const { text } = at.take();
      // What follows a string that goes on isn't looked at.
      return at.skip('...') ? { kind: 'any' } : { kind: 'string', text };
    }
    case 'word':
      return parseName(at);
    default:
      throw at.wrong('a value');
  }
}

/** `SOCK_STREAM`, or `htons(8080)`. */
function parseName(at: Cursor): BareValue {
  const name = at.take().text;
  if (!at.skip('(')) return { kind: 'name', name };
  const args = at.isAt(')') ? [] : [parseValue(at)];
  while (at.skip(',')) args.push(parseValue(at));
  at.expect(')');
  return { kind: 'apply', name, args };
}

function parseList(at: Cursor): BareValue {
  at.expect('[');
  const items: Value[] = [];
  while (!at.isAt(']')) {
    items.push(parseValue(at));
    if (!at.skip(',') && !at.isAt(']')) throw at.wrong("',' or ']'");
  }
  at.expect(']');
  return { kind: 'list', items };
}

function parseStruct(at: Cursor): BareValue {
  at.expect('{');
  const fields: Field[] = [];
  while (!at.isAt('}')) {
    fields.push(parseField(at));
    if (!at.skip(',') && !at.isAt('}')) throw at.wrong("',' or '}'");
  }
  at.expect('}');
  return { kind: 'struct', fields };
}

/** `fd=4`, `msg_iov(2)=[…]`, or a value alone. */
function parseField(at: Cursor): Field {
  const isNamed = at.token.kind === 'word' && (at.look(1).text === '=' || at.look(4).text === '=');
  if (!isNamed) return { name: undefined, value: parseValue(at) };
  const name = at.take().text;
  if (at.skip('(')) {
    parseValue(at);
    at.expect(')');
  }
  at.expect('=');
  return { name, value: parseValue(at) };
}
