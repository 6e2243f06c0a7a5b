/**
 * Network namespaces without names: each is held by a process, and gone with it, however that ends. The command itself
 * runs again inside one that it has to itself; what else there is are its children.
 */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { LinkFailure } from '../../link/failure.ts';
import { IN_PRIVATE_NAMESPACE, isInPrivateNamespace, runInside } from '../scenario/live-namespace.ts';

/** What starts a program in a new namespace; its pid is the program's, and it dies with us. */
export const IN_NEW_NAMESPACE: readonly string[] = ['setpriv', '--pdeathsig', 'KILL', 'unshare', '--net'];

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** This process is inside the namespace that `enterLab` made. */
export const isInLab = isInPrivateNamespace;
/** What such a process has in its environment. */
export const IN_LAB = IN_PRIVATE_NAMESPACE;

/**
 * Runs this process's own command line (`argv` after the program's name) inside a namespace of its own; resolves with
 * its exit code. Throws LinkFailure: EPERM, ENOENT.
 */
export function enterLab(argv: readonly string[]): Promise<number> {
  mayMakeNamespaces();
  return runInside(argv);
}

/** Throws LinkFailure EPERM or ENOENT where a namespace can't be made. */
export function mayMakeNamespaces(): void {
  const [command = '', ...args] = IN_NEW_NAMESPACE;
  const tried = spawnSync(command, [...args, 'true'], { encoding: 'utf8' });
  if (tried.error !== undefined)
    throw new LinkFailure('ENOENT', `cannot run ${command}: ${tried.error.message}`, 'apt-get install util-linux');
  if (tried.status !== 0)
    throw new LinkFailure(
      'EPERM',
      `a lab needs network namespaces, and this user may not make any (${tried.stderr.trim()})`,
      'run it as root (sudo); in a container: --privileged, or --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW',
    );
}

/** The namespace that process `pid` lives in; undefined: our own. */
export class Namespace {
  readonly #pid: number | undefined;

  constructor(pid: number | undefined) {
    this.#pid = pid;
  }

  /** Command and arguments that run `command` in here. */
  commandLine(command: string, args: readonly string[] = []): readonly string[] {
    return this.#pid === undefined
      ? [command, ...args]
      : ['nsenter', '-t', String(this.#pid), '-n', '--', command, ...args];
  }

  /** Runs to its end; throws unless it exits with 0. */
  exec(command: string, args: readonly string[], input = ''): string {
    const [program = '', ...rest] = this.commandLine(command, args);
    const done = spawnSync(program, rest, { encoding: 'utf8', input, maxBuffer: 1 << 28 });
    if (done.error !== undefined)
      throw new LinkFailure(
        'ENOENT',
        `cannot run ${command}: ${done.error.message}`,
        `install it: ${PACKAGE_OF[command] ?? command}`,
      );
    if (done.status !== 0)
      throw new LinkFailure('EIO', `${command} ${args.join(' ')}: ${done.stderr.trim()}`, 'run it as root (sudo)');
    return done.stdout;
  }

  /** The same without holding up anything else; resolves with what it printed, whatever it exits with. */
  run(command: string, args: readonly string[]): Promise<Ran> {
    const [program = '', ...rest] = this.commandLine(command, args);
    return new Promise((resolve) => {
      const child = execFile(program, rest, { maxBuffer: 1 << 28 }, (_error, stdout, stderr) =>
        resolve({ status: child.exitCode ?? SIGNALLED, stdout, stderr }),
      );
    });
  }

  /** As in `net.ipv4.tcp_sack`. Throws LinkFailure EINVAL where this kernel doesn't take it. */
  sysctl(name: string, value: string | number): void {
    if (this.#pid !== undefined) {
      // The directory shows the settings of whoever opens it.
      this.exec('sysctl', ['-q', '-w', `${name}=${value}`]);
      return;
    }
    try {
      writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, String(value));
    } catch (error) {
      throw new LinkFailure('EINVAL', `this kernel does not take ${name}=${value} (${codeOf(error)})`, 'see sysctl -a');
    }
  }

  /** A file of /proc/net, as it is in here: 'tcp', 'snmp', 'netstat', 'sockstat'. */
  procNet(file: string): string {
    return readFileSync(`/proc/${this.#pid ?? 'self'}/net/${file}`, 'utf8');
  }
}

const SIGNALLED = 128 + constants.signals.SIGKILL;
const PACKAGE_OF: Readonly<Record<string, string>> = { ip: 'iproute2', nft: 'nftables', nsenter: 'util-linux' };

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
