/** `tcpx probe HOST:PORT [PROBE…]`: what kind of TCP is there? */
import { release } from 'node:os';
import { LinkFailure } from '../link/failure.ts';
import { type Route, routeTo } from '../link/route.ts';
import { nodeRandom } from '../socket/node-clock.ts';
import { type Paint, paintFor, useColor } from '../tools/log-style.ts';
import type { Findings } from '../tools/probe/battery.ts';
import { Bench } from '../tools/probe/bench.ts';
import { type RunOptions, runOn, runOnKernel, runOnTcpx, settingsWith } from '../tools/probe/columns.ts';
import { type LivePathOptions, openLivePath } from '../tools/probe/live-path.ts';
import { CannotTell, type Expected, type Finding, type Probe } from '../tools/probe/model.ts';
import type { Path, Requests } from '../tools/probe/path.ts';
import { isForFree } from '../tools/probe/permission.ts';
import { agreement, type Column, type Report, renderReport, reportDocument } from '../tools/probe/render.ts';
import { type Ipv4, ipv4Text } from '../wire/ipv4.ts';
import type { CliCommand } from './command.ts';
import { unescaped } from './compare.ts';
import { CliFailure, Exit, failureFrom, withExitCode } from './exit.ts';
import type { Io } from './io.ts';
import { declareProbe, PATIENCE, type ProbeOptions, parseProbeWords, QUICK_PATIENCE } from './probe-options.ts';
import { ProgressLine } from './progress-line.ts';
import { resolveHost, type Target } from './target.ts';
import { tcpxVersion } from './version.ts';

/** What a test puts something in place of. */
export interface ProbeNetwork {
  route(remote: Ipv4, o: Pick<ProbeOptions, 'source' | 'interface'>): Route;
  openPath(o: LivePathOptions): Promise<Path>;
  isForFree(remote: Ipv4, route: Route): boolean;
  onKernel: typeof runOnKernel;
}

const THIS_MACHINE: ProbeNetwork = {
  route: (remote, { source, interface: name }) =>
    routeTo(remote, { ...(source !== undefined && { source }), ...(name !== undefined && { interface: name }) }),
  openPath: openLivePath,
  isForFree: (remote, route) => isForFree(remote, route),
  onKernel: runOnKernel,
};

export const probe: CliCommand = probeThrough(THIS_MACHINE);

export function probeThrough(network: ProbeNetwork): CliCommand {
  return {
    name: 'probe',
    summary: 'find out what kind of TCP is there, question by question',
    group: 'Experiments:',
    declare: declareProbe,
    run: (args, options, io) => {
      // commander's options by the names and parsers of declareProbe.
      const o = options as unknown as ProbeOptions;
      const { target, probes } = parseProbeWords(args, o);
      if (o.list) return list(probes, io);
      return new ProbeRun(target, probes, o, io, network).run();
    },
  };
}

async function list(probes: readonly Probe[], io: Io): Promise<number> {
  const width = Math.max(...probes.map((p) => p.name.length));
  let group = '';
  for (const { name, clause, how, needs, ...p } of probes) {
    if (p.group !== group) io.stdout.write(`${group === '' ? '' : '\n'}${p.group}\n`);
    group = p.group;
    const needed = needs === undefined ? '' : needs === 'data' ? ' (--request)' : ' (--request, and the peer closes)';
    io.stdout.write(`  ${name.padEnd(width)}  ${clause}${needed}\n  ${' '.repeat(width)}  ${how}\n`);
  }
  return Exit.OK;
}

class ProbeRun {
  readonly #target: Target | undefined;
  readonly #probes: readonly Probe[];
  readonly #o: ProbeOptions;
  readonly #io: Io;
  readonly #network: ProbeNetwork;
  readonly #paint: Paint;
  readonly #patience: number;
  readonly #abort = new AbortController();
  readonly #progress: ProgressLine;
  /** Of the slowest column: what is not known yet. */
  #waiting: Set<string>;
  #ended: CliFailure | undefined;

  constructor(target: Target | undefined, probes: readonly Probe[], o: ProbeOptions, io: Io, network: ProbeNetwork) {
    this.#target = target;
    this.#probes = probes;
    this.#o = o;
    this.#io = io;
    this.#network = network;
    this.#paint = paintFor(useColor(o.color, io.stdout, io.env));
    this.#patience = (o.patience ?? (o.quick ? QUICK_PATIENCE : PATIENCE)) * 1e6;
    this.#progress = new ProgressLine(io, true);
    this.#waiting = new Set(probes.map((p) => p.name));
  }

