/** Giving privileges away for good: once the sockets are open, tcpx needs none. */
import { readdirSync, readFileSync } from 'node:fs';
import { capabilitySets } from '../tools/capabilities.ts';
import { CliFailure, codeOf, Exit } from './exit.ts';

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** A user by name or number, from passwd(5). Throws CliFailure. */
export function userNamed(text: string, file = '/etc/passwd'): User {
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [name = '', , uid, gid] = line.split(':');
    if (name !== '' && (name === text || uid === text)) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new CliFailure(`no user '${text}'`, {
    exitCode: Exit.USAGE,
    hint: 'name one from /etc/passwd, for example --drop-privileges nobody',
  });
}

/**
 * Becomes `user`: its group and no other, its uid, and no capability in any thread. What is open stays open; nothing of the kind can be
 * opened again, which is checked. Throws CliFailure: 2 when there is no such user, 77 when that isn't permitted.
 */
export function dropPrivileges(user: string): void {
  const { name, uid, gid } = userNamed(user);
  if (uid === 0)
    throw new CliFailure('--drop-privileges root drops nothing', {
      exitCode: Exit.USAGE,
      hint: 'name an ordinary user, for example nobody',
    });
  try {
    process.setgroups?.([gid]);
    process.setgid?.(gid);
    process.setuid?.(uid);
  } catch (error) {
    throw new CliFailure(`cannot become ${name}: ${codeOf(error) === 'EPERM' ? 'not permitted' : String(error)}`, {
      exitCode: Exit.NOT_PERMITTED,
      hint: 'only root can (CAP_SETUID and CAP_SETGID); an ordinary user has nothing to drop',
      cause: error,
    });
  }
  const left = readdirSync('/proc/self/task').filter((thread) => {
    const { effective, permitted } = capabilitySets(readFileSync(`/proc/self/task/${thread}/status`, 'utf8'));
    return effective !== 0n || permitted !== 0n;
  });
  if (left.length > 0 || process.getuid?.() !== uid)
    throw new CliFailure(`privileges are still there after becoming ${name}`, {
      exitCode: Exit.NOT_PERMITTED,
      hint: 'the securebits of this process keep them (see capsh --print); start it without',
    });
}
