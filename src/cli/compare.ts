/** `tcpx compare HOST:PORT [SCENARIO…]`: the same connection through the kernel and through tcpx, side by side. */
import { release } from 'node:os';
import { LinkFailure } from '../link/failure.ts';
import { type Route, routeTo } from '../link/route.ts';
import { openHost } from '../socket/host.ts';
import type { Sysctl } from '../tcp/config.ts';
import { compareRuns } from '../tools/compare/differences.ts';
import { compareDocument, verdictOf } from '../tools/compare/json.ts';
import type { Comparison, Side } from '../tools/compare/model.ts';
import { renderComparison, verdictColor } from '../tools/compare/render.ts';
import { type OpenContact, type RunOptions, type Target as RunTarget, runScenario } from '../tools/compare/run.ts';
import { SCENARIOS, type Scenario } from '../tools/compare/scenarios.ts';
import { tcpxContacts } from '../tools/compare/tcpx-side.ts';
import { kernelSettings } from '../tools/kernel-settings.ts';
import { openKernelContact } from '../tools/kernel-side.ts';
import { type Paint, paintFor, useColor } from '../tools/log-style.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { CLOSED_PORT, type CompareOptions, declareCompare } from './compare-options.ts';
import { CliFailure, Exit, failureFrom } from './exit.ts';
import type { Io } from './io.ts';
import { PcapFile } from './pcap-file.ts';
import { parseTarget, resolveHost, type Target } from './target.ts';
import { tcpxVersion } from './version.ts';

/** Longer than Linux's longest delayed ACK, milliseconds. */
const QUIET_MS = 250;

export const compare: CliCommand = {
  name: 'compare',
  summary: 'run the same connection through the kernel and through tcpx, and show what differs',
  group: 'Connections:',
  declare: declareCompare,
  run: async (args, options, io) => {
    try {
      const { target, scenarios } = parseWords(args);
      // commander's options by the names and parsers of declareCompare.
      return await new CompareRun(target, scenarios, options as unknown as CompareOptions, io).run();
    } catch (error) {
      throw asTrouble(failureFrom(error));
    }
  },
};

/** Everything that is not about what this machine permits or has is trouble, as with diff. */
function asTrouble(failure: CliFailure): CliFailure {
  const keep: readonly number[] = [Exit.UNAVAILABLE, Exit.NOT_PERMITTED, Exit.SIGINT, Exit.SIGTERM];
  if (keep.includes(failure.exitCode)) return failure;
  return new CliFailure(failure.message, {
    exitCode: Exit.USAGE,
    ...(failure.hint !== undefined && { hint: failure.hint }),
    cause: failure.cause,
  });
}

/** HOST:PORT or HOST PORT, then names of scenarios. */
export function parseWords(words: readonly string[]): {
  readonly target: Target;
  readonly scenarios: readonly Scenario[];
} {
  const [host = '', port] = words;
  const apart = port !== undefined && /^[0-9]+$/.test(port) && !host.includes(':');
  const names = words.slice(apart ? 2 : 1);
  const target = parseTarget(words.slice(0, apart ? 2 : 1));
  return { target, scenarios: names.length === 0 ? SCENARIOS : names.map(scenarioNamed) };
}

function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((s) => s.name === name);
  if (found !== undefined) return found;
  const near = SCENARIOS.find((s) => s.name.startsWith(name.slice(0, 3).toLowerCase()));
  const all = `scenarios are ${SCENARIOS.map((s) => s.name).join(', ')}`;
  throw new CliFailure(`unknown scenario '${name}'`, {
    exitCode: Exit.USAGE,
    hint: near === undefined ? all : `did you mean '${near.name}'? ${all}`,
  });
}

/** `\r`, `\n`, `\t`, `\\` as in C; the rest as it stands, in UTF-8. */
export function unescaped(text: string): Uint8Array {
  const plain: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\' };
  return new TextEncoder().encode(text.replaceAll(/\\([rnt\\])/g, (_, letter: string) => plain[letter]!));
}

class CompareRun {
  readonly #target: Target;
  readonly #scenarios: readonly Scenario[];
  readonly #o: CompareOptions;
  readonly #io: Io;
  readonly #paint: Paint;
  readonly #sysctl: Partial<Sysctl>;
  readonly #abort = new AbortController();
  readonly #pcaps = new Map<string, PcapFile>();

  constructor(target: Target, scenarios: readonly Scenario[], o: CompareOptions, io: Io) {
    this.#target = target;
    this.#scenarios = scenarios;
    this.#o = o;
    this.#io = io;
    this.#paint = paintFor(useColor(o.color, io.stdout, io.env));
    this.#sysctl = o.ownSettings ? {} : kernelSettings();
  }

