/** The options of `tcpx perf`: how they are declared, and what they come to. */
import { type Command, Option } from 'commander';
import type { PerfMode, PerfPlan } from '../tools/perf/model.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { ownPathOptions, protocolOptions, type StackOptions } from './connection-options.ts';
import { CliFailure, EXIT_CODES, Exit } from './exit.ts';
import { faultOptions } from './fault-options.ts';
import { anyDriver, pathOptions, secondsValue, wholeNumber } from './option-types.ts';

/** As commander gives them, by long name. */
export interface PerfOptions extends StackOptions {
  readonly port?: number;
  readonly source?: Ipv4;
  readonly send?: true;
  readonly receive?: true;
  readonly echo?: true;
  readonly net?: true;
  /** Seconds. */
  readonly time?: number;
  readonly bytes?: number;
  readonly parallel: number;
  /** Seconds; 0: none. */
  readonly interval: number;
  readonly length: number;
  readonly nodelay?: true;
  readonly connectTimeout?: number;
  readonly json?: true;
  readonly jsonStream?: true;
  readonly quiet?: true;
}

const HELP = `
HOST PORT and tcp://HOST:PORT work too; PORT may be a name from /etc/services. The peer may be any server that
discards (RFC 863), sends without end, or echoes (RFC 862): \`tcpx listen -k --discard\`, \`--source\` or \`--echo\`, a
kernel's inetd, socat. The first ^C ends the measurement with what there is, the second at once.

Columns: octets that the peer acknowledged (with --receive: that came; with --echo: that came back; with --net: that the
kernel took), segments sent again, congestion window, smoothed round trip. Units are decimal: 1 kB is 1000 octets.
--json prints one document when it is over: schema tcpx.perf/1 with start, intervals, end and failure (null when none).
--json-stream prints the same as it happens, a line each: start, interval, end, failure.

Examples:
  $ sudo tcpx perf 10.0.0.2:9
  $ sudo tcpx perf --receive --time 30s 10.0.0.2:19
  $ sudo tcpx perf --echo --parallel 4 --interval 0 10.0.0.2:7
  $ tcpx perf --net 10.0.0.2:9                       the same through the kernel's TCP

${EXIT_CODES}`;

export function declarePerf(command: Command): void {
  command
    .usage('[options] HOST:PORT')
    .argument('<target>', 'HOST:PORT')
    .argument('[port]', 'when the target is only a HOST');
  const path = [...pathOptions(anyDriver()), ...ownPathOptions()];
  const protocol = protocolOptions();
  const faults = faultOptions();
  const ours = [...path.filter((o) => !KERNEL_HAS.has(o.long)), ...protocol, ...faults];
  command.optionsGroup('Measurement:');
  for (const option of [...measurementOptions(), overNet(ours.map((o) => o.attributeName()))])
    command.addOption(option);
  command.optionsGroup('Path:');
  for (const option of path) command.addOption(option);
  command.optionsGroup('Protocol:');
  for (const option of [...protocol, connectTimeout()]) command.addOption(option);
  command.optionsGroup('Faults on our own link:');
  for (const option of faults) command.addOption(option);
  command.optionsGroup('Output:');
  command
    .addOption(new Option('-q, --quiet', 'no rows but those of the summary, and no progress'))
    .addOption(new Option('--json', 'one JSON document on stdout when it is over').conflicts('jsonStream'))
    .addOption(new Option('--json-stream', 'NDJSON on stdout as it happens'));
  command.optionsGroup('Options:');
  command.addHelpText('after', HELP);
}

/** Options of the path that mean the same to the kernel's sockets. */
const KERNEL_HAS: ReadonlySet<string | undefined> = new Set(['--port', '--source', '--numeric', '--drop-privileges']);

