/** `tcpx socks` and `forward` in a test's own process: clients by this machine's loopback, the far side in memory. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { forwardThrough } from '../../../src/cli/forward.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { socksThrough } from '../../../src/cli/socks.ts';
import type { HostPoolParts } from '../../../src/socket/host-pool.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';
import { type FakeIo, type FakeNet, fakeIo, fakeNet } from '../../support/cli-io.ts';

interface Run {
  readonly io: FakeIo;
  readonly net: FakeNet;
  readonly port: number;
  readonly ended: Promise<number>;
}

function partsOf(net: FakeNet): HostPoolParts {
  const source = parseIpv4('10.0.0.1')!;
  return {
    open: net.openHost,
    route: () => ({ interface: 'mem0', ifindex: 1, source, gateway: undefined, mtu: 1500, loopback: false }),
  };
}

async function started(io: FakeIo, pattern: RegExp): Promise<number> {
  for (;;) {
    const [, port] = pattern.exec(io.err()) ?? [];
    if (port !== undefined) return Number(port);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function socks(args: readonly string[] = [], env: Record<string, string> = {}): Promise<Run> {
  const io = fakeIo({ env, names: { 'peer.test': [{ address: '10.0.0.2', family: 4 }] } });
  const net = fakeNet();
  const ended = runProgram(['socks', '--listen', '127.0.0.1:0', ...args], io, [socksThrough(partsOf(net))]);
  return { io, net, port: await started(io, /SOCKS5 on 127\.0\.0\.1:(\d+)/), ended };
}

async function said(socket: Socket, len: number): Promise<Buffer> {
  for (;;) {
    const octets = socket.read(len) as Buffer | null;
    if (octets !== null) return octets;
    if (socket.readableEnded || socket.destroyed) throw new Error('it ended before');
    await once(socket, 'readable');
  }
}

/** Closed, or reset: `once` would take the error for a failure of the test's. */
const gone = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

/** Asks for a name, in the manner of `curl --socks5-hostname`. */
async function asking(port: number, name: string, to: number): Promise<{ client: Socket; reply: number }> {
  const client = connect(port, '127.0.0.1').on('error', () => {});
  await once(client, 'connect');
  client.write(Buffer.of(5, 1, 0));
  expect([...(await said(client, 2))]).toEqual([5, 0]);
  client.write(Buffer.concat([Buffer.of(5, 1, 0, 3, name.length), Buffer.from(name), Buffer.of(to >> 8, to & 255)]));
  return { client, reply: (await said(client, 10))[1]! };
}

test('a client is connected through tcpx, echoed, half-closed, and has its line in the log', async () => {
  const { io, port, ended } = await socks();
  const { client, reply } = await asking(port, 'peer.test', 7);
  expect(reply).toBe(0);
  client.end('hello');
  expect(String(await said(client, 5))).toBe('hello');
  client.resume();
  await once(client, 'close');
  io.signal('SIGINT');
  expect(await ended).toBe(0);
  expect(io.err()).toMatch(
    /tcpx: c1 127\.0\.0\.1:\d+ -> peer\.test:7 \(10\.0\.0\.2:7 from 10\.0\.0\.1:\d+\) {2}5 B out, 5 B in, [\d.]+ s: closed\ntcpx: 1 connection, 5 B out, 5 B in\n$/,
  );
});

