/** `tcpx serve DIR`: a directory's files over HTTP, by Node's http on connections of tcpx's. */
import { realpathSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Command, Option } from 'commander';
import { type ListenHost, type ListenHostOptions, openListenHost } from '../socket/listen-host.ts';
import { Socket } from '../socket/net-socket.ts';
import { StackNetwork } from '../socket/stack-network.ts';
import type { Listener } from '../stack/listener.ts';
import { octetsText } from '../tools/perf/text.ts';
import { type RequestHandler, staticHandler } from '../tools/static/handler.ts';
import { Tree } from '../tools/static/tree.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { ownPathOptions, protocolOptions, socketOptionsOf, timeOptions } from './connection-options.ts';
import { CliFailure, codeOf, EXIT_CODES, Exit } from './exit.ts';
import { faultOptions } from './fault-options.ts';
import type { Io } from './io.ts';
import type { OpenListenHost } from './listen.ts';
import { type Place, parsePlace } from './listen-options.ts';
import { anyDriver, pathOptions, secondsValue, wholeNumber } from './option-types.ts';
import { dropPrivileges } from './privileges.ts';
import { type ProxyCommandOptions, poolOptionsOf, proxyLogOptions } from './proxy-options.ts';
import { ProxyOutput } from './proxy-output.ts';
import { serveUntilSignal } from './proxy-run.ts';
import { offerTo } from './status.ts';
import { resolveHost } from './target.ts';

interface ServeOptions extends ProxyCommandOptions {
  readonly listen: Place;
  readonly hidden?: true;
}

const HELP = `
A browser, curl or any other client gets the files in DIR, and a page for each directory that has no index.html: GET and
HEAD, ranges, conditions, keep-alive. Nothing outside DIR is given away, by links neither; names that begin with a dot
are left out unless --hidden is given. Each request has a line in the log. The first ^C takes no more connections and
waits for those there are, the second resets them.

Examples:
  $ sudo tcpx serve .                            http://localhost:8080/, and by each address of this machine
  $ sudo tcpx serve site --listen 10.0.0.1:80
  $ sudo tcpx serve big --listen 8080 --cc bbr --loss 1% -q

${EXIT_CODES}`;

export const serve: CliCommand = serveThrough(openListenHost);

export function serveThrough(open: OpenListenHost): CliCommand {
  return {
    name: 'serve',
    summary: 'serve the files of a directory over HTTP',
    group: 'For other programs:',
    declare: declareServe,
    // commander's options by the names and parsers of declareServe.
    run: ([directory = '.'], options, io) => runServe(directory, options as unknown as ServeOptions, io, open),
  };
}

function declareServe(command: Command): void {
  command.usage('[options] [DIR]').argument('[dir]', 'what to serve (default: the current directory)');
  command.optionsGroup('Service:');
  for (const option of serviceOptions()) command.addOption(option);
  command.optionsGroup('Path:');
  for (const option of [
    ...pathOptions(anyDriver()).filter((o) => o.long !== '--port' && o.long !== '--source'),
    ...ownPathOptions(),
  ])
    command.addOption(option);
  command.optionsGroup('Protocol:');
  for (const option of [...protocolOptions(), ...timeOptions().filter((o) => !NOT_HERE.has(o.long))])
    command.addOption(option);
  command.optionsGroup('Faults on our own link:');
  for (const option of faultOptions()) command.addOption(option);
  command.optionsGroup('Log:');
  for (const option of proxyLogOptions()) command.addOption(option);
  command.optionsGroup('Options:');
  command.addHelpText('after', HELP);
}

const NOT_HERE: ReadonlySet<string | undefined> = new Set(['--timeout', '--time-wait']);

const serviceOptions = (): readonly Option[] => [
  new Option('--listen <place>', '[ADDR:]PORT (default: port 8080 of every address)')
    .argParser((text: string) => parsePlace([text]))
    .default({ host: undefined, port: 8080 }, '8080'),
  new Option('--hidden', 'names that begin with a dot, too'),
  new Option('--max-connections <n>', 'so many at once; the others wait')
    .argParser(wholeNumber('--max-connections', 1, 1_000_000, 100))
    .default(1000),
  new Option('--timeout <seconds>', 'close a connection that has asked for nothing for so long')
    .argParser(secondsValue('--timeout'))
    .default(60),
];

async function runServe(directory: string, o: ServeOptions, io: Io, open: OpenListenHost): Promise<number> {
  const output = new ProxyOutput(io, o);
  const root = rootOf(directory);
  const host = await open(await hostOptions(o, io, output));
  const http = createServer(logged(staticHandler(new Tree(root, o.hidden === true)), output));
  http.keepAliveTimeout = o.timeout * 1000;
  http.timeout = o.timeout * 1000;
  const status = offerTo(io, `serve ${directory}`, () => host.paths);
  try {
    if (o.dropPrivileges !== undefined) dropPrivileges(o.dropPrivileges);
    const listeners = host.listen({ options: { TCP_NODELAY: true, ...socketOptionsOf(o) } });
    const gate = new Gate(host, listeners, http, o.maxConnections);
    for (const path of host.paths) {
      const place = `${ipv4Text(path.route.source)}:${host.port}`;
      output.start(`serving ${root} on http://${place}/  on ${path.route.interface}`, {
        command: 'serve',
        listening: place,
        interface: path.route.interface,
        directory: root,
      });
    }
    for (const { interface: name, reason } of host.skipped) output.remark(`not listening on ${name}: ${reason}`);
    const exitCode = await serveUntilSignal([gate], gate, io, output);
    output.end(gate.totals);
    return exitCode;
  } finally {
    status.close();
    host.close();
  }
}

