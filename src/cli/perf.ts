/** `tcpx perf HOST:PORT`: how fast octets go to a server, come from it, or go there and back. */
import { release } from 'node:os';
import { type Host, type HostOptions, openHost } from '../socket/host.ts';
import { TcpSocket } from '../socket/tcp-socket.ts';
import type { PerfStart } from '../tools/perf/json.ts';
import type { PerfPlan } from '../tools/perf/model.ts';
import { connected, PerfRun } from '../tools/perf/run.ts';
import { netSocket, type PerfSocket, tcpxSocket } from '../tools/perf/socket.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import type { OpenHost } from './connect.ts';
import { socketOptionsOf, sysctlOf } from './connection-options.ts';
import { CliFailure, Exit, failureFrom } from './exit.ts';
import { type LinkFaults, linkFaultsOf } from './fault-options.ts';
import type { Io, Signal } from './io.ts';
import { connectFailure, perfFailure } from './perf-end.ts';
import { declarePerf, type PerfOptions, planOf } from './perf-options.ts';
import { PerfOutput, placeText } from './perf-output.ts';
import { dropPrivileges } from './privileges.ts';
import { offerTo } from './status.ts';
import { parseTarget, resolveHost, type Target } from './target.ts';
import { tcpxVersion } from './version.ts';

export const perf: CliCommand = perfThrough(openHost);

export function perfThrough(open: OpenHost): CliCommand {
  return {
    name: 'perf',
    summary: 'measure how fast data goes to a server, comes from it, or both',
    group: 'Connections:',
    declare: declarePerf,
    run: (args, options, io) => {
      // commander's options by the names and parsers of declarePerf.
      const o = options as unknown as PerfOptions;
      return new PerfCommand(parseTarget(args), o, io, open).run();
    },
  };
}

