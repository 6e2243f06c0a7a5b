/** `tcpx socks`: a SOCKS5 proxy on loopback, whose connections outward are tcpx's: so any program can use the stack. */
import { type Command, Option } from 'commander';
import { interfaceNamed } from '../link/route.ts';
import type { HostPoolParts } from '../socket/host-pool.ts';
import { dialTcpx } from '../tools/proxy/dial.ts';
import { ProxyService } from '../tools/proxy/proxy-service.ts';
import type { Credentials } from '../tools/proxy/socks5.ts';
import { parseIpv4 } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { CliFailure, EXIT_CODES, Exit } from './exit.ts';
import type { Io } from './io.ts';
import { boundTo, listenByKernel } from './kernel-listener.ts';
import {
  type LocalPlace,
  limitOptions,
  localPlaceValue,
  outwardOptions,
  type ProxyCommandOptions,
  protocolAndTimeOptions,
  proxyFaultOptions,
  proxyLogOptions,
  proxySocketOptionsOf,
} from './proxy-options.ts';
import { ProxyOutput } from './proxy-output.ts';
import { openPool, resolver, serveUntilSignal, tryWay } from './proxy-run.ts';
import { offerTo } from './status.ts';

interface SocksOptions extends ProxyCommandOptions {
  readonly listen: LocalPlace;
  readonly user?: Credentials;
}

const HELP = `
Clients come through this machine's kernel; where they want to go they get a connection of tcpx's. CONNECT is served,
names are resolved here, to IPv4; BIND, UDP ASSOCIATE and IPv6 addresses get the reply that RFC 1928 has for them.
A client that has not said what it wants in half a minute, or in --connect-timeout if that is more, is closed.
A FIN is passed on as a FIN, a RST as a RST. Each connection has a line in the log when it is over. The first ^C takes
no more connections and waits for those there are, the second resets them.

Replies: 3 network unreachable, 4 host unreachable or no such name, 5 refused, 6 no answer, 1 anything else.

Examples:
  $ sudo tcpx socks
  $ curl --socks5-hostname 127.0.0.1:1080 http://example.com/
  $ ssh -o ProxyCommand='nc -X 5 -x 127.0.0.1:1080 %h %p' example.com
  $ sudo TCPX_USER=me:secret tcpx socks --listen 10.0.0.1:1080 --cc bbr

${EXIT_CODES}`;

const LOCALHOST = parseIpv4('127.0.0.1')!;
/** Milliseconds for a client to say what it wants; a starved machine may need more. */
const CLIENT_PATIENCE = 30_000;

export const socks: CliCommand = socksThrough(undefined);

/** `parts`: where packets go; this machine's network when undefined. */
export function socksThrough(parts: HostPoolParts | undefined): CliCommand {
  return {
    name: 'socks',
    summary: 'be a SOCKS5 proxy: any program can connect through tcpx',
    group: 'For other programs:',
    declare: declareSocks,
    // commander's options by the names and parsers of declareSocks.
    run: (_, options, io) => runSocks(options as unknown as SocksOptions, io, parts),
  };
}

function declareSocks(command: Command): void {
  command.usage('[options]');
  command.optionsGroup('Service:');
  for (const option of [...serviceOptions(), ...limitOptions()]) command.addOption(option);
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

const serviceOptions = (): readonly Option[] => [
  new Option('--listen <place>', '[ADDR:]PORT where clients come')
    .argParser(localPlaceValue('--listen'))
    .default({ host: '127.0.0.1', port: 1080 }, '127.0.0.1:1080'),
  new Option(
    '--user <name:password>',
    'serve only who says so (RFC 1929); others see a command line, so better give it as TCPX_USER',
  ).argParser(credentialsValue),
];

function credentialsValue(text: string): Credentials {
  const colon = text.indexOf(':');
  const [user, password] = [text.slice(0, colon), text.slice(colon + 1)];
  const fits = (part: string): boolean => part.length > 0 && Buffer.byteLength(part) <= 255;
  if (colon < 0 || !fits(user) || !fits(password))
    throw new CliFailure('--user needs a name and a password of 1 to 255 octets each', {
      exitCode: Exit.USAGE,
      hint: 'for example --user me:secret',
    });
  return { user, password };
}

async function runSocks(o: SocksOptions, io: Io, parts: HostPoolParts | undefined): Promise<number> {
  const output = new ProxyOutput(io, o);
  const pool = openPool(o, output, parts);
  const proxy = new ProxyService({
    dial: dialTcpx(pool, {
      resolve: resolver(io, o.numeric === true),
      connectTimeout: o.connectTimeout * 1000,
      options: proxySocketOptionsOf(o),
    }),
    idleTime: o.timeout * 1000,
    patience: Math.max(CLIENT_PATIENCE, o.connectTimeout * 1000),
    onRecord: (record) => output.record(record),
  });
  const status = offerTo(io, 'socks', () => pool.hosts());
  try {
    // Where clients want to go isn't known yet, but an interface that isn't there takes nobody anywhere.
    if (parts === undefined && o.interface !== undefined) interfaceNamed(o.interface);
    if (o.interface === undefined) await tryWay(pool, o.source ?? LOCALHOST, output);
    const server = await listenByKernel(o.listen, {
      maxConnections: o.maxConnections,
      onConnection: (client) =>
        proxy.serve(client, { by: 'socks', ...(o.user !== undefined && { credentials: o.user }) }),
      onDrop: () => output.remark(`one more than --max-connections ${o.maxConnections}: closed`),
    });
    const place = boundTo(server);
    output.start(`SOCKS5 on ${place}, outward by tcpx`, { command: 'socks', listening: place });
    if (!place.startsWith('127.') && o.user === undefined)
      output.remark(`whoever can reach ${place} can use it`, 'give --user, or listen on 127.0.0.1');
    const exitCode = await serveUntilSignal([server], proxy, io, output);
    output.end(proxy.totals);
    return exitCode;
  } finally {
    status.close();
    pool.close();
  }
}
