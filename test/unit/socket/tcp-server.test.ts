/** TcpServer over two stacks in virtual time. */
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { ms } from '../../../src/base/time.ts';
import { VirtualTime } from '../../../src/base/virtual-time.ts';
import { memoryLink } from '../../../src/link/memory.ts';
import { TcpServer, type TcpServerOptions } from '../../../src/socket/tcp-server.ts';
import { TcpSocket } from '../../../src/socket/tcp-socket.ts';
import { Stack } from '../../../src/stack/index.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';

const US = parseIpv4('10.0.0.1')!;
const PEER = parseIpv4('10.0.0.2')!;

function serve(o: TcpServerOptions & { backlog?: number; ports?: readonly number[] } = {}) {
  const time = new VirtualTime();
  const [near, far] = memoryLink(time, { delay: ms(1) });
  const sysctl = { tcp_msl: 1 };
  const ours = new Stack({ clock: time.clock(), random: seededRandom(1), link: near, address: US, sysctl });
  const peer = new Stack({ clock: time.clock(), random: seededRandom(2), link: far, address: PEER, sysctl });
  const { ports = [7], backlog } = o;
  const listeners = ports.map((port) => ours.listen({ port, ...(backlog !== undefined && { backlog }) }));
  const server = new TcpServer(listeners, o);
  const accepted: TcpSocket[] = [];
  server.on('connection', (socket) => accepted.push(socket.on('error', () => {}).resume()));
  const connect = (port = 7): TcpSocket =>
    new TcpSocket(peer.connect({ address: US, port })).on('error', () => {}).resume();
  /** Virtual time goes on while the streams of this process take their turns. */
  async function pass(seconds = 0.1): Promise<void> {
    const until = time.now + seconds * 1_000_000;
    while (time.now < until) {
      time.runUntil((time.now + 1000) as typeof time.now);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return { server, listeners, accepted, connect, pass, ours };
}

test('each connection comes as a socket with its addresses', async () => {
  const { accepted, connect, pass, server } = serve();
  const one = connect();
  connect();
  await pass();
  expect(accepted).toHaveLength(2);
  expect(accepted[0]).toMatchObject({
    localAddress: '10.0.0.1',
    localPort: 7,
    remoteAddress: '10.0.0.2',
    connecting: false,
  });
  expect(accepted.map((s) => s.remotePort)).toContain(one.localPort);
  expect(server.sockets.size).toBe(2);
});

test('beyond maxConnections they wait in the queue, and come when one has closed', async () => {
  const { accepted, connect, pass, listeners } = serve({ maxConnections: 2 });
  const peers = [connect(), connect(), connect(), connect()];
  await pass();
  expect(accepted).toHaveLength(2);
  expect(listeners[0]!.ready).toBe(2);
  expect(peers.map((p) => p.endpoint.state)).toEqual(Array(4).fill('ESTABLISHED'));
  accepted[0]!.destroy();
  await pass();
  expect(accepted).toHaveLength(3);
  expect(listeners[0]!.ready).toBe(1);
});

test('of several listeners none waits behind another', async () => {
  const { accepted, connect, pass } = serve({ maxConnections: 1, ports: [7, 8] });
  for (const port of [7, 7, 7, 8]) connect(port);
  await pass();
  accepted[0]!.destroy();
  await pass();
  accepted[1]!.destroy();
  await pass();
  expect(accepted.map((s) => s.localPort)).toContain(8);
});

test('what was ready before there was a server comes too', async () => {
  const { listeners, accepted, connect, pass } = serve();
  const early = listeners[0]!;
  early.onConnection = undefined;
  connect();
  await pass();
  expect(accepted).toHaveLength(0);
  const later: TcpSocket[] = [];
  new TcpServer([early]).on('connection', (socket) => later.push(socket));
  await pass();
  expect(later).toHaveLength(1);
});

test('close: those that wait are reset, those accepted go on, and it is told when the last has closed', async () => {
  const { server, accepted, connect, pass } = serve({ maxConnections: 1 });
  const first = connect();
  const waiting = connect();
  let error = '';
  waiting.on('error', (e: NodeJS.ErrnoException) => {
    error = e.code ?? '';
  });
  await pass();
  let closed = 0;
  server.on('close', () => closed++);
  server.close().close();
  await pass();
  expect(error).toBe('ECONNRESET');
  expect(first.endpoint.state).toBe('ESTABLISHED');
  expect(closed).toBe(0);
  const refused = connect();
  let refusal = '';
  refused.on('error', (e: NodeJS.ErrnoException) => {
    refusal = e.code ?? '';
  });
  await pass();
  expect(refusal).toBe('ECONNREFUSED');
  first.end();
  accepted[0]!.end();
  await pass(3);
  expect(closed).toBe(1);
  expect(server.sockets.size).toBe(0);
  expect(server.listening).toBe(false);
});

test('close with nobody there is told, too', async () => {
  const { server, pass } = serve();
  let closed = 0;
  server.on('close', () => closed++);
  server.close();
  await pass();
  expect(closed).toBe(1);
});
