/** All commands, in the order `tcpx --help` shows them. */
import type { CliCommand } from './command.ts';

export const COMMANDS: readonly CliCommand[] = [];
