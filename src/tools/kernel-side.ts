/**
 * The kernel's side of a comparison: a connection through Node's `net`, and the states the kernel shows for it.
 *
 * States are read from /proc/net/tcp, which any user may read and which holds TIME-WAIT too. A reading is a sample:
 * a state that comes and goes between two readings is not seen (on a veth the whole handshake happens inside
 * connect(2)). So samples are taken at every segment that is captured, at every call, and in between as often as the
 * event loop turns, as long as something is going on. Anything that yields `StateSample`s can stand in for this.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import type { Micros } from '../base/time.ts';
import type { State } from '../tcp/machine.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';

/** The state in force from `t` on, as somebody who looked saw it. */
export interface StateSample {
  readonly t: Micros;
  readonly state: State;
}

export interface Addresses {
  readonly local: Ipv4;
  readonly localPort: number;
  readonly remote: Ipv4;
  readonly remotePort: number;
}

/** Linux's numbers of the states (include/net/tcp_states.h), as /proc/net/tcp prints them. NEW_SYN_RECV is 0C. */
const STATES: Readonly<Record<string, State>> = {
  '01': 'ESTABLISHED',
  '02': 'SYN-SENT',
  '03': 'SYN-RECEIVED',
  '04': 'FIN-WAIT-1',
  '05': 'FIN-WAIT-2',
  '06': 'TIME-WAIT',
  '07': 'CLOSED',
  '08': 'CLOSE-WAIT',
  '09': 'LAST-ACK',
  '0A': 'LISTEN',
  '0B': 'CLOSING',
  '0C': 'SYN-RECEIVED',
};

/** Address and port as /proc/net/tcp writes them: the address as this machine's 32-bit integer (little-endian), both in hex. */
function procAddress(address: Ipv4, port: number): string {
  const big = address >>> 0;
  const little = ((big & 0xff) << 24) | ((big & 0xff00) << 8) | ((big >>> 8) & 0xff00) | (big >>> 24);
  return `${hex(little >>> 0, 8)}:${hex(port, 4)}`;
}

const hex = (n: number, digits: number): string => n.toString(16).toUpperCase().padStart(digits, '0');

/** The state of one connection in the text of /proc/net/tcp; undefined when it is not there. */
export function stateInTable(table: string, a: Addresses): State | undefined {
  const at = table.indexOf(` ${procAddress(a.local, a.localPort)} ${procAddress(a.remote, a.remotePort)} `);
  if (at < 0) return undefined;
  const code = at + 2 + 2 * 13;
  return STATES[table.slice(code, code + 2)];
}

/** Without news for this long, readings go from one a turn of the loop to one every few milliseconds. */
const EAGER_MS = 20;
const LAZY_MS = 4;

/** Watches the kernel's state of one connection until `stop`. */
export class StateWatch {
  readonly samples: StateSample[] = [];
  readonly #fd = openSync('/proc/net/tcp', 'r');
  readonly #now: () => Micros;
  readonly #addresses: Addresses;
  #buf = Buffer.alloc(1 << 16);
  #newsAt: number;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `now` is the clock of the captured segments. */
  constructor(addresses: Addresses, now: () => Micros) {
    this.#addresses = addresses;
    this.#now = now;
    this.#newsAt = performance.now();
    this.look();
    this.#again();
  }

  /** The last state seen: CLOSED when the kernel has no such connection. */
  get state(): State | undefined {
    return this.samples.at(-1)?.state;
  }

  /** Something is going on: look now, and often for a while. */
  nudge(): void {
    if (this.#stopped) return;
    this.#newsAt = performance.now();
    this.look();
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#again();
    }
  }

  look(): void {
    if (this.#stopped) return;
    const state = stateInTable(this.#read(), this.#addresses) ?? 'CLOSED';
    if (state === this.state) return;
    this.samples.push({ t: this.#now(), state });
    this.#newsAt = performance.now();
  }

  /** Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.look();
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    closeSync(this.#fd);
  }

  #again(): void {
    const next = () => {
      this.#timer = undefined;
      this.look();
      this.#again();
    };
    if (performance.now() - this.#newsAt < EAGER_MS) this.#immediate = setImmediate(next);
    else this.#timer = setTimeout(next, LAZY_MS);
  }

  #read(): string {
    let len = 0;
    for (;;) {
      const got = readSync(this.#fd, this.#buf, len, this.#buf.length - len, len);
      len += got;
      if (got === 0) return this.#buf.toString('latin1', 0, len);
      if (len === this.#buf.length) this.#buf = Buffer.concat([this.#buf, Buffer.alloc(len)]);
    }
  }
}

/** A kernel connection under way. */
export interface KernelConnection {
  readonly socket: Socket;
  readonly addresses: Addresses;
}

/**
 * Connects through the kernel. Resolves once connect(2) has been called, so the port is known even of a connection that
 * is refused at once; the caller listens for 'connect' and 'error' in the same turn.
 */
export function kernelConnect(o: { remote: Ipv4; remotePort: number; source: Ipv4 }): Promise<KernelConnection> {
  const socket = createConnection({ host: ipv4Text(o.remote), port: o.remotePort, localAddress: ipv4Text(o.source), allowHalfOpen: true });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    // net calls connect(2) in a tick of its own, queued by createConnection: ours comes right after it
    process.nextTick(() => {
      const { localPort } = socket;
      if (localPort === undefined) return; // failed at once: 'error' follows
      socket.removeListener('error', reject);
      resolve({ socket, addresses: { local: o.source, localPort, remote: o.remote, remotePort: o.remotePort } });
    });
  });
}
