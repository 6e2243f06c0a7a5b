/** `tcpx connect HOST:PORT`: a connection of our own TCP between stdin, stdout and a peer, with every transition logged. */
import { release } from 'node:os';
import type { LinkError } from '../link/link.ts';
import { type Host, type HostOptions, openHost } from '../socket/host.ts';
import { TcpSocket } from '../socket/tcp-socket.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import type { SocketOptions, Sysctl } from '../tcp/config.ts';
import { type HeaderRecord, LOG_SCHEMA } from '../tools/log-record.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { endFailure } from './connect-end.ts';
import { type ConnectOptions, declareConnect } from './connect-options.ts';
import { type CliFailure, Exit, failureFrom } from './exit.ts';
import type { Io } from './io.ts';
import { LogOutput } from './log-output.ts';
import { PcapFile } from './pcap-file.ts';
import { runSession } from './session.ts';
import { parseTarget, resolveHost, type Target } from './target.ts';
import { tcpxVersion } from './version.ts';

/** Where packets go: this machine's network, or what a test puts in its place. */
export type OpenHost = (o: HostOptions) => Promise<Host>;

export const connect: CliCommand = connectThrough(openHost);

export function connectThrough(open: OpenHost): CliCommand {
  return {
    name: 'connect',
    summary: 'connect to a TCP server: stdin to it, it to stdout, the log to stderr',
    group: 'Connections:',
    declare: declareConnect,
    run: (args, options, io) => {
      // commander's options by the names and parsers of declareConnect.
      const o = options as unknown as ConnectOptions;
      return new ConnectRun(parseTarget(args), o, io, open).run();
    },
  };
}

/** One run: what it has open, and how it ends. */
class ConnectRun {
  readonly #target: Target;
  readonly #o: ConnectOptions;
  readonly #io: Io;
  readonly #open: OpenHost;
  /** When the log's time was 0. */
  #wall: Date;
  readonly #log: LogOutput;
  readonly #pcap: PcapFile | undefined;
  readonly #linkErrors = new Set<string>();
  #endpoint: Endpoint | undefined;
  #headed = false;

