/** `tcpx perf` in a test's own process: over a host in memory, and with --net to a server in the same process. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { perfThrough } from '../../../src/cli/perf.ts';
import { runProgram } from '../../../src/cli/program.ts';
import type { TcpSocket } from '../../../src/socket/tcp-socket.ts';
import type { PerfDocument } from '../../../src/tools/perf/json.ts';
import { type FakeIo, type FakeNet, fakeIo, fakeNet } from '../../support/cli-io.ts';

/** To the beginning of the line, which is emptied (ECMA-48 EL). */
const ERASE = '\r\x1b[K';

interface Run {
  readonly io: FakeIo;
  readonly net: FakeNet;
  readonly ended: Promise<number>;
}

function start(args: readonly string[], onPeer?: (socket: TcpSocket) => void): Run {
  const io = fakeIo();
  const net = fakeNet();
  if (onPeer !== undefined) net.onPeer = onPeer;
  return { io, net, ended: runProgram(['perf', ...args], io, [perfThrough(net.openHost)]) };
}

const discard = (socket: TcpSocket): void => {
  socket
    .on('error', () => {})
    .on('end', () => socket.end())
    .resume();
};

function source(socket: TcpSocket): void {
  const octets = Buffer.alloc(10_000);
  const more = (): void => {
    while (!socket.destroyed && socket.write(octets));
  };
  socket
    .on('error', () => {})
    .on('drain', more)
    .resume();
  more();
}

test('sends what --bytes says, and says between whom, by what means, in rows and in all', async () => {
  const { io, net, ended } = start(['--bytes', '300kB', '10.0.0.2:7'], discard);
  expect([await ended, io.err()]).toEqual([0, '']);
  const [between, what, head, ...rows] = io.out().split('\n');
  expect(between).toMatch(
    /^10\.0\.0\.1:40000 -> 10\.0\.0\.2:7 {2}on mem0 {2}driver memory {2}guard none {2}offload off {2}\w+ {2}mss 1448$/,
  );
  expect(what).toBe('sending 300 kB, one connection, writes of 131072 octets');
  expect(head).toBe('   id    seconds        transferred      bit rate   retr      cwnd      rtt');
  expect(rows[0]).toMatch(/^ {4}1 {4}0\.00-\d+\.\d\d +300 kB .*bit\/s +0 .* ms$/);
  expect(rows[1]).toBe('');
  expect(rows[2]).toMatch(/300 kB .* written$/);
  expect(rows[3]).toMatch(/300 kB .* arrived$/);
  expect(rows[4]).toMatch(/^CPU of this process: \d+ % of a core \(user \d+ %, system \d+ %\)$/);
  expect(net.open).toBe(0);
});

test('--receive takes so much from a source and resets it', async () => {
  let ended = 'not';
  const run = start(['--receive', '--bytes', '200000', '10.0.0.2:7'], (socket) => {
    source(socket);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      ended = error.code ?? '';
    });
  });
  expect([await run.ended, run.io.err()]).toEqual([0, '']);
  expect(run.io.out()).toMatch(/ 2\d\d kB .* received\n/);
  while (run.net.time.step());
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe('ECONNRESET');
});

test('--echo writes, reads back and compares, on several connections as well', async () => {
  const run = start(['--echo', '--bytes', '100000', '-P', '3', '10.0.0.2:7']);
  expect([await run.ended, run.io.err()]).toEqual([0, '']);
  expect(run.io.out()).toContain('sending to an echo 100 kB, 3 connections, writes of 131072 octets\n');
  expect(run.io.out()).toMatch(/\n {2}sum .*100 kB .* came back\n/);
});

test('--json is one document with start, intervals, end and failure', async () => {
  const { io, ended } = start(['--json', '--bytes', '100000', '10.0.0.2:7'], discard);
  expect(await ended).toBe(0);
  expect(io.out().trimEnd()).not.toContain('\n');
  const document = JSON.parse(io.out()) as PerfDocument;
  expect(document).toMatchObject({
    schema: 'tcpx.perf/1',
    start: {
      target: '10.0.0.2:7',
      mode: 'send',
      through: 'tcpx',
      local: ['10.0.0.1:40000'],
      remote: '10.0.0.2:7',
      interface: 'mem0',
      driver: 'memory',
      guard: 'none',
      offload: 0,
      mss: 1448,
      streams: 1,
      length: 131_072,
      seconds: null,
      octets: 100_000,
    },
    end: {
      written: { octets: 100_000 },
      arrived: { octets: 100_000 },
      retransmits: 0,
      streams: [{ id: 1, written: 100_000, arrived: 100_000, retransmits: 0 }],
    },
    failure: null,
  });
  expect(document.intervals.reduce((sum, row) => sum + row.sum.octets, 0)).toBe(100_000);
});

