/** The options of `tcpx listen`: how they are declared, and what they come to. */
import { type Command, Option } from 'commander';
import {
  type ConnectionOptions,
  logOptions,
  ownPathOptions,
  protocolOptions,
  timeOptions,
} from './connection-options.ts';
import { CliFailure, EXIT_CODES, Exit } from './exit.ts';
import { faultOptions } from './fault-options.ts';
import { anyDriver, pathOptions, wholeNumber } from './option-types.ts';
import { discardService, echoService, fileService, type Service, sourceService } from './services.ts';
import { parsePort } from './target.ts';

/** As commander gives them, by long name. */
export interface ListenOptions extends ConnectionOptions {
  readonly keepOpen?: true;
  readonly echo?: true;
  readonly discard?: true;
  readonly source?: true;
  readonly bytes?: number;
  readonly file?: string;
  readonly maxConnections?: number;
  readonly backlog: number;
}

const HELP = `
Without ADDR it listens on every address of this machine, from outside and from this machine itself; with port 0
the kernel chooses one. ADDR PORT works too, and PORT may be a name from /etc/services.

Without a service, stdin goes to the peer and the peer to stdout, as with connect; with -k the next peer's turn comes
when the one before has gone. The first ^C takes no more connections and closes (FIN), the second aborts (RST).

Examples:
  $ sudo tcpx listen 8080                              one connection between it and this terminal
  $ sudo tcpx listen -k --echo localhost:7             echo, until ^C
  $ sudo tcpx listen -k --file page.html -q 80
  $ sudo tcpx listen --source --bytes 100000000 9000 --json-file run.ndjson

${EXIT_CODES}`;

export function declareListen(command: Command): void {
  command
    .usage('[options] [ADDR:]PORT')
    .argument('<port>', '[ADDR:]PORT')
    .argument('[port2]', 'when the first is only an ADDR');
  command.optionsGroup('Service:');
  for (const option of serviceOptions()) command.addOption(option);
  command.optionsGroup('Path:');
  for (const option of [...pathOptions(anyDriver()).filter(isForListening), ...ownPathOptions()])
    command.addOption(option);
  command.optionsGroup('Protocol:');
  for (const option of [...protocolOptions(), fastOpen()]) command.addOption(option);
  command.optionsGroup('Time:');
  for (const option of timeOptions()) command.addOption(option);
  command.optionsGroup('Faults on our own link:');
  for (const option of faultOptions()) command.addOption(option);
  command.optionsGroup('Log:');
  for (const option of logOptions()) command.addOption(option);
  command.optionsGroup('Options:');
  command.addHelpText('after', HELP);
}

/** Port and address are the command's argument. */
const isForListening = (option: Option): boolean => option.long !== '--port' && option.long !== '--source';

const serviceOptions = (): readonly Option[] => [
  new Option('-k, --keep-open', 'take many connections, until ^C (default: one)'),
  new Option('--echo', 'send back what comes').conflicts(['discard', 'source', 'file']),
  new Option('--discard', 'read what comes, send nothing').conflicts(['source', 'file']),
  new Option('--source', 'send a pattern, without end or as much as --bytes says').conflicts('file'),
  new Option('--bytes <octets>', 'how much --source sends').argParser(
    wholeNumber('--bytes', 0, Number.MAX_SAFE_INTEGER, 1_000_000),
  ),
  new Option('--file <path>', 'send the file'),
  new Option('--max-connections <n>', 'so many at once; the others wait (with -k; default: no limit)').argParser(
    wholeNumber('--max-connections', 1, 1_000_000, 100),
  ),
  new Option('--backlog <n>', 'so many may wait to be accepted')
    .argParser(wholeNumber('--backlog', 0, 65_535, 511))
    .default(511),
];

const fastOpen = (): Option =>
  new Option('--tfo', 'TCP Fast Open (RFC 7413): give cookies, and take data on a SYN that has one');

/** Undefined: stdin and stdout. Throws CliFailure for what makes no sense together, or a file that can't be read. */
export function serviceOf(o: ListenOptions): Service | undefined {
  const usage = (message: string, hint: string): CliFailure => new CliFailure(message, { exitCode: Exit.USAGE, hint });
  if (o.bytes !== undefined && o.source === undefined)
    throw usage('--bytes says how much --source sends', 'add --source, or leave --bytes away');
  if (o.maxConnections !== undefined && o.keepOpen === undefined)
    throw usage('--max-connections is for many connections', 'add -k');
  if (o.echo) return echoService();
  if (o.discard) return discardService();
  if (o.source) return sourceService(o.bytes);
  if (o.file !== undefined) return fileService(o.file);
  if ((o.maxConnections ?? 1) > 1)
    throw usage('stdin and stdout serve one connection at a time', 'choose --echo, --discard, --source or --file');
  return undefined;
}

/** Where to listen, as written. `host` undefined: everywhere. */
export interface Place {
  readonly host: string | undefined;
  readonly port: number;
}

/** Accepts PORT, ADDR:PORT, :PORT, *:PORT, ADDR PORT. */
export function parsePlace(words: readonly string[]): Place {
  const [first = '', second] = words;
  if (second !== undefined) return place(first, second);
  const colon = first.lastIndexOf(':');
  return colon < 0 ? place('', first) : place(first.slice(0, colon), first.slice(colon + 1));
}

function place(host: string, port: string): Place {
  const name = host.replace(/^tcp:\/\//i, '').replace(/^\[(.*)\]$/, '$1');
  return {
    host: name === '' || name === '*' || name === '0.0.0.0' ? undefined : name,
    port: /^0+$/.test(port) ? 0 : parsePort(port),
  };
}
