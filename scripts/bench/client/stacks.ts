/**
 * The two stacks behind one function, `connect`: all that differs between tcpx and the kernel through Node's `net` in what is
 * measured. Both with the defaults of each.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { SocketOptions } from '../../../src/tcp/config.ts';

export type StackName = 'tcpx' | 'net';

/** 'one': this machine's address and a port of it, guarded. 'many': as many ports as it takes. 'own': an address of tcpx's, without guards. */
export type AddressMode = 'one' | 'many' | 'own';

export interface StackOptions {
  readonly stack: StackName;
  readonly driver: 'raw' | 'packet';
  readonly address: string;
  readonly interface: string;
  readonly mode: AddressMode;
  /** With mode 'own'. */
  readonly ownAddress: string;
  /** false: every segment is a packet. */
  readonly offload: boolean;
  /** TCP_CONGESTION of tcpx; the kernel's is the route's. */
  readonly cc: string;
  /** Where tcpx was built. */
  readonly dist: string;
}

/** What both kinds of socket have. */
export interface Socket extends Duplex {
  resetAndDestroy(): this;
}

/** What is known of a connection; the kernel's sockets tell Node nothing, but its counters are those of our namespace. */
export interface SocketFacts {
  readonly port: number;
  /** Segments. */
  readonly retransmitted: number;
  readonly congestion?: string;
}

export interface Opened {
  connect(port: number): Socket;
  facts(socket: Socket): SocketFacts;
  /** What there is to say about the stack. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Of the driver and the stack. */
  counters(): Readonly<Record<string, unknown>>;
  close(): void;
}

export async function openStack(o: StackOptions): Promise<Opened> {
  return o.stack === 'net' ? openNet(o) : await openTcpx(o);
}

function openNet(o: StackOptions): Opened {
  return {
    connect: (port) => net.connect({ host: o.address, port }),
    // made by the function above
    facts: (socket) => ({ port: (socket as net.Socket).localPort ?? 0, retransmitted: kernelRetransmitted() }),
    about: {},
    counters: () => ({}),
    close: () => {},
  };
}

function kernelRetransmitted(): number {
  const [names = '', values = ''] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('RetransSegs')]);
}

async function openTcpx(o: StackOptions): Promise<Opened> {
  // What users import; its types are those of the sources it was built from.
  const tcpx = (await import(pathToFileURL(join(o.dist, 'index.js')).href)) as typeof import('../../../src/index.ts');
  const address = tcpx.parseIpv4(o.address);
  const own = tcpx.parseIpv4(o.ownAddress);
  if (address === undefined || own === undefined) throw new Error(`no address: ${o.address}, ${o.ownAddress}`);
  const host = await tcpx.openHost({
    remote: address,
    driver: o.driver,
    offload: o.offload,
    ports: o.mode === 'many' ? 'many' : 'one',
    ...(o.mode === 'own' && { interface: o.interface }),
    ...(o.mode === 'own' && { ownAddress: { address: own, prefixLen: 24, probe: 'off' } }),
    onLinkError: (error) => process.stderr.write(`link: ${error.message}\n`),
  });
  // A name that tcpx doesn't know is for it to refuse.
  const options = o.cc === '' ? {} : { options: { TCP_CONGESTION: o.cc as SocketOptions['TCP_CONGESTION'] } };
  const localPort = o.mode === 'one' ? { localPort: host.port } : {};
  const { link } = host;
  return {
    connect: (port) => new tcpx.TcpSocket(host.stack.connect({ address, port, ...localPort, ...options })),
    facts(socket) {
      // made by the function above
      const { endpoint } = socket as InstanceType<typeof tcpx.TcpSocket>;
      const info = endpoint.info();
      return { port: endpoint.localPort, retransmitted: info.total_retrans, congestion: info.congestion };
    },
    about: { driver: link.driver, guard: host.guard.kind, mtu: link.mtu, maxGsoPayload: link.maxGsoPayload },
    counters: () => ({ stack: host.stack.counters, link: link.counters, drops: link.drops?.() ?? 0 }),
    close: () => host.close(),
  };
}