  /** Opens the files: what can't be written is told before a packet is sent. */
  constructor(target: Target, o: ConnectOptions, io: Io, open: OpenHost) {
    this.#target = target;
    this.#o = o;
    this.#io = io;
    this.#open = open;
    this.#wall = io.wallClock();
    this.#pcap = o.write === undefined ? undefined : new PcapFile(o.write, io.env, this.#wall);
    this.#log = new LogOutput(io, {
      json: o.json === true,
      jsonFile: o.jsonFile,
      verbosity: o.quiet ? 'quiet' : o.verbose ? 'verbose' : 'normal',
      absolute: o.absolute === true,
      color: o.color,
    });
  }

  async run(): Promise<number> {
    let exitCode: number;
    let host: Host | undefined;
    try {
      const remote = await resolveHost(this.#target.host, this.#io, this.#o.numeric === true);
      host = await this.#open(this.#hostOptions(remote));
      exitCode = await this.#converse(host, remote);
    } catch (error) {
      exitCode = this.#tell(failureFrom(error));
    }
    // Before the host is closed: what a connection in TIME-WAIT is left as is no part of its story.
    this.#log.end(this.#endpoint?.info(), host === undefined ? undefined : countersOf(host));
    host?.close();
    return this.#closeFiles(exitCode);
  }

  async #converse(host: Host, remote: Ipv4): Promise<number> {
    const { port } = this.#target;
    this.#wall = new Date(this.#io.wallClock().getTime() - host.clock.now() / 1000);
    this.#pcap?.zeroAt(this.#wall);
    this.#head(host);
    const endpoint = host.stack.connect({
      address: remote,
      port,
      localPort: host.port,
      options: socketOptions(this.#o),
    });
    this.#endpoint = endpoint;
    const end = await runSession(new TcpSocket(endpoint), this.#io, {
      connectTimeout: this.#o.connectTimeout,
      idleTimeout: this.#o.timeout,
      stayInTimeWait: this.#o.timeWait === true,
      note: (text) => this.#log.note(text),
    });
    if (end.how === 'time-wait') {
      this.#log.note(
        `TIME-WAIT: both sides have closed; not staying ${2 * (this.#o.msl ?? 30)} s for late segments (--time-wait stays)`,
      );
    }
    const { host: name } = this.#target;
    const address = ipv4Text(remote);
    const peer = name === address ? `${address}:${port}` : `${name}:${port} (${address})`;
    const failure = endFailure(end, peer, this.#o, this.#log);
    return failure === undefined ? Exit.OK : this.#tell(failure);
  }

  #hostOptions(remote: Ipv4): HostOptions {
    const o = this.#o;
    const pcap = this.#pcap;
    return {
      remote,
      remotePort: this.#target.port,
      driver: o.driver,
      guard: o.guard,
      sysctl: sysctlOf(o),
      tracer: this.#log,
      onLinkError: (error) => this.#onLinkError(error),
      ...(o.source !== undefined && { source: o.source }),
      ...(o.port !== undefined && { sourcePort: o.port }),
      ...(o.interface !== undefined && { interface: o.interface }),
      ...(pcap !== undefined && { capture: pcap.packet }),
    };
  }

  /** One that comes with every packet is told once. */
  #onLinkError(error: LinkError): void {
    const { code, message, fatal } = error;
    if (this.#linkErrors.has(code) && !fatal) return;
    this.#linkErrors.add(code);
    this.#log.write({ type: 'link', t: this.#log.lastTime, code, message, fatal });
  }

  /** The header comes once: with the host's facts, or without them when it never came to that. */
  #head(host?: Host): void {
    if (this.#headed) return;
    this.#headed = true;
    const sysctl = sysctlOf(this.#o);
    const options = socketOptions(this.#o);
    const { route } = host ?? {};
    const record: HeaderRecord = {
      schema: LOG_SCHEMA,
      type: 'header',
      t: 0,
      wall: this.#wall.toISOString(),
      tcpx: tcpxVersion(),
      node: process.versions.node,
      kernel: release(),
      command: 'connect',
      target: `${this.#target.host}:${this.#target.port}`,
      ...(route !== undefined && { interface: route.interface, mtu: route.mtu }),
      ...(route?.gateway !== undefined && { gateway: ipv4Text(route.gateway) }),
      ...(host !== undefined && { driver: host.link.driver, guard: { kind: host.guard.kind, note: host.guard.note } }),
      sysctl,
      options,
    };
    this.#log.write(record);
  }

  #tell(failure: CliFailure): number {
    this.#head();
    const { message, hint, exitCode } = failure;
    this.#log.write({ type: 'failure', t: this.#log.lastTime, message, ...(hint !== undefined && { hint }), exitCode });
    if (this.#io.env['TCPX_DEBUG'] === '1')
      this.#io.stderr.write(`${failure.stack}\n${failure.cause instanceof Error ? failure.cause.stack : ''}\n`);
    return exitCode;
  }

  /** A file that could not be written whole is a failure of its own, told last. */
  #closeFiles(exitCode: number): number {
    this.#log.close();
    this.#pcap?.close();
    let worst = exitCode;
    for (const failure of [this.#log.failure, this.#pcap?.failure]) {
      if (failure === undefined) continue;
      this.#io.stderr.write(`tcpx: ${failure.message}; it holds what was written before\n  hint: ${failure.hint}\n`);
      if (worst === Exit.OK) worst = failure.exitCode;
    }
    return worst;
  }
}

function sysctlOf(o: ConnectOptions): Partial<Sysctl> {
  return {
    ...(o.timestamps ? {} : { tcp_timestamps: false }),
    ...(o.sack ? {} : { tcp_sack: false }),
    ...(o.wscale ? {} : { tcp_window_scaling: false }),
    ...(o.msl === undefined ? {} : { tcp_msl: o.msl }),
  };
}

function socketOptions(o: ConnectOptions): Partial<SocketOptions> {
  return {
    ...(o.mss === undefined ? {} : { TCP_MAXSEG: o.mss }),
    ...(o.window === undefined ? {} : { TCP_WINDOW_CLAMP: o.window }),
  };
}

/** Both have counters of their own names; nothing else happens to them here. */
const countersOf = (host: Host): Readonly<Record<string, number>> => ({
  ...host.stack.counters,
  ...host.link.counters,
});
