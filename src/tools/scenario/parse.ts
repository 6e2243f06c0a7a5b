/**
 * packetdrill's language, as that project documents it (Syntax.md), into the model: what concerns TCP over IPv4. What
 * is not supported is an error with its place, and nothing of the scenario is run.
 *
 * Comments that begin with `//!` say what a scenario is about: `//! title: …`, `//! covers: MUST-13 EV-FIN-4`,
 * `//! profile: rfc`, `//! exact`, `//! on: tcpx kernel`, `//! kernel-differs: why`.
 */
import { constants } from 'node:os';
import { parseCode } from './assertions.ts';
import { Cursor } from './cursor.ts';
import { type Directive, lex } from './lexer.ts';
import {
  type About,
  type CallStep,
  MAX_SECONDS,
  type PacketSpec,
  type Place,
  type Scenario,
  ScenarioError,
  type ScenarioOption,
  type Step,
  TARGETS,
  type When,
} from './model.ts';
import { parsePacket } from './parse-packet.ts';
import { parseValue } from './parse-value.ts';

/** `file` is for messages; the scenario's name is its last part without extension. Throws ScenarioError. */
export function parseScenario(text: string, file: string): Scenario {
  const { tokens, directives } = lex(text);
  const at = new Cursor(tokens);
  const options = parseOptions(at);
  const steps: Step[] = [];
  while (!at.isAtEnd) steps.push(parseStep(at));
  if (steps.length === 0) throw at.wrong('a step');
  return {
    name: nameOf(file),
    file,
    about: aboutOf(directives),
    options,
    steps,
    lines: text.split('\n'),
  };
}

