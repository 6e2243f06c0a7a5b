/** A process lets its owner look at its connections: a Unix socket that answers requests, and never keeps the process alive. */
import { once } from 'node:events';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { connectionsOf, type StatusHost } from './collect.ts';
import { statusDirectory } from './directory.ts';
import { parseFilter } from './filter.ts';
import { type ProcessStatus, STATUS_SCHEMA, type StatusEnd, type StatusRequest } from './model.ts';

export interface StatusOffer {
  /** Undefined: there is no place where only the owner could come, or it could not be used. */
  readonly path: string | undefined;
  /** Idempotent. */
  close(): void;
}

export interface StatusOptions {
  /** What the process is, for whoever looks. */
  readonly command: string;
  /** Asked for at each look. */
  readonly hosts: () => Iterable<StatusHost>;
  /** Absent: the user's own, see directory.ts. */
  readonly directory?: string;
}

/** Longest request, octets. */
const MOST_REQUEST = 4096;
/** Lines between two turns of the event loop: a process with a hundred thousand connections has other things to do. */
const LINES_A_TURN = 200;

export function offerStatus(o: StatusOptions): StatusOffer {
  const directory = o.directory ?? statusDirectory(process.env);
  if (directory === undefined) return { path: undefined, close() {} };
  const path = freePath(directory);
  const server = createServer((socket) => serve(socket, o));
  // To be looked at is not worth failing for.
  server.on('error', () => {});
  // Node binds it before it returns. Later this process may be another user, to whom the directory is closed.
  server.listen(path);
  if (existsSync(path)) chmodSync(path, 0o600);
  const remove = (): void => removeIfAllowed(path);
  server.unref();
  process.once('exit', remove);
  return {
    path,
    close() {
      process.off('exit', remove);
      server.close();
    },
  };
}

/** One that this process may no longer remove is removed by whoever looks next: nobody answers there. */
function removeIfAllowed(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
}

/** A process may offer several. */
function freePath(directory: string): string {
  for (let n = 1; ; n++) {
    const path = join(directory, n === 1 ? `${process.pid}.sock` : `${process.pid}-${n}.sock`);
    if (!existsSync(path)) return path;
  }
}

function serve(socket: Socket, o: StatusOptions): void {
  let text = '';
  socket.unref();
  socket.on('error', () => {});
  socket.setTimeout(10_000, () => socket.destroy());
  socket.setEncoding('utf8').on('data', (more: string) => {
    text += more;
    const end = text.indexOf('\n');
    if (end < 0) {
      if (text.length > MOST_REQUEST) socket.destroy();
      return;
    }
    socket.removeAllListeners('data').resume();
    answer(socket, text.slice(0, end), o).catch(() => socket.destroy());
  });
}

async function answer(socket: Socket, request: string, o: StatusOptions): Promise<void> {
  const send = (line: unknown): boolean => socket.write(`${JSON.stringify(line)}\n`);
  let asked: StatusRequest;
  let wanted: ReturnType<typeof parseFilter>;
  try {
    // As ask.ts writes it; anything else fails here.
    asked = JSON.parse(request) as StatusRequest;
    wanted = parseFilter(String(asked.filter));
  } catch (error) {
    send({ error: error instanceof Error ? error.message : String(error) } satisfies StatusEnd);
    socket.end();
    return;
  }
  const uptime = Number(process.uptime().toFixed(3));
  send({ schema: STATUS_SCHEMA, pid: process.pid, command: o.command, uptime } satisfies ProcessStatus);
  let count = 0;
  let seen = 0;
  for (const connection of connectionsOf(o.hosts(), asked.info === true)) {
    if (wanted(connection)) {
      count++;
      if (!send(connection)) await once(socket, 'drain');
    }
    if (++seen % LINES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    if (socket.destroyed) return;
  }
  send({ end: true, count } satisfies StatusEnd);
  socket.end();
}
