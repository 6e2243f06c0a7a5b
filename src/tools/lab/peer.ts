/**
 * Kernel sockets in a lab, each call made as it is asked for, by a process in the namespace (src/link/native/calls.c). A
 * call that blocks holds up nothing else. Failures reject with LabCallError, whose code is errno's name.
 */
import { constants } from 'node:os';
import { stateOfNumber } from '../../tcp/linux-states.ts';
import type { State } from '../../tcp/machine.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import { Msg, Shut, SOCKET_OPTIONS } from '../scenario/constants.ts';
import { type Answer, type KernelProcess, openKernelProcess } from '../scenario/kernel-process.ts';
import { decodeTcpInfo } from '../scenario/tcp-info.ts';
import { IN_NEW_NAMESPACE } from './namespace.ts';

export class LabCallError extends Error {
  override readonly name = 'LabCallError';
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, code: string) {
    super(`${syscall}: ${code}`);
    this.syscall = syscall;
    this.code = code;
  }
}

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  // Of two names for one number the first one counts: EAGAIN, not EWOULDBLOCK.
  Object.entries(constants.errno)
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'EOPNOTSUPP')
    .map(([name, number]) => [number, name]),
);

/** Octets; what a call may read or write at once. */
const MAX_OCTETS = 1 << 19;
const EMPTY = new Uint8Array(0);

/** Options of a socket by name (SO_LINGER aside: see abort), before it connects or listens. */
export type LabSocketOptions = Readonly<Record<string, number>>;

export class LabPeer {
  readonly #kernel: KernelProcess;

  constructor(kernel: KernelProcess) {
    this.#kernel = kernel;
  }

  /** In a namespace of its own, or in ours. Throws LinkFailure. */
  static async open(where: 'new namespace' | 'here'): Promise<LabPeer> {
    const prefix = where === 'here' ? IN_NEW_NAMESPACE.slice(0, 3) : IN_NEW_NAMESPACE;
    return new LabPeer(await openKernelProcess({ kind: 'here', prefix }));
  }

  get pid(): number {
    return this.#kernel.pid;
  }

