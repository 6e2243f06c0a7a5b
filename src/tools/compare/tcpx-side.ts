/** Our side of a comparison: a connection on a stack of its own, its states from its trace. */

import type { Addresses } from '../../link/socket-diag.ts';
import type { Host, HostOptions } from '../../socket/host.ts';
import { TcpSocket } from '../../socket/tcp-socket.ts';
import type { State } from '../../tcp/machine.ts';
import type { Contact, OpenContact } from './run.ts';

/** What a host is opened with beyond the target. */
export type TcpxOptions = Pick<HostOptions, 'driver' | 'guard' | 'sysctl'>;

/** Opens a host of its own for each connection, with a port of the kernel's choice as the kernel's own run has. */
export function tcpxContacts(open: (o: HostOptions) => Promise<Host>, o: TcpxOptions): OpenContact {
  return async ({ remote, remotePort, route }) => {
    const seen: State[] = [];
    const host = await open({
      ...o,
      remote,
      remotePort,
      source: route.source,
      tracer: {
        enabled: true,
        record: (record) => {
          if (record.type === 'state') seen.push(record.to);
        },
        open: () => {},
      },
    });
    try {
      const endpoint = host.stack.connect({ address: remote, port: remotePort, localPort: host.port });
      return new TcpxContact(
        host,
        new TcpSocket(endpoint),
        { local: route.source, localPort: host.port, remote, remotePort },
        seen,
      );
    } catch (error) {
      host.close();
      throw error;
    }
  };
}

class TcpxContact implements Contact {
  readonly socket: TcpSocket;
  readonly addresses: Addresses;
  readonly source = 'log';
  readonly wholeStates = true;
  readonly notes: readonly string[];
  readonly seen: readonly State[];
  readonly #host: Host;

  constructor(host: Host, socket: TcpSocket, addresses: Addresses, seen: readonly State[]) {
    this.#host = host;
    this.socket = socket;
    this.addresses = addresses;
    this.seen = seen;
    this.notes = [`guard ${host.guard.note}`];
  }

  get state(): State | undefined {
    return this.seen.at(-1);
  }

  nudge(): void {}

  close(): void {
    this.socket.destroy();
    this.#host.close();
  }
}
