/**
 * Options from the environment: TCPX_CONNECT_TIMEOUT=5 is --connect-timeout 5, TCPX_NO_OFFLOAD=1 is --no-offload, for
 * every option of every command. The command line wins, also where the two exclude each other.
 */
import type { Command, Option } from 'commander';
import { CliFailure, Exit } from './exit.ts';
import type { Io } from './io.ts';

/** Stands at the end of every command's --help. */
export const ENVIRONMENT_HELP = `
Environment: every option can be set as TCPX_ and its long name: TCPX_CONNECT_TIMEOUT=5 is --connect-timeout 5,
TCPX_NO_SACK=1 is --no-sack. The command line wins.`;

/** TCPX_CONNECT_TIMEOUT for --connect-timeout; undefined for an option without a long name. */
export const variableOf = (option: Option): string | undefined =>
  option.long === undefined || option.long === null || NOT_FOR_ENVIRONMENT.has(option.long)
    ? undefined
    : `TCPX_${option.long.slice(2).toUpperCase().replaceAll('-', '_')}`;

/** What only makes sense for one call. */
const NOT_FOR_ENVIRONMENT: ReadonlySet<string> = new Set(['--help', '--version']);

/**
 * Sets the options of `command` that the command line left open, as though they had been on it. Call it when the line has
 * been parsed. Returns the names of the variables that counted. Throws CliFailure for values that are none.
 */
export function optionsFromEnvironment(command: Command, env: Io['env']): readonly string[] {
  const taken: Option[] = [];
  for (const option of command.options) {
    const name = variableOf(option);
    const text = name === undefined ? undefined : env[name];
    // Set to nothing is not set, as shells have it.
    if (name === undefined || text === undefined || text === '') continue;
    if (isFromLine(command, option)) continue;
    const isSwitch = !option.required && !option.optional;
    if (isSwitch && !isOn(name, text)) continue;
    if (command.options.some((other) => isFromLine(command, other) && excludes(option, other))) continue;
    const rival = taken.find((other) => excludes(option, other) || sameValue(option, other));
    if (rival !== undefined)
      throw usage(
        `${name} and ${variableOf(rival)} exclude each other`,
        'unset one of them, or give the option itself',
      );
    // An option whose value may be left out has a parser for '' too.
    setOption(command, option, isSwitch ? undefined : text, name);
    taken.push(option);
  }
  return taken.map((option) => variableOf(option)!);
}

const usage = (message: string, hint: string): CliFailure => new CliFailure(message, { exitCode: Exit.USAGE, hint });

const sourceOf = (command: Command, option: Option): string | undefined =>
  command.getOptionValueSource(option.attributeName());
const isFromLine = (command: Command, option: Option): boolean => sourceOf(command, option) === 'cli';

/** --ecn and --no-ecn are two names of one value. */
const sameValue = (a: Option, b: Option): boolean => a.attributeName() === b.attributeName();

function excludes(a: Option, b: Option): boolean {
  const conflicts = (one: Option): readonly string[] =>
    (one as Option & { conflictsWith: readonly string[] }).conflictsWith;
  return conflicts(a).includes(b.attributeName()) || conflicts(b).includes(a.attributeName());
}

const ON: ReadonlySet<string> = new Set(['1', 'true', 'yes', 'on']);
const OFF: ReadonlySet<string> = new Set(['0', 'false', 'no', 'off']);

function isOn(name: string, text: string): boolean {
  const word = text.toLowerCase();
  if (ON.has(word)) return true;
  if (OFF.has(word)) return false;
  throw usage(`${name}='${text}' is neither on nor off`, `${name}=1 switches it on; unset it, or 0, for off`);
}

/** As commander sets what the command line has, complaints included. */
function setOption(command: Command, option: Option, text: string | undefined, name: string): void {
  const key = option.attributeName();
  if (text === undefined) {
    command.setOptionValueWithSource(key, !option.negate, 'env');
    return;
  }
  if (option.argChoices !== undefined && !option.argChoices.includes(text))
    throw usage(
      `${name}='${text}' is not one of ${option.argChoices.join(', ')}`,
      `for example ${name}=${option.argChoices[0]}`,
    );
  // Parsers of options with choices are commander's own, and need no calling: the value is the text.
  const parse = option.argChoices === undefined ? option.parseArg : undefined;
  const value = parse === undefined ? text : valueIn(name, () => parse(text, undefined as never));
  command.setOptionValueWithSource(key, value, 'env');
}

/** Who looks at the command line for what is wrong would look in vain. */
function valueIn(name: string, parsed: () => unknown): unknown {
  try {
    return parsed();
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    const { exitCode, hint } = error;
    throw new CliFailure(`${name}: ${error.message}`, { exitCode, ...(hint !== undefined && { hint }), cause: error });
  }
}