async function hostOptions(o: ServeOptions, io: Io, output: ProxyOutput): Promise<ListenHostOptions> {
  const { host, port } = o.listen;
  const address = host === undefined ? undefined : await resolveHost(host, io, o.numeric === true);
  if (o.ip !== undefined && address !== undefined && address !== o.ip.address)
    throw new CliFailure(`--ip ${ipv4Text(o.ip.address)} is another address than ${host}`, {
      exitCode: Exit.USAGE,
      hint: `with --ip give the port only: --listen ${port}`,
    });
  const { source: _, ...shared } = poolOptionsOf(o, (error) => output.linkError(error));
  return { ...shared, port, ...(address !== undefined && { address }) };
}

function rootOf(directory: string): string {
  try {
    const root = realpathSync(directory);
    if (statSync(root).isDirectory()) return root;
  } catch (error) {
    const why = { ENOENT: 'no such directory', EACCES: 'permission denied' }[codeOf(error) ?? ''] ?? String(error);
    throw new CliFailure(`cannot serve ${directory}: ${why}`, {
      exitCode: Exit.USAGE,
      hint: 'check the path',
      cause: error,
    });
  }
  throw new CliFailure(`cannot serve ${directory}: it is no directory`, {
    exitCode: Exit.USAGE,
    hint: 'name the directory that it is in; `tcpx listen -k --file F PORT` sends one file to whoever connects',
  });
}

/** Connections from the listeners to Node's http server, so many at once. */
class Gate {
  readonly #http: Server;
  readonly #listeners: readonly Listener[];
  readonly #network: StackNetwork;
  readonly #most: number;
  readonly #open = new Set<Socket>();
  #count = 0;
  #octetsOut = 0;
  #octetsIn = 0;
  #closed = false;
  #whenIdle: (() => void)[] = [];

  constructor(host: ListenHost, listeners: readonly Listener[], http: Server, most: number) {
    this.#http = http;
    this.#listeners = listeners;
    this.#network = new StackNetwork(host.paths.map((path) => path.stack));
    this.#most = most;
    for (const listener of listeners) listener.onConnection = () => this.#accept();
    this.#accept();
  }

  get open(): number {
    return this.#open.size;
  }

  get totals(): { readonly connections: number; readonly octetsOut: number; readonly octetsIn: number } {
    return { connections: this.#count, octetsOut: this.#octetsOut, octetsIn: this.#octetsIn };
  }

  /** Those that wait for another request are closed too. */
  close(): void {
    this.#closed = true;
    for (const listener of this.#listeners) listener.close();
    this.#http.closeIdleConnections();
  }

  async idle(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  stop(): void {
    for (const socket of [...this.#open]) socket.resetAndDestroy();
  }

  #accept(): void {
    for (const listener of this.#listeners) {
      while (!this.#closed && this.#open.size < this.#most) {
        const endpoint = listener.accept();
        if (endpoint === undefined) break;
        this.#serve(new Socket({ endpoint, network: this.#network, allowHalfOpen: true }));
      }
    }
  }

  #serve(socket: Socket): void {
    this.#count++;
    this.#open.add(socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#octetsOut += socket.bytesWritten;
      this.#octetsIn += socket.bytesRead;
      this.#accept();
      if (this.#open.size > 0) return;
      for (const tell of this.#whenIdle.splice(0)) tell();
    });
    this.#http.emit('connection', socket);
  }
}

/** A line for each request that is over. */
const logged =
  (handler: RequestHandler, output: ProxyOutput): RequestHandler =>
  (request: IncomingMessage, response: ServerResponse) => {
    const beganAt = performance.now();
    // The socket forgets where it came from when it closes.
    const client = `${request.socket.remoteAddress}:${request.socket.remotePort}`;
    response.once('close', () => {
      const { method = '', url = '' } = request;
      const seconds = (performance.now() - beganAt) / 1000;
      const octets = method === 'HEAD' ? 0 : Number(response.getHeader('Content-Length') ?? 0);
      const cut = response.writableFinished ? '' : ', cut off';
      output.line(
        `${client} ${method} ${printable(url)} ${response.statusCode} ${octetsText(octets)}, ${seconds.toFixed(3)} s${cut}`,
        () => ({
          type: 'request',
          client,
          method,
          url,
          status: response.statusCode,
          octets,
          seconds: Number(seconds.toFixed(6)),
          complete: response.writableFinished,
        }),
      );
    });
    handler(request, response);
  };

/** What a client sends is not to move the cursor of who reads the log. */
const printable = (text: string): string =>
  text.replace(/[^\x21-\x7e]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
