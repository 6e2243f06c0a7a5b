/** `tcpx connect HOST:PORT`: a connection of our own TCP between stdin, stdout and a peer, with every transition logged. */
import { Readable, Writable } from 'node:stream';
import { type Host, type HostOptions, openHost } from '../socket/host.ts';
import { TcpSocket } from '../socket/tcp-socket.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { endFailure, leavingTimeWait } from './connect-end.ts';
import { type ConnectOptions, declareConnect } from './connect-options.ts';
import { socketOptionsOf } from './connection-options.ts';
import { CliFailure, Exit, failureFrom } from './exit.ts';
import type { Io } from './io.ts';
import { dropPrivileges } from './privileges.ts';
import { countersOf, RunOutput } from './run-output.ts';
import { runSession } from './session.ts';
import { offerTo } from './status.ts';
import { parseTarget, resolveHost, type Target } from './target.ts';

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
  readonly #output: RunOutput;
  /** Of Fast Open; '' to ask for one. */
  readonly #cookie: string | undefined;
  #endpoint: Endpoint | undefined;

  constructor(target: Target, o: ConnectOptions, io: Io, open: OpenHost) {
    this.#target = target;
    this.#o = o;
    this.#io = io;
    this.#open = open;
    this.#cookie = o.tfo === true ? '' : o.tfo;
    this.#output = new RunOutput(
      { command: 'connect', target: `${target.host}:${target.port}`, numbered: false },
      o,
      io,
    );
  }

  async run(): Promise<number> {
    const output = this.#output;
    let exitCode: number;
    let host: Host | undefined;
    let status: ReturnType<typeof offerTo> | undefined;
    try {
      const first = this.#cookie && !this.#o.zero ? await firstInput(this.#io) : undefined;
      const remote = await resolveHost(this.#target.host, this.#io, this.#o.numeric === true);
      host = await this.#open(this.#hostOptions(remote));
      const hosts = [host];
      status = offerTo(this.#io, `connect ${this.#target.host}:${this.#target.port}`, () => hosts);
      exitCode = await this.#converse(host, remote, first);
    } catch (error) {
      exitCode = output.tell(failureFrom(error));
    }
    // Before the host is closed: what a connection in TIME-WAIT is left as is no part of its story.
    output.end({ info: this.#endpoint?.info(), counters: host === undefined ? undefined : countersOf([host]) });
    status?.close();
    host?.close();
    return output.close(exitCode);
  }

  async #converse(host: Host, remote: Ipv4, first: Uint8Array | undefined): Promise<number> {
    const { port } = this.#target;
    const { log } = this.#output;
    if (this.#o.dropPrivileges !== undefined) dropPrivileges(this.#o.dropPrivileges);
    this.#output.startAt(host.clock);
    this.#output.onInterfaces([host.route.interface]);
    this.#output.head(host);
    const endpoint = host.stack.connect({
      address: remote,
      port,
      localPort: host.port,
      options: socketOptionsOf(this.#o),
      ...(first !== undefined && { data: first }),
      ...(this.#cookie !== undefined && { fastOpen: this.#cookie === '' || { cookie: this.#cookie } }),
    });
    this.#endpoint = endpoint;
    log.follow(endpoint.id);
    const end = await runSession(new TcpSocket(endpoint), this.#o.zero ? silent(this.#io) : this.#io, {
      connectTimeout: this.#o.connectTimeout,
      idleTimeout: this.#o.timeout,
      stayInTimeWait: this.#o.timeWait === true,
      ...(this.#o.zero && { leaveAfter: LEAVE_AFTER }),
      note: (text) => log.note(text),
    });
    const granted = this.#cookie === undefined ? undefined : endpoint.connection.fastOpenGrant?.cookie;
    if (granted !== undefined && granted !== this.#cookie)
      log.note(`Fast Open: next time --tfo=${granted} sends data on the SYN`);
    if (end.how === 'time-wait') log.note(leavingTimeWait(this.#o));
    const { host: name } = this.#target;
    const address = ipv4Text(remote);
    const peer = name === address ? `${address}:${port}` : `${name}:${port} (${address})`;
    const failure = endFailure(end, peer, this.#o, { ...log.statesOf(endpoint.id), tally: log.tally });
    return failure === undefined ? Exit.OK : this.#output.tell(failure);
  }

  #hostOptions(remote: Ipv4): HostOptions {
    const o = this.#o;
    if (o.ip !== undefined && (o.source ?? o.ip.address) !== o.ip.address)
      throw new CliFailure('--ip is the source address already', { exitCode: Exit.USAGE, hint: 'leave -s away' });
    return {
      ...this.#output.hostOptions(),
      remote,
      remotePort: this.#target.port,
      ...(o.source !== undefined && { source: o.source }),
      ...(o.port !== undefined && { sourcePort: o.port }),
    };
  }
}

/** Seconds that a peer has for its FIN where nothing but the connection was wanted. */
const LEAVE_AFTER = 1;

/** Nothing to send, and what comes is passed over. */
const silent = (io: Io): Io => ({
  ...io,
  stdin: Readable.from([]),
  stdout: new Writable({ write: (_chunk, _encoding, done) => done() }),
});

/** What stdin gives first, for the SYN; undefined when it ends without. Nothing is open yet, so ^C just ends the process. */
function firstInput({ stdin }: Io): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const take = (octets?: Uint8Array): void => {
      stdin.pause().off('data', take).off('end', take).off('error', none);
      resolve(octets);
    };
    const none = (): void => take();
    stdin.once('data', take).once('end', take).once('error', none);
  });
}