test('--json-stream has a line for each thing as it happens', async () => {
  const { io, ended } = start(['--json-stream', '-t', '0.3s', '-i', '0.1s', '10.0.0.2:7'], discard);
  expect(await ended).toBe(0);
  const lines = io
    .out()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; to?: number; seconds?: number });
  expect([lines[0]?.type, lines.at(-1)?.type]).toEqual(['start', 'end']);
  expect(lines.slice(1, -1).map((line) => line.type)).toEqual(lines.slice(1, -1).map(() => 'interval'));
  expect(lines.length).toBeGreaterThan(2);
  expect(lines.at(-1)?.seconds).toBeGreaterThanOrEqual(0.299);
});

test('faults on our own link are named, and show as segments sent again', async () => {
  const { io, ended } = start(['--bytes', '300000', '--loss', '5%:out', '--seed', '7', '10.0.0.2:7'], discard);
  expect(await ended).toBe(0);
  expect(io.out()).toContain('\nfaults: out 5% lost  seed 7\n');
  expect(io.out()).toMatch(/ [1-9]\d* +written\n/);
});

test('-q leaves the summary only', async () => {
  const { io, ended } = start(['-q', '--bytes', '1000', '10.0.0.2:7'], discard);
  expect(await ended).toBe(0);
  expect(io.out().split('\n')).toHaveLength(7);
  expect(io.out()).not.toContain('\n\n');
});

