/**
 * Where measurements happen: two network namespaces and a veth pair between them, or a bridge that impairs the path. The stack
 * that is measured has a processor of its own, its peer another.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Lab, type Namespace, openLab, run, tryRun } from '../../test/support/lab.ts';
import type { ClientOptions } from './client/measure.ts';
import { clientProgram, peerProgram } from './compiled.ts';
import { freeDeferral } from './deferral.ts';
import { BenchFailure } from './failure.ts';
import { Program, type Said } from './program.ts';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
/** Where `npm run build` leaves tcpx. */
export const DIST = file('../../dist');

export type Cc = 'cubic' | 'bbr';

/** As `tcpx impair` takes them. */
export interface Path {
  /** One way. */
  readonly delay: string;
  /** Of the direction that carries the data. */
  readonly loss?: string;
  readonly rate?: string;
  readonly queue?: string;
  readonly seed: number;
}

export interface PlaceOptions {
  readonly cc: Cc;
  readonly mtu?: number;
  /** false: segmentation and receive offload off, on both ends. */
  readonly offload?: boolean;
}

/** Processors: the stack's, the peer's, the bridge's. */
export interface Cores {
  readonly stack: number;
  readonly peer: number;
  readonly bridge: number;
}

export function chooseCores(): Cores {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const cores = list.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number);
    return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i);
  });
  const stack = cores[0]!;
  const peer = cores[1] ?? stack;
  return { stack, peer, bridge: cores[2] ?? peer };
}

interface Programs {
  readonly peer: string;
  readonly client: string;
}

/** Two ends, and what is between them. */
export class Place {
  readonly #lab: Lab = openLab();
  readonly here: Namespace;
  readonly there: Namespace;
  readonly cores: Cores;
  readonly clientInterface: string;
  readonly serverAddress: string;
  readonly #network: string;
  #given = 0;
  readonly #programsAre: Programs;
  readonly #bridgeEnds: { readonly namespace: Namespace; readonly near: string; readonly far: string } | undefined;
  #peer: Program | undefined;
  readonly #programs: Program[] = [];

  /** `bridged`: a bridge has to be started between them before anything passes. */
  private constructor(o: PlaceOptions, cores: Cores, programs: Programs, bridged: boolean) {
    this.cores = cores;
    this.#programsAre = programs;
    const mtu = o.mtu === undefined ? {} : { mtu: o.mtu };
    this.here = this.#lab.namespace();
    const middle = bridged ? this.#lab.namespace() : undefined;
    this.there = this.#lab.namespace();
    const near = this.#lab.join(this.here, middle ?? this.there, mtu);
    let far = near;
    if (middle !== undefined) {
      far = this.#lab.join(middle, this.there, mtu);
      middle.ip('address', 'flush', 'dev', near.interface);
      middle.ip('address', 'flush', 'dev', far.interface);
      this.there.ip('address', 'flush', 'dev', far.interface);
      this.there.ip('address', 'add', `${near.b}/24`, 'dev', far.interface);
      this.#bridgeEnds = { namespace: middle, near: near.interface, far: far.interface };
    }
    this.clientInterface = near.interface;
    this.serverAddress = near.b;
    this.#network = near.a.replace(/\.1$/, '');
    for (const [end, name, address] of [
      [this.here, near.interface, near.a],
      [this.there, far.interface, near.b],
    ] as const) {
      // The machine's default may be another, and may not be set by namespace.
      end.ip(
        'route',
        'change',
        near.network,
        'dev',
        name,
        'proto',
        'kernel',
        'scope',
        'link',
        'src',
        address,
        'congctl',
        o.cc,
      );
      if (o.offload === false) end.exec('ethtool', '-K', name, 'tso', 'off', 'gso', 'off', 'gro', 'off');
    }
    this.there.sysctl('net.core.somaxconn', '65535');
    this.there.sysctl('net.ipv4.tcp_max_syn_backlog', '65535');
  }

  static async open(o: PlaceOptions, cores: Cores, bridged = false): Promise<Place> {
    const place = new Place(o, cores, { peer: peerProgram(), client: await clientProgram() }, bridged);
    try {
      place.#peer = place.startPeer(place.there, place.cores.peer, 'serve', place.serverAddress);
      await place.#peer.said('ready', 5000);
      return place;
    } catch (error) {
      place.close();
      throw error;
    }
  }

  get peer(): Program {
    return this.#peer!;
  }

  /**
   * An address of tcpx's own that no run has had yet. The peer's kernel keeps the last run's connections in TIME-WAIT, with
   * another process's sequence numbers and timestamps: a second with the same addresses and ports would wait for their end.
   */
  freshAddress(): string {
    return `${this.#network}.${100 + (this.#given++ % 150)}`;
  }

