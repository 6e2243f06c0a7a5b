/** Our stack in virtual time: exact to the microsecond, and as fast as it computes. */
import { constants } from 'node:os';
import { seededRandom } from '../../base/random.ts';
import { type Micros, micros, NEVER, seconds } from '../../base/time.ts';
import { VirtualTime } from '../../base/virtual-time.ts';
import {
  type Link,
  type LinkCounters,
  type LinkReceiver,
  newLinkCounters,
  type PacketOut,
  type SendOutcome,
} from '../../link/link.ts';
import { Stack } from '../../stack/stack.ts';
import { profileSysctl } from '../../tcp/config.ts';
import type { TraceRecord } from '../../tcp/trace.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import { paintFor } from '../log-style.ts';
import { TextLog } from '../log-text.ts';
import type { CallRequest } from './calls.ts';
import type { Plan } from './plan.ts';
import { sysctlOf } from './settings.ts';
import { StackCalls } from './stack-calls.ts';
import { NotPlayable, type RunningCall, type SentPacket, type Target } from './target.ts';

export interface VirtualTargetOptions {
  readonly plan: Plan;
  readonly sut: Ipv4;
  readonly peer: Ipv4;
  /** Draws initial sequence numbers and the like; 1 when absent. */
  readonly seed?: number;
  /** Gets every record of the core's trace. */
  readonly onRecord?: (record: TraceRecord) => void;
  /** takeTrace has nothing to say: for who plays thousands, and asks nothing. */
  readonly isSilent?: boolean;
}

/** Any number but 0, where mistakes with unset times would hide. */
const START = seconds(1000);

/** Throws NotPlayable. */
export function openVirtualTarget(o: VirtualTargetOptions): Target {
  return new VirtualTarget(o);
}

class VirtualTarget implements Target {
  readonly name = 'tcpx';
  readonly isReal = false;
  readonly sent: SentPacket[] = [];
  readonly #time = new VirtualTime(START);
  readonly #link: ScenarioLink;
  readonly #stack: Stack;
  readonly #calls: StackCalls;
  /** What the log has said since the last time; it is kept from the beginning, since it counts from each side's first number. */
  #lines: string[] = [];
  readonly #log = new TextLog(
    { paint: paintFor(false), verbosity: 'verbose', absolute: false, layout: 'line' },
    (line) => this.#lines.push(line),
  );

  constructor(o: VirtualTargetOptions) {
    const { about } = o.plan.scenario;
    const profile = about.profile ?? 'linux';
    const { sysctl, missing } = sysctlOf(o.plan.before, profileSysctl(profile));
    if (missing.length > 0) throw new NotPlayable(`tcpx has no such setting: ${missing.join(', ')}`);
    const { settings } = o.plan;
    this.#link = new ScenarioLink(settings.mtu, (bytes) => this.sent.push({ t: this.now(), bytes }));
    this.#stack = new Stack({
      clock: this.#time.clock(),
      random: seededRandom(o.seed ?? 1),
      link: this.#link,
      address: o.sut,
      profile,
      sysctl,
      tracer: {
        enabled: true,
        open() {},
        record: (record) => {
          if (o.isSilent !== true) this.#log.write({ ...record, t: (record.t - START) as Micros });
          o.onRecord?.(record);
        },
      },
    });
    this.#calls = new StackCalls({
      stack: this.#stack,
      bindPort: settings.bindPort,
      peer: o.peer,
      connectPort: settings.connectPort,
      now: () => this.now(),
      errnoOf: (name) => ERRNOS[name] ?? 0,
    });
  }

  now(): number {
    return this.#time.now - START;
  }

  slack(): number {
    return 0;
  }

  async pass(at: number, ready: () => boolean = () => false): Promise<boolean> {
    const until = at === Number.POSITIVE_INFINITY ? NEVER : micros(START + at);
    return this.#time.runWhile(() => {
      this.#calls.look();
      return !ready();
    }, until as Micros);
  }

  inject(packet: Uint8Array, more: boolean): void {
    this.#link.deliver(packet, more);
    this.#calls.look();
  }

  call(request: CallRequest, octets: Uint8Array): RunningCall {
    const call = this.#calls.start(request, octets);
    this.#calls.look();
    return call;
  }

  async info(): Promise<Readonly<Record<string, number>> | undefined> {
    return this.#calls.info();
  }

  /** The stack has its settings from its beginning. */
  async set(): Promise<boolean> {
    return false;
  }

  takeTrace(): readonly string[] {
    this.#log.flush();
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  async close(): Promise<void> {
    this.#stack.close();
  }
}

export const ERRNOS: Readonly<Record<string, number>> = constants.errno;

/** The end of a wire at which the scenario is. */
class ScenarioLink implements Link {
  readonly driver = 'memory';
  readonly mtu: number;
  readonly receiveMtu = 65_535;
  readonly maxGsoPayload = 0;
  readonly completesChecksum = false;
  readonly counters: LinkCounters = newLinkCounters();
  readonly #onSent: (bytes: Uint8Array) => void;
  #receiver: LinkReceiver | undefined;

  constructor(mtu: number, onSent: (bytes: Uint8Array) => void) {
    this.mtu = mtu;
    this.#onSent = onSent;
  }

  start(receiver: LinkReceiver): void {
    this.#receiver = receiver;
  }

  send(packet: PacketOut): SendOutcome {
    const bytes = new Uint8Array(packet.headerLen + packet.payload.len);
    bytes.set(packet.header.subarray(0, packet.headerLen));
    packet.payload.copyTo(bytes, packet.headerLen);
    this.#onSent(bytes);
    return 'sent';
  }

  deliver(bytes: Uint8Array, more: boolean): void {
    this.#receiver?.onPacket({ bytes, at: 0, end: bytes.length, checksum: 'unverified', owned: true });
    if (!more) this.#receiver?.onBatchEnd();
  }

  flush(): void {}

  close(): void {
    this.#receiver = undefined;
  }
}