describe('what goes wrong has a remedy and an exit code', () => {
  test.each([
    [['10.0.0.2:81'], 3, 'connect 10.0.0.2:81: connection refused'],
    [['10.0.0.9:81'], 4, 'connect 10.0.0.9:81: timed out'],
    [['--receive', '-t', '0.1', '10.0.0.2:7'], 1, '10.0.0.2:7: nothing came in'],
  ])('%j: exit %i, %s', async (args, exitCode, message) => {
    const { io, ended, net } = start(args);
    expect(await ended).toBe(exitCode);
    const [what, hint, rest] = io.err().split('\n');
    expect(what).toContain(`tcpx: ${message}`);
    expect(hint).toMatch(/^ {2}hint: \S/);
    expect(rest).toBe('');
    expect(net.open).toBe(0);
  });

  test('nothing is heard within --connect-timeout: exit 4', async () => {
    const io = fakeIo();
    const { openHost } = fakeNet({ frozen: true });
    const args = ['perf', '--connect-timeout', '0.05', '10.0.0.9:81'];
    expect(await runProgram(args, io, [perfThrough(openHost)])).toBe(4);
    expect(io.err()).toMatch(/^tcpx: connect 10\.0\.0\.9:81: no answer within 0\.05 s\n {2}hint: /);
  });

  test('a peer that closes early is named with the server that it takes', async () => {
    const { io, ended } = start(['10.0.0.2:7'], (socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('no'),
    );
    expect(await ended).toBe(1);
    expect(io.err()).toMatch(
      /^tcpx: 10\.0\.0\.2:7: the peer closed its side after .* before the measurement was over\n/,
    );
    expect(io.err()).toContain('tcpx listen -k --discard PORT');
    expect(io.out()).toContain(' written\n');
  });

  test('a peer that resets is exit 5, and the document says so too', async () => {
    const { io, ended } = start(['--json', '10.0.0.2:7'], (socket) => {
      socket.on('error', () => {}).once('data', () => socket.resetAndDestroy());
    });
    expect(await ended).toBe(5);
    const document = JSON.parse(io.out()) as PerfDocument;
    expect(document.failure).toMatchObject({ exitCode: 5, hint: expect.stringContaining('--discard') });
    expect(document.failure?.message).toMatch(/^10\.0\.0\.2:7: connection reset by the peer after /);
    expect(document.end).not.toBeNull();
  });

  test('an echo that changes an octet is told where', async () => {
    const { io, ended } = start(['--echo', '--bytes', '5000', '10.0.0.2:7'], (socket) => {
      let at = 0;
      socket
        .on('error', () => {})
        .on('data', (octets: Buffer) => {
          if (at <= 3000 && 3000 < at + octets.length) octets[3000 - at]! ^= 1;
          at += octets.length;
          socket.write(octets);
        });
    });
    expect(await ended).toBe(1);
    expect(io.err()).toContain('what came back is not what was sent, from octet 3000 on');
  });

  test.each([
    [['--send', '--receive', 'x:1'], "option '--send' cannot be used with option '--receive'"],
    [
      ['--time', '1s', '--bytes', '5', 'x:1'],
      "option '-t, --time <time>' cannot be used with option '--bytes <octets>'",
    ],
    [['--net', '--driver', 'raw', 'x:1'], "option '--net' cannot be used with option '--driver <name>'"],
    [['--net', '--loss', '1%', 'x:1'], "option '--net' cannot be used with option '--loss <share>'"],
    [['--time', '5x', 'x:1'], "--time '5x' is not a time from 100ms to 24h"],
    [['--bytes', '1.5', 'x:1'], `--bytes '1.5' is not a whole number of octets from 1 to ${Number.MAX_SAFE_INTEGER}`],
    [['--length', '1G', 'x:1'], "--length '1G' is not a whole number of octets from 1 to 16777216"],
    [['-P', '2', '-p', '5000', 'x:1'], "2 connections can't have one source port"],
  ])('%j: exit 2, %s', async (args, message) => {
    const { io, ended } = start(args);
    expect(await ended).toBe(2);
    expect(io.err()).toContain(`tcpx: ${message}\n  hint: `);
  });
});

test('the first ^C ends it with what there is, exit 130', async () => {
  const { io, ended } = start(['--time', '60s', '10.0.0.2:7'], discard);
  while (!io.out().includes('seconds')) await new Promise((resolve) => setImmediate(resolve));
  io.signal('SIGINT');
  expect(await ended).toBe(130);
  expect(io.out()).toMatch(/ arrived\n/);
  expect(io.err()).toMatch(/^tcpx: 10\.0\.0\.2:7: ended by \^C after /);
});

test('^C before there is a connection ends it too', async () => {
  const { io, net, ended } = start(['10.0.0.9:7']);
  while (net.open === 0) await new Promise((resolve) => setImmediate(resolve));
  io.signal('SIGTERM');
  expect(await ended).toBe(143);
  expect(net.open).toBe(0);
});

test('a terminal sees how far it is between the rows', async () => {
  const io = fakeIo();
  Object.assign(io.stderr, { isTTY: true });
  const net = fakeNet();
  net.onPeer = discard;
  await runProgram(['perf', '-t', '0.5s', '10.0.0.2:7'], io, [perfThrough(net.openHost)]);
  const [before, shown] = io.err().split(ERASE);
  expect(before).toBe('');
  expect(shown).toMatch(/^tcpx: 0\.\d s of 0\.5 s {2}[\d.]+ \w?bit\/s$/);
  expect(io.err().endsWith(ERASE)).toBe(true);
});

describe('--net', () => {
  let server: Server;
  afterEach(() => server.close());
  async function serve(onSocket: (socket: Socket) => void): Promise<string> {
    server = createServer({ allowHalfOpen: true }, (socket) => onSocket(socket.on('error', () => {})));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const none = perfThrough(() => Promise.reject(new Error('no host of ours is opened')));
  const run = async (args: readonly string[]): Promise<{ exitCode: number; io: FakeIo }> => {
    const io = fakeIo();
    return { exitCode: await runProgram(['perf', '--net', ...args], io, [none]), io };
  };

  test("has the same rows through the kernel's sockets, with - for what Node can't know", async () => {
    const target = await serve((socket) => socket.on('end', () => socket.end()).resume());
    const { exitCode, io } = await run(['--bytes', '3MB', target]);
    expect([exitCode, io.err()]).toEqual([0, '']);
    expect(io.out()).toMatch(/^127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+ {2}this kernel's TCP, through net\n/);
    expect(io.out()).toMatch(/ 3\.00 MB .*bit\/s {6}- {9}- {8}-\n/);
    expect(io.out()).toMatch(/ 3\.00 MB .* arrived\n/);
  });

  test('echoes and receives too', async () => {
    const echo = await run(['--echo', '--bytes', '1MB', await serve((socket) => socket.pipe(socket))]);
    expect([echo.exitCode, echo.io.err()]).toEqual([0, '']);
    server.close();
    const source = await run(['--receive', '-t', '0.1', await serve((socket) => socket.end(Buffer.alloc(5000)))]);
    expect([source.exitCode, source.io.err()]).toEqual([0, '']);
    expect(source.io.out()).toMatch(/ 5\.00 kB .* received\n/);
  });

  test('is refused with the same words', async () => {
    const target = await serve(() => {});
    await new Promise((resolve) => server.close(resolve));
    const { exitCode, io } = await run([target]);
    expect([exitCode, io.err()]).toEqual([
      3,
      `tcpx: connect ${target}: connection refused\n  hint: nothing listens on that port; check it, or start a server there\n`,
    ]);
  });
});
