/**
 * A file that a command writes beside its output: opened before anything happens, appended to in batches, whole when the
 * process ends however it is asked to. It belongs to whoever called sudo and to nobody else.
 */
import { closeSync, constants, fchownSync, fstatSync, openSync, writeSync } from 'node:fs';
import { CliFailure, codeOf, Exit } from './exit.ts';

/** Octets that may wait in memory, and for how long, milliseconds: who follows the file, or loses the process, misses little. */
const BATCH = 1 << 16;
const PATIENCE = 100;

const WHY: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ENOENT: ['no such directory', 'create the directory first'],
  ENOTDIR: ['part of the path is not a directory', 'check the path'],
  EISDIR: ['it is a directory', 'name a file'],
  EACCES: ['permission denied', 'choose a place you may write to'],
  EROFS: ['the file system is read-only', 'choose a place you may write to'],
  ENOSPC: ['no space left', 'make room, or choose another file system'],
  ETXTBSY: ['the file is being executed', 'choose another name'],
};

export class OutFile {
  readonly path: string;
  readonly #fd: number;
  readonly #chunks: Uint8Array[] = [];
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #failure: CliFailure | undefined;
  readonly #atExit = (): void => this.#drain();

  /** Creates or truncates the file. Throws CliFailure when it can't be written. */
  constructor(path: string, env: Readonly<Record<string, string | undefined>>) {
    this.path = path;
    try {
      this.#fd = create(path, env);
    } catch (error) {
      throw cannotWrite(path, error);
    }
    process.on('exit', this.#atExit);
  }

  /** What stopped the writing, if anything did; what was written before is in the file. */
  get failure(): CliFailure | undefined {
    return this.#failure;
  }

  /** `octets` are kept until written: hand them over. */
  append(octets: Uint8Array): void {
    if (this.#closed || this.#failure !== undefined) return;
    this.#chunks.push(octets);
    this.#waiting += octets.length;
    if (this.#waiting >= BATCH) this.#drain();
    else this.#timer ??= setTimeout(() => this.#drain(), PATIENCE).unref();
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#drain();
    this.#closed = true;
    process.off('exit', this.#atExit);
    closeSync(this.#fd);
  }

  #drain(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#closed || this.#waiting === 0) return;
    const octets = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#waiting = 0;
    try {
      for (let at = 0; at < octets.length; ) at += writeSync(this.#fd, octets, at);
    } catch (error) {
      this.#failure = cannotWrite(this.path, error);
    }
  }
}

function create(path: string, env: Readonly<Record<string, string | undefined>>): number {
  const flags = constants.O_WRONLY | constants.O_CREAT;
  let fd: number;
  try {
    fd = openSync(path, flags | constants.O_EXCL, 0o600);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    // It was there: whose it is and who may read it stay as they are.
    return openSync(path, flags | constants.O_TRUNC);
  }
  const uid = Number(env['SUDO_UID']);
  const gid = Number(env['SUDO_GID']);
  if (process.getuid?.() === 0 && Number.isInteger(uid) && Number.isInteger(gid) && fstatSync(fd).isFile())
    fchownSync(fd, uid, gid);
  return fd;
}

function cannotWrite(path: string, error: unknown): CliFailure {
  const code = codeOf(error) ?? 'EIO';
  const [why, hint] = WHY[code] ?? [code, 'choose another file'];
  const exitCode = code === 'EACCES' || code === 'EPERM' ? Exit.NOT_PERMITTED : Exit.FAILURE;
  return new CliFailure(`cannot write ${path}: ${why}`, { exitCode, hint, cause: error });
}
