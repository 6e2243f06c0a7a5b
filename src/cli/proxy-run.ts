/** What `socks` and `forward` do alike: hosts for the far side, names, signals, and an end in good order. */
import { LinkFailure, NotOurAddress } from '../link/failure.ts';
import { HostPool, type HostPoolParts } from '../socket/host-pool.ts';
import type { ProxyService } from '../tools/proxy/proxy-service.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { CliFailure, codeOf, Exit } from './exit.ts';
import type { Io, Signal } from './io.ts';
import { type ProxyCommandOptions, poolOptionsOf } from './proxy-options.ts';
import type { ProxyOutput } from './proxy-output.ts';
import { resolveHost } from './target.ts';

/** Something that takes connections, until it is closed. */
export interface Listening {
  close(): unknown;
}

export function openPool(o: ProxyCommandOptions, output: ProxyOutput, parts: HostPoolParts | undefined): HostPool {
  return new HostPool(
    poolOptionsOf(o, (error) => output.linkError(error)),
    parts,
  );
}

/** What no connection would get over; anything else may be another at the next one. */
const HOPELESS: ReadonlySet<string> = new Set(['EPERM', 'ENOTBUILT', 'ENOPROTOOPT', 'ENOSYS', 'EINVAL', 'ENODEV']);

/** Opens the way to `remote` before anyone comes: what is missing here is told at once. Throws LinkFailure. */
export async function tryWay(pool: HostPool, remote: Ipv4, output: ProxyOutput): Promise<void> {
  try {
    const host = await pool.hostFor(remote);
    if (host.fallBack !== undefined) output.remark(`driver ${host.link.driver}: ${host.fallBack}`);
  } catch (error) {
    const isHopeless = error instanceof NotOurAddress || (error instanceof LinkFailure && HOPELESS.has(error.code));
    if (!(error instanceof LinkFailure) || isHopeless) throw error;
    output.remark(error.message, error.hint);
  }
}

/** Rejects with errors that have a resolver's code, for SOCKS to reply and the log to say. */
export const resolver =
  (io: Io, numeric: boolean): ((host: string) => Promise<Ipv4>) =>
  async (host) => {
    try {
      return await resolveHost(host, io, numeric);
    } catch (error) {
      const cause = error instanceof CliFailure ? codeOf(error.cause) : undefined;
      const message = error instanceof Error ? error.message : String(error);
      throw Object.assign(new Error(message), { code: cause ?? (host.includes(':') ? 'EAFNOSUPPORT' : 'ENOTFOUND') });
    }
  };

/**
 * Until a signal says that it is over: the first takes no more connections and waits for those there are, the second
 * resets them. Returns the exit code.
 */
export async function serveUntilSignal(
  listening: readonly Listening[],
  proxy: Pick<ProxyService, 'open' | 'idle' | 'stop'>,
  io: Io,
  output: ProxyOutput,
): Promise<number> {
  let exitCode: number = Exit.OK;
  let signalled = false;
  let over: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    over = resolve;
  });
  const onSignal = (signal: Signal): void => {
    if (signalled) {
      exitCode = signal === 'SIGINT' ? Exit.SIGINT : Exit.SIGTERM;
      proxy.stop();
      return;
    }
    signalled = true;
    for (const each of listening) each.close();
    if (proxy.open > 0) {
      const again = signal === 'SIGINT' ? '^C again' : 'another signal';
      output.remark(`taking no more connections; ${proxy.open} go on, ${again} resets them`);
    }
    void proxy.idle().then(over);
  };
  const undo = (['SIGINT', 'SIGTERM'] as const).map((s) => io.onSignal(s, () => onSignal(s)));
  await ended;
  for (const take of undo) take();
  return exitCode;
}
