/** `tcpx compare HOST:PORT [SCENARIO…]`: the same connection through the kernel and through tcpx, side by side. */
import { setMaxListeners } from 'node:events';
import { release } from 'node:os';
import { LinkFailure } from '../link/failure.ts';
import { type Route, routeTo } from '../link/route.ts';
import { inAttempts } from '../tools/compare/attempts.ts';
import { compareDocument, isGood, judgementOf } from '../tools/compare/json.ts';
import type { Comparison } from '../tools/compare/model.ts';
import { renderComparison, verdictColor } from '../tools/compare/render.ts';
import type { Scenario } from '../tools/compare/scenario.ts';
import { ALL_SCENARIOS, SCENARIOS } from '../tools/compare/scenarios.ts';
import { tableLines } from '../tools/compare/table.ts';
import { enterLab, isInLab } from '../tools/lab/lab.ts';
import { type Paint, paintFor, useColor } from '../tools/log-style.ts';
import { documentComparisons } from '../tools/report/from-compare.ts';
import { reportHtml } from '../tools/report/html.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { type Compared, type Ground, type GroundOptions, labGround, targetGround } from './compare-ground.ts';
import { type CompareOptions, declareCompare } from './compare-options.ts';
import { asTrouble, CliFailure, Exit, failureFrom } from './exit.ts';
import type { Io } from './io.ts';
import { nearestName } from './nearest.ts';
import { OutFile } from './out-file.ts';
import { PcapFile } from './pcap-file.ts';
import { ProgressLine } from './progress-line.ts';
import { parseTarget, resolveHost, type Target } from './target.ts';
import { tcpxVersion } from './version.ts';

export const compare: CliCommand = {
  name: 'compare',
  summary: 'run the same connection through the kernel and through tcpx, and show what differs',
  group: 'Experiments:',
  declare: declareCompare,
  run: async (args, options, io) => {
    try {
      // commander's options by the names and parsers of declareCompare.
      const o = options as unknown as CompareOptions;
      const { target, scenarios } = parseWords(args, o);
      if (o.lab && !isInLab()) return await enterLab(commandLine(args, o));
      return await new CompareRun(target, scenarios, o, io).run();
    } catch (error) {
      throw asTrouble(failureFrom(error));
    }
  },
};

const usage = (message: string, hint: string): CliFailure => new CliFailure(message, { exitCode: Exit.USAGE, hint });

/** HOST:PORT or HOST PORT, then names of scenarios; with --lab only those. `target` is undefined in a lab. */
export function parseWords(
  words: readonly string[],
  o: Pick<CompareOptions, 'lab' | 'all' | 'source' | 'interface' | 'closedPort'> = {},
): {
  readonly target: Target | undefined;
  readonly scenarios: readonly Scenario[];
} {
  if (o.lab) return { target: undefined, scenarios: labScenarios(words, o) };
  const [host, port] = words;
  if (host === undefined) throw usage('nothing to compare with', 'name a peer, HOST:PORT, or let --lab bring one');
  const apart = port !== undefined && /^[0-9]+$/.test(port) && !host.includes(':');
  const names = words.slice(apart ? 2 : 1);
  const target = parseTarget(words.slice(0, apart ? 2 : 1));
  if (o.all && names.length > 0) throw bothAllAndNames(names);
  const scenarios = names.length === 0 ? SCENARIOS : names.map(scenarioNamed);
  const needsLab = scenarios.find((s) => s.peer === 'lab');
  if (needsLab !== undefined)
    throw usage(
      `'${needsLab.name}' needs a peer and a path that play along`,
      `tcpx compare --lab ${needsLab.name}; for any peer there are ${SCENARIOS.map((s) => s.name).join(', ')}`,
    );
  return { target, scenarios };
}

