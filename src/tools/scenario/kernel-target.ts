/**
 * This machine's kernel in real time: a socket in a namespace of its own, the scenario at the other end of its only
 * interface. Its settings are those that tcpx has by default, so that what differs is behaviour.
 */
import { constants } from 'node:os';
import { type Profile, profileSysctl } from '../../tcp/config.ts';
import { ipv4Text } from '../../wire/ipv4.ts';
import type { CallRequest, CallResult } from './calls.ts';
import { Msg, SOCKET_OPTIONS, VALUES } from './constants.ts';
import { type Answer, type KernelProcess, openKernelProcess } from './kernel-process.ts';
import type { Plan } from './plan.ts';
import { RealClock } from './real-clock.ts';
import { PEER, SUT } from './run.ts';
import { NotPlayable, type RunningCall, type SentPacket, type Target } from './target.ts';
import { decodeTcpInfo } from './tcp-info.ts';

/** What a loaded machine may be late by, microseconds. */
const SLACK = 25_000;

/** Throws LinkFailure, and NotPlayable for a setting that this kernel doesn't have. */
export async function openKernelTarget(plan: Plan): Promise<Target> {
  const clock = new RealClock();
  const sent: SentPacket[] = [];
  const kernel = await openKernelProcess({
    kind: 'tun',
    address: ipv4Text(SUT),
    mask: '255.255.0.0',
    mtu: plan.settings.mtu,
    onPacket: (bytes, at) => {
      sent.push({ t: clock.of(at), bytes: bytes.slice() });
      clock.wake();
    },
  });
  const target = new KernelTarget(kernel, clock, sent, plan);
  try {
    await target.settle();
  } catch (error) {
    await kernel.close();
    throw error;
  }
  return target;
}

class KernelTarget implements Target {
  readonly name = 'kernel';
  readonly isReal = true;
  readonly sent: SentPacket[];
  readonly #kernel: KernelProcess;
  readonly #clock: RealClock;
  readonly #plan: Plan;

  constructor(kernel: KernelProcess, clock: RealClock, sent: SentPacket[], plan: Plan) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.sent = sent;
    this.#plan = plan;
  }

  /** Gives the namespace its settings; the scenario's time begins when they are there. */
  async settle(): Promise<void> {
    await settleKernel(this.#kernel, this.#plan.scenario.about.profile ?? 'linux');
    for (const effect of this.#plan.before) {
      if (effect.kind === 'sysctl' && !(await this.set(effect.name, effect.value)))
        throw new NotPlayable(`this kernel does not take ${effect.name}=${effect.value}`);
    }
    this.sent.length = 0;
    this.#clock.restart();
  }

  now(): number {
    return this.#clock.now();
  }

  /** Linux's timers are the coarser the longer they are: their wheel has levels, each eight times as coarse. */
  slack(after: number): number {
    return SLACK + Math.max(0, after) / 8;
  }

  pass(at: number, ready: () => boolean = () => false): Promise<boolean> {
    return this.#clock.pass(at, ready);
  }

  inject(packet: Uint8Array): void {
    this.#kernel.send(packet);
  }

  call(request: CallRequest, octets: Uint8Array): RunningCall {
    const running: RunningCall = { result: undefined, returnedAt: undefined };
    this.#kernel.call(wordsOf(request), octetsOf(request, octets), (answer) => {
      running.result = resultOf(request, answer);
      running.returnedAt = this.#clock.of(answer.at);
      this.#clock.wake();
    });
    return running;
  }

  async info(fd: number): Promise<Readonly<Record<string, number>> | undefined> {
    const { level, number } = SOCKET_OPTIONS['TCP_INFO']!;
    const answer = await this.#kernel.ask(`getsockopt ${fd} ${level} ${number}`);
    return answer.result < 0 ? undefined : decodeTcpInfo(answer.octets);
  }

  async set(name: string, value: string): Promise<boolean> {
    return (await this.#kernel.ask(`sysctl ${name} ${value}`)).result >= 0;
  }

  /** The kernel says nothing of itself: the run shows what was on the wire. */
  takeTrace(): readonly string[] {
    return [];
  }

  close(): Promise<void> {
    return this.#kernel.close();
  }
}