const measurementOptions = (): readonly Option[] => [
  new Option('--send', 'send to a server that discards (the default)').conflicts(['receive', 'echo']),
  new Option('--receive', 'receive from a server that sends').conflicts('echo'),
  new Option('--echo', 'send to a server that echoes, and check what comes back'),
  new Option('-t, --time <time>', 'how long: 10s, 500ms, 2m (default: 10s)')
    .argParser(durationValue('--time'))
    .conflicts('bytes'),
  new Option('--bytes <octets>', 'how much, in all streams together: 1000000, 100MB, 1GiB').argParser(
    octetsValue('--bytes', Number.MAX_SAFE_INTEGER),
  ),
  new Option('-P, --parallel <n>', 'so many connections at once')
    .argParser(wholeNumber('--parallel', 1, 128, 4))
    .default(1),
  new Option('-i, --interval <time>', 'a row each so often; 0: the summary only')
    .argParser(durationValue('--interval', true))
    .default(1, '1s'),
  new Option('-l, --length <octets>', 'octets of a write')
    .argParser(octetsValue('--length', MOST_LENGTH))
    .default(131_072, '128KiB'),
  new Option('--nodelay', 'small writes leave at once (Nagle off)'),
];

const overNet = (ours: readonly string[]): Option =>
  new Option('--net', "through this machine's kernel and Node's net, for comparison").conflicts([...ours]);

const connectTimeout = (): Option =>
  new Option(
    '--connect-timeout <seconds>',
    'give up when not connected by then (default: after 6 SYN retries, 127 s)',
  ).argParser(secondsValue('--connect-timeout'));

const usage = (message: string, hint: string): CliFailure => new CliFailure(message, { exitCode: Exit.USAGE, hint });

const TIME_UNITS: Readonly<Record<string, number>> = { '': 1, ms: 0.001, s: 1, m: 60, min: 60, h: 3600 };
const LEAST_TIME = 0.1;
const MOST_TIME = 86_400;

/** Seconds, of '10', '10s', '500ms', '2m', '1h'; from a tenth of a second to a day, or 0 where that is something. */
export function durationValue(name: string, orZero = false): (text: string) => number {
  return (text) => {
    const [, digits, unit = ''] = /^([0-9]*\.?[0-9]+)\s*([a-z]*)$/.exec(text) ?? [];
    const seconds = Number(digits) * (TIME_UNITS[unit] ?? Number.NaN);
    if ((seconds >= LEAST_TIME && seconds <= MOST_TIME) || (orZero && seconds === 0)) return seconds;
    throw usage(
      `${name} '${text}' is not a time from 100ms to 24h${orZero ? ' or 0' : ''}`,
      `for example ${name} 10s; ms, s, m and h are known`,
    );
  };
}

const OCTET_UNITS: Readonly<Record<string, number>> = {
  ...{ '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 },
  ...{ k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 },
};
const MOST_LENGTH = 2 ** 24;

/** Octets, of '1000', '100MB', '64KiB'; a bare K, M or G is 2^10, 2^20, 2^30, as iperf has it. */
export function octetsValue(name: string, most: number): (text: string) => number {
  return (text) => {
    const [, digits, unit = ''] = /^([0-9]*\.?[0-9]+)\s*([A-Za-z]*)$/.exec(text) ?? [];
    const octets = Number(digits) * (OCTET_UNITS[unit.toLowerCase()] ?? Number.NaN);
    if (Number.isInteger(octets) && octets >= 1 && octets <= most) return octets;
    throw usage(
      `${name} '${text}' is not a whole number of octets from 1 to ${most}`,
      `for example ${name} 1000000, ${name} 1MB or ${name} 1MiB`,
    );
  };
}

const DEFAULT_SECONDS = 10;

/** Throws CliFailure for what makes no sense together. */
export function planOf(o: PerfOptions): PerfPlan {
  if (o.parallel > 1 && o.port !== undefined)
    throw usage(`${o.parallel} connections can't have one source port`, 'leave -p or --parallel away');
  const mode: PerfMode = o.receive ? 'receive' : o.echo ? 'echo' : 'send';
  return {
    mode,
    seconds: o.bytes === undefined ? (o.time ?? DEFAULT_SECONDS) : undefined,
    octets: o.bytes,
    interval: o.interval,
    length: o.length,
  };
}
