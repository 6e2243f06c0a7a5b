/** All commands, in the order `tcpx --help` shows them. */
import type { CliCommand } from './command.ts';
import { compare } from './compare.ts';
import { connect } from './connect.ts';
import { ladder } from './ladder.ts';
import { replay } from './replay.ts';

export const COMMANDS: readonly CliCommand[] = [connect, compare, ladder, replay];
