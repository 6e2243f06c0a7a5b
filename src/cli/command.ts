/** What a command is to the program: its name, what it takes, and what it does. One file per command exports one of these. */
import type { Command } from 'commander';
import type { Io } from './io.ts';

export interface CliCommand {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** The heading it stands under in `tcpx --help`. */
  readonly group: string;
  /** Adds arguments, options and examples. */
  declare(command: Command): void;
  /**
   * Returns the exit code; throws CliFailure (or anything) when it fails. `options` are commander's, checked by the parsers
   * given in `declare`. `program` is the tree of all commands, for what is generated from it.
   */
  run(args: readonly string[], options: Readonly<Record<string, unknown>>, io: Io, program?: Command): Promise<number>;
}
