/** The options of `tcpx connect`: how they are declared, and what they come to. */
import { type Command, Option } from 'commander';
import type { Ipv4 } from '../wire/ipv4.ts';
import {
  type ConnectionOptions,
  logOptions,
  ownPathOptions,
  protocolOptions,
  timeOptions,
} from './connection-options.ts';
import { EXIT_CODES } from './exit.ts';
import { faultOptions } from './fault-options.ts';
import { anyDriver, cookieValue, pathOptions, secondsValue } from './option-types.ts';

/** As commander gives them, by long name. */
export interface ConnectOptions extends ConnectionOptions {
  readonly port?: number;
  readonly source?: Ipv4;
  /** Seconds. */
  readonly connectTimeout?: number;
  /** Connect, and leave. */
  readonly zero?: true;
}

const HELP = `
HOST PORT and tcp://HOST:PORT work too; PORT may be a name from /etc/services.
stdin goes to the peer and the peer to stdout; the end of input closes our side (FIN), the peer's side stays
open until it closes it. The first ^C closes, the second aborts (RST). The log goes to stderr.

Examples:
  $ sudo tcpx connect localhost:8080
  $ printf 'GET / HTTP/1.0\\r\\n\\r\\n' | sudo tcpx connect -v example.com:80
  $ sudo tcpx connect -z -q db.example.com:5432 && echo up
  $ sudo tcpx connect 10.0.0.2:7 --time-wait --msl 1 --json-file run.ndjson -w run.pcap < /dev/null

${EXIT_CODES}`;

export function declareConnect(command: Command): void {
  command
    .usage('[options] HOST:PORT')
    .argument('<target>', 'HOST:PORT')
    .argument('[port]', 'when the target is only a HOST');
  command.optionsGroup('Path:');
  for (const option of [...pathOptions(anyDriver()), ...ownPathOptions()]) command.addOption(option);
  command.optionsGroup('Protocol:');
  for (const option of [...protocolOptions(), fastOpen()]) command.addOption(option);
  command.optionsGroup('Time:');
  for (const option of [connectTimeout(), ...timeOptions()]) command.addOption(option);
  command.optionsGroup('Faults on our own link:');
  for (const option of faultOptions()) command.addOption(option);
  command.optionsGroup('Log:');
  for (const option of logOptions()) command.addOption(option);
  command
    .optionsGroup('Options:')
    .addOption(
      new Option('-z, --zero', 'only look whether somebody answers: connect, close, leave; nothing is read or sent'),
    )
    .addOption(new Option('-N', 'accepted for nc users: half-close at end of input is the default').hideHelp());
  command.addHelpText('after', HELP);
}

const fastOpen = (): Option =>
  new Option(
    '--tfo [cookie]',
    'TCP Fast Open (RFC 7413): ask for a cookie; with --tfo=COOKIE the first input goes on the SYN',
  ).argParser(cookieValue('--tfo'));

const connectTimeout = (): Option =>
  new Option(
    '--connect-timeout <seconds>',
    'give up when not connected by then (default: after 6 SYN retries, 127 s)',
  ).argParser(secondsValue('--connect-timeout'));
