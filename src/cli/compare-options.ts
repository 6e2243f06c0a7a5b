/** The options of `tcpx compare`: how they are declared, and what they come to. */
import { type Command, Option } from 'commander';
import type { DriverName } from '../socket/host.ts';
import { LAB_SCENARIOS } from '../tools/compare/lab-scenarios.ts';
import type { Scenario } from '../tools/compare/scenario.ts';
import { SCENARIOS } from '../tools/compare/scenarios.ts';
import type { ColorChoice } from '../tools/log-style.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { CLOSED_PORT } from './compare-ground.ts';
import { exitCodesAsDiff } from './exit.ts';
import { anyDriver, colorOption, fileValue, pathOptions, secondsValue, wholeNumber } from './option-types.ts';

/** As commander gives them, by long name. */
export interface CompareOptions {
  readonly source?: Ipv4;
  readonly interface?: string;
  readonly numeric?: true;
  readonly driver?: DriverName;
  readonly guard: 'auto' | 'md5' | 'nft' | 'none';
  readonly request: string;
  readonly closedPort?: number;
  readonly timeout: number;
  readonly ownSettings?: true;
  readonly lab?: true;
  readonly all?: true;
  readonly segments?: true;
  readonly write?: string;
  readonly html?: string;
  readonly json?: true;
  readonly color: ColorChoice;
}

const listed = (scenarios: readonly Scenario[]): string =>
  scenarios.map((s) => `  ${s.name.padEnd(20)}${s.summary}`).join('\n');

const HELP = `
Scenarios for any peer:
${listed(SCENARIOS)}
Scenarios that need a lab (--lab), whose peer and path do as they are told:
${listed(LAB_SCENARIOS)}

Each is run once through the kernel's sockets and once through tcpx, with the same settings and the same calls, and
captured at the same place. What differs is told with what an RFC says about it, judged from the two runs themselves:
required (tcpx must, and the kernel departs), allowed, forbidden (the kernel does as it must, and tcpx doesn't), or
unexplained. \`!\` marks what is forbidden or unexplained, \`?\` what else differs, \`~\` a state that was not seen but
inferred from the segments. Sequence numbers are relative. Waiting is compared by class: at once, delayed (from 25 ms),
timeout (from 190 ms).

What is not the same is run again: at most 3 attempts in a lab and 2 against a host, a slow scenario only one. Shown is
the attempt that differs least, with the number of attempts where there was more than one. What is forbidden or
unexplained counts when every attempt shows it (the same property of the same kind of segment); what an attempt doesn't
show was chance: it is not counted, and is listed as \`chance\` with the segments and in --json.

Examples:
  $ sudo tcpx compare localhost:8080
  $ sudo tcpx compare 10.0.0.2:7 request --request 'hello\\n'
  $ sudo tcpx compare 10.0.0.2:81 refused
  $ sudo tcpx compare --lab --all
  $ sudo tcpx compare --lab lost-data zero-window --html run.html

${exitCodesAsDiff({
  same: 'the same, but for what an RFC allows or requires',
  different: 'different: forbidden by an RFC, or unexplained',
})}`;

const DEFAULT_REQUEST = 'GET / HTTP/1.0\\r\\n\\r\\n';
export function declareCompare(command: Command): void {
  command
    .usage('[options] HOST:PORT [SCENARIO…]\n       tcpx compare [options] --lab [SCENARIO…]')
    .argument('[target]', 'HOST:PORT; without it --lab')
    .argument('[scenario...]', 'what to compare');
  command.optionsGroup('Path:');
  for (const option of pathOptions(anyDriver())) if (option.long !== '--port') command.addOption(option);
  command.optionsGroup('Scenario:');
  command
    .addOption(new Option('--lab', 'in network namespaces of its own, against a peer and a path that play along'))
    .addOption(new Option('--all', 'every scenario there is, the slow ones too, in one table'))
    .addOption(
      // Said by ourselves: commander would escape its backslashes.
      new Option('--request <text>', 'what `request` sends; \\r, \\n, \\t and \\\\ as in C').default(
        DEFAULT_REQUEST,
        `'${DEFAULT_REQUEST}'`,
      ),
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
    .addOption(new Option('--segments', 'both runs segment by segment, where only the table would be shown'))
    .addOption(
      new Option('--html <file>', 'write a page to look at: both runs side by side').argParser(
        fileValue('--html', 'name a file, for example --html run.html'),
      ),
    )
    .addOption(new Option('--json', 'one JSON document on stdout'))
    .addOption(colorOption());
  command.addHelpText('after', HELP);
}
