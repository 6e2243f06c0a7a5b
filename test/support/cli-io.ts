/** What a command needs of the world, for commands that run inside a test: streams, signals, and a host in memory. */
import { PassThrough, Writable } from 'node:stream';
import { seededRandom } from '../../src/base/random.ts';
import { ms } from '../../src/base/time.ts';
import { VirtualTime } from '../../src/base/virtual-time.ts';
import type { OpenHost } from '../../src/cli/connect.ts';
import type { Io, ResolvedAddress, Signal } from '../../src/cli/io.ts';
import { memoryLink } from '../../src/link/memory.ts';
import { captureTap } from '../../src/link/taps/capture.ts';
import type { Host } from '../../src/socket/host.ts';
import { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { type Listener, Stack, type StackTracer, type State } from '../../src/stack/index.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

export interface FakeIo extends Io {
  readonly stdin: PassThrough;
  out(): string;
  err(): string;
  /** Sends the command a signal; false when nobody listens. */
  signal(signal: Signal): boolean;
}

export function fakeIo(
  o: { names?: Readonly<Record<string, readonly ResolvedAddress[] | string>>; env?: Io['env']; stdout?: Writable } = {},
): FakeIo {
  const stdin = new PassThrough();
  const out = new Sink();
  const err = new Sink();
  const handlers = new Map<Signal, Set<() => void>>();
  return {
    stdin,
    stdout: o.stdout ?? out,
    stderr: err,
    env: o.env ?? {},
    wallClock: () => new Date('2026-01-02T03:04:05.000Z'),
    lookup: async (name) => {
      const found = o.names?.[name] ?? 'ENOTFOUND';
      if (typeof found === 'string') throw Object.assign(new Error(`getaddrinfo ${found} ${name}`), { code: found });
      return found;
    },
    onSignal(signal, run) {
      const set = handlers.get(signal) ?? new Set();
      handlers.set(signal, set.add(run));
      return () => {
        set.delete(run);
      };
    },
    out: () => out.text,
    err: () => err.text,
    signal(signal) {
      const set = handlers.get(signal) ?? new Set();
      for (const run of [...set]) run();
      return set.size > 0;
    },
  };
}

class Sink extends Writable {
  text = '';

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

const OURS = parseIpv4('10.0.0.1')!;
export const PEER = parseIpv4('10.0.0.2')!;

export interface FakeNet {
  readonly openHost: OpenHost;
  readonly time: VirtualTime;
  /** The peer's stack, and its listener on port 7. */
  readonly peer: Stack;
  readonly listener: Listener;
  /** Called with each connection the peer accepts. */
  onPeer: (socket: TcpSocket) => void;
  /** Hosts opened and not yet closed. */
  readonly open: number;
}

/**
 * A peer 5 ms away, in a virtual time that passes as fast as it can while the process has nothing else to do. It stands still
 * when `frozen`, and from when our connection enters the state `freezeIn`.
 */
export function fakeNet({ frozen = false, freezeIn }: { frozen?: boolean; freezeIn?: State } = {}): FakeNet {
  const time = new VirtualTime();
  const [ourEnd, peerEnd] = memoryLink(time, { delay: ms(5) });
  const peer = new Stack({ clock: time.clock(), random: seededRandom(2), link: peerEnd, address: PEER });
  const listener = peer.listen({ port: 7 });
  const net = { time, peer, listener, onPeer: echo, openHost, open: 0 };
  listener.onConnection = () => {
    for (let e = listener.accept(); e !== undefined; e = listener.accept()) net.onPeer(new TcpSocket(e));
  };
  return net;

  function freezing(tracer: StackTracer): StackTracer {
    return {
      enabled: true,
      open: (conn, addresses, t) => tracer.open(conn, addresses, t),
      record(record) {
        if (record.type === 'state' && record.to === freezeIn) frozen = true;
        tracer.record(record);
      },
    };
  }

  async function openHost(o: Parameters<OpenHost>[0]): Promise<Host> {
    const clock = time.clock();
    const bare = o.capture === undefined ? ourEnd : captureTap(ourEnd, clock, o.capture);
    const link = o.tap === undefined ? bare : o.tap(bare, time.clock());
    const stack = new Stack({
      clock,
      random: seededRandom(1),
      link,
      address: OURS,
      ...(o.sysctl !== undefined && { sysctl: o.sysctl }),
      ...(o.tracer !== undefined && { tracer: freezing(o.tracer) }),
    });
    net.open++;
    let running = true;
    const pass = (): void => {
      if (!running) return;
      if (!frozen) time.step();
      setImmediate(pass);
    };
    pass();
    const port = o.sourcePort ?? 40_000;
    return {
      stack,
      clock,
      link,
      port,
      route: { interface: 'mem0', ifindex: 1, source: OURS, gateway: undefined, mtu: link.mtu, loopback: false },
      guard: { kind: 'none', address: OURS, port, note: 'no guard: there is no kernel here', close: () => {} },
      close() {
        if (!running) return;
        running = false;
        net.open--;
        stack.close();
      },
    };
  }
}

function echo(socket: TcpSocket): void {
  socket.on('error', () => {});
  socket.pipe(socket);
}
