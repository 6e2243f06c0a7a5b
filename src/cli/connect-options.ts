/** The options of `tcpx connect`: how they are declared, and what they come to. */
import { type Command, Option } from 'commander';
import type { ColorChoice } from '../tools/log-style.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { EXIT_CODES } from './exit.ts';
import { colorOption, fileValue, PCAP_FILE_HINT, pathOptions, secondsValue, wholeNumber } from './option-types.ts';

/** As commander gives them, by long name. */
export interface ConnectOptions {
  readonly port?: number;
  readonly source?: Ipv4;
  readonly interface?: string;
  readonly numeric?: true;
  readonly driver: 'raw';
  readonly guard: 'auto' | 'md5' | 'nft' | 'none';
  readonly mss?: number;
  readonly window?: number;
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly wscale: boolean;
  /** Seconds. */
  readonly msl?: number;
  readonly connectTimeout?: number;
  readonly timeout?: number;
  readonly timeWait?: true;
  readonly absolute?: true;
  readonly verbose?: true;
  readonly quiet?: true;
  readonly write?: string;
  readonly json?: true;
  readonly jsonFile?: string;
  readonly color: ColorChoice;
}

const HELP = `
HOST PORT and tcp://HOST:PORT work too; PORT may be a name from /etc/services.
stdin goes to the peer and the peer to stdout; the end of input closes our side (FIN), the peer's side stays
open until it closes it. The first ^C closes, the second aborts (RST). The log goes to stderr.

Examples:
  $ sudo tcpx connect localhost:8080
  $ printf 'GET / HTTP/1.0\\r\\n\\r\\n' | sudo tcpx connect -v example.com:80
  $ sudo tcpx connect 10.0.0.2:7 --time-wait --msl 1 --json-file run.ndjson -w run.pcap < /dev/null

${EXIT_CODES}`;

export function declareConnect(command: Command): void {
  command
    .usage('[options] HOST:PORT')
    .argument('<target>', 'HOST:PORT')
    .argument('[port]', 'when the target is only a HOST');
  command.optionsGroup('Path:');
  for (const option of pathOptions()) command.addOption(option);
  command.optionsGroup('Protocol:');
  for (const option of protocolOptions()) command.addOption(option);
  command.optionsGroup('Time:');
  for (const option of timeOptions()) command.addOption(option);
  command.optionsGroup('Log:');
  for (const option of logOptions()) command.addOption(option);
  command
    .optionsGroup('Options:')
    .addOption(new Option('-N', 'accepted for nc users: half-close at end of input is the default').hideHelp());
  command.addHelpText('after', HELP);
}

const protocolOptions = (): readonly Option[] => [
  new Option('--mss <octets>', "largest segment to announce and send (default: the path's)").argParser(
    wholeNumber('--mss', 64, 65_495, 1400),
  ),
  new Option('--window <octets>', "largest receive window to offer (default: the kernel's buffer sizes)").argParser(
    wholeNumber('--window', 256, 1 << 30, 65_536),
  ),
  new Option('--no-timestamps', 'do not offer timestamps (RFC 7323; default: offered)'),
  new Option('--no-sack', 'do not offer selective acknowledgments (RFC 2018; default: offered)'),
  new Option('--no-wscale', 'do not offer window scaling (RFC 7323; default: offered)'),
];

const timeOptions = (): readonly Option[] => [
  new Option(
    '--connect-timeout <seconds>',
    'give up when not connected by then (default: after 6 SYN retries, 127 s)',
  ).argParser(secondsValue('--connect-timeout')),
  new Option('--timeout <seconds>', 'close when no data has passed either way for so long (default: never)').argParser(
    secondsValue('--timeout'),
  ),
  new Option('--time-wait', 'stay until TIME-WAIT has ended (default: leave once it is reached)'),
  new Option('--msl <seconds>', 'maximum segment lifetime; TIME-WAIT takes twice that (default: 30)').argParser(
    secondsValue('--msl'),
  ),
];

const logOptions = (): readonly Option[] => [
  new Option('-v, --verbose', 'show every segment, timer and RTT sample'),
  new Option('-q, --quiet', 'show errors only').conflicts('verbose'),
  new Option('-S, --absolute', 'show sequence numbers and timestamps as on the wire (default: counted from the start)'),
  new Option('-w, --write <file>', 'write a pcap of what was on the wire').argParser(fileValue('-w', PCAP_FILE_HINT)),
  new Option('--json', 'write the log on stderr as NDJSON'),
  new Option('--json-file <file>', 'write the whole log as NDJSON to a file, beside the one on stderr').argParser(
    fileValue('--json-file', 'for example --json-file run.ndjson'),
  ),
  colorOption(),
];