  async run(): Promise<number> {
    const remote = await resolveHost(this.#target.host, this.#io, this.#o.numeric === true);
    const route = this.#route(remote);
    this.#openPcaps();
    let ended: CliFailure | undefined;
    const undo = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      this.#io.onSignal(signal, () => {
        ended = new CliFailure(`ended by ${signal}`, { exitCode: Exit[signal] });
        this.#abort.abort();
      }),
    );
    try {
      if (!this.#o.json) this.#print([this.#headline(route, remote)]);
      const comparisons: Comparison[] = [];
      for (const scenario of this.#scenarios) {
        comparisons.push(await this.#compare(scenario, route, remote));
        if (ended !== undefined) throw ended;
        this.#show(comparisons.at(-1)!);
      }
      return this.#conclude(comparisons, route);
    } finally {
      for (const each of undo) each();
      for (const pcap of this.#pcaps.values()) pcap.close();
    }
  }

  async #compare(scenario: Scenario, route: Route, remote: Ipv4): Promise<Comparison> {
    const only = this.#scenarios.length === 1;
    const closedPort = this.#o.closedPort ?? (only ? this.#target.port : CLOSED_PORT);
    const target: RunTarget = { route, remote, remotePort: scenario.closedPort ? closedPort : this.#target.port };
    const kernel = await this.#side('kernel', openKernelContact, scenario, target);
    const tcpx = await this.#side(
      'tcpx',
      tcpxContacts(openHost, { driver: this.#o.driver, guard: this.#o.guard, sysctl: this.#sysctl }),
      scenario,
      target,
    );
    const complaint = scenario.complaint(kernel.outcome);
    return compareRuns(kernel, tcpx, {
      scenario: scenario.name,
      loopback: route.loopback,
      complaint: complaint === undefined ? undefined : `with the kernel's sockets: ${complaint}`,
    });
  }

  async #side(side: Side, open: OpenContact, scenario: Scenario, target: RunTarget) {
    const o: RunOptions = {
      keepPayload: this.#o.write !== undefined,
      signal: this.#abort.signal,
      talk: { request: unescaped(this.#o.request), quiet: QUIET_MS, patience: this.#o.timeout * 1000 },
    };
    const { run, packets } = await runScenario(side, open, scenario, target, o);
    const pcap = this.#pcaps.get(`${scenario.name}.${side}`);
    for (const packet of packets) pcap?.packet(packet.t, 'in', packet.octets, false);
    return run;
  }

  /**
   * As the kernel chooses. Node can't bind a socket to an interface, only to an address: with -I, the address must be
   * enough for the kernel to choose the same one.
   */
  #route(remote: Ipv4): Route {
    const { source, interface: name } = this.#o;
    const route = routeTo(remote, {
      ...(source !== undefined && { source }),
      ...(name !== undefined && { interface: name }),
    });
    if (name === undefined) return route;
    const kernels = routeTo(remote, { source: route.source });
    if (kernels.interface === route.interface) return kernels;
    throw new LinkFailure(
      'EINVAL',
      `the kernel's own connection would leave by ${kernels.interface}, not ${name}`,
      'leave -I away, or change the route (`ip route`) so that it goes there',
    );
  }

  /** Before a packet is sent, so that what can't be written is told at once. */
  #openPcaps(): void {
    const prefix = this.#o.write;
    if (prefix === undefined) return;
    const zero = new Date(this.#io.wallClock().getTime() - performance.now());
    for (const { name } of this.#scenarios) {
      for (const side of ['kernel', 'tcpx'])
        this.#pcaps.set(`${name}.${side}`, new PcapFile(`${prefix}.${name}.${side}.pcap`, this.#io.env, zero));
    }
  }

  #headline(route: Route, remote: Ipv4): string {
    const { host, port } = this.#target;
    const address = ipv4Text(remote);
    const peer = host === address ? `${address}:${port}` : `${host}:${port} (${address})`;
    const via = route.gateway === undefined ? '' : ` via ${ipv4Text(route.gateway)}`;
    const settings = this.#o.ownSettings ? 'its own settings' : "the kernel's settings";
    return `${this.#paint.bold(`compare ${peer}`)} on ${route.interface}${via}: Linux ${release()} and tcpx ${tcpxVersion()} (driver ${this.#o.driver}, ${settings})`;
  }

  #show(c: Comparison): void {
    if (this.#o.json) return;
    const scenario = this.#scenarios.find((s) => s.name === c.scenario)!;
    this.#print([
      '',
      `${this.#paint.bold(c.scenario)}: ${scenario.summary}`,
      ...renderComparison(c, { paint: this.#paint, width: this.#io.stdout.columns ?? 120 }),
    ]);
  }

  #conclude(comparisons: readonly Comparison[], route: Route): number {
    if (this.#o.json) {
      const facts = {
        target: `${this.#target.host}:${this.#target.port}`,
        interface: route.interface,
        gateway: route.gateway === undefined ? undefined : ipv4Text(route.gateway),
        kernel: release(),
        node: process.versions.node,
        tcpx: tcpxVersion(),
        driver: this.#o.driver,
        guard: this.#o.guard,
        sysctl: this.#sysctl,
      };
      this.#print([JSON.stringify(compareDocument(facts, comparisons))]);
    } else {
      const each = comparisons.map((c) => `${c.scenario} ${verdictColor(c, this.#paint)(verdictOf(c))}`);
      this.#print(['', `${this.#paint.bold('result:')} ${each.join(', ')}`]);
    }
    const trouble = comparisons.find((c) => c.complaint !== undefined);
    if (trouble !== undefined) {
      throw new CliFailure(`${trouble.scenario}: ${trouble.complaint}`, {
        exitCode: Exit.USAGE,
        hint: hintFor(trouble, this.#target),
      });
    }
    return comparisons.every((c) => c.same) ? Exit.OK : Exit.FAILURE;
  }

  #print(lines: readonly string[]): void {
    this.#io.stdout.write(`${lines.join('\n')}\n`);
  }
}

function hintFor(c: Comparison, { host, port }: Target): string {
  const scenario = SCENARIOS.find((s) => s.name === c.scenario)!;
  if (scenario.closedPort) return 'name a port where nothing listens and no firewall is silent: --closed-port PORT';
  return `is something listening there? \`nc -zv ${host} ${port}\` tells; \`tcpx compare ${host}:${port} refused\` compares the refusal`;
}
