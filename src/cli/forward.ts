/** `tcpx forward LOCAL REMOTE`: whoever connects to LOCAL is connected with REMOTE, one side by the kernel, the other by tcpx. */
import { type Command, Option } from 'commander';
import type { Host } from '../socket/host.ts';
import type { HostPool, HostPoolParts } from '../socket/host-pool.ts';
import { type ListenHost, openListenHost } from '../socket/listen-host.ts';
import { TcpServer } from '../socket/tcp-server.ts';
import { type Dial, dialKernel, dialTcpx } from '../tools/proxy/dial.ts';
import { ProxyService } from '../tools/proxy/proxy-service.ts';
import { ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, EXIT_CODES, Exit } from './exit.ts';
import type { Io } from './io.ts';
import { boundTo, listenByKernel } from './kernel-listener.ts';
import type { OpenListenHost } from './listen.ts';
import { type Place, parsePlace } from './listen-options.ts';
import {
  type LocalPlace,
  limitOptions,
  localPlaceValue,
  outwardOptions,
  type ProxyCommandOptions,
  poolOptionsOf,
  protocolAndTimeOptions,
  proxyFaultOptions,
  proxyLogOptions,
  proxySocketOptionsOf,
} from './proxy-options.ts';
import { ProxyOutput } from './proxy-output.ts';
import { type Listening, openPool, resolver, serveUntilSignal, tryWay } from './proxy-run.ts';
import { offerTo } from './status.ts';
import { parseTarget, resolveHost, type Target } from './target.ts';

interface ForwardOptions extends ProxyCommandOptions {
  readonly listenWith: 'kernel' | 'tcpx';
}

const HELP = `
LOCAL is [ADDR:]PORT, REMOTE is HOST:PORT; there may be several pairs. By default the kernel listens, on loopback unless
LOCAL says otherwise, and tcpx connects. With --listen-with tcpx it is the other way round: tcpx listens, as
\`tcpx listen\` does on every address unless LOCAL names one, and the kernel connects; the options of path and protocol
are then those of the listening side.

A FIN is passed on as a FIN, a RST as a RST. Each connection has a line in the log when it is over. The first ^C takes
no more connections and waits for those there are, the second resets them.

Examples:
  $ sudo tcpx forward 8080 example.com:80
  $ sudo tcpx forward 5432 db.example.com:5432 6379 cache.example.com:6379 --cc bbr
  $ sudo tcpx forward --listen-with tcpx 10.0.0.1:80 localhost:3000

${EXIT_CODES}`;

/** Where packets go: this machine's network, or what a test puts in its place. */
export interface ForwardParts {
  readonly pool: HostPoolParts | undefined;
  readonly openListenHost: OpenListenHost;
}

export const forward: CliCommand = forwardThrough({ pool: undefined, openListenHost });

export function forwardThrough(parts: ForwardParts): CliCommand {
  return {
    name: 'forward',
    summary: 'pass connections to a local port on to another host',
    group: 'For other programs:',
    declare: declareForward,
    // commander's options by the names and parsers of declareForward.
    run: (args, options, io) => runForward(pairsOf(args), options as unknown as ForwardOptions, io, parts),
  };
}

function declareForward(command: Command): void {
  command
    .usage('[options] LOCAL REMOTE [LOCAL REMOTE...]')
    .argument('<local>', '[ADDR:]PORT')
    .argument('<remote>', 'HOST:PORT')
    .argument('[more...]', 'further pairs');
  command.optionsGroup('Service:');
  command.addOption(
    new Option('--listen-with <stack>', 'whose connections come in; those that go out are the other one’s')
      .choices(['kernel', 'tcpx'])
      .default('kernel'),
  );
  for (const option of limitOptions()) command.addOption(option);
  command.optionsGroup('Path:');
  for (const option of outwardOptions()) command.addOption(option);
  command.optionsGroup('Protocol:');
  for (const option of protocolAndTimeOptions()) command.addOption(option);
  command.optionsGroup('Faults on our own link:');
  for (const option of proxyFaultOptions()) command.addOption(option);
  command.optionsGroup('Log:');
  for (const option of proxyLogOptions()) command.addOption(option);
  command.optionsGroup('Options:');
  command.addHelpText('after', HELP);
}

interface Pair {
  readonly local: string;
  readonly remote: Target;
}

