/**
 * Where running processes can be looked at: a directory that only its owner can enter, with a Unix socket for each of
 * them. Who may connect is up to the directory's permissions, which are checked before anything is put into it.
 */
import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Those in which `uid` may have its own, the best first. */
function places(uid: number, env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const { XDG_RUNTIME_DIR, TMPDIR } = env;
  const temporary = join(TMPDIR === undefined || TMPDIR === '' ? tmpdir() : TMPDIR, `tcpx-${uid}`);
  if (uid === 0) return ['/run/tcpx', temporary];
  const runtime = XDG_RUNTIME_DIR === undefined || XDG_RUNTIME_DIR === '' ? [] : [join(XDG_RUNTIME_DIR, 'tcpx')];
  return [...runtime, `/run/user/${uid}/tcpx`, temporary];
}

/** The directory of this user's processes, made if need be; undefined where there can be none that only the user can enter. */
export function statusDirectory(
  env: Readonly<Record<string, string | undefined>>,
  uid = process.geteuid?.() ?? 0,
): string | undefined {
  return places(uid, env).find((path) => {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch {
      // It is there already, or can't be: it is looked at next.
    }
    return isOwn(path, uid);
  });
}

/** All directories to look into: one's own. */
export function statusDirectories(
  env: Readonly<Record<string, string | undefined>>,
  uid = process.geteuid?.() ?? 0,
): readonly string[] {
  return [...new Set(places(uid, env))].filter((path) => isOwn(path, uid));
}

/** A directory, not a link to one, of ours, and closed to all others. */
export function isOwn(path: string, uid: number): boolean {
  try {
    const facts = lstatSync(path);
    return facts.isDirectory() && facts.uid === uid && (facts.mode & 0o077) === 0;
  } catch {
    return false;
  }
}