/** One measurement: what it has open, and how it ends. */
class PerfCommand {
  readonly #target: Target;
  readonly #o: PerfOptions;
  readonly #plan: PerfPlan;
  readonly #io: Io;
  readonly #open: OpenHost;
  readonly #output: PerfOutput;
  readonly #faults: LinkFaults | undefined;
  #host: Host | undefined;
  #status: ReturnType<typeof offerTo> | undefined;
  #ended = false;
  #sockets: readonly PerfSocket[] = [];
  #run: PerfRun | undefined;
  #signal: Signal | undefined;
  /** Ends what comes before the first octet. */
  #giveUp: (failure: CliFailure) => void = () => {};
  readonly #givenUp = new Promise<never>((_, reject) => {
    this.#giveUp = reject;
  });
  readonly #linkErrors = new Set<string>();

  constructor(target: Target, o: PerfOptions, io: Io, open: OpenHost) {
    this.#target = target;
    this.#o = o;
    this.#plan = planOf(o);
    this.#io = io;
    this.#open = open;
    this.#output = new PerfOutput(o, this.#plan, io);
    this.#faults = linkFaultsOf(o);
  }

  async run(): Promise<number> {
    const undo = (['SIGINT', 'SIGTERM'] as const).map((s) => this.#io.onSignal(s, () => this.#onSignal(s)));
    try {
      const failure = await this.#measure().catch((error: unknown) => failureFrom(error));
      if (failure === undefined) return Exit.OK;
      this.#output.failure(failure);
      throw failure;
    } finally {
      for (const take of undo) take();
      for (const { stream } of this.#sockets) stream.destroy();
      this.#ended = true;
      if (this.#host !== undefined) this.#tellDrops(this.#host);
      this.#status?.close();
      this.#host?.close();
      this.#output.close();
    }
  }

  /** Undefined when all went well. */
  async #measure(): Promise<CliFailure | undefined> {
    const o = this.#o;
    const { host: name, port } = this.#target;
    const remote = await resolveHost(name, this.#io, o.numeric === true);
    const address = ipv4Text(remote);
    const peer = name === address ? `${address}:${port}` : `${name}:${port} (${address})`;
    await Promise.race([this.#connect(remote, peer), this.#givenUp]);
    this.#output.start(this.#start(remote));
    const run = new PerfRun(this.#sockets, this.#plan, {
      onInterval: (interval) => this.#output.interval(interval),
      ...(this.#output.showsProgress && {
        onProgress: (elapsed, soFar) => this.#output.progress(elapsed, soFar),
      }),
    });
    this.#run = run;
    const result = await run.run();
    this.#output.end(result);
    return perfFailure(this.#plan.mode, result, peer, this.#signal);
  }

  async #connect(remote: Ipv4, peer: string): Promise<void> {
    const o = this.#o;
    if (o.net !== true) this.#host = await this.#openHost(remote);
    if (o.dropPrivileges !== undefined) dropPrivileges(o.dropPrivileges);
    try {
      this.#sockets = o.net ? this.#netSockets(remote) : this.#tcpxSockets(remote);
      await connected(this.#sockets, o.connectTimeout);
    } catch (error) {
      throw connectFailure(error, peer, o.connectTimeout);
    }
  }

  /** With several connections each gets a port as it needs one. */
  async #openHost(remote: Ipv4): Promise<Host> {
    const host = await this.#open(this.#hostOptions(remote));
    // ^C may have come meanwhile: then nobody closes it but us.
    if (this.#ended) host.close();
    else this.#status = offerTo(this.#io, `perf ${this.#target.host}:${this.#target.port}`, () => [host]);
    if (host.fallBack !== undefined) this.#output.remark(`driver ${host.link.driver}: ${host.fallBack}`);
    return host;
  }

  #tcpxSockets(remote: Ipv4): readonly PerfSocket[] {
    const host = this.#host;
    if (host === undefined) return [];
    const { parallel, nodelay } = this.#o;
    const options = { ...socketOptionsOf(this.#o), ...(nodelay && { TCP_NODELAY: true }) };
    const where = {
      address: remote,
      port: this.#target.port,
      options,
      ...(parallel === 1 && { localPort: host.port }),
    };
    return Array.from({ length: parallel }, () => tcpxSocket(new TcpSocket(host.stack.connect(where))));
  }

  #netSockets(remote: Ipv4): readonly PerfSocket[] {
    const { parallel, source, port, nodelay } = this.#o;
    return Array.from({ length: parallel }, () =>
      netSocket({
        host: ipv4Text(remote),
        port: this.#target.port,
        ...(source !== undefined && { localAddress: ipv4Text(source) }),
        ...(port !== undefined && { localPort: port }),
        ...(nodelay && { noDelay: true }),
      }),
    );
  }

  #hostOptions(remote: Ipv4): HostOptions {
    const o = this.#o;
    if (o.ip !== undefined && (o.source ?? o.ip.address) !== o.ip.address)
      throw new CliFailure('--ip is the source address already', { exitCode: Exit.USAGE, hint: 'leave -s away' });
    return {
      remote,
      remotePort: this.#target.port,
      guard: o.guard,
      sysctl: sysctlOf(o),
      onLinkError: ({ code, message }) => {
        if (this.#linkErrors.has(code)) return;
        this.#linkErrors.add(code);
        this.#output.remark(message);
      },
      ...(o.source !== undefined && { source: o.source }),
      ...(o.port !== undefined && { sourcePort: o.port }),
      ...(o.parallel > 1 && { ports: 'many' }),
      ...(!o.offload && { offload: false }),
      ...(o.profile !== 'linux' && { profile: o.profile }),
      ...(o.driver !== undefined && { driver: o.driver }),
      ...(o.interface !== undefined && { interface: o.interface }),
      ...(o.ip !== undefined && { ownAddress: o.ip }),
      ...(this.#faults !== undefined && { tap: this.#faults.tap }),
    };
  }

  #start(remote: Ipv4): PerfStart {
    const facts = this.#sockets.map((socket) => socket.facts());
    const host = this.#host;
    const { host: name, port } = this.#target;
    const { mode, length, seconds, octets } = this.#plan;
    return {
      tcpx: tcpxVersion(),
      node: process.versions.node,
      kernel: release(),
      target: `${name}:${port}`,
      mode,
      through: this.#o.net ? 'net' : 'tcpx',
      local: facts.map((fact) => fact.local),
      remote: placeText(remote, port),
      interface: host?.route.interface ?? null,
      driver: host?.link.driver ?? null,
      guard: host?.guard.kind ?? null,
      offload: host?.link.maxGsoPayload ?? null,
      congestion: facts[0]?.congestion ?? null,
      mss: facts[0]?.mss ?? null,
      streams: this.#o.parallel,
      length,
      seconds: seconds ?? null,
      octets: octets ?? null,
      ...(this.#faults !== undefined && { faults: this.#faults.record }),
    };
  }

  #onSignal(signal: Signal): void {
    this.#signal = signal;
    if (this.#run !== undefined) this.#run.stop();
    else
      this.#giveUp(
        new CliFailure('ended before it was connected', { exitCode: signal === 'SIGINT' ? Exit.SIGINT : Exit.SIGTERM }),
      );
  }

  /** Packets lost on this machine look like losses of the path. */
  #tellDrops(host: Host): void {
    const drops = host.link.drops?.() ?? 0;
    if (drops > 0) this.#output.remark(`${drops} packets came that this process was too slow to take`);
  }
}
