/**
 * client ── middle ── server, where the middle is no router but `tcpx impair`: a bridge that loses, doubles, reorders,
 * corrupts, delays and queues, seeded. Both ends are in one network, with their kernels' offloads as they come.
 */

import type { Child } from './child.ts';
import { type Namespace, openLab, type PairLab } from './lab.ts';
import { cliProgram } from './tcpx.ts';

/** As the options of `tcpx impair` take them: '2%', '20ms', '100mbit', '100' or '64KB'. */
export interface PathFaults {
  readonly loss?: string;
  readonly dup?: string;
  readonly reorder?: string;
  readonly corrupt?: string;
  readonly delay?: string;
  readonly jitter?: string;
  readonly rate?: string;
  readonly queue?: string;
}

export interface ImpairedPairOptions {
  readonly mtu?: number;
  readonly toServer?: PathFaults;
  readonly toClient?: PathFaults;
  /** Default 1. */
  readonly seed?: number;
}

/** What the bridge did in one direction. */
export interface PathCounts {
  readonly frames: number;
  readonly packets: number;
  readonly lost: number;
  readonly overflowed: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly delayed: number;
  readonly corrupted: number;
}

export interface ImpairedPair extends PairLab {
  /** Where the bridge runs; its interfaces are `clientInterface` and `serverInterface`. */
  readonly middle: Namespace;
  readonly bridge: Child;
  /** Ends the bridge and says what it did; the path is dead afterwards. */
  impaired(): Promise<{ readonly toServer: PathCounts; readonly toClient: PathCounts }>;
}

/** Resolves when the bridge is up. */
export async function openImpairedPair(o: ImpairedPairOptions = {}): Promise<ImpairedPair> {
  const lab = openLab();
  try {
    const client = lab.namespace();
    const middle = lab.namespace();
    const server = lab.namespace();
    const mtu = o.mtu === undefined ? {} : { mtu: o.mtu };
    const near = lab.join(client, middle, mtu);
    const far = lab.join(middle, server, mtu);
    // One network from end to end: the middle has no address, and the server the one that was the middle's.
    middle.ip('address', 'flush', 'dev', near.interface);
    middle.ip('address', 'flush', 'dev', far.interface);
    server.ip('address', 'flush', 'dev', far.interface);
    server.ip('address', 'add', `${near.b}/24`, 'dev', far.interface);
    server.ip(
      ...['route', 'change', near.network, 'dev', far.interface, 'proto', 'kernel', 'scope', 'link', 'src', near.b],
      ...['congctl', 'cubic'],
    );
    const bridge = middle.node(cliProgram(), [
      ...['impair', near.interface, far.interface, '--json', '--seed', String(o.seed ?? 1)],
      ...switches(o.toServer, 'ab'),
      ...switches(o.toClient, 'ba'),
    ]);
    await bridge.output(/"type":"ready"/);
    return {
      ...lab,
      client,
      middle,
      server,
      bridge,
      clientAddress: near.a,
      serverAddress: near.b,
      clientInterface: near.interface,
      serverInterface: far.interface,
      async impaired() {
        bridge.kill('SIGTERM');
        await bridge.exit();
        const summary = bridge.stdout
          .split('\n')
          .filter((line) => line.includes('"type":"summary"'))
          .map((line) => JSON.parse(line) as { ab: PathCounts; ba: PathCounts })
          .at(-1);
        if (summary === undefined) throw new Error(`the bridge left no summary\n${bridge.stdout}\n${bridge.stderr}`);
        return { toServer: summary.ab, toClient: summary.ba };
      },
    };
  } catch (error) {
    lab.close();
    throw error;
  }
}

function switches(faults: PathFaults | undefined, direction: 'ab' | 'ba'): readonly string[] {
  return Object.entries(faults ?? {}).flatMap(([name, value]) => [`--${name}`, `${value}:${direction}`]);
}
