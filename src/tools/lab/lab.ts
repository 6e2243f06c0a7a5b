/**
 * A laboratory for one command: this process's network namespace, a second one with the machine's kernel as the peer, and a
 * third in between with a path that loses, delays and reorders. All of it is held by processes of ours and is gone with them.
 *
 *     if (!isInLab()) return enterLab(argv);                 // this command line again, in a namespace of its own
 *     const lab = await openLab({ faults: { local: { delay: ms(25) }, peer: { delay: ms(25) } } });
 *     const server = await lab.peer.listen(80);              // the kernel's socket calls over there
 *     await lab.path.rule({ from: 'peer', is: 'S.', fate: 'drop' });   // the first SYN-ACK is lost, whoever connects
 *     const host = await openHost({ remote: lab.remote });   // tcpx; or net.connect(80, '10.77.0.2'): the kernel here
 *     const taken = await server.accept();                   // read, write, shutdown, abort, option, info, state…
 *     await lab.path.segment({ from: 'local', is: '.' });    // wait for a segment; lab.path.seen has all of them
 *     await lab.path.inject('peer', { …segment });           // make one up, or send one again that was seen
 *     lab.sysctl('peer', 'net.ipv4.tcp_sack', 0);            // also exec, nft, sockets, counters of either side
 *     await lab.close();
 *
 * Where no rules and no list of packets are wanted, as in bulk transfers, say `watch: false`.
 */
import { randomInt } from 'node:crypto';
import { macText } from '../../wire/ethernet.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import { ipv4Text } from '../../wire/ipv4.ts';
import { LAB_ADDRESS, LAB_INTERFACE, LAB_OWN, LAB_PREFIX_LEN, labMac } from './addresses.ts';
import { Namespace, type Ran } from './namespace.ts';
import { LabPath } from './path.ts';
import type { PathFaults } from './path-messages.ts';
import type { LabSide, PathRule } from './path-rule.ts';
import { LabPeer } from './peer.ts';
import { type KernelSocket, readCounters, readSockets } from './sockets.ts';

export { enterLab, isInLab, mayMakeNamespaces } from './namespace.ts';

export interface LabOptions {
  /** Of each end's namespace, whole names: net.ipv4.tcp_sack. */
  readonly sysctls?: Partial<Readonly<Record<LabSide, Readonly<Record<string, string | number>>>>>;
  /** Octets; 1500 when absent. */
  readonly mtu?: number;
  /** Of what each end sends. */
  readonly faults?: Partial<Readonly<Record<LabSide, PathFaults>>>;
  /** In force before the first packet. */
  readonly rules?: readonly PathRule[];
  /** Of the faults that are left to chance; drawn when absent. */
  readonly seed?: number;
  /** Default true. */
  readonly watch?: boolean;
  /** Octets kept of each packet that was seen; all when absent. */
  readonly snapLen?: number;
}

export interface Lab {
  /** 10.77.0.1: this process's namespace. */
  readonly local: Ipv4;
  /** 10.77.0.2: the peer's. */
  readonly remote: Ipv4;
  /** On either side. */
  readonly interface: string;
  readonly seed: number;
  /** Socket calls in the peer's namespace. */
  readonly peer: LabPeer;
  readonly path: LabPath;
  /** What was made, one line. */
  readonly text: string;
  /** The same socket calls in our own namespace, for a kernel at both ends; opened when first asked for. */
  kernelHere(): Promise<LabPeer>;
  namespace(side: LabSide): Namespace;
  /** Runs to its end. */
  exec(side: LabSide, command: string, ...args: string[]): Promise<Ran>;
  sysctl(side: LabSide, name: string, value: string | number): void;
  /** A rule in chain input or output of a table of our own: nft('peer', 'input', 'tcp dport 9 drop'). */
  nft(side: LabSide, chain: 'input' | 'output', rule: string): void;
  /** Takes those rules away. */
  nftClear(side: LabSide): void;
  sockets(side: LabSide, port?: number): readonly KernelSocket[];
  /** As nstat names them: TcpOutRsts, TcpExtListenDrops. */
  counters(side: LabSide): Readonly<Record<string, number>>;
  /** Ends the processes, and with them the namespaces. Idempotent. */
  close(): Promise<void>;
}

/** Inside a namespace of our own (`enterLab`). Throws LinkFailure, each with a hint. */
export async function openLab(o: LabOptions = {}): Promise<Lab> {
  const seed = o.seed ?? randomInt(2 ** 31);
  const path = await LabPath.open();
  let peer: LabPeer | undefined;
  try {
    peer = await LabPeer.open('new namespace');
    const running = new RunningLab(path, peer, seed);
    await running.build(o);
    return running;
  } catch (error) {
    await path.close();
    await peer?.close();
    throw error;
  }
}

/** Names of the path's interfaces. */
const TOWARDS: Readonly<Record<LabSide, string>> = { local: 'path0', peer: 'path1' };
const SIDES: readonly LabSide[] = ['local', 'peer'];

