/**
 * The kernel's side of a comparison: a connection through Node's `net`, and the states the kernel shows for it.
 *
 * States come from socket diagnostics. A reading is a sample: a state that comes and goes between two readings is not
 * seen (on a veth the whole handshake happens inside connect(2)). So the kernel is asked at every packet that is
 * captured and at every turn of the event loop for as long as something is going on. Anything else that yields states,
 * such as the kernel's trace events, can stand in for StateWatch.
 */
import { createConnection, type Socket } from 'node:net';
import type { Micros } from '../base/time.ts';
import { type Addresses, hasSocketDiag, SocketDiag } from '../link/socket-diag.ts';
import { stateOfNumber } from '../tcp/linux-states.ts';
import type { State } from '../tcp/machine.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import type { Contact, OpenContact } from './compare/run.ts';
import type { SeenState } from './compare/states.ts';

/** Without news for this long, readings go from one a turn of the loop to one every few milliseconds. */
const EAGER_MS = 20;
const LAZY_MS = 4;

/** Watches the kernel's state of one connection until `stop`. */
class StateWatch {
  /** Each state that was seen, in order. */
  readonly seen: SeenState[] = [];
  readonly #diag: SocketDiag;
  readonly #now: () => Micros;
  #newsAt = performance.now();
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(addresses: Addresses, now: () => Micros) {
    this.#now = now;
    this.#diag = new SocketDiag(addresses);
    this.look();
    this.#again();
  }

  /** Something is going on: look now, and often for a while. */
  nudge(): void {
    if (this.#stopped) return;
    this.#newsAt = performance.now();
    this.look();
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#again();
  }

  look(): void {
    if (this.#stopped) return;
    const state = stateOfNumber(this.#diag.state() ?? 0);
    if (state === this.seen.at(-1)?.state) return;
    this.seen.push({ state, at: this.#now() });
    this.#newsAt = performance.now();
  }

  /** Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.look();
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#diag.close();
  }

  #again(): void {
    const next = () => {
      this.look();
      this.#again();
    };
    if (performance.now() - this.#newsAt < EAGER_MS) {
      this.#timer = undefined;
      this.#immediate = setImmediate(next);
    } else {
      this.#timer = setTimeout(next, LAZY_MS);
    }
  }
}

/**
 * Connects through the kernel. Resolves once connect(2) has been called, so that the port is known even of a connection
 * which is refused at once; the caller listens for 'connect' and 'error' in the same turn. Rejects with Node's error when
 * there is no connection to speak of (EADDRNOTAVAIL, ENETUNREACH). `now` dates its states.
 */
export const kernelContacts =
  (now: () => Micros): OpenContact =>
  (target) => {
    const { remote, remotePort, route } = target;
    const socket = createConnection({
      host: ipv4Text(remote),
      port: remotePort,
      localAddress: ipv4Text(route.source),
      allowHalfOpen: true,
      ...(target.localPort !== undefined && { localPort: target.localPort }),
    });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      // net calls connect(2) in a tick of its own, queued by createConnection: ours comes right after it
      process.nextTick(() => {
        const { localPort } = socket;
        if (localPort === undefined) return; // failed at once: 'error' follows
        socket.removeListener('error', reject);
        const addresses = { local: route.source, localPort, remote, remotePort };
        resolve(new KernelContact(socket, addresses, now, () => kernelContacts(now)({ ...target, localPort })));
      });
    });
  };

class KernelContact implements Contact {
  readonly socket: Socket;
  readonly addresses: Addresses;
  readonly source = 'observed';
  readonly wholeStates = false;
  readonly notes: readonly string[];
  readonly #watch: StateWatch | undefined;
  readonly #again: () => Promise<Contact>;
  #next: Contact | undefined;

  constructor(socket: Socket, addresses: Addresses, now: () => Micros, again: () => Promise<Contact>) {
    this.#again = again;
    this.socket = socket;
    this.addresses = addresses;
    this.#watch = hasSocketDiag() ? new StateWatch(addresses, now) : undefined;
    this.notes =
      this.#watch === undefined ? ['this kernel has no socket diagnostics (tcp_diag): its states are inferred'] : [];
  }

  get state(): State | undefined {
    this.#watch?.look();
    return this.seen.at(-1)?.state;
  }

  get seen(): readonly SeenState[] {
    return this.#watch?.seen ?? [];
  }

  nudge(): void {
    this.#watch?.nudge();
  }

  keepAlive(seconds: number): void {
    this.socket.setKeepAlive(true, seconds * 1000);
  }

  async again(): Promise<Contact> {
    this.#next = await this.#again();
    return this.#next;
  }

  close(): void {
    this.#watch?.stop();
    this.#next?.close();
    this.socket.destroy();
  }
}