  async run(): Promise<number> {
    const undo = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      this.#io.onSignal(signal, () => {
        this.#ended = new CliFailure(`ended by ${signal}`, { exitCode: Exit[signal] });
        this.#abort.abort();
      }),
    );
    const ticker = setInterval(() => this.#tellProgress(), 250);
    try {
      return this.#target === undefined ? await this.#runLab() : await this.#runLive(this.#target);
    } catch (error) {
      throw this.#ended ?? error;
    } finally {
      clearInterval(ticker);
      this.#progress.clear();
      for (const take of undo) take();
    }
  }

  async #runLab(): Promise<number> {
    const wanted = this.#o.set ?? [];
    const set = wanted.map(({ name, value }) => `${name}=${value}`).join(', ');
    const tcpx = await runOnTcpx(this.#options());
    const kernel = await this.#network.onKernel(this.#options(true), wanted).catch((error: unknown) => {
      // A value that the kernel refuses is as wrong as a name that it doesn't know.
      const refused = error instanceof LinkFailure && error.code === 'EINVAL' && wanted.length > 0;
      throw refused ? withExitCode(failureFrom(error), Exit.USAGE) : error;
    });
    const setting = settingsWith(wanted);
    const report = this.#report([this.#kernelColumn(kernel), tcpxColumn(tcpx)], setting);
    this.#show(report, {
      headline: `lab: this machine's kernel in a network namespace of its own${set === '' ? '' : `, ${set}`}`,
      facts: { lab: true, set: wanted.map(({ name, value }) => ({ name, value })) },
    });
    const differing = this.#probes.filter((p) => agreement(report, p) === false);
    if (differing.length === 0) return Exit.OK;
    this.#io.stderr.write(
      `tcpx: not as the settings say: ${differing.map((p) => p.name).join(', ')} (a machine under load is late; try once more)\n`,
    );
    return Exit.FAILURE;
  }

  async #runLive(target: Target): Promise<number> {
    const o = this.#o;
    const remote = await resolveHost(target.host, this.#io, o.numeric === true);
    const route = this.#network.route(remote, o);
    const address = ipv4Text(remote);
    const place = `${target.host}:${target.port}`;
    if (o.yes !== true && !this.#network.isForFree(remote, route))
      throw new CliFailure(`${place} is neither this machine nor a private laboratory`, {
        exitCode: Exit.USAGE,
        hint: 'probe only what is yours, or whose owner has agreed; then add --yes',
      });
    const open = (): Promise<Path> =>
      this.#network.openPath({
        route,
        remote,
        remotePort: target.port,
        guard: o.guard,
        ...(o.driver !== undefined && { driver: o.driver }),
      });
    await this.#knock(await open(), place);
    const columns: Column[] = [];
    const tcpx = o.alone ? undefined : await runOnTcpx(this.#options());
    const request = o.request === undefined ? undefined : unescaped(o.request);
    const requests: Requests = request === undefined ? {} : { data: request, close: request };
    const [peer, kernel] = await Promise.all([
      runOn(await open(), requests, this.#options(true)),
      o.alone ? undefined : this.#kernelBeside(),
    ]);
    columns.push({ key: 'peer', title: place, findings: peer });
    if (kernel !== undefined) columns.push(this.#kernelColumn(kernel));
    if (tcpx !== undefined) columns.push(tcpxColumn(tcpx));
    const where = target.host === address ? place : `${place} (${address})`;
    this.#show(this.#report(columns, settingsWith()), {
      headline: `probe ${where} on ${route.interface}`,
      facts: { target: place, address, interface: route.interface },
    });
    return Exit.OK;
  }

  /** That somebody listens is not a question of its own. */
  async #knock(path: Path, place: string): Promise<void> {
    const bench = new Bench(path, { random: nodeRandom(), patience: 0, requests: {}, signal: this.#abort.signal });
    const line = bench.line();
    const task = (async () => {
      try {
        await line.synAck();
      } finally {
        await line.end();
        await path.close();
      }
    })();
    try {
      await (path.run === undefined ? task : path.run(task));
    } catch (error) {
      if (!(error instanceof CannotTell)) throw error;
      const isRefused = error.message === 'refused';
      throw new CliFailure(`probe ${place}: ${isRefused ? 'connection refused' : 'no answer to two SYNs'}`, {
        exitCode: isRefused ? Exit.REFUSED : Exit.TIMED_OUT,
        hint: isRefused
          ? 'nothing listens on that port; name one where something does'
          : 'check address and port; a firewall may be silent',
      });
    }
  }

  /** Without it the table has a column less. */
  async #kernelBeside(): Promise<Findings | undefined> {
    try {
      return await this.#network.onKernel(this.#options());
    } catch (error) {
      if (!(error instanceof LinkFailure)) throw error;
      this.#progress.clear();
      this.#io.stderr.write(`tcpx: this machine's kernel is not beside it: ${error.message}\n  hint: ${error.hint}\n`);
      return undefined;
    }
  }

  /** `isSlowest`: its progress is what there is to wait for. */
  #options(isSlowest = false): RunOptions {
    return {
      probes: this.#probes,
      patience: this.#patience,
      rate: this.#o.rate,
      signal: this.#abort.signal,
      ...(isSlowest && { onFinding: (p: Probe, _finding: Finding) => this.#waiting.delete(p.name) }),
    };
  }

  #tellProgress(): void {
    const all = this.#probes.length;
    const left = [...this.#waiting];
    this.#progress.say(
      (seconds) => `tcpx: ${all - left.length} of ${all} probes, ${seconds.toFixed(0)} s; waiting: ${left.join(', ')}`,
    );
  }

  #kernelColumn(findings: Findings): Column {
    return { key: 'kernel', title: `Linux ${release().replace(/^(\d+\.\d+).*/, '$1')} here`, findings };
  }

  #report(columns: readonly Column[], setting: ReturnType<typeof settingsWith>): Report {
    const expected = new Map<string, Expected>();
    for (const p of this.#probes) {
      const wanted = p.expected?.(setting, this.#patience);
      if (wanted !== undefined) expected.set(p.name, wanted);
    }
    return { probes: this.#probes, columns, expected };
  }

  #show(report: Report, o: { readonly headline: string; readonly facts: Parameters<typeof reportDocument>[1] }): void {
    this.#progress.clear();
    const { stdout } = this.#io;
    if (this.#o.json) {
      const facts = { ...o.facts, kernel: release(), tcpx: tcpxVersion(), patience: this.#patience };
      stdout.write(`${JSON.stringify(reportDocument(report, facts))}\n`);
      return;
    }
    const lines = renderReport(report, {
      paint: this.#paint,
      // Some terminals say 0.
      width: stdout.columns || 120,
      showSettings: this.#o.lab === true,
    });
    stdout.write(`${[this.#paint.bold(o.headline), '', ...lines].join('\n')}\n`);
  }
}

const tcpxColumn = (findings: Findings): Column => ({ key: 'tcpx', title: 'tcpx', findings });
