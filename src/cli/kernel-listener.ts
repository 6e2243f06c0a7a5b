/** A listening socket of this machine's kernel, for those who come to a proxy. */
import { createServer, type Server, type Socket } from 'node:net';
import { KERNEL_MARK } from '../tools/proxy/dial.ts';
import { CliFailure, codeOf, Exit } from './exit.ts';
import type { LocalPlace } from './proxy-options.ts';

export interface KernelListenerOptions {
  readonly onConnection: (socket: Socket) => void;
  /** One was closed because there are too many. */
  readonly onDrop: () => void;
  readonly maxConnections: number;
}

/** ADDR:PORT as bound. */
export const boundTo = (server: Server): string => {
  const address = server.address();
  return address === null || typeof address === 'string' ? '' : `${address.address}:${address.port}`;
};

/** Throws CliFailure: 2 when the address is not ours or taken, 77 when it is not permitted. */
export function listenByKernel({ host, port }: LocalPlace, o: KernelListenerOptions): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: KERNEL_MARK }, o.onConnection);
  server.maxConnections = o.maxConnections;
  server.on('drop', o.onDrop);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(error, `${host}:${port}`)));
    server.listen({ host, port, backlog: 511 }, () => resolve(server));
  });
}

function cannotListen(error: Error, place: string): CliFailure {
  const code = codeOf(error);
  const tell = (why: string, hint: string, exitCode: number): CliFailure =>
    new CliFailure(`cannot listen on ${place}: ${why}`, { exitCode, hint, cause: error });
  switch (code) {
    case 'EADDRINUSE':
      return tell('the port is in use', 'choose another port; `ss -tlnp` shows who has it', Exit.FAILURE);
    case 'EADDRNOTAVAIL':
      return tell('not an address of this machine', '`ip -4 address` lists those it has', Exit.USAGE);
    case 'EACCES':
      return tell('not permitted', 'choose a port of 1024 or above, or run it as root', Exit.NOT_PERMITTED);
    case 'EAI_AGAIN':
      return tell('the name server does not answer', 'give an address of this machine', Exit.RESOLUTION);
    case 'ENOTFOUND':
      return tell('no such host', 'give an address of this machine', Exit.RESOLUTION);
    default:
      return tell(error.message, 'check the address', Exit.FAILURE);
  }
}