/** Gives a namespace the settings that tcpx has by default. */
export async function settleKernel(kernel: KernelProcess, profile: Profile): Promise<void> {
  const set = async (name: string, value: string): Promise<boolean> =>
    (await kernel.ask(`sysctl ${name} ${value}`)).result >= 0;
  for (const [name, value] of Object.entries(profileSysctl(profile))) {
    const text = Array.isArray(value) ? value.join(' ') : String(typeof value === 'boolean' ? Number(value) : value);
    // A setting of tcpx's own, or of other kernels than this one, is not there.
    await set(name, text);
  }
  // Whatever this machine's default is; reno is always there.
  if (!(await set('tcp_congestion_control', 'cubic'))) await set('tcp_congestion_control', 'reno');
  await set('tcp_no_metrics_save', '1');
}

/** `octets`: what a write writes. */
export async function callKernel(kernel: KernelProcess, request: CallRequest, octets: Uint8Array): Promise<CallResult> {
  return resultOf(request, await kernel.ask(wordsOf(request), octetsOf(request, octets)));
}

/** As src/link/native/calls.c reads them. */
function wordsOf(r: CallRequest): string {
  switch (r.call) {
    case 'socket':
      return 'socket';
    case 'bind':
      return `bind ${r.fd} 0 ${r.port ?? 8080}`;
    case 'connect':
      return `connect ${r.fd} ${(r.address ?? PEER) >>> 0} ${r.port ?? 8080}`;
    case 'listen':
      return `listen ${r.fd} ${r.backlog}`;
    case 'accept':
    case 'close':
      return `${r.call} ${r.fd}`;
    case 'read':
      return `read ${r.fd} ${r.len} ${r.flags}`;
    case 'write':
      return r.flags & Msg.FASTOPEN ? `sendto ${r.fd} ${r.flags} ${PEER >>> 0} 8080` : `write ${r.fd} ${r.flags}`;
    case 'shutdown':
      return `shutdown ${r.fd} ${r.how}`;
    case 'setsockopt':
    case 'getsockopt': {
      const { level, number } = SOCKET_OPTIONS[r.option]!;
      return `${r.call} ${r.fd} ${level} ${number}`;
    }
    case 'fcntl':
      return `fcntl ${r.fd} ${VALUES[r.command]!} ${r.flags}`;
    case 'poll':
      return `poll ${r.timeout} ${r.fds.map((f) => `${f.fd} ${f.events}`).join(' ')}`;
    case 'ioctl':
      return `ioctl ${r.fd} ${VALUES[r.request]!}`;
  }
}

function octetsOf(r: CallRequest, octets: Uint8Array): Uint8Array {
  if (r.call !== 'setsockopt') return octets;
  if (typeof r.value === 'string') return new TextEncoder().encode(r.value);
  return new Uint8Array(
    Int32Array.from(typeof r.value === 'number' ? [r.value] : [r.value.onoff, r.value.linger]).buffer,
  );
}

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  // Of two names for one number the first one counts: EAGAIN, not EWOULDBLOCK.
  Object.entries(constants.errno)
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'EOPNOTSUPP')
    .map(([name, number]) => [number, name]),
);

function resultOf(r: CallRequest, answer: Answer): CallResult {
  const { result, octets } = answer;
  if (result < 0) return { result: -1, errno: ERRNO_NAMES.get(answer.errno) ?? `errno ${answer.errno}` };
  if (r.call === 'read') return { result, octets };
  if (r.call === 'getsockopt' && r.option === 'TCP_CONGESTION')
    return { result, values: [new TextDecoder().decode(octets).replace(/\0.*$/s, '')] };
  if (r.call === 'getsockopt' || r.call === 'ioctl' || r.call === 'poll') {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
    const values = Array.from({ length: octets.length >> 2 }, (_, i) => view.getInt32(4 * i, true));
    return { result, values };
  }
  return { result };
}
