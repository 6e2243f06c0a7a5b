/** The two stacks that scripts are played on: tcpx in virtual time, and this machine's kernel, many scripts at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallRequest } from '../../../src/tools/scenario/calls.ts';
import { type KernelProcess, monotonicMicros, openKernelProcess } from '../../../src/tools/scenario/kernel-process.ts';
import { callKernel, settleKernel } from '../../../src/tools/scenario/kernel-target.ts';
import { parseScenario } from '../../../src/tools/scenario/parse.ts';
import { planScenario } from '../../../src/tools/scenario/plan.ts';
import { PEER, SUT } from '../../../src/tools/scenario/run.ts';
import type { RunningCall, SentPacket, Target } from '../../../src/tools/scenario/target.ts';
import { openVirtualTarget } from '../../../src/tools/scenario/virtual-target.ts';
import { ipv4Text } from '../../../src/wire/ipv4.ts';
import { readU16 } from '../../../src/wire/octets.ts';
import type { Ports, Stage } from './play.ts';
import { COMMON, FAMILIES } from './script.ts';

export const settingsOf = (family: number): Readonly<Record<string, string>> => ({ ...COMMON, ...FAMILIES[family] });

export const VIRTUAL_PORTS: Ports = { bindPort: 8080, connectPort: 8080, peerPort: 50_001 };

/** tcpx, afresh; to be closed. */
export function virtualStage(family: number): Target {
  const settings = Object.entries(settingsOf(family)).map(([name, value]) => `\`sysctl -q net.ipv4.${name}=${value}\``);
  // A scenario needs a step.
  const text = `${settings.join('\n')}\n+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n`;
  return openVirtualTarget({ plan: planScenario(parseScenario(text, 'settings')), sut: SUT, peer: PEER });
}

/** A namespace with the settings of a family, in which each script has ports of its own. */
export class KernelStages {
  readonly #kernel: KernelProcess;
  /** What is sent to a port of the peer's, and when that script began. */
  readonly #byPort = new Map<number, KernelStage>();
  #next = 0;

  private constructor(kernel: KernelProcess) {
    this.#kernel = kernel;
  }

  /** Throws LinkFailure. */
  static async open(family: number): Promise<KernelStages> {
    let stages: KernelStages | undefined;
    const kernel = await openKernelProcess({
      kind: 'tun',
      address: ipv4Text(SUT),
      mask: '255.255.0.0',
      mtu: 1500,
      onPacket: (bytes, at) => stages?.deliver(bytes, at),
    });
    stages = new KernelStages(kernel);
    await settleKernel(kernel, 'linux');
    for (const [name, value] of Object.entries(settingsOf(family))) await kernel.ask(`sysctl ${name} ${value}`);
    return stages;
  }

  deliver(bytes: Uint8Array, at: number): void {
    const headerLen = (bytes[0]! & 15) * 4;
    if (bytes[0]! >> 4 !== 4 || bytes.length < headerLen + 4) return;
    this.#byPort.get(readU16(bytes, headerLen + 2))?.deliver(bytes, at);
  }

  /** A stage for one script; its time begins now. */
  begin(): { readonly stage: KernelStage; readonly ports: Ports } {
    const n = this.#next++ % 20_000;
    const ports = { bindPort: 2000 + n, connectPort: 30_000 + n, peerPort: 30_000 + n };
    const stage = new KernelStage(this.#kernel);
    this.#byPort.set(ports.peerPort, stage);
    return { stage, ports };
  }

  /** The script is over: its sockets go, and nobody hears what that brings about. */
  async end({ peerPort }: Ports, fds: readonly number[]): Promise<void> {
    this.#byPort.delete(peerPort);
    for (const fd of fds) {
      const linger = { onoff: 1, linger: 0 };
      await callKernel(this.#kernel, { call: 'setsockopt', fd, option: 'SO_LINGER', value: linger }, NOTHING);
      await callKernel(this.#kernel, { call: 'close', fd }, NOTHING);
    }
  }

  close(): Promise<void> {
    return this.#kernel.close();
  }
}

const NOTHING = new Uint8Array(0);

export class KernelStage implements Stage {
  readonly sent: SentPacket[] = [];
  readonly #kernel: KernelProcess;
  readonly #zero = monotonicMicros();
  #wake: (() => void) | undefined;

  constructor(kernel: KernelProcess) {
    this.#kernel = kernel;
  }

  now(): number {
    return monotonicMicros() - this.#zero;
  }

  deliver(bytes: Uint8Array, at: number): void {
    this.sent.push({ t: at - this.#zero, bytes: bytes.slice() });
  }

  /** A short wait ends early when a call returns. */
  async pass(at: number): Promise<void> {
    const left = at - this.now();
    if (left <= 0) return;
    if (left > 1000) {
      await sleep(Math.ceil(left / 1000));
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 1);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  inject(packet: Uint8Array): void {
    this.#kernel.send(packet);
  }

  call(request: CallRequest, octets: Uint8Array): RunningCall {
    const running: RunningCall = { result: undefined, returnedAt: undefined };
    const told = callKernel(this.#kernel, request, octets);
    void told.then((result) => {
      running.result = result;
      running.returnedAt = this.now();
      this.#wake?.();
    });
    return running;
  }
}