  async socket(options: LabSocketOptions = {}): Promise<LabSocket> {
    const { result } = await answered(this.#kernel, 'socket', 'socket');
    const socket = new LabSocket(this.#kernel, result);
    await socket.setOption('SO_REUSEADDR', 1);
    for (const [name, value] of Object.entries(options)) await socket.setOption(name, value);
    return socket;
  }

  /** A socket that listens on `port` of every address; 0 is no port here. */
  async listen(port: number, backlog = 128, options: LabSocketOptions = {}): Promise<LabSocket> {
    const socket = await this.socket(options);
    await socket.bind(port);
    await socket.listen(backlog);
    return socket;
  }

  /** Resolves when connected. */
  async connect(to: Ipv4, port: number, localPort = 0, options: LabSocketOptions = {}): Promise<LabSocket> {
    const socket = await this.socket(options);
    if (localPort !== 0) await socket.bind(localPort);
    await socket.connect(to, port);
    return socket;
  }

  close(): Promise<void> {
    return this.#kernel.close();
  }
}

export class LabSocket {
  readonly fd: number;
  readonly #kernel: KernelProcess;

  constructor(kernel: KernelProcess, fd: number) {
    this.#kernel = kernel;
    this.fd = fd;
  }

  async bind(port: number): Promise<void> {
    await this.#call('bind', `0 ${port}`);
  }

  async listen(backlog: number): Promise<void> {
    await this.#call('listen', String(backlog));
  }

  /** Waits for a connection. */
  async accept(): Promise<LabSocket> {
    return new LabSocket(this.#kernel, (await this.#call('accept')).result);
  }

  async connect(to: Ipv4, port: number): Promise<void> {
    await this.#call('connect', `${to >>> 0} ${port}`);
  }

  /** Connects and sends in one call (MSG_FASTOPEN); octets taken. */
  async connectWith(to: Ipv4, port: number, octets: Uint8Array | string): Promise<number> {
    return (await this.#call('sendto', `${Msg.FASTOPEN} ${to >>> 0} ${port}`, octetsOf(octets))).result;
  }

  /** Up to `most` octets, as soon as there are any; none at the end of the stream. */
  async read(most = MAX_OCTETS): Promise<Uint8Array> {
    return (await this.#call('read', `${Math.min(most, MAX_OCTETS)} 0`)).octets;
  }

  /** What there is, without waiting; rejects with EAGAIN when there is nothing. */
  async readNow(most = MAX_OCTETS): Promise<Uint8Array> {
    return (await this.#call('read', `${Math.min(most, MAX_OCTETS)} ${Msg.DONTWAIT}`)).octets;
  }

  /** Exactly `len` octets, or what there was before the end of the stream. */
  async readAll(len: number = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let have = 0;
    while (have < len) {
      const part = await this.read(len - have);
      if (part.length === 0) break;
      parts.push(part);
      have += part.length;
    }
    const all = new Uint8Array(have);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** Resolves when the kernel has taken them all. */
  async write(octets: Uint8Array | string, flags = 0): Promise<void> {
    const all = octetsOf(octets);
    for (let at = 0; at < all.length; ) {
      at += (await this.#call('write', String(flags), all.subarray(at, at + MAX_OCTETS))).result;
    }
  }

  /** FIN: nothing more is written. */
  async shutdown(how: keyof typeof Shut = 'WR'): Promise<void> {
    await this.#call('shutdown', String(Shut[how]));
  }

  async close(): Promise<void> {
    await this.#call('close');
  }

  /** RST instead of FIN (SO_LINGER of 0). */
  async abort(): Promise<void> {
    await this.#setOctets('SO_LINGER', Int32Array.of(1, 0));
    await this.close();
  }

  async setOption(name: string, value: number): Promise<void> {
    await this.#setOctets(name, Int32Array.of(value));
  }

  async option(name: string): Promise<number> {
    const { octets } = await this.#optionOctets(name);
    return new DataView(octets.buffer, octets.byteOffset, octets.length).getInt32(0, true);
  }

  /** The error that waits for its user (SO_ERROR, which takes it away); undefined when there is none. */
  async takeError(): Promise<string | undefined> {
    const number = await this.option('SO_ERROR');
    return number === 0 ? undefined : nameOf(number);
  }

  /** struct tcp_info by its names: tcpi_state, tcpi_rto… */
  async info(): Promise<Readonly<Record<string, number>>> {
    return decodeTcpInfo((await this.#optionOctets('TCP_INFO')).octets);
  }

  async state(): Promise<State> {
    return stateOfNumber((await this.info())['tcpi_state'] ?? 0);
  }

  #optionOctets(name: string): Promise<Answer> {
    const { level, number } = SOCKET_OPTIONS[name]!;
    return this.#call('getsockopt', `${level} ${number}`);
  }

  async #setOctets(name: string, values: Int32Array): Promise<void> {
    const { level, number } = SOCKET_OPTIONS[name]!;
    await this.#call('setsockopt', `${level} ${number}`, new Uint8Array(values.buffer));
  }

  #call(name: string, args = '', octets: Uint8Array = EMPTY): Promise<Answer> {
    return answered(this.#kernel, name, `${name} ${this.fd} ${args}`, octets);
  }
}

async function answered(
  kernel: KernelProcess,
  name: string,
  words: string,
  octets: Uint8Array = EMPTY,
): Promise<Answer> {
  const answer = await kernel.ask(words, octets);
  if (answer.result < 0) throw new LabCallError(name, nameOf(answer.errno));
  return answer;
}

const nameOf = (errno: number): string => ERRNO_NAMES.get(errno) ?? `errno ${errno}`;

const octetsOf = (octets: Uint8Array | string): Uint8Array =>
  typeof octets === 'string' ? new TextEncoder().encode(octets) : octets;

/** The code of the error that `call` fails with; undefined when it doesn't. */
export async function codeOfCall(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
