/** `tcpx ping HOST:PORT`: round trips of SYNs, in the manner of ping(8). */
import { type Command, Option } from 'commander';
import { type Host, type HostOptions, openHost } from '../socket/host.ts';
import { type Leaving, probe } from '../tools/ping/probe.ts';
import { type Answer, millisText, PingStatistics, summaryText } from '../tools/ping/statistics.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import type { OpenHost } from './connect.ts';
import { ownPathOptions, protocolOptions, type StackOptions, socketOptionsOf, sysctlOf } from './connection-options.ts';
import { CliFailure, Exit } from './exit.ts';
import { faultOptions, linkFaultsOf } from './fault-options.ts';
import type { Io } from './io.ts';
import { anyDriver, pathOptions, secondsValue, wholeNumber } from './option-types.ts';
import { dropPrivileges } from './privileges.ts';
import { offerTo } from './status.ts';
import { parseTarget, resolveHost, type Target } from './target.ts';

interface PingOptions extends StackOptions {
  readonly source?: Ipv4;
  readonly count?: number;
  /** Seconds. */
  readonly interval: number;
  readonly wait: number;
  readonly close?: true;
  readonly quiet?: true;
  readonly json?: true;
}

const HELP = `
Each probe is a SYN from a port of its own. A SYN-ACK is answered by the ACK that ends the handshake and, at once, by a
RST, so that nothing stays on either side; with --close by a FIN, which a server may take longer to answer, and which
its log has as a client that said nothing. A RST means that somebody is there: it counts as an answer. Times are taken
in this process, from making the SYN to reading the answer. ^C ends it with the summary.

HOST PORT and tcp://HOST:PORT work too; PORT may be a name from /etc/services.

Examples:
  $ sudo tcpx ping example.com:443
  $ sudo tcpx ping -c 10 -i 0.2 10.0.0.2:22
  $ sudo tcpx ping -q -c 100 -i 0.01 --json 10.0.0.2:80

Exit codes:
  0    answers came
  1    none came
  2    trouble: wrong usage
  6, 7, 69, 77 as for connect`;

export const ping: CliCommand = pingThrough(openHost);

export function pingThrough(open: OpenHost): CliCommand {
  return {
    name: 'ping',
    summary: 'time the round trips of SYNs to a port',
    group: 'Connections:',
    declare: declarePing,
    // commander's options by the names and parsers of declarePing.
    run: (args, options, io) => new PingRun(parseTarget(args), options as unknown as PingOptions, io, open).run(),
  };
}

function declarePing(command: Command): void {
  command
    .usage('[options] HOST:PORT')
    .argument('<target>', 'HOST:PORT')
    .argument('[port]', 'when the target is only a HOST');
  command.optionsGroup('Probes:');
  for (const option of probeOptions()) command.addOption(option);
  command.optionsGroup('Path:');
  for (const option of [...pathOptions(anyDriver()).filter((o) => o.long !== '--port'), ...ownPathOptions()])
    command.addOption(option);
  command.optionsGroup('Protocol:');
  for (const option of protocolOptions()) command.addOption(option);
  command.optionsGroup('Faults on our own link:');
  for (const option of faultOptions()) command.addOption(option);
  command.optionsGroup('Output:');
  command
    .addOption(new Option('-q, --quiet', 'the summary only'))
    .addOption(new Option('--json', 'NDJSON on stdout: a line for each probe, and the summary'));
  command.optionsGroup('Options:');
  command.addHelpText('after', HELP);
}

const probeOptions = (): readonly Option[] => [
  new Option('-c, --count <n>', 'so many probes (default: until ^C)').argParser(
    wholeNumber('--count', 1, 1_000_000_000, 5),
  ),
  new Option('-i, --interval <seconds>', 'from one probe to the next').argParser(secondsValue('--interval')).default(1),
  new Option('-W, --wait <seconds>', 'for an answer; beyond it a probe is lost')
    .argParser(secondsValue('--wait'))
    .default(1),
  new Option('--close', 'leave by FIN instead of RST'),
];

export const PING_SCHEMA = 'tcpx.ping/1';

class PingRun {
  readonly #target: Target;
  readonly #o: PingOptions;
  readonly #io: Io;
  readonly #open: OpenHost;
  readonly #statistics = new PingStatistics();
  readonly #linkErrors = new Set<string>();
  #stopped = false;
  #wake: () => void = () => {};

  constructor(target: Target, o: PingOptions, io: Io, open: OpenHost) {
    this.#target = target;
    this.#o = o;
    this.#io = io;
    this.#open = open;
  }