export const nameOf = (file: string): string => file.replace(/^.*\//, '').replace(/\.[a-z]+$/, '');

function parseOptions(at: Cursor): readonly ScenarioOption[] {
  const options: ScenarioOption[] = [];
  while (at.token.kind === 'option') {
    const { text, place: optionPlace } = at.take();
    const name = text.slice(2);
    if (!KNOWN_OPTIONS.has(name)) throw new ScenarioError(optionPlace, `the option ${text} is not supported`);
    at.expect('=');
    let value = '';
    const { place } = at;
    while (!at.isAtEnd && at.place.line === optionPlace.line) value += at.take().text;
    if (value === '') throw at.wrong(`a value for ${text}`);
    options.push({ name, value, place });
  }
  return options;
}

/** What they mean is in settings.ts. */
const KNOWN_OPTIONS = new Set([
  'tolerance_usecs',
  'ip_version',
  'mtu',
  'tcp_ts_tick_usecs',
  'bind_port',
  'connect_port',
  // Addresses are what they are here: nothing in a script depends on them but Fast Open's cookies.
  'local_ip',
  'remote_ip',
  'gateway_ip',
  'netmask_ip',
]);

function parseStep(at: Cursor): Step {
  const { place } = at;
  // The first and the last command of a script have no time.
  const { when, until } = at.token.kind === 'command' ? { when: NOW, until: undefined } : parseWhen(at);
  const { kind } = at.token;
  if (until !== undefined && kind !== 'word')
    throw new ScenarioError(place, 'only a call has a time at which it returns');
  if (kind === 'command') {
    const { text: command, place: textPlace } = at.take();
    return { kind: 'command', when, place, command, textPlace };
  }
  if (kind === 'code') {
    const code = at.take();
    return { kind: 'code', when, place, code: code.text.trim(), statements: parseCode(code.text, code.place) };
  }
  if (at.isAt('<') || at.isAt('>')) return parsePacketStep(at, when, place);
  if (kind === 'word') return parseCall(at, when, until, place);
  throw at.wrong("a call, '<', '>', '`' or '%{'");
}

const NOW: When = { kind: 'after', from: 0, to: 0 };

/** `0.1`, `+0.1`, `0.1~0.2`, `+0.1~+0.2`, `*`; in front of a call also `+0.1...0.2`. */
function parseWhen(at: Cursor): { readonly when: When; readonly until: number | undefined } {
  if (at.skip('*')) return { when: { kind: 'any' }, until: undefined };
  const kind = at.skip('+') ? 'after' : 'at';
  const from = parseTime(at);
  let to = from;
  if (at.skip('~')) {
    if (kind === 'after') at.expect('+');
    const { place } = at;
    to = parseTime(at);
    if (to < from) throw new ScenarioError(place, 'the range ends before it begins');
  }
  if (!at.skip('...')) return { when: { kind, from, to }, until: undefined };
  const { place } = at;
  const until = parseTime(at);
  if (until < from) throw new ScenarioError(place, 'the call returns before it begins');
  return { when: { kind, from, to }, until };
}

function parseTime(at: Cursor): number {
  const { place } = at;
  const seconds = Number(at.takeKind('number', 'a time in seconds'));
  if (seconds > MAX_SECONDS)
    throw new ScenarioError(place, `a time is from 0 to ${MAX_SECONDS} seconds, not ${seconds}`);
  return Math.round(seconds * 1e6);
}

function parsePacketStep(at: Cursor, when: When, place: Place): Step {
  const isIn = at.take().text === '<';
  if (isIn && when.kind === 'any') throw new ScenarioError(place, "'*' is a time for what is expected only");
  const packet: PacketSpec = parsePacket(at, isIn);
  if (isIn) return { kind: 'in', when, place, packet };
  if (packet.kind === 'icmp') throw new ScenarioError(place, 'ICMP can be put on the wire (<), not expected (>)');
  return { kind: 'out', when, place, packet };
}

function parseCall(at: Cursor, when: When, until: number | undefined, place: Place): CallStep {
  if (when.kind === 'any') throw new ScenarioError(place, "'*' is a time for what is expected only");
  const name = at.take().text;
  at.expect('(');
  const args = at.isAt(')') ? [] : [parseValue(at)];
  while (at.skip(',')) args.push(parseValue(at));
  at.expect(')');
  at.expect('=');
  const result = parseValue(at);
  const errno = at.token.kind === 'word' ? parseErrno(at) : undefined;
  const note = at.isAt('(') ? parseNote(at) : undefined;
  return {
    kind: 'call',
    when,
    place,
    ...(until !== undefined && { until }),
    name,
    args,
    result,
    ...(errno !== undefined && { errno }),
    ...(note !== undefined && { note }),
  };
}

function parseErrno(at: Cursor): string {
  if (!(at.token.text in constants.errno)) throw at.wrong("an errno, as in '-1 EAGAIN'");
  return at.take().text;
}

/** `(Operation now in progress)`. */
function parseNote(at: Cursor): string {
  at.expect('(');
  const words: string[] = [];
  while (!at.isAt(')')) {
    if (at.isAtEnd) throw at.wrong("')'");
    words.push(at.take().text);
  }
  at.expect(')');
  return words.join(' ');
}

function aboutOf(directives: readonly Directive[]): About {
  const about: { -readonly [K in keyof About]: About[K] } = { covers: [], exact: false };
  for (const { key, value, place } of directives) {
    if (value === '' && key !== 'exact') throw new ScenarioError(place, `expected something behind '//! ${key}:'`);
    switch (key) {
      case 'title':
        about.title = value;
        break;
      case 'covers':
        about.covers = [...about.covers, ...value.split(/[\s,]+/).filter((id) => id !== '')];
        break;
      case 'profile':
        if (value !== 'linux' && value !== 'rfc') throw new ScenarioError(place, 'the profile is linux or rfc');
        about.profile = value;
        break;
      case 'exact':
        about.exact = true;
        break;
      case 'on':
        about.on = value.split(/[\s,]+/).map((word) => {
          const target = TARGETS.find((t) => t === word);
          if (target === undefined) throw new ScenarioError(place, `'${word}' is none of ${TARGETS.join(', ')}`);
          return target;
        });
        break;
      case 'kernel-differs':
        about.kernelDiffers = value;
        break;
      default:
        throw new ScenarioError(place, `'//! ${key}' is not known here`);
    }
  }
  return about;
}
