/**
 * All that a command touches of the world, handed in, so that commands run in tests without a process of their own.
 */
import { lookup } from 'node:dns/promises';
import type { Readable, Writable } from 'node:stream';
import { statusDirectory } from '../tools/status/directory.ts';

export interface Terminal {
  readonly isTTY?: boolean;
  /** Columns of the terminal. */
  readonly columns?: number;
}

export type Signal = 'SIGINT' | 'SIGTERM';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

export interface Io {
  readonly stdin: Readable & Terminal;
  readonly stdout: Writable & Terminal;
  readonly stderr: Writable & Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where this process can be looked at by its owner; undefined: nowhere. */
  readonly statusDirectory?: string | undefined;
  /** Wall clock, for the log's header only. */
  wallClock(): Date;
  /** All addresses of a name; rejects with the codes of dns.lookup. */
  lookup(name: string): Promise<readonly ResolvedAddress[]>;
  /** Calls `run` at each `signal`, in place of what the process would do; returns how to undo it. */
  onSignal(signal: Signal, run: () => void): () => void;
}

/** This process's own. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    get statusDirectory() {
      return statusDirectory(process.env);
    },
    wallClock: () => new Date(),
    lookup: (name) => lookup(name, { all: true }),
    onSignal(signal, run) {
      process.on(signal, run);
      return () => {
        process.off(signal, run);
      };
    },
  };
}
