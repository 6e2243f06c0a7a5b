/** `tcpx replay FILE`: a recorded log through the core again; is the outcome the same? */
import { type Command, Option } from 'commander';
import type { TraceRecord } from '../tcp/trace.ts';
import { ReplayError, type ReplayResult, replayLog } from '../tools/replay.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, Exit, exitCodesAsDiff } from './exit.ts';
import type { Io } from './io.ts';
import { openLog } from './log-input.ts';

export const replay: CliCommand = {
  name: 'replay',
  summary: 'run a recorded log through the core again and say whether the outcome is the same',
  group: 'Recordings:',
  declare,
  run: (args, options, io) => runReplay(args[0] ?? '', options['json'] === true, io),
};

function declare(command: Command): void {
  command
    .usage('[options] FILE')
    .argument('<file>', 'a log written with --json-file')
    .addOption(new Option('--json', 'print the result as one JSON document'))
    .addHelpText('after', `\nExample:\n  $ tcpx replay run.ndjson\n\n${exitCodesAsDiff()}`);
}

async function runReplay(path: string, json: boolean, io: Io): Promise<number> {
  let result: ReplayResult;
  try {
    result = await replayLog(openLog(path));
  } catch (error) {
    if (error instanceof ReplayError)
      throw new CliFailure(`${path}: ${error.message}`, {
        exitCode: Exit.USAGE,
        hint: 'it may come from another version of tcpx',
        cause: error,
      });
    throw error;
  }
  io.stdout.write(
    json
      ? `${JSON.stringify({ schema: 'tcpx.replay/1', file: path, same: result.difference === undefined, ...result })}\n`
      : resultText(path, result),
  );
  return result.difference === undefined ? Exit.OK : Exit.FAILURE;
}

function resultText(path: string, r: ReplayResult): string {
  const counts = `${r.transitions} transitions, ${r.segmentsIn} segments in, ${r.segmentsOut} segments out`;
  if (r.difference === undefined) return `${path}: same (${counts})\n`;
  const { line, recorded, replayed } = r.difference;
  const lines = [
    `${path}: different at line ${line}, after ${counts}`,
    `  recorded: ${recordText(recorded)}`,
    `  replayed: ${recordText(replayed)}`,
  ];
  const fields = differingFields(recorded, replayed);
  if (fields.length > 0) lines.push(`  differs in: ${fields.join(', ')}`);
  return `${lines.join('\n')}\n`;
}

const recordText = (record: TraceRecord | undefined): string =>
  record === undefined ? 'nothing' : JSON.stringify(record);

/** Paths of the fields that are not equal, for two records of one type. */
function differingFields(a: unknown, b: unknown, path = ''): readonly string[] {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return JSON.stringify(a) === JSON.stringify(b) || path === '' ? [] : [path];
  const left = a as Readonly<Record<string, unknown>>;
  const right = b as Readonly<Record<string, unknown>>;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].flatMap((name) => differingFields(left[name], right[name], path === '' ? name : `${path}.${name}`));
}
