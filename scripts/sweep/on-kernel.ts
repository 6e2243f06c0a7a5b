/**
 * This machine's kernel: many cells side by side in one network namespace, each with a port of its own. A cell's state is
 * read from the namespace's /proc/net/tcp, the one place where a kernel shows LISTEN, SYN-RECEIVED and TIME-WAIT as well.
 */
import { readFileSync } from 'node:fs';
import type { State } from '../../src/tcp/machine.ts';
import type { CallRequest, CallResult } from '../../src/tools/scenario/calls.ts';
import { type KernelProcess, openKernelProcess } from '../../src/tools/scenario/kernel-process.ts';
import { callKernel, settleKernel } from '../../src/tools/scenario/kernel-target.ts';
import { patternOctets } from '../../src/tools/scenario/pattern-octets.ts';
import { RealClock } from '../../src/tools/scenario/real-clock.ts';
import { PEER, SUT } from '../../src/tools/scenario/run.ts';
import type { SentPacket } from '../../src/tools/scenario/target.ts';
import { decodeIpv4, Ipv4Header, ipv4Text } from '../../src/wire/ipv4.ts';
import { readU16 } from '../../src/wire/octets.ts';
import { type Line, SETTINGS } from './line.ts';
import type { Addresses } from './peer.ts';

const FIRST_PORT = 10_000;
const PEER_PORT = 50_001;

/** So many challenge ACKs a namespace may send in a second; where there is a limit, cells would be without theirs. */
const UNLIMITED = ['tcp_challenge_ack_limit', '2147483647'] as const;

export class KernelLines {
  readonly #kernel: KernelProcess;
  readonly #lines: Map<number, KernelLine>;
  readonly #clock: RealClock;
  readonly #table: StateTable;

  private constructor(kernel: KernelProcess, clock: RealClock, lines: Map<number, KernelLine>) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#lines = lines;
    this.#table = new StateTable(kernel.pid);
  }

  /** Throws LinkFailure. */
  static async open(): Promise<KernelLines> {
    const lines = new Map<number, KernelLine>();
    const clock = new RealClock();
    const kernel = await openKernelProcess({
      kind: 'tun',
      address: ipv4Text(SUT),
      mask: '255.255.0.0',
      mtu: 1500,
      onPacket: (bytes, at) => {
        const ip = new Ipv4Header();
        if (decodeIpv4(bytes, 0, bytes.length, ip) !== 'ok') return;
        lines.get(readU16(bytes, ip.payloadAt))?.onPacket({ t: clock.of(at), bytes: bytes.slice() });
      },
    });
    await settleKernel(kernel, 'linux');
    for (const setting of [UNLIMITED, ...SETTINGS.map((s) => s.replace('net.ipv4.', '').split('='))])
      await kernel.ask(`sysctl ${setting.join(' ')}`);
    return new KernelLines(kernel, clock, lines);
  }

  line(): Line {
    const sutPort = FIRST_PORT + this.#lines.size;
    const line = new KernelLine(sutPort, this.#kernel, this.#clock, this.#table);
    this.#lines.set(sutPort, line);
    return line;
  }

  /** Resolves when namespace and connections are gone. */
  close(): Promise<void> {
    return this.#kernel.close();
  }
}

class KernelLine implements Line {
  readonly addresses: Addresses;
  readonly sent: SentPacket[] = [];
  readonly #kernel: KernelProcess;
  readonly #clock: RealClock;
  readonly #table: StateTable;
  #wake: () => void = () => {};

  constructor(sutPort: number, kernel: KernelProcess, clock: RealClock, table: StateTable) {
    this.addresses = { sut: SUT, peer: PEER, sutPort, peerPort: PEER_PORT };
    this.#kernel = kernel;
    this.#clock = clock;
    this.#table = table;
  }

  onPacket(packet: SentPacket): void {
    this.sent.push(packet);
    this.#wake();
  }

  now(): number {
    return this.#clock.now();
  }

  pass(us: number, ready: () => boolean = () => false): Promise<boolean> {
    if (ready()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (result: boolean): void => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve(result);
      };
      const timer = setTimeout(() => done(ready()), us / 1000);
      this.#wake = () => ready() && done(true);
    });
  }

  call(request: CallRequest, octets = 0): Promise<CallResult> {
    return callKernel(this.#kernel, request, patternOctets(0, octets));
  }

  send(packet: Uint8Array): void {
    this.#kernel.send(packet);
  }

  async state(): Promise<State | undefined> {
    return this.#table.of(this.addresses.sutPort, this.addresses.peerPort);
  }

  async close(): Promise<void> {}
}

/** As in include/net/tcp_states.h. */
// biome-ignore format: read as a table
const STATES: Readonly<Record<number, State>> = {
  1: 'ESTABLISHED', 2: 'SYN-SENT', 3: 'SYN-RECEIVED', 4: 'FIN-WAIT-1', 5: 'FIN-WAIT-2', 6: 'TIME-WAIT',
  7: 'CLOSED', 8: 'CLOSE-WAIT', 9: 'LAST-ACK', 10: 'LISTEN', 11: 'CLOSING', 12: 'SYN-RECEIVED',
};

/** /proc/net/tcp of a process's namespace. Many cells ask at once: an answer does for all who ask within a moment. */
class StateTable {
  static readonly #MOMENT = 5;
  readonly #path: string;
  #readAt = Number.NEGATIVE_INFINITY;
  #states: ReadonlyMap<string, State> = new Map();

  constructor(pid: number) {
    this.#path = `/proc/${pid}/net/tcp`;
  }

  of(localPort: number, remotePort: number): State | undefined {
    if (performance.now() - this.#readAt > StateTable.#MOMENT) this.#read();
    return this.#states.get(`${localPort} ${remotePort}`);
  }

  #read(): void {
    const states = new Map<string, State>();
    for (const line of readFileSync(this.#path, 'utf8').split('\n')) {
      const found = /^\s*\d+: \w+:(\w+) \w+:(\w+) (\w+) /.exec(line);
      if (found === null) continue;
      const [local, remote, number] = found.slice(1).map((hex) => Number.parseInt(hex, 16));
      const state = STATES[number!];
      if (state !== undefined) states.set(`${local} ${remote}`, state);
    }
    this.#states = states;
    this.#readAt = performance.now();
  }
}
