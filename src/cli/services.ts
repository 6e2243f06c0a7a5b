/** What `tcpx listen` gives to whoever connects, and does with what they send: for each connection a pair of streams. */
import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs';
import { PassThrough, Readable, Writable } from 'node:stream';
import { patternPiece } from '../tools/pattern.ts';
import { CliFailure, codeOf, Exit } from './exit.ts';

/** The streams of one connection, as a session reads and writes them. */
export interface ServiceStreams {
  /** To the peer; its end is our FIN. */
  readonly stdin: Readable;
  /** From the peer. */
  readonly stdout: Writable;
  /** The peer's FIN has come, and all before it has been written to `stdout`. */
  peerEnded(): void;
}

export interface Service {
  /** It goes on until the peer has enough, so a peer that goes away is no failure. */
  readonly endless: boolean;
  /** For one more connection. */
  streams(): ServiceStreams;
  close(): void;
}

const nothing = (): void => {};
const sink = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

/** What comes goes back; the peer's FIN is answered by ours. */
export const echoService = (): Service => ({
  endless: false,
  streams() {
    const both = new PassThrough();
    return { stdin: both, stdout: both, peerEnded: () => both.end() };
  },
  close: nothing,
});

/** Nothing is sent; the peer's FIN is answered by ours. */
export const discardService = (): Service => ({
  endless: false,
  streams() {
    const silence = new PassThrough();
    return { stdin: silence, stdout: sink(), peerEnded: () => silence.end() };
  },
  close: nothing,
});

/** `len` octets of the pattern, or no end of them; what comes is passed over. */
export const sourceService = (len: number | undefined): Service => ({
  endless: len === undefined,
  streams() {
    let at = 0;
    const stdin = new Readable({
      highWaterMark: 1 << 18,
      read() {
        const piece = patternPiece(at, (len ?? Number.POSITIVE_INFINITY) - at);
        at += piece.length;
        this.push(piece.length === 0 ? null : piece);
      },
    });
    return { stdin, stdout: sink(), peerEnded: nothing };
  },
  close: nothing,
});

/**
 * The file from its beginning, to each. Opened once, here: it is still to be had when privileges are gone, and is the same
 * file for all. Throws CliFailure.
 */
export function fileService(path: string): Service {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw cannotRead(path, error);
  }
  if (!fstatSync(fd).isFile()) {
    closeSync(fd);
    throw new CliFailure(`cannot send ${path}: it is no regular file`, {
      exitCode: Exit.USAGE,
      hint: 'what can be read only once goes to stdin: tcpx listen PORT < it',
    });
  }
  return {
    endless: false,
    streams: () => ({
      stdin: createReadStream('', { fd, start: 0, autoClose: false, highWaterMark: 1 << 18 }),
      stdout: sink(),
      peerEnded: nothing,
    }),
    close: () => closeSync(fd),
  };
}

function cannotRead(path: string, error: unknown): CliFailure {
  const code = codeOf(error) ?? 'EIO';
  const why = { ENOENT: 'no such file', EACCES: 'permission denied', EISDIR: 'it is a directory' }[code] ?? code;
  return new CliFailure(`cannot read ${path}: ${why}`, {
    exitCode: code === 'EACCES' ? Exit.NOT_PERMITTED : Exit.USAGE,
    hint: 'check the path',
    cause: error,
  });
}
