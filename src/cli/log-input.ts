/** A recorded log as a command's input: opened, read and complained about. */
import { createReadStream } from 'node:fs';
import { LogFormatError, type LogLine, readLog } from '../tools/log-ndjson.ts';
import { CliFailure, codeOf, Exit } from './exit.ts';

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

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
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw new CliFailure(`cannot read ${path}: ${WHY[code] ?? code}`, {
      exitCode: Exit.USAGE,
      hint: 'give a file written with --json-file',
      cause: error,
    });
  }
}
