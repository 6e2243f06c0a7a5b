/** A recorded log as a command's input: opened, read and complained about. */
import { createReadStream } from 'node:fs';
import { LogFormatError, type LogLine, readLog } from '../tools/log-ndjson.ts';
import { CliFailure, Exit } from './exit.ts';
import { cannotRead } from './in-file.ts';

/** `cutOff`: take a log that ends too early for what it holds, and say so there; without it that is a failure. */
export async function* openLog(
  path: string,
  o: { readonly cutOff?: (message: string) => void } = {},
): AsyncGenerator<LogLine, void> {
  let lines = 0;
  try {
    for await (const line of readLog(createReadStream(path))) {
      lines++;
      yield line;
    }
  } catch (error) {
    if (error instanceof LogFormatError) {
      if (error.cutOff && lines > 0 && o.cutOff !== undefined) o.cutOff(`${path}: ${error.message}`);
      else {
        throw new CliFailure(`${path}: ${error.message}`, {
          exitCode: Exit.USAGE,
          hint: error.cutOff
            ? 'record it again, and let the command end by itself'
            : '`tcpx connect --json-file FILE` records one',
        });
      }
      return;
    }
    throw cannotRead(path, error, 'give a file written with --json-file') ?? error;
  }
}
