#!/usr/bin/env node
/** The `tcpx` command: runs the program on this process and ends it when all output is out. */
import type { Writable } from 'node:stream';
import { Exit, failureFrom, failureText } from './exit.ts';
import { processIo } from './io.ts';
import { runProgram } from './program.ts';

const io = processIo();

function stumble(error: unknown): void {
  io.stderr.write(failureText(failureFrom(error), io.env['TCPX_DEBUG'] === '1'));
  process.exit(Exit.FAILURE);
}
process.on('uncaughtException', stumble);
process.on('unhandledRejection', stumble);
// Whoever read our output may go away at any time; `connect` looks at stdout itself.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

const exitCode = await runProgram(process.argv.slice(2), io);
// An open terminal on stdin would keep the process; pipes may still hold output. ^C ends a wait for a reader that never reads.
process.once('SIGINT', () => process.exit(Exit.SIGINT));
process.once('SIGTERM', () => process.exit(Exit.SIGTERM));
await Promise.all([drained(process.stdout), drained(process.stderr)]);
process.exit(exitCode);

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.errored !== null) resolve();
    else {
      stream.once('error', () => resolve());
      stream.write('', () => resolve());
    }
  });
}