function pairsOf(words: readonly string[]): readonly Pair[] {
  if (words.length % 2 !== 0)
    throw new CliFailure(`LOCAL '${words.at(-1)}' has no REMOTE`, {
      exitCode: Exit.USAGE,
      hint: 'they come in pairs: tcpx forward 8080 example.com:80 8443 example.com:443',
    });
  return words.flatMap((local, i) => (i % 2 === 0 ? [{ local, remote: parseTarget([words[i + 1]!]) }] : []));
}

async function runForward(pairs: readonly Pair[], o: ForwardOptions, io: Io, parts: ForwardParts): Promise<number> {
  const output = new ProxyOutput(io, o);
  const inward = o.listenWith === 'tcpx';
  const pool = inward ? undefined : openPool(o, output, parts.pool);
  const far = { resolve: resolver(io, o.numeric === true), connectTimeout: o.connectTimeout * 1000 };
  const dial: Dial =
    pool === undefined ? dialKernel(far) : dialTcpx(pool, { ...far, options: proxySocketOptionsOf(o) });
  const proxy = new ProxyService({ dial, idleTime: o.timeout * 1000, onRecord: (record) => output.record(record) });
  const run = new ForwardRun(o, io, output, proxy);
  const status = offerTo(io, 'forward', () => pool?.hosts() ?? run.hosts());
  try {
    for (const { local, remote } of pairs) {
      if (pool === undefined) await run.listenByTcpx(parsePlace([local]), remote, parts.openListenHost);
      else await run.listenByKernel(localPlaceValue('LOCAL')(local), remote, pool);
    }
    const exitCode = await serveUntilSignal(run.listening, proxy, io, output);
    output.end(proxy.totals);
    return exitCode;
  } finally {
    status.close();
    run.close();
    pool?.close();
  }
}

class ForwardRun {
  readonly listening: Listening[] = [];
  readonly #o: ForwardOptions;
  readonly #io: Io;
  readonly #output: ProxyOutput;
  readonly #proxy: ProxyService;
  readonly #hosts: ListenHost[] = [];

  constructor(o: ForwardOptions, io: Io, output: ProxyOutput, proxy: ProxyService) {
    this.#o = o;
    this.#io = io;
    this.#output = output;
    this.#proxy = proxy;
  }

  async listenByKernel(place: LocalPlace, to: Target, pool: HostPool): Promise<void> {
    const { maxConnections, numeric } = this.#o;
    await tryWay(pool, await resolveHost(to.host, this.#io, numeric === true), this.#output);
    const server = await listenByKernel(place, {
      maxConnections,
      onConnection: (client) => this.#proxy.serve(client, { by: 'rule', ...to }),
      onDrop: () => this.#output.remark(`one more than --max-connections ${maxConnections}: closed`),
    });
    this.listening.push(server);
    this.#sayWhere(boundTo(server), to);
  }

  async listenByTcpx(place: Place, to: Target, open: OpenListenHost): Promise<void> {
    const o = this.#o;
    const address = place.host === undefined ? undefined : await resolveHost(place.host, this.#io, o.numeric === true);
    const { source: _, ...shared } = poolOptionsOf(o, (error) => this.#output.linkError(error));
    const host = await open({
      ...shared,
      port: place.port,
      ...(address !== undefined && o.ip === undefined && { address }),
    });
    this.#hosts.push(host);
    const listeners = host.listen({ options: proxySocketOptionsOf(o) });
    const server = new TcpServer(listeners, { maxConnections: o.maxConnections });
    server.on('connection', (client) => this.#proxy.serve(client, { by: 'rule', ...to }));
    this.listening.push(server);
    for (const { route, port } of host.paths) this.#sayWhere(`${ipv4Text(route.source)}:${port}`, to);
    for (const { interface: name, reason } of host.skipped) this.#output.remark(`not listening on ${name}: ${reason}`);
  }

  *hosts(): IterableIterator<Host> {
    for (const { paths } of this.#hosts) yield* paths;
  }

  close(): void {
    for (const each of this.listening) each.close();
    for (const host of this.#hosts) host.close();
  }

  #sayWhere(place: string, { host, port }: Target): void {
    const how = this.#o.listenWith === 'tcpx' ? 'in by tcpx, out by the kernel' : 'out by tcpx';
    const target = `${host}:${port}`;
    this.#output.start(`${place} -> ${target}, ${how}`, { command: 'forward', listening: place, target });
  }
}
