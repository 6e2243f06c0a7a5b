/**
 * The program tcpx-calls (src/link/native/calls.c): an interface, packets to and from it, and socket calls made beside it.
 * All of it ends with the process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LinkFailure } from '../../link/failure.ts';

/** Both src/tools/scenario and dist/tools/scenario are three below the package's root. */
const PROGRAM = fileURLToPath(new URL('../../../src/link/native/build/Release/tcpx-calls', import.meta.url));

export interface Answer {
  /** When it returned: microseconds of the monotonic clock. */
  readonly at: number;
  readonly result: number;
  readonly errno: number;
  readonly octets: Uint8Array;
}

/** Calls and no interface: `prefix` is what starts the program, e.g. in a namespace; absent, the one it is started in. */
export interface CallsOnlyOptions {
  readonly kind: 'here';
  readonly prefix?: readonly string[];
}

export interface KernelProcessOptions {
  /** 'tun': IP packets, in a namespace of its own. 'tap': Ethernet frames, in the one that it is started in. */
  readonly kind: 'tun' | 'tap';
  readonly address: string;
  readonly mask: string;
  readonly mtu: number;
  /** A packet or frame that the kernel has sent, and when: microseconds of the monotonic clock. */
  readonly onPacket: (bytes: Uint8Array, at: number) => void;
}

/** Microseconds of the monotonic clock, as the program's. */
export const monotonicMicros = (): number => Number(process.hrtime.bigint() / 1000n);

/** Resolves once the interface is up. Throws LinkFailure: ENOTBUILT, EPERM, EIO. */
export async function openKernelProcess(o: KernelProcessOptions | CallsOnlyOptions): Promise<KernelProcess> {
  if (!existsSync(PROGRAM))
    throw new LinkFailure('ENOTBUILT', 'the part that makes calls on the kernel is not built', 'npm rebuild tcpx');
  const [command = '', ...args] =
    o.kind === 'here' ? [...(o.prefix ?? []), PROGRAM, 'here'] : [PROGRAM, o.kind, o.address, o.mask, String(o.mtu)];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const process_ = new KernelProcess(child, o.kind === 'here' ? () => {} : o.onPacket);
  await process_.ready;
  return process_;
}

export class KernelProcess {
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #onPacket: (bytes: Uint8Array, at: number) => void;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #buffered: Uint8Array = new Uint8Array(0);
  #told = '';
  #closed = false;
  #onReady: () => void = () => {};

  constructor(child: ChildProcess, onPacket: (bytes: Uint8Array, at: number) => void) {
    this.#child = child;
    this.#onPacket = onPacket;
    this.ready = new Promise((resolve, reject) => {
      this.#onReady = resolve;
      child.once('error', reject);
      child.once('exit', () => reject(failureOf(this.#told)));
    });
    child.stdout?.on('data', (chunk: Uint8Array) => this.#onOctets(chunk));
    child.stderr?.on('data', (chunk: Uint8Array) => {
      this.#told += new TextDecoder().decode(chunk);
    });
    child.stdin?.on('error', () => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(packet: Uint8Array): void {
    this.#write('P', [packet]);
  }

  /** `words`: the call and its arguments. `octets`: what it writes. */
  call(words: string, octets: Uint8Array, onAnswer: (answer: Answer) => void): void {
    const id = ++this.#lastId;
    this.#answers.set(id, onAnswer);
    const head = new DataView(new ArrayBuffer(4));
    head.setUint32(0, id, true);
    this.#write('C', [new Uint8Array(head.buffer), new TextEncoder().encode(`${words}\n`), octets]);
  }

  ask(words: string, octets: Uint8Array = new Uint8Array(0)): Promise<Answer> {
    return new Promise((resolve) => this.call(words, octets, resolve));
  }

  /** Resolves when namespace and interface are gone. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const gone = new Promise<void>((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) resolve();
      this.#child.once('exit', () => resolve());
    });
    this.#child.kill('SIGKILL');
    await gone;
  }

  #write(kind: string, parts: readonly Uint8Array[]): void {
    if (this.#closed) return;
    const len = parts.reduce((sum, part) => sum + part.length, 1);
    const frame = new Uint8Array(4 + len);
    new DataView(frame.buffer).setUint32(0, len, true);
    frame[4] = kind.charCodeAt(0);
    let at = 5;
    for (const part of parts) {
      frame.set(part, at);
      at += part.length;
    }
    this.#child.stdin?.write(frame);
  }

  #onOctets(chunk: Uint8Array): void {
    const all = new Uint8Array(this.#buffered.length + chunk.length);
    all.set(this.#buffered);
    all.set(chunk, this.#buffered.length);
    let at = 0;
    const view = new DataView(all.buffer);
    while (all.length - at >= 4) {
      const len = view.getUint32(at, true);
      if (all.length - at - 4 < len) break;
      this.#onFrame(all.slice(at + 4, at + 4 + len));
      at += 4 + len;
    }
    this.#buffered = all.slice(at);
  }

  #onFrame(frame: Uint8Array): void {
    const view = new DataView(frame.buffer);
    switch (String.fromCharCode(frame[0]!)) {
      case 'R':
        this.#onReady();
        return;
      case 'P':
        this.#onPacket(frame.subarray(9), Number(view.getBigUint64(1, true)) / 1000);
        return;
      case 'C': {
        const id = view.getUint32(1, true);
        const onAnswer = this.#answers.get(id);
        this.#answers.delete(id);
        onAnswer?.({
          at: Number(view.getBigUint64(5, true)) / 1000,
          result: Number(view.getBigInt64(13, true)),
          errno: view.getInt32(21, true),
          octets: frame.subarray(25),
        });
        return;
      }
      default:
        return;
    }
  }
}

function failureOf(told: string): LinkFailure {
  const text = told.trim() || 'it ended without a word';
  if (/\((1|13)\)$/m.test(text))
    return new LinkFailure(
      'EPERM',
      `cannot make a network namespace with an interface: ${text}`,
      'run it as root (sudo)',
    );
  if (/dev\/net\/tun/.test(text))
    return new LinkFailure(
      'ENODEV',
      `this kernel has no tun interfaces here: ${text}`,
      'modprobe tun, or give the container /dev/net/tun',
    );
  return new LinkFailure(
    'EIO',
    `the kernel's side of a scenario could not be set up: ${text}`,
    'run it as root (sudo)',
  );
}
