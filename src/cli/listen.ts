/** `tcpx listen [ADDR:]PORT`: connections to a port of our own TCP, each with every transition logged. */
import { type ListenHost, type ListenHostOptions, openListenHost } from '../socket/listen-host.ts';
import { TcpServer } from '../socket/tcp-server.ts';
import type { TcpSocket } from '../socket/tcp-socket.ts';
import type { Endpoint } from '../stack/endpoint.ts';
import type { TcpInfo } from '../tcp/info.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { endFailure, leavingTimeWait } from './connect-end.ts';
import { socketOptionsOf } from './connection-options.ts';
import { CliFailure, Exit, failureFrom } from './exit.ts';
import type { Io, Signal } from './io.ts';
import { declareListen, type ListenOptions, type Place, parsePlace, serviceOf } from './listen-options.ts';
import { dropPrivileges } from './privileges.ts';
import { countersOf, driverNotes, RunOutput } from './run-output.ts';
import type { Service } from './services.ts';
import { closingNote, runSession, type SessionEnd } from './session.ts';
import { offerTo } from './status.ts';
import { resolveHost } from './target.ts';

/** Where packets go: this machine's network, or what a test puts in its place. */
export type OpenListenHost = (o: ListenHostOptions) => Promise<ListenHost>;

export const listen: CliCommand = listenThrough(openListenHost);

export function listenThrough(open: OpenListenHost): CliCommand {
  return {
    name: 'listen',
    summary: 'take TCP connections: stdin to the peer, it to stdout, or a service for many',
    group: 'Connections:',
    declare: declareListen,
    run: (args, options, io) => {
      // commander's options by the names and parsers of declareListen.
      const o = options as unknown as ListenOptions;
      return new ListenRun(parsePlace(args), o, io, open).run();
    },
  };
}

/** One run: what it has open, and how it ends. */
class ListenRun {
  readonly #place: Place;
  readonly #o: ListenOptions;
  readonly #io: Io;
  readonly #open: OpenListenHost;
  readonly #service: Service | undefined;
  readonly #output: RunOutput;
  /** Sessions that want to know of signals. */
  readonly #signalled = new Set<(signal: Signal) => void>();
  #connections = 0;
  #octetsOut = 0;
  #octetsIn = 0;
  /** Of the only connection, from before TIME-WAIT made a small record of it. */
  #info: TcpInfo | undefined;
  #exitCode: number = Exit.OK;

  constructor(place: Place, o: ListenOptions, io: Io, open: OpenListenHost) {
    this.#place = place;
    this.#o = o;
    this.#io = io;
    this.#open = open;
    this.#service = serviceOf(o);
    this.#output = new RunOutput({ command: 'listen', target: placeText(place), numbered: o.keepOpen === true }, o, io);
  }

