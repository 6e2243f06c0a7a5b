/** `tcpx ladder FILE`: a recorded connection drawn as a ladder. */
import { type Command, Option } from 'commander';
import { buildLadder } from '../tools/ladder.ts';
import { ladderText } from '../tools/ladder-text.ts';
import type { LogRecord } from '../tools/log-record.ts';
import { type ColorChoice, paintFor, useColor } from '../tools/log-style.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, EXIT_CODES_OF_READERS, Exit } from './exit.ts';
import type { Io } from './io.ts';
import { isUtf8 } from './locale.ts';
import { openLog } from './log-input.ts';
import { colorOption, wholeNumber } from './option-types.ts';

interface LadderOptions {
  readonly conn: number;
  readonly width?: number;
  readonly all?: true;
  readonly ascii?: true;
  readonly color: ColorChoice;
}

export const ladder: CliCommand = {
  name: 'ladder',
  summary: "draw a recorded connection: both ends' states and the segments between them",
  group: 'Recordings:',
  declare,
  run: (args, options, io) => runLadder(args, options as unknown as LadderOptions, io),
};

function declare(command: Command): void {
  command
    .usage('[options] FILE')
    .argument('<file>', 'a log written with --json-file')
    .addOption(
      new Option('--conn <number>', 'which connection of the log')
        .argParser(wholeNumber('--conn', 1, Number.MAX_SAFE_INTEGER))
        .default(1),
    )
    .addOption(
      new Option('--width <columns>', "columns to stay within (default: the terminal's, or 110)").argParser(
        wholeNumber('--width', 80, 1000),
      ),
    )
    .addOption(new Option('--all', 'every segment, also of long runs without a transition'))
    .addOption(new Option('--ascii', 'plain ASCII (default: where the locale is not UTF-8)'))
    .addOption(colorOption())
    .addHelpText('after', `\nExample:\n  $ tcpx ladder run.ndjson\n\n${EXIT_CODES_OF_READERS}`);
}

/** A whole file is held while it is drawn: what is left out in the middle needs the rows around it. */
async function runLadder(args: readonly string[], o: LadderOptions, io: Io): Promise<number> {
  const path = args[0] ?? '';
  const records: LogRecord[] = [];
  let whole = true;
  for await (const { record } of openLog(path, {
    cutOff: (message) => {
      whole = false;
      io.stderr.write(`tcpx: ${message}; showing what is there\n`);
    },
  }))
    records.push(record);
  const drawn = buildLadder(records, o.conn);
  if (drawn === undefined) {
    throw new CliFailure(`${path} holds no connection ${o.conn}`, {
      exitCode: Exit.USAGE,
      hint: 'it was recorded before anything was sent, or --conn is another one',
    });
  }
  const width = o.width ?? (Number(io.env['COLUMNS']) || io.stdout.columns || 110);
  const paint = paintFor(useColor(o.color, io.stdout, io.env));
  const lines = ladderText(drawn, { paint, width, ascii: o.ascii === true || !isUtf8(io.env), all: o.all === true });
  io.stdout.write(`${lines.join('\n')}\n`);
  return whole ? Exit.OK : Exit.USAGE;
}
