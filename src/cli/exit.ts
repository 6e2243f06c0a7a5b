/**
 * How a command ends: its exit code, and for failures one line of what failed and one with the remedy.
 * The numbers below 64 are tcpx's own, 69 and 77 are sysexits', 130 and 143 are the shell's for a signal.
 */
import { NotOurAddress } from '../link/failure.ts';

export const Exit = {
  OK: 0,
  FAILURE: 1,
  USAGE: 2,
  REFUSED: 3,
  TIMED_OUT: 4,
  RESET: 5,
  UNREACHABLE: 6,
  RESOLUTION: 7,
  UNAVAILABLE: 69,
  NOT_PERMITTED: 77,
  SIGINT: 130,
  SIGTERM: 143,
} as const;

/** Shown under every command's --help. */
export const EXIT_CODES = `Exit codes:
  0    done                              6    unreachable, no route
  1    another failure                   7    name not resolved, or no IPv4 address
  2    wrong usage                       69   a part of tcpx is not available here
  3    refused by the peer               77   not permitted
  4    timed out                         130  ended by ^C
  5    reset after it was connected      143  ended by SIGTERM`;

/** compare, replay and what else compares: as diff. */
export const exitCodesAsDiff = ({
  same = 'the same',
  different = 'different',
  nothing = 'nothing to compare',
} = {}): string =>
  `Exit codes:
  0    ${same}
  1    ${different}
  2    trouble: wrong usage or ${nothing}
  69, 77, 130, 143 as for connect`;

/** Commands that only read a recording. */
export const EXIT_CODES_OF_READERS = `Exit codes:
  0    done
  2    trouble: wrong usage, not a log, or a log that is cut off`;

/** Ends a command with a message for its user. `message` goes after `tcpx: `, both without a full stop. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(message: string, o: { exitCode?: number; hint?: string; cause?: unknown } = {}) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause });
    this.exitCode = o.exitCode ?? Exit.FAILURE;
    this.hint = o.hint;
  }
}

/** As diff has it: whatever is not about what this machine permits or has is trouble. */
export function asTrouble(failure: CliFailure): CliFailure {
  const keep: readonly number[] = [Exit.UNAVAILABLE, Exit.NOT_PERMITTED, Exit.SIGINT, Exit.SIGTERM];
  return keep.includes(failure.exitCode) ? failure : withExitCode(failure, Exit.USAGE);
}

export const withExitCode = ({ message, hint, cause }: CliFailure, exitCode: number): CliFailure =>
  new CliFailure(message, { exitCode, ...(hint !== undefined && { hint }), cause });

const EXIT_OF_CODE: Readonly<Record<string, number>> = {
  ECONNREFUSED: Exit.REFUSED,
  ETIMEDOUT: Exit.TIMED_OUT,
  ECONNRESET: Exit.RESET,
  EHOSTUNREACH: Exit.UNREACHABLE,
  ENETUNREACH: Exit.UNREACHABLE,
  ENETDOWN: Exit.UNREACHABLE,
  EPERM: Exit.NOT_PERMITTED,
  EACCES: Exit.NOT_PERMITTED,
  ENOTBUILT: Exit.UNAVAILABLE,
  ENOSYS: Exit.UNAVAILABLE,
  ENOPROTOOPT: Exit.UNAVAILABLE,
  EWORKER: Exit.UNAVAILABLE,
};

/** The exit code that belongs to an errno name. */
export const exitOfCode = (code: string | undefined): number =>
  code === undefined ? Exit.FAILURE : (EXIT_OF_CODE[code] ?? Exit.FAILURE);

/** The `code` of a Node or tcpx error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** LinkFailure and its like carry their remedy with them. */
function hintOf(error: unknown): string | undefined {
  return error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : undefined;
}

/** Anything thrown, as a failure with a message, an exit code and, where there is one, a remedy. */
export function failureFrom(error: unknown): CliFailure {
  if (error instanceof CliFailure) return error;
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (code !== undefined) {
    const hint = hintOf(error);
    return new CliFailure(message, {
      exitCode: error instanceof NotOurAddress ? Exit.USAGE : exitOfCode(code),
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return new CliFailure(`internal error: ${message}`, {
    hint: 'this is a bug in tcpx; TCPX_DEBUG=1 shows where it happened',
    cause: error,
  });
}

/** What the user reads: two lines at most; with `debug` the stacks below. */
export function failureText(failure: CliFailure, debug: boolean): string {
  const oneLine = (s: string): string => s.replaceAll(/\s*\n\s*/g, ' ');
  let text = `tcpx: ${oneLine(failure.message)}\n`;
  if (failure.hint !== undefined) text += `  hint: ${oneLine(failure.hint)}\n`;
  if (debug) {
    for (let e: unknown = failure; e instanceof Error; e = e.cause) text += `${e.stack ?? e.message}\n`;
  }
  return text;
}