test('a client that does not say what it wants is closed, after as long as --connect-timeout where that is more', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const { io, port, ended } = await socks(['--connect-timeout', '60']);
    const silent = connect(port, '127.0.0.1').on('error', () => {});
    silent.write(Buffer.of(5, 1, 0));
    expect([...(await said(silent, 2))]).toEqual([5, 0]);
    vi.advanceTimersByTime(59_000);
    expect(io.err()).not.toContain('did not say');
    vi.advanceTimersByTime(2000);
    silent.resume();
    await gone(silent);
    expect(io.err()).toMatch(/c1 .* -> \? {2}0 B out, 0 B in, [\d.]+ s: the client did not say what it wants\n/);
    io.signal('SIGINT');
    expect(await ended).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('an interface that is not there is told at once', async () => {
  const io = fakeIo();
  expect(await runProgram(['socks', '--listen', '0', '-I', 'no-such-if'], io, [socksThrough(undefined)])).toBe(1);
  expect(io.err()).toBe('tcpx: no interface no-such-if\n  hint: `ip link` lists the interfaces there are\n');
});

test('what cannot be connected is told by its reply', async () => {
  const { io, port, ended } = await socks();
  expect((await asking(port, 'peer.test', 8)).reply).toBe(5);
  expect((await asking(port, 'nobody.test', 7)).reply).toBe(4);
  expect((await asking(port, '::1', 7)).reply).toBe(8);
  io.signal('SIGINT');
  expect(await ended).toBe(0);
  expect(io.err()).toMatch(/peer\.test:8 {2}.*ECONNREFUSED 10\.0\.0\.2:8 \(reply 5\)/);
  expect(io.err()).toMatch(/nobody\.test:7 {2}.*no such host \(reply 4\)/);
});

test('the first signal lets open connections go on, the second resets them', async () => {
  const { io, port, ended } = await socks();
  const { client } = await asking(port, 'peer.test', 7);
  io.signal('SIGINT');
  client.write('still');
  expect(String(await said(client, 5))).toBe('still');
  const reset = gone(client);
  io.signal('SIGINT');
  await reset;
  expect(await ended).toBe(130);
  expect(io.err()).toMatch(/1 go on, \^C again resets them\n.*: stopped\n/s);
});

test('a client that vanishes takes the far connection with it', async () => {
  const { io, net, port, ended } = await socks();
  const heard = new Promise<string>((resolve) => {
    net.onPeer = (socket) =>
      socket.on('error', (error: Error & { code?: string }) => resolve(error.code ?? '')).resume();
  });
  const { client } = await asking(port, 'peer.test', 7);
  client.resetAndDestroy();
  expect(await heard).toBe('ECONNRESET');
  io.signal('SIGTERM');
  expect(await ended).toBe(0);
  expect(io.err()).toContain(': reset by the client\n');
});

test('one that says nothing for --timeout is ended', async () => {
  const { io, port, ended } = await socks(['--timeout', '0.2']);
  const { client } = await asking(port, 'peer.test', 7);
  await gone(client);
  io.signal('SIGINT');
  expect(await ended).toBe(0);
  expect(io.err()).toContain(': nothing passed for too long\n');
});

test('with a password from the environment nobody else is served, and the password is not shown', async () => {
  const { io, port, ended } = await socks([], { TCPX_USER: 'me:secret' });
  const client = connect(port, '127.0.0.1');
  client.write(Buffer.of(5, 1, 0));
  expect([...(await said(client, 2))]).toEqual([5, 0xff]);
  client.resume().end();
  await once(client, 'close');
  io.signal('SIGINT');
  expect(await ended).toBe(0);
  expect(io.err()).toContain('tcpx: from the environment: TCPX_USER\n');
  expect(io.err()).not.toContain('secret');
});

test('--json says the same a line each', async () => {
  const io = fakeIo();
  const net = fakeNet();
  const ended = runProgram(['socks', '--listen', '0', '--json'], io, [socksThrough(partsOf(net))]);
  const port = await started(io, /"listening":"127\.0\.0\.1:(\d+)"/);
  const { client } = await asking(port, '10.0.0.2', 7);
  client.resume().end();
  await once(client, 'close');
  io.signal('SIGINT');
  await ended;
  const lines = io
    .err()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.map(({ type }) => type)).toEqual(['start', 'connection', 'end']);
  expect(lines[1]).toMatchObject({
    target: '10.0.0.2:7',
    remote: '10.0.0.2:7',
    octetsOut: 0,
    ending: { how: 'closed' },
  });
});

test('forward passes every connection on to one place', async () => {
  const io = fakeIo();
  const net = fakeNet();
  const parts = { pool: partsOf(net), openListenHost: () => Promise.reject(new Error('not here')) };
  const ended = runProgram(['forward', '127.0.0.1:0', '10.0.0.2:7'], io, [forwardThrough(parts)]);
  const port = await started(io, /127\.0\.0\.1:(\d+) -> 10\.0\.0\.2:7, out by tcpx/);
  const client = connect(port, '127.0.0.1').end('to the peer');
  expect(String(await said(client, 11))).toBe('to the peer');
  client.resume();
  await once(client, 'close');
  io.signal('SIGINT');
  expect(await ended).toBe(0);
});

test.each([
  [['socks', '--listen', 'nowhere'], /unknown service 'nowhere'/],
  [['socks', '--listen', '192.0.2.250:1080'], /cannot listen on 192\.0\.2\.250:1080: not an address of this machine/],
  [['socks', '--listen', '300.1.1.1:1080'], /'300\.1\.1\.1' is not an IPv4 address/],
  [['forward', '10.0.0.1.1:80', 'host:80'], /'10\.0\.0\.1\.1' is not an IPv4 address/],
  [['socks', '--user', 'me'], /--user needs a name and a password/],
  [['forward', '8080', 'host:80', '8081'], /LOCAL '8081' has no REMOTE/],
  [['forward', '8080', 'host'], /'host' names no port/],
])('wrong use is told, with the remedy: %j', async (args, message) => {
  const io = fakeIo();
  const parts = partsOf(fakeNet());
  const commands = [
    socksThrough(parts),
    forwardThrough({ pool: parts, openListenHost: () => Promise.reject(new Error('not here')) }),
  ];
  expect(await runProgram(args, io, commands)).toBe(2);
  expect(io.err()).toMatch(message);
  expect(io.err()).toContain('\n  hint: ');
});

test('a port in use is a failure of its own', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const io = fakeIo();
  expect(await runProgram(['socks', '--listen', String(port)], io, [socksThrough(partsOf(fakeNet()))])).toBe(1);
  expect(io.err()).toContain(`cannot listen on 127.0.0.1:${port}: the port is in use`);
  server.close();
});
