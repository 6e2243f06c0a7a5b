/** What the programs here share: arguments as one JSON, results as one JSON, hashes of streams. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { processNetwork } from '../../../src/socket/process-network.ts';

export interface Plan {
  /** The counterpart's address. */
  readonly host: string;
  /** Ours, to listen on. */
  readonly address: string;
  readonly cert: string;
  readonly key: string;
  readonly directory: string;
  readonly requests: number;
  /** Of a large body. */
  readonly octets: number;
}

// as the tests write it
export const plan = JSON.parse(process.argv[2] ?? '{}') as Plan;

const results: Record<string, unknown> = {};

export async function step(name: string, run: () => unknown): Promise<void> {
  const begin = performance.now();
  try {
    results[name] = await run();
  } catch (error) {
    results[name] = `FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
  process.stderr.write(`${name} ${((performance.now() - begin) / 1000).toFixed(2)} s\n`);
}

/** The results, when the process has ended by itself: it has nothing open any more, and `left` says whether it is so. */
process.once('exit', () => {
  const endpoints = [...processNetwork().hosts()].flatMap(({ stack }) => [...stack.endpoints()]);
  // What waits for time to pass, or for the peer to close its side, too, is over for us.
  const left = endpoints.map(({ state }) => state).filter((state) => state !== 'TIME-WAIT' && state !== 'FIN-WAIT-2');
  process.stdout.write(`${JSON.stringify({ ...results, left })}\n`);
});

export async function hashOf(stream: Readable | AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const octets of stream) hash.update(octets);
  return hash.digest('hex');
}

export const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');

/** `count` times, so many at once; what they gave, in order. */
export async function many<T>(count: number, atOnce: number, one: (i: number) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      all[i] = await one(i);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return all;
}
