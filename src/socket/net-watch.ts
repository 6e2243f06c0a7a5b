/** The event 'transition' of a socket: from when somebody listens, or there is a connection, to CLOSED. */
import type { Endpoint } from '../stack/endpoint.ts';
import type { Network } from './network.ts';
import { activeOpen, type Transition } from './transitions.ts';

export class TransitionWatch {
  readonly #tell: (transition: Transition) => void;
  #unwatch: (() => void) | undefined;

  constructor(tell: (transition: Transition) => void) {
    this.#tell = tell;
  }

  get isOn(): boolean {
    return this.#unwatch !== undefined;
  }

  begin(endpoint: Endpoint, network: Network): void {
    if (this.isOn) return;
    this.#unwatch = network.watch(endpoint, (transition) => {
      this.#tell(transition);
      if (transition.to === 'CLOSED') this.end();
    });
    // It has been opened by now, and this is told before its first segment is answered.
    if (endpoint.state === 'SYN-SENT') process.nextTick(this.#tell, activeOpen());
  }

  end(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }
}