  async run(): Promise<number> {
    const output = this.#output;
    let host: ListenHost | undefined;
    let status: ReturnType<typeof offerTo> | undefined;
    try {
      host = await this.#open(await this.#hostOptions());
      const { paths } = host;
      status = offerTo(this.#io, `listen ${placeText(this.#place)}`, () => paths);
      await this.#serve(host);
    } catch (error) {
      this.#exitCode = output.tell(failureFrom(error));
    }
    const totals = { connections: this.#connections, octetsOut: this.#octetsOut, octetsIn: this.#octetsIn };
    const counters = host === undefined ? undefined : countersOf(host.paths);
    output.end(this.#o.keepOpen ? { counters, totals } : { info: this.#info, counters });
    status?.close();
    host?.close();
    this.#service?.close();
    return output.close(this.#exitCode);
  }

  async #hostOptions(): Promise<ListenHostOptions> {
    const { host, port } = this.#place;
    const { interface: name, numeric } = this.#o;
    const address = host === undefined ? undefined : await resolveHost(host, this.#io, numeric === true);
    const shared = this.#output.hostOptions();
    if (shared.ownAddress !== undefined && address !== undefined && address !== shared.ownAddress.address)
      throw new CliFailure(`--ip ${ipv4Text(shared.ownAddress.address)} is another address than ${host}`, {
        exitCode: Exit.USAGE,
        hint: `with --ip give the port only: ${port}`,
      });
    return {
      ...shared,
      port,
      ...(name !== undefined && { interface: name }),
      ...(address !== undefined && { address }),
    };
  }

  /** Until the last connection is over, or nobody waits for one any more. */
  async #serve(host: ListenHost): Promise<void> {
    const o = this.#o;
    if (o.dropPrivileges !== undefined) dropPrivileges(o.dropPrivileges);
    this.#output.startAt(host.clock);
    this.#output.onInterfaces(host.paths.map(({ route }) => route.interface));
    this.#output.head();
    const listeners = host.listen({ backlog: o.backlog, options: socketOptionsOf(o) });
    this.#sayWhere(host);
    const one = o.keepOpen !== true || this.#service === undefined;
    const most = one ? 1 : o.maxConnections;
    const server = new TcpServer(listeners, most === undefined ? {} : { maxConnections: most });
    const sessions = new Set<Promise<void>>();
    server.on('connection', (socket) => {
      if (o.keepOpen !== true) server.close();
      const session = this.#session(socket);
      sessions.add(session);
      void session.finally(() => sessions.delete(session));
    });
    const undo = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      this.#io.onSignal(signal, () => this.#onSignal(signal, server)),
    );
    await new Promise<void>((resolve) => server.once('close', resolve));
    // A session tells its end a turn after its socket has closed.
    await Promise.all(sessions);
    for (const take of undo) take();
  }

  #sayWhere(host: ListenHost): void {
    const { log } = this.#output;
    const t = host.clock.now();
    for (const path of host.paths) {
      const { route, guard, link } = path;
      log.write({
        type: 'listen',
        t,
        local: ipv4Text(route.source),
        localPort: host.port,
        interface: route.interface,
        mtu: route.mtu,
        driver: link.driver,
        ...driverNotes(path, this.#o),
        guard: { kind: guard.kind, note: guard.note },
        backlog: this.#o.backlog,
      });
    }
    for (const { interface: name, reason } of host.skipped) log.note(`not listening on ${name}: ${reason}`);
  }

  #onSignal(signal: Signal, server: TcpServer): void {
    const first = server.listening;
    const open = this.#signalled.size;
    server.close();
    if (open === 0 && this.#connections === 0 && this.#o.keepOpen !== true && first)
      this.#exitCode = this.#output.tell(
        new CliFailure(`${placeText(this.#place)}: nobody has connected`, { exitCode: exitOf(signal) }),
      );
    else if (first && open > 0 && this.#o.keepOpen === true) this.#output.log.note(closingNote(signal));
    for (const tell of [...this.#signalled]) tell(signal);
  }

  async #session(socket: TcpSocket): Promise<void> {
    const { endpoint } = socket;
    const { log } = this.#output;
    this.#connections++;
    log.follow(endpoint.id);
    const streams = this.#service?.streams();
    const ended = runSession(socket, this.#sessionIo(streams), {
      connectTimeout: undefined,
      idleTimeout: this.#o.timeout,
      stayInTimeWait: this.#o.timeWait === true,
      quietSignals: this.#o.keepOpen === true,
      note: (text) => this.#note(endpoint, text),
    });
    if (streams !== undefined) socket.once('end', () => streams.peerEnded());
    this.#tellEnd(await ended, endpoint);
    this.#info = endpoint.info();
    this.#octetsOut += this.#info.bytes_sent;
    this.#octetsIn += this.#info.bytes_received;
    log.forget(endpoint.id);
    // TIME-WAIT goes on in the stack, without us.
    socket.on('error', () => {}).destroy();
  }

  #sessionIo(streams: Pick<Io, 'stdin' | 'stdout'> | undefined): Io {
    return {
      ...this.#io,
      ...(streams !== undefined && { stdin: streams.stdin, stdout: streams.stdout }),
      onSignal: (signal, run) => {
        const tell = (which: Signal): void => {
          if (which === signal) run();
        };
        this.#signalled.add(tell);
        return () => {
          this.#signalled.delete(tell);
        };
      },
    };
  }

  #tellEnd(end: SessionEnd, endpoint: Endpoint): void {
    const { log } = this.#output;
    const keepOpen = this.#o.keepOpen === true;
    if (end.how === 'time-wait' && !keepOpen) log.note(leavingTimeWait(this.#o));
    if (this.#service?.endless && end.how === 'failed' && end.code === 'ECONNRESET') {
      this.#note(endpoint, 'the peer has had enough');
      return;
    }
    const peer = `${ipv4Text(endpoint.remoteAddress)}:${endpoint.remotePort}`;
    const facts = { ...log.statesOf(endpoint.id), tally: log.tally };
    const failure = endFailure(end, peer, { ...this.#o, connectTimeout: undefined }, facts);
    if (failure === undefined) return;
    if (!keepOpen) this.#exitCode = this.#output.tell(failure);
    else {
      // One peer's trouble is not the server's; but being aborted is.
      if (end.how === 'signal') this.#exitCode = failure.exitCode;
      this.#note(endpoint, failure.message);
    }
  }

  #note(endpoint: Endpoint, text: string): void {
    this.#output.log.note(this.#o.keepOpen === true ? `c${endpoint.id} ${text}` : text);
  }
}

const placeText = ({ host, port }: Place): string => `${host ?? '*'}:${port}`;
const exitOf = (signal: Signal): number => (signal === 'SIGINT' ? Exit.SIGINT : Exit.SIGTERM);
