/**
 * Records the captures of real kernels that the comparison uses, test/fixtures/trace-*.pcap: transfers between two namespaces over
 * `tcpx impair`, with tcpdump at one of the ends, 96 octets of each packet. As root; run again only to replace them:
 *
 *     node --import ./test/support/ts-loader.mjs scripts/trace/record.ts [NAME…]
 */
import { fileURLToPath } from 'node:url';
import { KERNEL_PEER, openLab } from '../../test/support/lab.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const FOLDER = fileURLToPath(new URL('../../test/fixtures/', import.meta.url));

/** As the options of `tcpx impair` take them. */
type PathFaults = Readonly<Record<string, string>>;

interface Recording {
  readonly name: string;
  readonly seed: number;
  readonly toServer: PathFaults;
  readonly toClient: PathFaults;
  readonly at: 'client' | 'server';
  /** Switches of kernel-peer.mjs for both ends. */
  readonly client: readonly string[];
  readonly server: readonly string[];
}

const FAULTY = { loss: '2%', reorder: '1%', dup: '0.5%', delay: '10ms' };
const RECORDINGS: readonly Recording[] = [
  {
    name: 'lossy-upload',
    at: 'client',
    seed: 1,
    toServer: FAULTY,
    toClient: { loss: '1%', delay: '10ms' },
    client: ['--send', '600000', '--close-first'],
    server: [],
  },
  {
    name: 'lossy-download',
    at: 'client',
    seed: 2,
    toServer: { loss: '1%', delay: '10ms' },
    toClient: { ...FAULTY, rate: '20mbit', queue: '30' },
    client: [],
    server: ['--send', '600000', '--close-first'],
  },
  {
    name: 'both-ways',
    at: 'server',
    seed: 5,
    toServer: FAULTY,
    toClient: FAULTY,
    client: ['--send', '300000', '--close-first'],
    server: ['--send', '300000'],
  },
  {
    name: 'stalled-reader',
    at: 'server',
    seed: 4,
    toServer: { delay: '5ms' },
    toClient: { delay: '5ms' },
    client: ['--send', '1000000', '--close-first'],
    server: ['--stall', '4'],
  },
];

const asked = process.argv.slice(2);
for (const recording of RECORDINGS) if (asked.length === 0 || asked.includes(recording.name)) await record(recording);

async function record({ name, at, seed, toServer, toClient, ...o }: Recording): Promise<void> {
  const lab = openLab();
  try {
    const client = lab.namespace();
    const middle = lab.namespace();
    const server = lab.namespace();
    const near = lab.join(client, middle);
    const far = lab.join(middle, server);
    // One network from end to end, with a bridge in the middle.
    middle.ip('address', 'flush', 'dev', near.interface);
    middle.ip('address', 'flush', 'dev', far.interface);
    server.ip('address', 'flush', 'dev', far.interface);
    server.ip('address', 'add', `${near.b}/24`, 'dev', far.interface);
    // Segments as the wire has them, one at a time.
    for (const [end, device] of [
      [client, near.interface],
      [server, far.interface],
    ] as const)
      end.exec('ethtool', '-K', device, 'tso', 'off', 'gso', 'off', 'gro', 'off');
    const bridge = middle.node(MAIN, [
      ...['impair', near.interface, far.interface, '--json', '--seed', String(seed)],
      ...switches(toServer, 'ab'),
      ...switches(toClient, 'ba'),
    ]);
    await bridge.output(/"type":"ready"/);
    const peer = await server.kernelPeer('0', ...o.server);
    const [where, device] = at === 'client' ? [client, near.interface] : [server, far.interface];
    const file = `${FOLDER}trace-${name}.pcap`;
    const dump = where.spawn('tcpdump', ['-Z', 'root', '-i', device, '-s', '96', '-U', '-w', file, 'tcp']);
    await dump.output(/listening on/);
    const opener = client.spawn(process.execPath, [KERNEL_PEER, '--connect', `${near.b}:${peer.port}`, ...o.client]);
    await opener.exit(60_000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    dump.kill('SIGINT');
    await dump.exit();
  } finally {
    lab.close();
  }
}

function switches(faults: PathFaults, direction: 'ab' | 'ba'): readonly string[] {
  return Object.entries(faults).flatMap(([name, value]) => [`--${name}`, `${value}:${direction}`]);
}