function labScenarios(
  names: readonly string[],
  o: Pick<CompareOptions, 'all' | 'source' | 'interface' | 'closedPort'>,
): readonly Scenario[] {
  const foreign = o.source !== undefined ? '-s' : o.interface !== undefined ? '-I' : undefined;
  if (foreign !== undefined || o.closedPort !== undefined)
    throw usage(`${foreign ?? '--closed-port'} means nothing in a lab`, 'leave it away: the lab has a path of its own');
  const peer = names.find((name) => /[:.]/.test(name));
  if (peer !== undefined) throw usage(`--lab brings its own peer, not ${peer}`, 'leave one of them away');
  if (o.all && names.length > 0) throw bothAllAndNames(names);
  if (names.length > 0) return names.map(scenarioNamed);
  return o.all ? ALL_SCENARIOS : ALL_SCENARIOS.filter((s) => s.lab?.slow !== true);
}

const bothAllAndNames = (names: readonly string[]): CliFailure =>
  usage(`--all and ${names.join(' ')}`, 'name scenarios, or say --all');

function scenarioNamed(name: string): Scenario {
  const found = ALL_SCENARIOS.find((s) => s.name === name);
  if (found !== undefined) return found;
  const all = ALL_SCENARIOS.map((s) => s.name);
  const near = nearestName(name, all);
  const list = `scenarios are ${all.join(', ')}`;
  throw usage(`unknown scenario '${name}'`, near === undefined ? list : `did you mean '${near}'? ${list}`);
}

