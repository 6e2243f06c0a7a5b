/**
 * To this machine's kernel: a server of its sockets in a namespace of its own, with settings of its own; the probes are at
 * the other end of its only interface. Needs what makes a namespace with a tun interface: root, as a rule.
 */
import { constants } from 'node:os';
import { LinkFailure } from '../../link/failure.ts';
import { type Ipv4, ipv4Text } from '../../wire/ipv4.ts';
import { type KernelProcess, monotonicMicros, openKernelProcess } from '../scenario/kernel-process.ts';
import { PEER, SUT } from '../scenario/run.ts';
import { realTimer } from './live-path.ts';
import { ANSWER_OCTETS, askedBy } from './model-server.ts';
import type { Path, PortLease } from './path.ts';

const PORT = 8080;
const BACKLOG = 128;
const MTU = 1500;
const TCP_LEVEL = 6;
const TCP_FASTOPEN = 23;
const FIRST_PORT = 40_000;

export interface KernelSetting {
  readonly name: string;
  readonly value: string;
}

export interface KernelPathOptions {
  /** Tried in their order; what this kernel doesn't take is left as it is. */
  readonly settings: readonly KernelSetting[];
  /** The same, but what it doesn't take is an error. */
  readonly wanted: readonly KernelSetting[];
}

/** Throws LinkFailure: ENOTBUILT, EPERM, EINVAL for a setting. */
export async function openKernelPath(o: KernelPathOptions): Promise<Path> {
  let path: KernelPath | undefined;
  const kernel = await openKernelProcess({
    kind: 'tun',
    address: ipv4Text(SUT),
    mask: '255.255.0.0',
    mtu: MTU,
    onPacket: (bytes, at) => path?.onPacket?.(bytes.slice(), at),
  });
  try {
    for (const { name, value } of o.settings) await kernel.ask(`sysctl ${name} ${value}`);
    // One run leaves nothing behind for the next probe of the same peer.
    await kernel.ask('sysctl tcp_no_metrics_save 1');
    for (const setting of o.wanted) await set(kernel, setting);
    await serve(kernel);
  } catch (error) {
    await kernel.close();
    throw error;
  }
  path = new KernelPath(kernel);
  return path;
}

async function set(kernel: KernelProcess, { name, value }: KernelSetting): Promise<void> {
  const { result, errno } = await kernel.ask(`sysctl ${name} ${value}`);
  if (result >= 0) return;
  const why = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
  throw new LinkFailure(
    'EINVAL',
    `this kernel does not take ${name}=${value}: ${why}`,
    `\`sysctl net.ipv4.${name}\` shows what it may look like; not every setting is a namespace's own`,
  );
}

/** Listens, and serves each connection until it is over. */
async function serve(kernel: KernelProcess): Promise<void> {
  const listener = await call(kernel, 'socket');
  await call(kernel, `bind ${listener} 0 ${PORT}`);
  // Without it the kernel gives no Fast Open cookies whatever its settings say, save one bit of them.
  await kernel.ask(
    `setsockopt ${listener} ${TCP_LEVEL} ${TCP_FASTOPEN}`,
    new Uint8Array(Int32Array.of(BACKLOG).buffer),
  );
  await call(kernel, `listen ${listener} ${BACKLOG}`);
  const accept = (): void => {
    kernel.call(`accept ${listener}`, NOTHING, ({ result }) => {
      if (result >= 0) serveOne(kernel, result);
      accept();
    });
  };
  accept();
}

function serveOne(kernel: KernelProcess, fd: number): void {
  const close = (): void => kernel.call(`close ${fd}`, NOTHING, () => {});
  const read = (isFirst: boolean): void => {
    kernel.call(`read ${fd} 65536 0`, NOTHING, ({ result, octets }) => {
      const doing = isFirst ? askedBy(octets[0]) : 'read';
      if (result <= 0 || doing === 'close') close();
      else if (doing === 'send') kernel.call(`write ${fd} 0`, ANSWER_OCTETS, () => read(false));
      else read(false);
    });
  };
  read(true);
}

async function call(kernel: KernelProcess, words: string): Promise<number> {
  const { result, errno } = await kernel.ask(words);
  if (result < 0) throw new LinkFailure('EIO', `the kernel's side failed: ${words}: errno ${errno}`, 'try again');
  return result;
}

const NOTHING = new Uint8Array(0);

class KernelPath implements Path {
  readonly local: Ipv4 = PEER;
  readonly remote: Ipv4 = SUT;
  readonly remotePort = PORT;
  readonly mtu = MTU;
  onPacket: ((bytes: Uint8Array, t: number) => void) | undefined;
  readonly #kernel: KernelProcess;
  #lastPort = FIRST_PORT;

  constructor(kernel: KernelProcess) {
    this.#kernel = kernel;
  }

  now(): number {
    return monotonicMicros();
  }

  at(at: number, run: () => void): () => void {
    return realTimer(at, run);
  }

  send(packet: Uint8Array): void {
    this.#kernel.send(packet);
  }

  lease(): PortLease {
    return { port: this.#lastPort++, close() {} };
  }

  close(): Promise<void> {
    return this.#kernel.close();
  }
}
