/** Why a file that a command was to read can't be read, in one voice. */
import { CliFailure, codeOf, Exit } from './exit.ts';

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'part of the path is not a directory',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

/** `hint`: what to give instead. Undefined where `error` is not the file system's. */
export function cannotRead(path: string, error: unknown, hint: string): CliFailure | undefined {
  const code = codeOf(error);
  if (code === undefined || !/^E[A-Z]+$/.test(code)) return undefined;
  return new CliFailure(`cannot read ${path}: ${WHY[code] ?? code}`, {
    exitCode: Exit.USAGE,
    hint: code === 'EACCES' ? `\`ls -l ${path}\` says who may` : hint,
    cause: error,
  });
}
