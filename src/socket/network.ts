/**
 * Where sockets and servers in the shape of `net` have their connections from: the process's own hosts
 * (process-network.ts), or stacks that somebody else runs (stack-network.ts).
 */
import type { Endpoint } from '../stack/endpoint.ts';
import type { Listener } from '../stack/listener.ts';
import type { SocketOptions } from '../tcp/config.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Transition } from './transitions.ts';

export interface NetworkConnect {
  readonly address: Ipv4;
  readonly port: number;
  /** One of ours; the network's choice when absent. */
  readonly localAddress?: Ipv4;
  /** The network's choice when absent. */
  readonly localPort?: number;
  readonly options?: Partial<SocketOptions>;
}

export interface NetworkListen {
  /** One of ours; all when absent. */
  readonly address?: Ipv4;
  /** 0: the network's choice. */
  readonly port: number;
  readonly backlog?: number;
  readonly options?: Partial<SocketOptions>;
}

/** A port that takes connections, by one listener or several. */
export interface Listening {
  readonly port: number;
  readonly listeners: readonly Listener[];
  /** No more connections, those not accepted are reset; the others go on. Idempotent. */
  close(): void;
}

/**
 * What can't be had is thrown, or the promise rejected: errors with an errno name as `code`, and a `hint` where there is a
 * remedy. A value is given at once where that is possible, as `net` has it.
 */
export interface Network {
  connect(o: NetworkConnect): Endpoint | Promise<Endpoint>;
  listen(o: NetworkListen): Listening | Promise<Listening>;
  /** The process is to stay; as often as it is asked for, it is to be given back by `release`. */
  hold(): void;
  release(): void;
  /** Its socket has gone: what is left of the connection is the network's, until it is CLOSED. */
  leave(endpoint: Endpoint): void;
  /** `told` from now on of each transition of the connection; undefined where nobody can know. Returns what ends it. */
  watch(endpoint: Endpoint, told: (transition: Transition) => void): (() => void) | undefined;
}
