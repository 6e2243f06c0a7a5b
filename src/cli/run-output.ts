/** What a run of `connect` or `listen` writes beside the octets: the log with its header, the capture, and how a failure is told. */
import { release } from 'node:os';
import type { Clock } from '../base/time.ts';
import type { LinkError } from '../link/link.ts';
import type { Host, HostOptions } from '../socket/host.ts';
import { type HeaderRecord, LOG_SCHEMA, type SummaryFacts } from '../tools/log-record.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import { type CaptureFile, openCaptureFile } from './capture-file.ts';
import { type ConnectionOptions, logOutputOptions, socketOptionsOf, sysctlOf } from './connection-options.ts';
import { type CliFailure, Exit } from './exit.ts';
import { type LinkFaults, linkFaultsOf } from './fault-options.ts';
import type { Io } from './io.ts';
import { LogOutput } from './log-output.ts';
import { tcpxVersion } from './version.ts';

/** What was asked for, as the header says it. */
export interface RunName {
  readonly command: 'connect' | 'listen';
  readonly target: string;
  /** Connections are told apart in the text by their numbers. */
  readonly numbered: boolean;
}

/** Of HostOptions, what both commands ask for. */
type SharedHostOptions = Omit<HostOptions, 'remote' | 'remotePort' | 'source' | 'sourcePort'>;

export class RunOutput {
  readonly log: LogOutput;
  readonly #name: RunName;
  readonly #o: ConnectionOptions;
  readonly #io: Io;
  readonly #capture: CaptureFile | undefined;
  readonly #faults: LinkFaults | undefined;
  readonly #linkErrors = new Set<string>();
  /** When the log's time was 0. */
  #wall: Date;
  #headed = false;

  /** Opens the files: what can't be written is told before a packet is sent. */
  constructor(name: RunName, o: ConnectionOptions, io: Io) {
    this.#name = name;
    this.#o = o;
    this.#io = io;
    this.#wall = io.wallClock();
    this.#faults = linkFaultsOf(o);
    this.#capture = o.write === undefined ? undefined : openCaptureFile(o.write, io.env, this.#wall);
    this.log = new LogOutput(io, logOutputOptions(o, name.numbered));
  }

  /** The summary: nothing is logged after it. */
  end(facts: SummaryFacts): void {
    const faults = this.#faults?.counters;
    this.#capture?.dropped(facts.counters?.['drops']);
    this.log.end({ ...facts, ...(faults !== undefined && { faults }) });
  }

  /** The log's times are this clock's from now on. */
  startAt(clock: Clock): void {
    this.#wall = new Date(this.#io.wallClock().getTime() - clock.now() / 1000);
    this.#capture?.zeroAt(this.#wall);
  }

  /** Packets come and go by these. */
  onInterfaces(names: readonly string[]): void {
    this.#capture?.onInterfaces(names);
  }

  hostOptions(): SharedHostOptions {
    const o = this.#o;
    const capture = this.#capture;
    return {
      guard: o.guard,
      sysctl: sysctlOf(o),
      tracer: capture?.tracing(this.log) ?? this.log,
      onLinkError: (error) => this.#onLinkError(error),
      ...(o.profile !== 'linux' && { profile: o.profile }),
      ...(o.driver !== undefined && { driver: o.driver }),
      ...(!o.offload && { offload: false }),
      ...(o.interface !== undefined && { interface: o.interface }),
      ...(o.ip !== undefined && { ownAddress: o.ip }),
      ...(capture !== undefined && { capture: capture.packet }),
      ...(this.#faults !== undefined && { tap: this.#faults.tap }),
    };
  }

  /** The header comes once: with the host's facts, or without them when it never came to that. */
  head(host?: Host): void {
    if (this.#headed) return;
    this.#headed = true;
    const { route } = host ?? {};
    const record: HeaderRecord = {
      schema: LOG_SCHEMA,
      type: 'header',
      t: 0,
      wall: this.#wall.toISOString(),
      tcpx: tcpxVersion(),
      node: process.versions.node,
      kernel: release(),
      command: this.#name.command,
      target: this.#name.target,
      ...(route !== undefined && { interface: route.interface, mtu: route.mtu }),
      ...(route?.gateway !== undefined && { gateway: ipv4Text(route.gateway) }),
      ...(host !== undefined && {
        driver: host.link.driver,
        ...driverNotes(host, this.#o),
        guard: { kind: host.guard.kind, note: host.guard.note },
      }),
      ...(this.#o.profile !== 'linux' && { profile: this.#o.profile }),
      ...(this.#faults !== undefined && { faults: this.#faults.record }),
      sysctl: sysctlOf(this.#o),
      options: socketOptionsOf(this.#o),
    };
    this.log.write(record);
  }

  /** Tells a failure, and returns its exit code. */
  tell(failure: CliFailure): number {
    this.head();
    const { message, hint, exitCode } = failure;
    this.log.write({ type: 'failure', t: this.log.lastTime, message, ...(hint !== undefined && { hint }), exitCode });
    if (this.#io.env['TCPX_DEBUG'] === '1')
      this.#io.stderr.write(`${failure.stack}\n${failure.cause instanceof Error ? failure.cause.stack : ''}\n`);
    return exitCode;
  }

  /** Everything goes out. A file that could not be written whole is a failure of its own, told last. */
  close(exitCode: number): number {
    this.log.close();
    this.#capture?.close();
    let worst = exitCode;
    for (const failure of [this.log.failure, this.#capture?.failure]) {
      if (failure === undefined) continue;
      this.#io.stderr.write(`tcpx: ${failure.message}; it holds what was written before\n  hint: ${failure.hint}\n`);
      if (worst === Exit.OK) worst = failure.exitCode;
    }
    return worst;
  }

  /** One that comes with every packet is told once. */
  #onLinkError(error: LinkError): void {
    const { code, message, fatal } = error;
    if (this.#linkErrors.has(code) && !fatal) return;
    this.#linkErrors.add(code);
    this.log.write({ type: 'link', t: this.log.lastTime, code, message, fatal });
  }
}

/** What a log says of a driver beside its name. */
export const driverNotes = (
  { fallBack, link }: Host,
  o: Pick<ConnectionOptions, 'offload'>,
): Pick<HeaderRecord, 'fallBack' | 'offload'> => ({
  ...(fallBack !== undefined && { fallBack }),
  ...(!o.offload && link.driver === 'packet' && { offload: false }),
});

/** Stack and link have counters of their own names; of several hosts each is summed. */
export function countersOf(hosts: readonly Host[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  const counted = new Set<object>();
  for (const { stack, link } of hosts) {
    for (const counters of [stack.counters, link.counters]) {
      // Two stacks may share one link.
      if (counted.has(counters)) continue;
      counted.add(counters);
      for (const [name, value] of Object.entries(counters)) sums[name] = (sums[name] ?? 0) + value;
      if (counters === link.counters && link.drops !== undefined) sums['drops'] = (sums['drops'] ?? 0) + link.drops();
    }
  }
  return sums;
}
