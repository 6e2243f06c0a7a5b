/** The options of `tcpx compare`: how they are declared, and what they come to. */
import { type Command, Option } from 'commander';
import { SCENARIOS } from '../tools/compare/scenarios.ts';
import type { ColorChoice } from '../tools/log-style.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { EXIT_CODES_AS_DIFF } from './exit.ts';
import { colorOption, fileValue, pathOptions, secondsValue, wholeNumber } from './option-types.ts';

/** As commander gives them, by long name. */
export interface CompareOptions {
  readonly source?: Ipv4;
  readonly interface?: string;
  readonly numeric?: true;
  readonly driver: 'raw';
  readonly guard: 'auto' | 'md5' | 'nft' | 'none';
  readonly request: string;
  readonly closedPort?: number;
  readonly timeout: number;
  readonly ownSettings?: true;
  readonly write?: string;
  readonly json?: true;
  readonly color: ColorChoice;
}

const HELP = `
Scenarios (default: all, in this order):
${SCENARIOS.map((s) => `  ${s.name.padEnd(11)}${s.summary}`).join('\n')}

Each is run once through the kernel's sockets and once through tcpx, with the same settings and the same calls,
and captured at the same place. \`!\` marks what differs, \`?\` what differs and doesn't count (the peer's own doing,
or for the reason given), \`~\` a state that was not seen but inferred from the segments. Sequence numbers are
relative. Waiting is compared by class: at once, delayed (from 25 ms), timeout (from 190 ms).

Examples:
  $ sudo tcpx compare localhost:8080
  $ sudo tcpx compare 10.0.0.2:7 request --request 'hello\\n'
  $ sudo tcpx compare 10.0.0.2:81 refused

${EXIT_CODES_AS_DIFF}`;

const DEFAULT_REQUEST = 'GET / HTTP/1.0\\r\\n\\r\\n';
/** Where nothing listens on nearly every machine. */
export const CLOSED_PORT = 1;
export function declareCompare(command: Command): void {
  command
    .usage('[options] HOST:PORT [SCENARIO…]')
    .argument('<target>', 'HOST:PORT')
    .argument('[scenario...]', 'what to compare');
  command.optionsGroup('Path:');
  for (const option of pathOptions()) if (option.long !== '--port') command.addOption(option);
  command.optionsGroup('Scenario:');
  command
    .addOption(
      new Option('--request <text>', 'what `request` sends; \\r, \\n, \\t and \\\\ as in C').default(DEFAULT_REQUEST),
    )
    .addOption(
      new Option(
        '--closed-port <port>',
        `port for \`refused\` (default: the target's when it is the only scenario, else ${CLOSED_PORT})`,
      ).argParser(wholeNumber('--closed-port', 1, 65_535)),
    )
    .addOption(
      new Option('--timeout <seconds>', 'how long the peer may take for each step')
        .argParser(secondsValue('--timeout'))
        .default(3),
    )
    .addOption(
      new Option('--own-settings', "run tcpx with its own settings (default: this kernel's, from /proc/sys/net/ipv4)"),
    );
  command.optionsGroup('Output:');
  command
    .addOption(
      new Option(
        '-w, --write <prefix>',
        'write each run as PREFIX.SCENARIO.kernel.pcap and PREFIX.SCENARIO.tcpx.pcap',
      ).argParser(
        fileValue('-w', '-w takes the beginning of file names, for example -w run; the time limit is --timeout'),
      ),
    )
    .addOption(new Option('--json', 'one JSON document on stdout'))
    .addOption(colorOption());
  command.addHelpText('after', HELP);
}
