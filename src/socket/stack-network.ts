/** Sockets and servers in the shape of `net` over stacks that somebody else runs: one for each address of ours. */
import type { Endpoint } from '../stack/endpoint.ts';
import { TcpError } from '../stack/errors.ts';
import type { Listener } from '../stack/listener.ts';
import { EPHEMERAL_COUNT, FIRST_EPHEMERAL } from '../stack/ports.ts';
import type { Stack } from '../stack/stack.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import { Keeper, Lingering } from './lingering.ts';
import type { Listening, Network, NetworkConnect, NetworkListen } from './network.ts';
import type { Transition, TransitionTracer } from './transitions.ts';

export interface StackNetworkOptions {
  /** Of all stacks, which then share their count of connections (StackOptions.nextId); without it there is no 'transition'. */
  readonly transitions?: TransitionTracer;
}

export class StackNetwork implements Network {
  readonly #stacks: ReadonlyMap<Ipv4, Stack>;
  readonly #transitions: TransitionTracer | undefined;
  readonly #keeper = new Keeper();
  readonly #lingering = new Lingering(
    () => this.#keeper.hold(),
    () => this.#keeper.release(),
  );
  /** By address. */
  readonly #listening = new Map<Ipv4, Set<number>>();
  #nextPort = 0;

  /** A connection to none of their addresses goes out by the first. */
  constructor(stacks: readonly Stack[], o: StackNetworkOptions = {}) {
    this.#stacks = new Map(stacks.map((stack) => [stack.address, stack]));
    this.#transitions = o.transitions;
  }

  connect({ address, localAddress, localPort, port, options }: NetworkConnect): Endpoint {
    const stack = this.#stackFor(localAddress);
    if (localPort !== undefined && this.#listening.get(stack.address)?.has(localPort))
      throw new TcpError('EADDRINUSE', `port ${localPort} is listening`, 'choose another port');
    return stack.connect({
      address,
      port,
      ...(localPort !== undefined && { localPort }),
      ...(options !== undefined && { options }),
    });
  }

  listen(o: NetworkListen): Listening {
    const stacks = o.address === undefined ? [...this.#stacks.values()] : [this.#stackFor(o.address)];
    if (o.port !== 0) return this.#listenOn(stacks, o, o.port);
    for (let tries = 1; ; tries++) {
      const port = FIRST_EPHEMERAL + (this.#nextPort++ % EPHEMERAL_COUNT);
      try {
        return this.#listenOn(stacks, o, port);
      } catch (error) {
        if (tries === EPHEMERAL_COUNT || !(error instanceof TcpError) || error.code !== 'EADDRINUSE') throw error;
      }
    }
  }

  hold(): void {
    this.#keeper.hold();
  }

  release(): void {
    this.#keeper.release();
  }

  leave(endpoint: Endpoint): void {
    this.#lingering.add(endpoint);
  }

  watch(endpoint: Endpoint, told: (transition: Transition) => void): (() => void) | undefined {
    return this.#transitions?.watch(endpoint.id, told);
  }

  #stackFor(address: Ipv4 | undefined): Stack {
    const [first] = this.#stacks.values();
    const stack = address === undefined ? first : this.#stacks.get(address);
    if (stack !== undefined) return stack;
    throw new TcpError(
      'EADDRNOTAVAIL',
      `${address === undefined ? 'no address' : ipv4Text(address)} is ours`,
      'use the address of one of the stacks',
    );
  }

  /** On all of them or on none. */
  #listenOn(stacks: readonly Stack[], { backlog, options }: NetworkListen, port: number): Listening {
    const listeners: Listener[] = [];
    const close = (): void => {
      for (const listener of listeners) listener.close();
      for (const { address } of stacks) this.#listening.get(address)?.delete(port);
    };
    try {
      for (const stack of stacks)
        listeners.push(
          stack.listen({ port, ...(backlog !== undefined && { backlog }), ...(options !== undefined && { options }) }),
        );
    } catch (error) {
      for (const listener of listeners) listener.close();
      throw error;
    }
    for (const { address } of stacks)
      this.#listening.set(address, (this.#listening.get(address) ?? new Set()).add(port));
    return { port, listeners, close };
  }
}