  async run(): Promise<number> {
    const o = this.#o;
    const remote = await resolveHost(this.#target.host, this.#io, o.numeric === true);
    const host = await this.#open(this.#hostOptions(remote));
    const undo = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      this.#io.onSignal(signal, () => {
        this.#stopped = true;
        this.#wake();
      }),
    );
    const status = offerTo(this.#io, `ping ${this.#target.host}:${this.#target.port}`, () => [host]);
    try {
      if (o.dropPrivileges !== undefined) dropPrivileges(o.dropPrivileges);
      return await this.#probeAll(host, remote);
    } finally {
      for (const take of undo) take();
      status.close();
      host.close();
    }
  }

  async #probeAll(host: Host, remote: Ipv4): Promise<number> {
    const o = this.#o;
    const { host: name, port } = this.#target;
    const address = ipv4Text(remote);
    const place = `${name}:${port}`;
    const leaving: Leaving = o.close ? 'close' : 'reset';
    const from = ipv4Text(host.route.source);
    const start = { target: place, remote: address, port, local: from, interface: host.route.interface, leaving };
    this.#line(
      `PING ${place}${name === address ? '' : ` (${address})`} from ${from} on ${host.route.interface}: SYN, SYN-ACK, then ${o.close ? 'FIN' : 'RST'}`,
      { type: 'start', schema: PING_SCHEMA, ...start },
      true,
    );
    const beganAt = performance.now();
    const options = { ...socketOptionsOf(o) };
    const pending = new Set<Promise<void>>();
    for (let seq = 1; !this.#stopped && (o.count === undefined || seq <= o.count); seq++) {
      const one = probe(host.stack, { address: remote, port, leaving, wait: o.wait * 1000, options }).then((answer) => {
        // What ^C cut off was not lost.
        if (this.#stopped && answer.kind === 'lost') return;
        this.#statistics.add(answer);
        this.#tell(seq, answer, `${address}:${port}`);
      });
      pending.add(one);
      void one.finally(() => pending.delete(one));
      if (seq === o.count) break;
      const left = beganAt + seq * o.interval * 1000 - performance.now();
      await this.#pause(left);
    }
    await Promise.race([Promise.all(pending), this.#signalled()]);
    const { summary } = this.#statistics;
    const seconds = (performance.now() - beganAt) / 1000;
    this.#line(
      `${o.quiet ? '' : '\n'}${summaryText(place, summary, seconds)}`,
      { type: 'summary', ...summary, seconds },
      true,
    );
    return summary.received > 0 ? Exit.OK : Exit.FAILURE;
  }

  #hostOptions(remote: Ipv4): HostOptions {
    const o = this.#o;
    const faults = linkFaultsOf(o);
    if (o.ip !== undefined && (o.source ?? o.ip.address) !== o.ip.address)
      throw new CliFailure('--ip is the source address already', { exitCode: Exit.USAGE, hint: 'leave -s away' });
    return {
      remote,
      remotePort: this.#target.port,
      ports: 'many',
      guard: o.guard,
      sysctl: sysctlOf(o),
      onLinkError: ({ code, message }) => {
        if (this.#linkErrors.has(code)) return;
        this.#linkErrors.add(code);
        this.#io.stderr.write(`tcpx: ${message}\n`);
      },
      ...(o.source !== undefined && { source: o.source }),
      ...(!o.offload && { offload: false }),
      ...(o.profile !== 'linux' && { profile: o.profile }),
      ...(o.driver !== undefined && { driver: o.driver }),
      ...(o.interface !== undefined && { interface: o.interface }),
      ...(o.ip !== undefined && { ownAddress: o.ip }),
      ...(faults !== undefined && { tap: faults.tap }),
    };
  }

  #tell(seq: number, answer: Answer, place: string): void {
    this.#line(answerText(seq, answer, place), { type: 'probe', seq, ...answer });
  }

  #line(text: string, json: Readonly<Record<string, unknown>>, always = false): void {
    if (this.#o.quiet && !always) return;
    this.#io.stdout.write(this.#o.json ? `${JSON.stringify(json)}\n` : `${text}\n`);
  }

  #pause(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, millis));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#stopped) this.#wake();
    });
  }

  #signalled(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#stopped) resolve();
    });
  }
}

function answerText(seq: number, answer: Answer, place: string): string {
  switch (answer.kind) {
    case 'open':
      return `SYN-ACK from ${place}: seq=${seq} time=${millisText(answer.rtt)} ms`;
    case 'refused':
      return `RST from ${place}: seq=${seq} time=${millisText(answer.rtt)} ms (refused)`;
    case 'lost':
      return `no answer from ${place}: seq=${seq}`;
    case 'unreachable':
      return `no answer from ${place}: seq=${seq} ${answer.code}`;
  }
}
