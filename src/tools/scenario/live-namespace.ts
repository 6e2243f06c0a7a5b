/**
 * A network namespace for live runs: this same command again, inside one that it has to itself and that ends with it.
 */
import { spawn } from 'node:child_process';
import { LinkFailure } from '../../link/failure.ts';

/** Set for a process that is inside. */
const INSIDE = 'TCPX_PRIVATE_NAMESPACE';

export const isInPrivateNamespace = (): boolean => process.env[INSIDE] === '1';

/** Runs this process's own command line inside; resolves with its exit code. Throws LinkFailure. */
export function runInside(argv: readonly string[]): Promise<number> {
  const child = spawn('unshare', ['--net', process.execPath, ...process.execArgv, process.argv[1] ?? '', ...argv], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new LinkFailure('ENOENT', `cannot run unshare: ${error.message}`, 'apt-get install util-linux')),
    );
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}
