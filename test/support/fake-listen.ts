/** A host in memory for commands that listen, and a peer's stack 5 ms away that connects to it; see cli-io.ts. */
import { seededRandom } from '../../src/base/random.ts';
import { ms } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import type { OpenListenHost } from '../../src/cli/listen.ts';
import { memoryLink } from '../../src/link/memory.ts';
import { captureTap } from '../../src/link/taps/capture.ts';
import type { Host } from '../../src/socket/host.ts';
import type { ListenHost, ListenHostOptions } from '../../src/socket/listen-host.ts';
import { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { Stack } from '../../src/stack/index.ts';
import { type Ipv4, parseIpv4 } from '../../src/wire/ipv4.ts';
import { PEER } from './cli-io.ts';

export const OURS = parseIpv4('10.0.0.1')!;

export interface FakeListenNet {
  readonly openListenHost: OpenListenHost;
  readonly time: VirtualTime;
  readonly peer: Stack;
  /** What the command asked for, once it has. */
  readonly asked: ListenHostOptions | undefined;
  /** The host is open: its listeners may be connected to. */
  readonly open: boolean;
  /** Connects from the peer; errors are swallowed. */
  connect(port?: number, local?: number): TcpSocket;
}

/** `addresses`: those it listens on; the peer reaches the first. */
export function fakeListenNet(addresses: readonly Ipv4[] = [OURS]): FakeListenNet {
  const time = new VirtualTime();
  const [ourEnd, peerEnd] = memoryLink(time, { delay: ms(5) });
  const peer = new Stack({ clock: time.clock(), random: seededRandom(2), link: peerEnd, address: PEER });
  const net = {
    time,
    peer,
    openListenHost,
    asked: undefined as ListenHostOptions | undefined,
    open: false,
    connect(port = 7, localPort?: number): TcpSocket {
      const endpoint = peer.connect({ address: OURS, port, ...(localPort !== undefined && { localPort }) });
      return new TcpSocket(endpoint).on('error', () => {});
    },
  };
  return net;

  async function openListenHost(o: ListenHostOptions): Promise<ListenHost> {
    net.asked = o;
    const port = o.port === 0 ? 40_000 : o.port;
    let lastId = 0;
    const paths = addresses.map((address, i): Host => {
      const clock = time.clock();
      const end = i === 0 ? ourEnd : memoryLink(time, { delay: ms(5) })[0];
      const link = o.capture === undefined ? end : captureTap(end, clock, o.capture);
      const stack = new Stack({
        clock,
        random: seededRandom(1 + i),
        link,
        address,
        nextId: () => ++lastId,
        ...(o.profile !== undefined && { profile: o.profile }),
        ...(o.sysctl !== undefined && { sysctl: o.sysctl }),
        ...(o.tracer !== undefined && { tracer: o.tracer }),
      });
      return {
        stack,
        clock,
        link,
        port,
        route: {
          interface: `mem${i}`,
          ifindex: 1 + i,
          source: address,
          gateway: undefined,
          mtu: link.mtu,
          loopback: false,
        },
        guard: { kind: 'none', address, port, note: 'no guard: there is no kernel here', close: () => {} },
        close: () => stack.close(),
      };
    });
    net.open = true;
    const pass = (): void => {
      if (!net.open) return;
      time.step();
      setImmediate(pass);
    };
    pass();
    return {
      paths,
      port,
      clock: paths[0]!.clock,
      skipped: [],
      listen: (l) => paths.map((path) => path.stack.listen({ ...l, port })),
      close() {
        net.open = false;
        for (const path of paths) path.close();
      },
    };
  }
}