class RunningLab implements Lab {
  readonly local = LAB_ADDRESS.local;
  readonly remote = LAB_ADDRESS.peer;
  readonly interface = LAB_INTERFACE;
  readonly seed: number;
  readonly peer: LabPeer;
  readonly path: LabPath;
  readonly text: string;
  readonly #namespaces: Readonly<Record<LabSide, Namespace>>;
  #kernelHere: Promise<LabPeer> | undefined;

  constructor(path: LabPath, peer: LabPeer, seed: number) {
    this.path = path;
    this.peer = peer;
    this.seed = seed;
    this.#namespaces = { local: new Namespace(undefined), peer: new Namespace(peer.pid) };
    this.text = `lab: three namespaces, ${ipv4Text(this.local)} here, ${ipv4Text(this.remote)} the kernel's, a path in between; gone when this ends`;
  }

  async build(o: LabOptions): Promise<void> {
    const { path, peer } = this;
    const mtu = o.mtu ?? 1500;
    const pids: Readonly<Record<LabSide, number | string>> = { local: process.pid, peer: peer.pid };
    const links = SIDES.map(
      (side) =>
        `link add ${TOWARDS[side]} mtu ${mtu} type veth peer name ${LAB_INTERFACE} address ${macText(labMac(LAB_ADDRESS[side]))} mtu ${mtu} netns ${pids[side]}`,
    );
    const up = SIDES.map((side) => `link set ${TOWARDS[side]} up`);
    for (const namespace of [...SIDES.map((side) => this.#namespaces[side]), path.namespace]) quiet(namespace);
    path.namespace.exec('ip', ['-batch', '-'], [...links, ...up, ''].join('\n'));
    for (const side of SIDES) this.#buildEnd(side, o);
    const faults = { local: o.faults?.local ?? {}, peer: o.faults?.peer ?? {} };
    const { watch = true, snapLen = 1 << 17 } = o;
    await path.start({ interfaces: TOWARDS, faults, seed: this.seed, watch, snapLen });
    for (const rule of o.rules ?? []) await path.rule(rule);
  }

  #buildEnd(side: LabSide, o: LabOptions): void {
    const namespace = this.#namespaces[side];
    const other = side === 'local' ? 'peer' : 'local';
    const network = `${ipv4Text(LAB_ADDRESS.local).replace(/\d+$/, '0')}/${LAB_PREFIX_LEN}`;
    const address = ipv4Text(LAB_ADDRESS[side]);
    const commands = [
      'link set lo up',
      `address add ${address}/${LAB_PREFIX_LEN} dev ${LAB_INTERFACE}`,
      `link set ${LAB_INTERFACE} up`,
      // The machine's default may be another.
      `route change ${network} dev ${LAB_INTERFACE} proto kernel scope link src ${address} congctl cubic`,
      // Whatever happens on the path happens to segments: nobody has to ask who the neighbour is.
      ...(side === 'peer' ? [LAB_ADDRESS[other], ...LAB_OWN] : [LAB_ADDRESS[other]]).map(
        (a) => `neighbour add ${ipv4Text(a)} lladdr ${macText(labMac(a))} dev ${LAB_INTERFACE} nud permanent`,
      ),
    ];
    namespace.exec('ip', ['-batch', '-'], `${commands.join('\n')}\n`);
    // What one connection has learned of the path is nothing to the next.
    namespace.sysctl('net.ipv4.tcp_no_metrics_save', 1);
    for (const [name, value] of Object.entries(o.sysctls?.[side] ?? {})) namespace.sysctl(name, value);
  }

  kernelHere(): Promise<LabPeer> {
    this.#kernelHere ??= LabPeer.open('here');
    return this.#kernelHere;
  }

  namespace(side: LabSide): Namespace {
    return this.#namespaces[side];
  }

  exec(side: LabSide, command: string, ...args: string[]): Promise<Ran> {
    return this.#namespaces[side].run(command, args);
  }

  sysctl(side: LabSide, name: string, value: string | number): void {
    this.#namespaces[side].sysctl(name, value);
  }

  nft(side: LabSide, chain: 'input' | 'output', rule: string): void {
    const script = `add table ip lab
add chain ip lab ${chain} { type filter hook ${chain} priority 0; policy accept; }
add rule ip lab ${chain} ${rule}
`;
    this.#namespaces[side].exec('nft', ['-f', '-'], script);
  }

  nftClear(side: LabSide): void {
    this.#namespaces[side].exec('nft', ['-f', '-'], 'add table ip lab\ndelete table ip lab\n');
  }

  sockets(side: LabSide, port?: number): readonly KernelSocket[] {
    const all = readSockets(this.#namespaces[side].procNet('tcp'));
    return port === undefined ? all : all.filter((s) => s.localPort === port || s.remotePort === port);
  }

  counters(side: LabSide): Readonly<Record<string, number>> {
    const namespace = this.#namespaces[side];
    return { ...readCounters(namespace.procNet('snmp')), ...readCounters(namespace.procNet('netstat')) };
  }

  async close(): Promise<void> {
    await (await this.#kernelHere)?.close();
    await this.peer.close();
    await this.path.close();
  }
}

/** IPv6 has nothing to say in here, and captures stay small. */
function quiet(namespace: Namespace): void {
  for (const scope of ['all', 'default']) namespace.sysctl(`net.ipv6.conf.${scope}.disable_ipv6`, 1);
}
