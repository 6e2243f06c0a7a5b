/**
 * A laboratory of network namespaces with real kernels in them, for every test that needs one.
 *
 * Needs root. All names begin with `tcpx-<pid>-`; what is made is removed by `close()`, at the process's exit, and — should
 * the process have been killed — by the next laboratory that opens. Addresses are 10.77.x.y, seen inside namespaces only.
 * Every failure of a command throws with what it printed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readCounters } from '../../src/tools/lab/sockets.ts';
import { Child } from './child.ts';

const support = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
/** Give it to Namespace.node(), with the switches at its top. */
export const KERNEL_PEER = support('kernel-peer.mjs');
const TS_LOADER = support('ts-loader.mjs');

export interface RunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs to its end and throws unless it exits with 0. */
export function run(command: string, args: readonly string[], input?: string): string {
  const result = tryRun(command, args, input);
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: exit ${result.status}\n${result.stderr}${result.stdout}`);
  return result.stdout;
}

export function tryRun(command: string, args: readonly string[], input?: string): RunResult {
  const done = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...(input === undefined ? {} : { input }),
  });
  if (done.error) throw done.error;
  return { status: done.status ?? 128, stdout: done.stdout, stderr: done.stderr };
}

/** A row of `ss -tan`; `state` in ss's spelling (ESTAB, SYN-RECV, FIN-WAIT-1, TIME-WAIT…), addresses as ADDR:PORT. */
export interface SocketRow {
  readonly state: string;
  readonly receiveQueue: number;
  readonly sendQueue: number;
  readonly local: string;
  readonly peer: string;
}

export interface NodeOptions {
  /** Flags for node itself, in front of the program. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class Namespace {
  readonly name: string;
  readonly #children: Child[] = [];

  constructor(name: string) {
    this.name = name;
    run('ip', ['netns', 'add', name]);
    this.ip('link', 'set', 'lo', 'up');
    // Children's sockets must not be slowed or answered by IPv6 chatter, and captures stay small.
    this.sysctl('net.ipv6.conf.all.disable_ipv6', '1');
    this.sysctl('net.ipv6.conf.default.disable_ipv6', '1');
    // Thousands of connections may wait to be accepted: beyond the queue the kernel sends SYN cookies, and resets those of
    // whose third segment it had no room for when their data comes (native-notes.md, 'A full listener that resets').
    this.sysctl('net.core.somaxconn', '65535');
  }

  /** `ip -n NAME …`. */
  ip(...args: string[]): string {
    return run('ip', ['-n', this.name, ...args]);
  }

  /** Runs a command in here to its end; throws unless it exits with 0. */
  exec(command: string, ...args: string[]): string {
    return run('ip', ['netns', 'exec', this.name, command, ...args]);
  }

  tryExec(command: string, ...args: string[]): RunResult {
    return tryRun('ip', ['netns', 'exec', this.name, command, ...args]);
  }

  /** Starts a command in here; its pid is the command's own, so a signal reaches it. Ended by close(). */
  spawn(command: string, args: readonly string[] = [], env?: Readonly<Record<string, string>>): Child {
    const process_ = spawn('ip', ['netns', 'exec', this.name, command, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const child = new Child(process_, `${command} ${args.join(' ')}`);
    this.#children.push(child);
    return child;
  }

  /** Starts node on a program (.ts sources run as they are, .mjs, .js) in here. */
  node(program: string, args: readonly string[] = [], o: NodeOptions = {}): Child {
    return this.spawn(process.execPath, ['--import', TS_LOADER, ...(o.nodeArgs ?? []), program, ...args], o.env);
  }

  /** A kernel peer listening in here; resolves once it does. `args` as in kernel-peer.mjs, after `--listen`. */
  async kernelPeer(listen: string, ...args: string[]): Promise<KernelPeer> {
    const child = this.spawn(process.execPath, [KERNEL_PEER, '--listen', listen, ...args]);
    const ready = await child.event('ready');
    return { child, port: Number(ready['port']) };
  }

  sysctl(name: string, value: string): void {
    this.exec('sysctl', '-q', '-w', `${name}=${value}`);
  }

  /** The kernel's counters in here, named as nstat does: TcpOutRsts, TcpExtTCPMD5NotFound, IpExtInOctets… */
  counters(): Readonly<Record<string, number>> {
    return readCounters(this.exec('cat', '/proc/net/snmp', '/proc/net/netstat'));
  }

  /** TCP sockets in here, listeners and TIME-WAIT included; `port` picks those that have it on either side. */
  sockets(port?: number): readonly SocketRow[] {
    const rows = this.exec('ss', '-Htan')
      .split('\n')
      .filter((line) => line !== '')
      .map(socketRow);
    return port === undefined
      ? rows
      : rows.filter((row) => row.local.endsWith(`:${port}`) || row.peer.endsWith(`:${port}`));
  }

  /**
   * Adds a rule to chain `input` or `output` of this namespace's own table, e.g. nft('input', 'tcp dport 9 drop').
   * For a silent peer, drop in its input.
   */
  nft(chain: 'input' | 'output' | 'forward', rule: string): void {
    this.#nft(`add table ip lab
add chain ip lab ${chain} { type filter hook ${chain} priority 0; policy accept; }
add rule ip lab ${chain} ${rule}
`);
  }

  /** Takes away what nft() added. */
  nftClear(): void {
    this.#nft('add table ip lab\ndelete table ip lab\n');
  }

  #nft(script: string): void {
    run('ip', ['netns', 'exec', this.name, 'nft', '-f', '-'], script);
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    tryRun('ip', ['netns', 'del', this.name]);
  }
}

export interface KernelPeer {
  readonly child: Child;
  readonly port: number;
}

function socketRow(line: string): SocketRow {
  const [state = '', receiveQueue, sendQueue, local = '', peer = ''] = line.trim().split(/\s+/);
  return { state, receiveQueue: Number(receiveQueue), sendQueue: Number(sendQueue), local, peer };
}

export interface Lab {
  namespace(): Namespace;
  /**
   * Joins two namespaces by a veth pair: addresses 10.77.N.1 and .2, /24, congestion control cubic on both routes
   * (the machine's default may be another). Interfaces are called veth<N>, N counting joins from 0, in both.
   */
  join(a: Namespace, b: Namespace, o?: { readonly mtu?: number }): Joined;
  /** Ends children, removes namespaces. Idempotent. */
  close(): void;
}

export interface Joined {
  readonly interface: string;
  readonly a: string;
  readonly b: string;
  /** Both ends, e.g. '10.77.0.0/24'. */
  readonly network: string;
}

let count = 0;

export function openLab(): Lab {
  sweep();
  const namespaces: Namespace[] = [];
  let joins = 0;
  function close(): void {
    process.off('exit', close);
    for (const namespace of namespaces.splice(0)) namespace.close();
  }
  process.on('exit', close);
  return {
    namespace(): Namespace {
      const namespace = new Namespace(`tcpx-${process.pid}-${count++}`);
      namespaces.push(namespace);
      return namespace;
    },
    join(a, b, { mtu = 1500 } = {}): Joined {
      const n = joins++;
      const name = `veth${n}`;
      const network = `10.77.${n}.0/24`;
      run('ip', [
        'link',
        'add',
        name,
        'netns',
        a.name,
        'mtu',
        String(mtu),
        'type',
        'veth',
        'peer',
        'name',
        name,
        'netns',
        b.name,
        'mtu',
        String(mtu),
      ]);
      for (const [end, address] of [
        [a, `10.77.${n}.1`],
        [b, `10.77.${n}.2`],
      ] as const) {
        end.ip('address', 'add', `${address}/24`, 'dev', name);
        end.ip('link', 'set', name, 'up');
        end.ip(
          'route',
          'change',
          network,
          'dev',
          name,
          'proto',
          'kernel',
          'scope',
          'link',
          'src',
          address,
          'congctl',
          'cubic',
        );
      }
      return { interface: name, a: `10.77.${n}.1`, b: `10.77.${n}.2`, network };
    },
    close,
  };
}

export interface PairLab extends Lab {
  /** Where tcpx runs. */
  readonly client: Namespace;
  /** Where the kernel peer runs. */
  readonly server: Namespace;
  readonly clientAddress: string;
  readonly serverAddress: string;
  readonly clientInterface: string;
  readonly serverInterface: string;
}

/** client ── server. */
export function openPair(o?: { readonly mtu?: number }): PairLab {
  const lab = openLab();
  const client = lab.namespace();
  const server = lab.namespace();
  const wire = lab.join(client, server, o);
  return {
    ...lab,
    client,
    server,
    clientAddress: wire.a,
    serverAddress: wire.b,
    clientInterface: wire.interface,
    serverInterface: wire.interface,
  };
}

export interface RoutedLab extends PairLab {
  readonly router: Namespace;
  /** The router's address on the client's side. */
  readonly gateway: string;
}

/** client ── router ── server; `serverMtu` is that of the far side. */
export function openRouted(o?: { readonly mtu?: number; readonly serverMtu?: number }): RoutedLab {
  const lab = openLab();
  const client = lab.namespace();
  const router = lab.namespace();
  const server = lab.namespace();
  const near = lab.join(client, router, o?.mtu === undefined ? {} : { mtu: o.mtu });
  const far = lab.join(router, server, o?.serverMtu === undefined ? {} : { mtu: o.serverMtu });
  router.sysctl('net.ipv4.ip_forward', '1');
  client.ip('route', 'add', 'default', 'via', near.b, 'congctl', 'cubic');
  server.ip('route', 'add', 'default', 'via', far.a, 'congctl', 'cubic');
  return {
    ...lab,
    client,
    router,
    server,
    clientAddress: near.a,
    serverAddress: far.b,
    gateway: near.b,
    clientInterface: near.interface,
    serverInterface: far.interface,
  };
}

/** Removes what processes that are no longer there have left. */
function sweep(): void {
  let names: string[];
  try {
    names = readdirSync('/run/netns');
  } catch {
    return;
  }
  for (const name of names) {
    const pid = /^tcpx-(\d+)-\d+$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) tryRun('ip', ['netns', 'del', name]);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
