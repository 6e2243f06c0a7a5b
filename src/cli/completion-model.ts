/** What can be completed on a command line of tcpx, read from commander's tree: commands, options, their values, and words. */
import type { Argument, Command, Option } from 'commander';

/** What may stand in a place. */
export type Place =
  | {
      readonly kind: 'words';
      readonly words: readonly string[];
      /** Several of them may be given, with commas between. */
      readonly listed?: true;
    }
  /** Something that nobody can know. */
  | { readonly kind: 'file' | 'directory' | 'interface' | 'user' | 'host' | 'anything' };

export interface OptionModel {
  /** '-p', '--port'. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined: a switch. */
  readonly value: { readonly place: Place; readonly optional: boolean; readonly name: string } | undefined;
}

export interface CommandModel {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionModel[];
  /** What its arguments may be, whichever comes first. */
  readonly words: readonly Place[];
}

export interface ProgramModel {
  readonly options: readonly OptionModel[];
  readonly commands: readonly CommandModel[];
}

/** What the tree doesn't say: names that a command's arguments may be, or with `flag` the value of that option. */
export type WordsOf = (command: string, flag?: string) => readonly string[] | undefined;

export function programModel(program: Command, wordsOf: WordsOf): ProgramModel {
  const help = program.createHelp();
  const commands = help.visibleCommands(program);
  const names = commands.map((command) => command.name());
  return {
    options: help.visibleOptions(program).map((option) => optionModel(option)),
    commands: commands.map((command) => ({
      name: command.name(),
      summary: command.summary() || command.description(),
      options: help
        .visibleOptions(command)
        .map((option) => optionModel(option, wordsOf(command.name(), option.long ?? ''))),
      words: command.name() === 'help' ? [{ kind: 'words', words: names }] : placesOf(command, wordsOf),
    })),
  };
}

/** `words`: of which its value is a list. */
function optionModel(option: Option, words?: readonly string[]): OptionModel {
  const flags = [option.short, option.long].filter((flag) => typeof flag === 'string');
  const { description } = option;
  if (!option.required && !option.optional) return { flags, description, value: undefined };
  const name = /[<[]([^>\]]+)/.exec(option.flags)?.[1] ?? 'value';
  const place: Place =
    option.argChoices !== undefined
      ? { kind: 'words', words: option.argChoices }
      : words !== undefined
        ? { kind: 'words', words, listed: true }
        : placeNamed(name, option.long ?? '');
  return { flags, description, value: { place, optional: option.optional, name } };
}

function placeNamed(name: string, flag: string): Place {
  if (/file|prefix|path/.test(name)) return { kind: 'file' };
  if (/dir/.test(name)) return { kind: 'directory' };
  if (/user/.test(name)) return { kind: 'user' };
  if (flag === '--interface') return { kind: 'interface' };
  return { kind: 'anything' };
}

function placesOf(command: Command, wordsOf: WordsOf): readonly Place[] {
  const words = wordsOf(command.name());
  const places = command.registeredArguments.map(placeOfArgument);
  return [...(words === undefined ? [] : [{ kind: 'words', words } as const]), ...places];
}

function placeOfArgument(argument: Argument): Place {
  if (argument.argChoices !== undefined) return { kind: 'words', words: argument.argChoices };
  const text = `${argument.name()} ${argument.description}`;
  if (/^(file|what)/.test(text)) return { kind: 'file' };
  if (/^dir/.test(text)) return { kind: 'directory' };
  if (/^[ab] /.test(text)) return { kind: 'interface' };
  if (/HOST/.test(text)) return { kind: 'host' };
  return { kind: 'anything' };
}

/** All words of several places. */
export const wordsIn = (places: readonly Place[]): readonly string[] =>
  places.flatMap((place) => (place.kind === 'words' ? place.words : []));

export const isAmong = (places: readonly Place[], kind: Place['kind']): boolean =>
  places.some((place) => place.kind === kind);
