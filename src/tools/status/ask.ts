/** Looking at running processes: asks each socket in the owner's directories, and removes those that nobody answers at. */
import { readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ConnectionStatus, ProcessStatus, StatusRequest } from './model.ts';

export interface Answered {
  readonly process: ProcessStatus;
  readonly connections: readonly ConnectionStatus[];
}

export interface Asked {
  readonly answers: readonly Answered[];
  /** Of those that are there and did not answer, why. */
  readonly troubles: readonly string[];
}

/** Milliseconds without a word. */
const PATIENCE = 3000;

/** By process number; `pid`: that one only. */
export async function askAll(directories: readonly string[], request: StatusRequest, pid?: number): Promise<Asked> {
  const paths = directories.flatMap((directory) =>
    readdirSync(directory)
      .filter((name) => isOf(name, pid))
      .map((name) => join(directory, name)),
  );
  const outcomes = await Promise.all(paths.map((path) => ask(path, request)));
  return {
    answers: outcomes.filter((outcome) => typeof outcome === 'object').sort((a, b) => a.process.pid - b.process.pid),
    troubles: outcomes.filter((outcome) => typeof outcome === 'string').filter((trouble) => trouble !== ''),
  };
}

/** offer.ts calls them PID.sock, PID-2.sock… */
function isOf(name: string, pid: number | undefined): boolean {
  const of = /^(\d+)(-\d+)?\.sock$/.exec(name)?.[1];
  return of !== undefined && (pid === undefined || Number(of) === pid);
}

/** What came, or the trouble; '' for one that was left behind by a process that is no more. */
function ask(path: string, request: StatusRequest): Promise<Answered | string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const trouble = (why: string): void => {
      socket.destroy();
      resolve(why === '' ? '' : `${path}: ${why}`);
    };
    const pieces: string[] = [];
    socket.setTimeout(PATIENCE, () => trouble('no answer'));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') rmSync(path, { force: true });
      trouble(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? '' : error.message);
    });
    socket.setEncoding('utf8').on('data', (text: string) => pieces.push(text));
    socket.once('end', () => {
      const answer = parsed(pieces.join(''));
      if (typeof answer === 'string') trouble(answer);
      else resolve(answer);
    });
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

function parsed(text: string): Answered | string {
  const lines = text.split('\n').filter((line) => line !== '');
  try {
    // As offer.ts writes them.
    const [head, ...rest] = lines.map((line) => JSON.parse(line) as unknown);
    const end = rest.pop();
    if (isRecord(head) && typeof head['error'] === 'string') return head['error'];
    if (!isRecord(head) || !isRecord(end) || end['end'] !== true) return 'the answer broke off';
    return { process: head as unknown as ProcessStatus, connections: rest as ConnectionStatus[] };
  } catch {
    return 'the answer is not JSON';
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