  /** peer.c with these arguments. */
  startPeer(namespace: Namespace, core: number, ...args: string[]): Program {
    return this.#start(namespace, core, this.#programsAre.peer, args, `peer ${args[0]}`);
  }

  /** A stack in a process of its own. Resolves once it can measure. */
  async openClient(o: ClientOptions, nodeArgs: readonly string[]): Promise<Client> {
    const program = this.#startClient(o, nodeArgs);
    try {
      const { event: _, ...about } = await program.said('ready', 20_000);
      return new Client(program, o, about);
    } catch (error) {
      program.kill('SIGKILL');
      throw error;
    }
  }

  #startClient(o: ClientOptions, nodeArgs: readonly string[]): Program {
    return this.#start(
      this.here,
      this.cores.stack,
      process.execPath,
      [...nodeArgs, this.#programsAre.client, JSON.stringify(o)],
      `${o.stack} (${o.work})`,
    );
  }

  /** `tcpx impair` between the ends; resolves once packets pass. `data`: the direction that carries it. */
  async startBridge(path: Path, data: 'out' | 'in'): Promise<Program> {
    const ends = this.#bridgeEnds;
    if (ends === undefined) throw new Error('there is no place for a bridge');
    const way = data === 'out' ? 'ab' : 'ba';
    const args = ['impair', ends.near, ends.far, '--json', '--seed', String(path.seed), '--delay', path.delay];
    if (path.loss !== undefined) args.push('--loss', `${path.loss}:${way}`);
    if (path.rate !== undefined) args.push('--rate', `${path.rate}:${way}`);
    if (path.queue !== undefined) args.push('--queue', `${path.queue}:${way}`);
    const bridge = this.#start(
      ends.namespace,
      this.cores.bridge,
      process.execPath,
      [join(DIST, 'cli/main.js'), ...args],
      'tcpx impair',
    );
    await bridge.said('ready', 20_000);
    return bridge;
  }

  close(): void {
    for (const program of this.#programs) program.kill('SIGKILL');
    this.#lab.close();
  }

  /** Each becomes the program it starts, so that a signal reaches it. */
  #start(namespace: Namespace, core: number, command: string, args: readonly string[], name: string): Program {
    const all = ['netns', 'exec', namespace.name, 'taskset', '-c', String(core), command, ...args];
    const program = new Program('ip', all, name);
    this.#programs.push(program);
    return program;
  }
}

/** One stack, measured as often as one likes. */
export class Client {
  /** What the stack said of itself. */
  readonly about: Said;
  readonly options: ClientOptions;
  readonly #program: Program;

  constructor(program: Program, options: ClientOptions, about: Said) {
    this.#program = program;
    this.options = options;
    this.about = about;
  }

  /**
   * Until V8 has compiled what is hot: twice, since the first ending of connections has it take back much of what it had taken
   * for granted.
   */
  async warmUp(): Promise<void> {
    const seconds = this.options.warmSeconds / 2;
    await freeDeferral(() => this.measure(0, undefined, seconds));
    await this.measure(0, undefined, seconds);
  }

  /** One measurement, `warmSeconds` after its connections are there. `during` runs beside it once it has begun. */
  async measure(
    warmSeconds: number,
    during?: (client: Program) => Promise<void>,
    seconds = this.options.seconds,
  ): Promise<Said> {
    this.#program.write(`${JSON.stringify({ warmSeconds, seconds })}\n`);
    await during?.(this.#program);
    return await this.#program.said('result', (seconds + warmSeconds) * 1000 + 60_000);
  }

  async close(): Promise<void> {
    this.#program.endInput();
    await this.#program.ended();
  }
}

/** Throws what is missing to measure anything. */
export function checkMachine(dist: string): void {
  if (process.getuid?.() !== 0)
    throw new BenchFailure('network namespaces and raw packets need root', 'sudo env "PATH=$PATH" npm run bench');
  for (const built of [join(dist, 'index.js'), join(DIST, 'cli/main.js')])
    if (!existsSync(built)) throw new BenchFailure(`tcpx is not built: there is no ${built}`, 'npm run build');
  // The path's bridge comes from there even where another build is measured.
  const current = tryRun('node', [join(DIST, '../scripts/finish-build.mjs'), '--is-current']);
  if (current.status !== 0)
    throw new BenchFailure(`what would be measured is not these sources: ${current.stdout.trim()}`, 'npm run build');
  for (const command of ['ip', 'taskset'])
    if (tryRun('sh', ['-c', `command -v ${command}`]).status !== 0)
      throw new BenchFailure(`there is no command '${command}'`, 'apt-get install iproute2 util-linux');
  run('ip', ['netns', 'list']);
}
