/**
 * A network namespace for live runs: this same command again, inside one that it has to itself and that ends with it.
 */
import { spawn } from 'node:child_process';
import { LinkFailure } from '../../link/failure.ts';

/** Set for a process that is inside. */
const INSIDE = 'TCPX_PRIVATE_NAMESPACE';

/** What such a process has in its environment. */
export const IN_PRIVATE_NAMESPACE: Readonly<Record<string, string>> = { [INSIDE]: '1' };

export const isInPrivateNamespace = (): boolean => process.env[INSIDE] === '1';

/** Runs this process's own command line inside; resolves with its exit code. Throws LinkFailure. */
export function runInside(argv: readonly string[]): Promise<number> {
  const again = [process.execPath, ...process.execArgv, process.argv[1] ?? '', ...argv];
  // It is to end as we do, even where we are killed.
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', 'unshare', '--net', ...again], {
    stdio: 'inherit',
    env: { ...process.env, ...IN_PRIVATE_NAMESPACE },
  });
  // ^C is the terminal's to both of us, and its end is ours; SIGTERM is ours alone.
  const wait = (): void => {};
  const passOn = (): void => void child.kill('SIGTERM');
  process.on('SIGINT', wait).on('SIGTERM', passOn);
  return new Promise<number>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new LinkFailure('ENOENT', `cannot run setpriv: ${error.message}`, 'apt-get install util-linux')),
    );
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  }).finally(() => process.off('SIGINT', wait).off('SIGTERM', passOn));
}
