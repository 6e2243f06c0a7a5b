/** A file that somebody is still writing, read as it grows. */
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** Octets read at once. */
const PIECE = 1 << 16;
/** Milliseconds between two looks at a file that has nothing new. */
const PATIENCE = 100;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** The file isn't there yet, and is waited for. */
  readonly onMissing?: () => void;
}

/** Its octets, until the signal; or until it becomes shorter, for then it is another one. Rejects as `fs` does. */
export async function* followFile(path: string, o: FollowOptions): AsyncGenerator<Uint8Array, void> {
  const file = await appearing(path, o);
  if (file === undefined) return;
  try {
    let at = 0;
    while (!o.signal.aborted) {
      const piece = new Uint8Array(PIECE);
      const { bytesRead } = await file.read(piece, 0, PIECE, at);
      at += bytesRead;
      if (bytesRead > 0) yield piece.subarray(0, bytesRead);
      else if ((await file.stat()).size < at) return;
      else await rest(o.signal);
    }
  } finally {
    await file.close();
  }
}

async function appearing(path: string, { signal, onMissing }: FollowOptions): Promise<FileHandle | undefined> {
  let told = false;
  while (!signal.aborted) {
    try {
      return await open(path);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
    if (!told) onMissing?.();
    told = true;
    await rest(signal);
  }
  return undefined;
}

/** Resolves in any case. */
async function rest(signal: AbortSignal): Promise<void> {
  await pause(PATIENCE, undefined, { signal }).catch(() => {});
}
