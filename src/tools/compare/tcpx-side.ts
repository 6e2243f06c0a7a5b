/** Our side of a comparison: a connection on a stack of its own, its states from its trace. */

import type { Micros } from '../../base/time.ts';
import type { Addresses } from '../../link/socket-diag.ts';
import type { Host, HostOptions } from '../../socket/host.ts';
import { TcpSocket } from '../../socket/tcp-socket.ts';
import type { State } from '../../tcp/machine.ts';
import type { Contact, OpenContact } from './run.ts';
import type { SeenState } from './states.ts';

/** What a host is opened with beyond the target. */
export type TcpxOptions = Pick<HostOptions, 'driver' | 'guard' | 'sysctl'>;

/** Opens a host of its own for each connection, with a port of the kernel's choice as the kernel's own run has. `now` dates its states. */
export function tcpxContacts(open: (o: HostOptions) => Promise<Host>, o: TcpxOptions, now: () => Micros): OpenContact {
  return async ({ remote, remotePort, route, localPort }) => {
    const log: StateLog = { seen: [] };
    const host = await open({
      ...o,
      remote,
      remotePort,
      source: route.source,
      ...(localPort !== undefined && { sourcePort: localPort }),
      tracer: {
        enabled: true,
        record: (record) => {
          if (record.type === 'state') log.seen.push({ state: record.to, at: now() });
        },
        open: () => {},
      },
    });
    try {
      return new TcpxContact(host, { local: route.source, localPort: host.port, remote, remotePort }, log);
    } catch (error) {
      host.close();
      throw error;
    }
  };
}

/** Of the connection that is there: a host has one at a time here. */
interface StateLog {
  seen: SeenState[];
}

class TcpxContact implements Contact {
  readonly socket: TcpSocket;
  readonly addresses: Addresses;
  readonly source = 'log';
  readonly wholeStates = true;
  readonly notes: readonly string[];
  readonly seen: readonly SeenState[];
  readonly #host: Host;
  readonly #log: StateLog;

  constructor(host: Host, addresses: Addresses, log: StateLog) {
    const { remote, remotePort, localPort } = addresses;
    this.#host = host;
    this.#log = log;
    this.addresses = addresses;
    const seen: SeenState[] = [];
    this.seen = seen;
    log.seen = seen;
    this.socket = new TcpSocket(host.stack.connect({ address: remote, port: remotePort, localPort }));
    this.notes = [`guard ${host.guard.note}`];
  }

  again(): Promise<Contact> {
    return Promise.resolve(new TcpxContact(this.#host, this.addresses, this.#log));
  }

  get state(): State | undefined {
    return this.seen.at(-1)?.state;
  }

  nudge(): void {}

  /** As libuv has it: ten questions, a second apart. */
  keepAlive(seconds: number): void {
    const { endpoint } = this.socket;
    endpoint.setOption('TCP_KEEPIDLE', seconds);
    endpoint.setOption('TCP_KEEPINTVL', 1);
    endpoint.setOption('TCP_KEEPCNT', 10);
    endpoint.setOption('SO_KEEPALIVE', true);
  }

  close(): void {
    this.socket.destroy();
    this.#host.close();
  }
}
