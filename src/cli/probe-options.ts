/** The options of `tcpx probe`: how they are declared, and what its words and settings come to. */
import { readdirSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { DriverName } from '../socket/host.ts';
import type { ColorChoice } from '../tools/log-style.ts';
import { PROBES } from '../tools/probe/battery.ts';
import type { KernelSetting } from '../tools/probe/kernel-path.ts';
import type { Probe } from '../tools/probe/model.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { CliFailure, Exit } from './exit.ts';
import { nearestName } from './nearest.ts';
import { anyDriver, colorOption, pathOptions, secondsValue, wholeNumber } from './option-types.ts';
import { parseTarget, type Target } from './target.ts';

/** As commander gives them, by long name. */
export interface ProbeOptions {
  readonly lab?: true;
  readonly set?: readonly KernelSetting[];
  readonly list?: true;
  readonly yes?: true;
  readonly request?: string;
  readonly quick?: true;
  /** Seconds. */
  readonly patience?: number;
  readonly rate: number;
  readonly alone?: true;
  readonly source?: Ipv4;
  readonly interface?: string;
  readonly numeric?: true;
  readonly driver?: DriverName;
  readonly guard: 'auto' | 'md5' | 'nft' | 'none';
  readonly json?: true;
  readonly color: ColorChoice;
}

/** All is over within a minute. */
export const PATIENCE = 54;
export const QUICK_PATIENCE = 5;

const HELP = `
Each probe asks one question, with segments of its own making on a connection of its own, and leaves by a RST. Beside
the peer stand this machine's kernel, in a network namespace of its own with this machine's settings, and tcpx as it is
by default, in virtual time. Probes that want the peer to send, or to close first, need a --request that makes it: for
a web server 'GET / HTTP/1.0\\r\\n\\r\\n'; a large page is better than a small one.

With --lab the kernel alone is the peer, and each finding stands beside what its settings (ip-sysctl) say. --set gives
the namespace another setting than the machine's.

Anybody but this machine, its own link and private laboratories (RFC 1918 where no route leads on) is probed only with
--yes: probe what is yours, or whose owner has agreed.

Examples:
  $ sudo tcpx probe localhost:8080
  $ sudo tcpx probe 10.0.0.2:80 --yes --request 'GET / HTTP/1.0\\r\\n\\r\\n'
  $ sudo tcpx probe localhost:22 sack dsack challenge-ack
  $ sudo tcpx probe --lab
  $ sudo tcpx probe --lab --set tcp_synack_retries=2 synack-retries half-open
  $ tcpx probe --list

Exit codes:
  0    done
  1    with --lab: something is not as the settings say
  2    wrong usage, or a peer that needs --yes
  3    nothing listens there
  4    no answer
  6, 7, 69, 77, 130, 143 as for connect`;

export function declareProbe(command: Command): void {
  command
    .usage('[options] HOST:PORT [PROBE…]')
    .argument('[words...]', 'HOST:PORT, then names of probes (default: all); with --lab only these');
  command.optionsGroup('Probes:');
  command
    .addOption(new Option('--list', 'list the probes, and the rule behind each'))
    .addOption(new Option('--yes', 'the peer is mine, or its owner has agreed'))
    .addOption(new Option('--request <text>', 'what makes the peer send, or close first; \\r \\n \\t \\\\ as in C'))
    .addOption(
      new Option('--quick', `wait ${QUICK_PATIENCE} s for what takes long, not ${PATIENCE}`).conflicts('patience'),
    )
    .addOption(
      new Option('--patience <seconds>', 'wait so long for what takes long').argParser(secondsValue('--patience')),
    )
    .addOption(
      new Option('--rate <packets>', 'most packets per second')
        .argParser(wholeNumber('--rate', 1, 10_000, 100))
        .default(100),
    )
    .addOption(new Option('--alone', "the peer's column alone"));
  command.optionsGroup('Laboratory:');
  command
    .addOption(new Option('--lab', "this machine's kernel, in a namespace of its own, beside what its settings say"))
    .addOption(
      new Option('--set <name=value>', 'a setting (net.ipv4.…) of that namespace; may be given again')
        .argParser(collectSettings)
        .implies({ lab: true }),
    );
  command.optionsGroup('Path:');
  for (const option of pathOptions(anyDriver()).filter((o) => o.long !== '--port')) command.addOption(option);
  command.optionsGroup('Output:');
  command
    .addOption(new Option('--json', 'print one JSON document (schema tcpx.probe/1) instead'))
    .addOption(colorOption());
  command.optionsGroup('Options:');
  command.addHelpText('after', HELP);
}

function collectSettings(text: string, before: readonly KernelSetting[] | undefined): readonly KernelSetting[] {
  const [, name, value] = /^(?:net[./]ipv4[./])?([a-z0-9_]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new CliFailure(`--set '${text}' is no NAME=VALUE`, {
      exitCode: Exit.USAGE,
      hint: 'for example --set tcp_synack_retries=2; `sysctl net.ipv4` lists them',
    });
  const known = kernelSettings();
  if (known.length > 0 && !known.includes(name)) {
    const near = nearestName(name, known);
    throw new CliFailure(`this kernel has no setting '${name}'`, {
      exitCode: Exit.USAGE,
      hint: `${near === undefined ? '' : `did you mean '${near}'? `}\`sysctl net.ipv4\` lists them`,
    });
  }
  return [...(before ?? []), { name, value }];
}

/** Names in net.ipv4; none where they can't be listed. */
function kernelSettings(): readonly string[] {
  try {
    return readdirSync('/proc/sys/net/ipv4');
  } catch {
    return [];
  }
}

export interface ProbeWords {
  /** Absent with --lab and --list. */
  readonly target?: Target;
  readonly probes: readonly Probe[];
}

/** HOST:PORT or HOST PORT, then names; names alone for the laboratory. Throws CliFailure. */
export function parseProbeWords(words: readonly string[], o: Pick<ProbeOptions, 'lab' | 'list'>): ProbeWords {
  if (o.lab || o.list) return { probes: probesNamed(words) };
  const [host = '', port] = words;
  if (host === '')
    throw new CliFailure('no target given', {
      exitCode: Exit.USAGE,
      hint: '`sudo tcpx probe HOST:PORT`; `sudo tcpx probe --lab` probes this kernel, and needs none',
    });
  const isApart = port !== undefined && /^[0-9]+$/.test(port) && !host.includes(':');
  if (PROBES.some((probe) => probe.name === host))
    throw new CliFailure(`'${host}' is a probe, and no target`, {
      exitCode: Exit.USAGE,
      hint: `\`sudo tcpx probe HOST:PORT ${host}\`, or \`sudo tcpx probe --lab ${host}\``,
    });
  const count = isApart ? 2 : 1;
  return { target: parseTarget(words.slice(0, count)), probes: probesNamed(words.slice(count)) };
}

function probesNamed(names: readonly string[]): readonly Probe[] {
  for (const name of names) {
    if (PROBES.some((probe) => probe.name === name)) continue;
    const near = nearestName(
      name,
      PROBES.map((probe) => probe.name),
    );
    throw new CliFailure(`unknown probe '${name}'`, {
      exitCode: Exit.USAGE,
      hint: `${near === undefined ? '' : `did you mean '${near}'? `}\`tcpx probe --list\` lists them`,
    });
  }
  return names.length === 0 ? PROBES : PROBES.filter((probe) => names.includes(probe.name));
}