/** The same once more, for the process inside. */
function commandLine(words: readonly string[], o: CompareOptions): readonly string[] {
  const flags = (['lab', 'all', 'segments', 'json', 'ownSettings', 'numeric'] as const)
    .filter((name) => o[name])
    .map((name) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`);
  const values = (['driver', 'guard', 'request', 'timeout', 'write', 'html', 'color'] as const).flatMap((name) =>
    o[name] === undefined ? [] : [`--${name}=${o[name]}`],
  );
  return ['compare', ...flags, ...values, '--', ...words];
}

/** `\r`, `\n`, `\t`, `\\` as in C; the rest as it stands, in UTF-8. */
export function unescaped(text: string): Uint8Array {
  const plain: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\' };
  return new TextEncoder().encode(text.replaceAll(/\\([rnt\\])/g, (_, letter: string) => plain[letter]!));
}

class CompareRun {
  readonly #target: Target | undefined;
  readonly #scenarios: readonly Scenario[];
  readonly #o: CompareOptions;
  readonly #io: Io;
  readonly #paint: Paint;
  readonly #abort = new AbortController();
  readonly #pcaps = new Map<string, PcapFile>();
  #html: OutFile | undefined;
  #ended: CliFailure | undefined;

  constructor(target: Target | undefined, scenarios: readonly Scenario[], o: CompareOptions, io: Io) {
    this.#target = target;
    this.#scenarios = scenarios;
    this.#o = o;
    this.#io = io;
    this.#paint = paintFor(useColor(o.color, io.stdout, io.env));
    // Every run that is going on listens.
    setMaxListeners(0, this.#abort.signal);
  }

  async run(): Promise<number> {
    const undo = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      this.#io.onSignal(signal, () => {
        this.#ended = new CliFailure(`ended by ${signal}`, { exitCode: Exit[signal] });
        this.#abort.abort();
      }),
    );
    let ground: Ground | undefined;
    try {
      ground = await this.#ground();
      this.#openFiles();
      if (!this.#o.json) this.#print([this.#headline(ground)]);
      return this.#conclude(await this.#compareAll(ground), ground);
    } finally {
      for (const each of undo) each();
      for (const pcap of this.#pcaps.values()) pcap.close();
      this.#html?.close();
      await ground?.close();
    }
  }

  async #ground(): Promise<Ground> {
    const o: GroundOptions = {
      driver: this.#o.driver,
      guard: this.#o.guard,
      ownSettings: this.#o.ownSettings === true,
      keepPayload: this.#o.write !== undefined,
      signal: this.#abort.signal,
      request: unescaped(this.#o.request),
      patience: this.#o.timeout * 1000,
    };
    if (this.#target === undefined) return labGround(o);
    const remote = await resolveHost(this.#target.host, this.#io, this.#o.numeric === true);
    const only = this.#scenarios.length === 1;
    return targetGround(o, {
      route: this.#route(remote),
      remote,
      port: this.#target.port,
      closedPort: this.#o.closedPort ?? (only ? this.#target.port : undefined),
    });
  }

  /** Some at a time, told in the order in which they were asked for. Those that take long begin first. */
  async #compareAll(ground: Ground): Promise<readonly Comparison[]> {
    const progress = new ProgressLine(this.#io, !this.#o.json);
    const done = new Map<Scenario, Comparison>();
    const waiting = this.#scenarios.toSorted((a, b) => lengthOf(b) - lengthOf(a));
    if (ground.atOnce === 1) waiting.splice(0, waiting.length, ...this.#scenarios);
    let told = 0;
    const running = new Set<string>();
    const tell = (): void => {
      for (; told < this.#scenarios.length && done.has(this.#scenarios[told]!); told++) {
        progress.clear();
        this.#show(this.#scenarios[told]!, done.get(this.#scenarios[told]!)!);
      }
      progress.say(() => `tcpx: ${done.size} of ${this.#scenarios.length} compared; ${[...running].join(', ')}`);
    };
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        running.add(next.name);
        tell();
        const compared = await this.#compare(ground, next);
        running.delete(next.name);
        if (this.#ended !== undefined) throw this.#ended;
        done.set(next, compared);
        tell();
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(ground.atOnce, this.#scenarios.length) }, work));
    } finally {
      progress.clear();
    }
    return this.#scenarios.map((s) => done.get(s)!);
  }

  async #compare(ground: Ground, scenario: Scenario): Promise<Comparison> {
    const most = scenario.lab?.slow ? 1 : ground.attempts;
    const { shown, comparison } = await inAttempts(
      () => ground.compare(scenario),
      most,
      () => this.#ended !== undefined,
    );
    this.#keep(scenario, shown);
    return comparison;
  }

  #keep({ name }: Scenario, { kernel, tcpx }: Compared): void {
    for (const { run, packets } of [kernel, tcpx]) {
      const pcap = this.#pcaps.get(`${name}.${run.side}`);
      for (const packet of packets) pcap?.packet(packet.t, 'in', packet.octets, false);
    }
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
  #openFiles(): void {
    const { write: prefix, html } = this.#o;
    if (html !== undefined) this.#html = new OutFile(html, this.#io.env);
    if (prefix === undefined) return;
    const zero = new Date(this.#io.wallClock().getTime() - performance.now());
    for (const { name } of this.#scenarios) {
      for (const side of ['kernel', 'tcpx'])
        this.#pcaps.set(`${name}.${side}`, new PcapFile(`${prefix}.${name}.${side}.pcap`, this.#io.env, zero));
    }
  }

  #headline(ground: Ground): string {
    const address = ipv4Text(ground.remote);
    const { host, port } = this.#target ?? { host: 'lab', port: undefined };
    const named = port === undefined ? host : `${host}:${port}`;
    const peer = host === address ? `${address}:${port}` : `${named} (${address})`;
    const via = ground.route.gateway === undefined ? '' : ` via ${ipv4Text(ground.route.gateway)}`;
    const settings = this.#o.ownSettings ? 'its own settings' : "the kernel's settings";
    const driver = this.#o.driver ?? 'packet';
    const lab = ground.text === undefined ? '' : `\n${this.#paint.dim(ground.text)}`;
    return `${this.#paint.bold(`compare ${peer}`)} on ${ground.route.interface}${via}: Linux ${release()} and tcpx ${tcpxVersion()} (driver ${driver}, ${settings})${lab}`;
  }

  /** Segment by segment, unless there are many of them in a table. */
  #show(scenario: Scenario, c: Comparison): void {
    const many = this.#o.all || (this.#o.lab && this.#scenarios.length > MOST_SHOWN);
    if (this.#o.json || (many && !this.#o.segments)) return;
    this.#print([
      '',
      `${this.#paint.bold(c.scenario)}: ${scenario.summary}`,
      ...renderComparison(c, { paint: this.#paint, width: this.#width }),
    ]);
  }

  get #width(): number {
    return this.#io.stdout.columns ?? 120;
  }

  #conclude(comparisons: readonly Comparison[], ground: Ground): number {
    const facts = {
      target: this.#target === undefined ? 'lab' : `${this.#target.host}:${this.#target.port}`,
      interface: ground.route.interface,
      gateway: ground.route.gateway === undefined ? undefined : ipv4Text(ground.route.gateway),
      kernel: release(),
      node: process.versions.node,
      tcpx: tcpxVersion(),
      driver: this.#o.driver ?? 'packet',
      guard: this.#o.guard,
      sysctl: ground.sysctl,
    };
    const document = compareDocument(facts, comparisons, this.#scenarios);
    if (this.#html !== undefined) {
      const title = `tcpx compare ${facts.target}`;
      // As any reader of the document has it.
      const page = reportHtml(
        { title, comparisons: documentComparisons(JSON.parse(JSON.stringify(document))) },
        { version: tcpxVersion() },
      );
      this.#html.append(new TextEncoder().encode(page));
    }
    if (this.#o.json) this.#print([JSON.stringify(document)]);
    else this.#table(comparisons);
    const trouble = comparisons.find((c) => c.complaint !== undefined);
    if (trouble !== undefined) {
      throw new CliFailure(`${trouble.scenario}: ${trouble.complaint}`, {
        exitCode: Exit.USAGE,
        hint: hintFor(trouble, this.#target),
      });
    }
    return comparisons.every(isGood) ? Exit.OK : Exit.FAILURE;
  }

  #table(comparisons: readonly Comparison[]): void {
    const paint = this.#paint;
    const each = comparisons.map((c) => `${c.scenario} ${verdictColor(c, paint)(judgementOf(c))}`);
    const result = comparisons.length > MOST_SHOWN ? summaryText(comparisons) : each.join(', ');
    const table = tableLines(comparisons, { paint, width: this.#width, rulings: this.#tableOnly });
    this.#print(['', ...table, '', `${paint.bold('result:')} ${result}`]);
  }

  /** What is told segment by segment has its rulings there. */
  get #tableOnly(): boolean {
    return this.#o.all === true || this.#scenarios.length > MOST_SHOWN;
  }

  #print(lines: readonly string[]): void {
    this.#io.stdout.write(`${lines.join('\n')}\n`);
  }
}

/** More than that are shown in a table only. */
const MOST_SHOWN = 6;

/** Milliseconds, roughly: what waits longest. */
const lengthOf = ({ lab }: Scenario): number => (lab?.slow ? 60_000 : (lab?.patience ?? 0)) + (lab?.quiet ?? 0);

function summaryText(comparisons: readonly Comparison[]): string {
  const words = comparisons.map(judgementOf);
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, n]) => `${n} ${word}`).join(', ');
}

function hintFor(c: Comparison, target: Target | undefined): string {
  const scenario = ALL_SCENARIOS.find((s) => s.name === c.scenario)!;
  if (target === undefined) return 'is the machine very busy? Another try may do';
  if (scenario.peer === 'closed')
    return 'name a port where nothing listens and no firewall is silent: --closed-port PORT';
  const { host, port } = target;
  if (!/ECONNREFUSED/.test(c.complaint ?? '')) return 'check address and port; a firewall may be silent';
  return `is something listening there? \`nc -zv ${host} ${port}\` tells; \`tcpx compare ${host}:${port} refused\` compares the refusal`;
}
