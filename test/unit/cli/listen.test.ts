/** `tcpx listen` in a test's own process, over a host in memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { listenThrough } from '../../../src/cli/listen.ts';
import { parsePlace } from '../../../src/cli/listen-options.ts';
import { runProgram } from '../../../src/cli/program.ts';
import type { TcpSocket } from '../../../src/socket/tcp-socket.ts';
import type { LogRecord } from '../../../src/tools/log-record.ts';
import { patternPiece } from '../../../src/tools/pattern.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';
import { type FakeIo, fakeIo } from '../../support/cli-io.ts';
import { type FakeListenNet, fakeListenNet, OURS } from '../../support/fake-listen.ts';
import { wrongWith } from '../../support/log-schema.ts';
import { pattern, sha256 } from '../../support/pattern.ts';

const directory = mkdtempSync(join(tmpdir(), 'tcpx-listen-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Run {
  readonly io: FakeIo;
  readonly net: FakeListenNet;
  readonly ended: Promise<number>;
}

/** Starts the command, and waits until it listens or has ended. */
async function start(args: readonly string[], o: { io?: FakeIo; net?: FakeListenNet } = {}): Promise<Run> {
  const io = o.io ?? fakeIo();
  const net = o.net ?? fakeListenNet();
  let over = false;
  const ended = runProgram(['listen', ...args], io, [listenThrough(net.openListenHost)]).finally(() => {
    over = true;
  });
  await until(() => over || net.open);
  return { io, net, ended };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Everything the peer gets, up to the FIN or whatever ends it. */
function allOf(socket: TcpSocket): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  socket.on('data', (octets: Uint8Array) => chunks.push(octets));
  return new Promise((resolve) => {
    for (const event of ['end', 'close']) socket.once(event, () => resolve(Buffer.concat(chunks)));
  });
}

const records = (text: string): LogRecord[] =>
  text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as LogRecord);
const states = (log: readonly LogRecord[], conn = 1): string[] =>
  log.flatMap((r) => (r.type === 'state' && r.conn === conn ? [`${r.event} ${r.to}`] : []));

test('one connection: stdin goes to the peer and the peer to stdout, and a second is refused', async () => {
  const { io, net, ended } = await start(['7']);
  const peer = net.connect();
  const got = allOf(peer);
  await until(() => io.err().includes('-> ESTABLISHED'));
  const refused = net.connect();
  const error = new Promise((resolve) => refused.once('error', (e: NodeJS.ErrnoException) => resolve(e.code)));
  expect(await error).toBe('ECONNREFUSED');
  peer.end('from the peer');
  await until(() => io.out() !== '');
  io.stdin.end('from us');
  expect(await ended).toBe(0);
  expect(io.out()).toBe('from the peer');
  expect((await got).toString()).toBe('from us');
  const lines = io.err().split('\n');
  expect(lines[0]).toBe('tcpx: listening on 10.0.0.1:7  on mem0  driver memory  guard none (there is no kernel here)');
  expect(lines[1]).toMatch(/^tcpx: 10\.0\.0\.1:7 <- 10\.0\.0\.2:\d+$/);
  expect(lines[2]).toMatch(/^ {2}0\.\d{6} {2}CLOSED {7}-> LISTEN {8}passive OPEN /);
  expect(io.err()).toMatch(/LAST-ACK +-> CLOSED +rcv ACK of FIN/);
  expect(lines.at(-2)).toMatch(/^tcpx: sent 7 octets in \d segments, received 13 octets in \d segments/);
  expect(net.open).toBe(false);
});

test('closing first leaves at TIME-WAIT; with --time-wait it stays', async () => {
  for (const [args, last] of [
    [[], 'rcv FIN TIME-WAIT'],
    [['--time-wait', '--msl', '1'], '2MSL CLOSED'],
  ] as const) {
    const { io, net, ended } = await start(['7', '--json', ...args]);
    net
      .connect()
      .on('end', function (this: TcpSocket) {
        this.end('yes');
      })
      .resume();
    io.stdin.end('x');
    expect(await ended).toBe(0);
    const log = records(io.err());
    expect(states(log).at(-1)).toBe(last);
    expect(log.at(-1)).toMatchObject({ type: 'summary', info: { bytes_sent: 1, bytes_received: 3 } });
  }
});

test('--json is a whole log, each line of it by the schema, with what it listens on', async () => {
  const net = fakeListenNet([OURS, parseIpv4('10.0.1.1')!]);
  const { io, ended } = await start(['-k', '--echo', '7', '--json', '--profile', 'rfc', '--backlog', '9'], { net });
  const peer = net.connect();
  const got = allOf(peer);
  peer.end('hello');
  expect((await got).toString()).toBe('hello');
  io.signal('SIGINT');
  expect(await ended).toBe(0);
  const log = records(io.err());
  for (const record of log) expect(wrongWith(record), JSON.stringify(record)).toBeUndefined();
  expect(log[0]).toMatchObject({ type: 'header', command: 'listen', target: '*:7', profile: 'rfc' });
  expect(log.filter((r) => r.type === 'listen')).toMatchObject([
    { local: '10.0.0.1', localPort: 7, interface: 'mem0', backlog: 9 },
    { local: '10.0.1.1', localPort: 7, interface: 'mem1', backlog: 9 },
  ]);
  expect(log.at(-1)).toMatchObject({ type: 'summary', connections: 1, octetsOut: 5, octetsIn: 5 });
});

describe('services', () => {
  test('--echo sends back what comes, to each its own; lines say whose they are', async () => {
    const { io, net, ended } = await start(['-k', '--echo', '7']);
    const texts = ['one', 'two', 'three'].map((text) => text.repeat(50_000));
    const got = texts.map((text) => {
      const peer = net.connect();
      peer.end(text);
      return allOf(peer);
    });
    for (const [i, text] of texts.entries()) expect((await got[i]!).toString()).toBe(text);
    io.signal('SIGINT');
    expect(await ended).toBe(0);
    expect(io.err()).toMatch(/^tcpx: c2 {3}10\.0\.0\.1:7 <- 10\.0\.0\.2:\d+$/m);
    expect(io.err()).toMatch(/^ +[\d.]+ {2}c3 {3}SYN-RECEIVED -> ESTABLISHED/m);
    expect(io.err()).toMatch(/^tcpx: 3 connections, sent 550000 octets in /m);
    expect(io.out()).toBe('');
  });

  test("--discard reads to the peer's FIN and answers it with ours", async () => {
    const { net, ended, io } = await start(['--discard', '7']);
    const peer = net.connect();
    const got = allOf(peer);
    peer.end(Buffer.alloc(300_000));
    expect(await ended).toBe(0);
    expect((await got).length).toBe(0);
    expect(io.err()).toContain('received 300000 octets');
  });

  test('--source --bytes N sends so much of the pattern, then FIN', async () => {
    const { net, ended } = await start(['--source', '--bytes', '200000', '7']);
    const peer = net.connect();
    peer.once('end', () => peer.end());
    expect(sha256(await allOf(peer))).toBe(sha256(pattern(200_000)));
    expect(await ended).toBe(0);
  });

  test('--source without end ends well when the peer has had enough', async () => {
    const { io, net, ended } = await start(['--source', '7']);
    const peer = net.connect();
    let got = 0;
    peer.on('data', (octets: Uint8Array) => {
      got += octets.length;
      if (got > 100_000) peer.resetAndDestroy();
    });
    expect(await ended).toBe(0);
    expect(io.err()).toContain('tcpx: the peer has had enough');
  });

  test('--file sends the file from its beginning to each, though it is gone by then', async () => {
    const file = join(directory, 'page');
    const octets = pattern(300_000);
    writeFileSync(file, octets);
    const { io, net, ended } = await start(['-k', '--file', file, '7']);
    rmSync(file);
    for (let i = 0; i < 2; i++) {
      const peer = net.connect();
      peer.once('end', () => peer.end());
      expect(sha256(await allOf(peer))).toBe(sha256(octets));
    }
    io.signal('SIGTERM');
    expect(await ended).toBe(0);
  });

  test('the pattern of --source is the one that tests know, at any place', () => {
    for (const at of [0, 65_530, 65_536, 5_000_000, 16_777_215, 16_777_216]) {
      const piece = patternPiece(at, 100);
      expect(piece.length).toBe(Math.min(100, 65_536 - (at % 65_536)));
      expect(Buffer.from(piece).equals(Buffer.from(pattern(piece.length, at)))).toBe(true);
    }
  });
});

test('-k without a service serves one at a time, and the next when it has gone', async () => {
  const { io, net, ended } = await start(['-k', '7']);
  const first = net.connect();
  const gotFirst = allOf(first);
  await until(() => io.err().includes('c1   SYN-RECEIVED -> ESTABLISHED'));
  const second = net.connect();
  const gotSecond = allOf(second);
  second.end('second');
  await until(() => io.err().includes('c2   SYN-RECEIVED -> ESTABLISHED'));
  io.stdin.end('for the first');
  await until(() => io.err().includes('c1   FIN-WAIT-1   -> FIN-WAIT-2'));
  expect(io.out()).toBe('');
  first.end('first,');
  expect((await gotFirst).toString()).toBe('for the first');
  // stdin has ended by then: its FIN comes at once.
  expect((await gotSecond).toString()).toBe('');
  expect(io.out()).toBe('first,second');
  io.signal('SIGINT');
  expect(await ended).toBe(0);
});

test('--max-connections serves so many at once; the others wait and come to their turn', async () => {
  const { io, net, ended } = await start(['-k', '--echo', '--max-connections', '2', '7', '--json']);
  const peers = Array.from({ length: 5 }, () => net.connect());
  const got = peers.map(allOf);
  const answered = new Set<TcpSocket>();
  for (const peer of peers) peer.once('data', () => answered.add(peer)).write('x');
  await until(() => answered.size === 2);
  for (let turns = 0; turns < 300; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect(answered.size).toBe(2);
  for (const peer of peers) peer.end();
  for (const octets of got) expect((await octets).toString()).toBe('x');
  io.signal('SIGINT');
  expect(await ended).toBe(0);
});

describe('signals', () => {
  test('with -k the first ^C takes no more connections and closes; what the peers still send is echoed', async () => {
    const { io, net, ended } = await start(['-k', '--discard', '7']);
    const peer = net.connect();
    await until(() => io.err().includes('-> ESTABLISHED'));
    io.signal('SIGINT');
    await until(() => io.err().includes('-> FIN-WAIT-2'));
    const late = net.connect();
    const refused = new Promise((resolve) => late.once('error', (e: NodeJS.ErrnoException) => resolve(e.code)));
    expect(await refused).toBe('ECONNREFUSED');
    peer.end('late');
    expect(await ended).toBe(0);
    expect(io.err()).toContain('tcpx: closing (FIN); ^C again aborts (RST)\n');
    expect(io.err()).toContain('received 4 octets');
  });

  test('the second aborts every connection: exit 130, or 143 for SIGTERM', async () => {
    for (const [signal, exitCode] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const { io, net, ended } = await start(['-k', '--discard', '7']);
      net.connect();
      net.connect();
      await until(() => io.err().match(/-> ESTABLISHED/g)?.length === 2);
      io.signal(signal);
      await until(() => io.err().match(/-> FIN-WAIT-2/g)?.length === 2);
      io.signal(signal);
      expect(await ended).toBe(exitCode);
      expect(io.err().match(/FIN-WAIT-2 +-> CLOSED +ABORT .*> Flags \[R\.\]/g)).toHaveLength(2);
      expect(io.signal(signal)).toBe(false);
    }
  });

  test('when nobody has connected, ^C ends it: 130 for one connection, 0 with -k', async () => {
    const one = await start(['7']);
    one.io.signal('SIGINT');
    expect(await one.ended).toBe(130);
    expect(one.io.err()).toContain('tcpx: *:7: nobody has connected\n');
    const many = await start(['-k', '--echo', '7']);
    many.io.signal('SIGINT');
    expect(await many.ended).toBe(0);
  });

  test('one connection: the first closes, the second aborts', async () => {
    const { io, net, ended } = await start(['7']);
    net.connect();
    await until(() => io.err().includes('-> ESTABLISHED'));
    io.signal('SIGINT');
    await until(() => io.err().includes('-> FIN-WAIT-2'));
    io.signal('SIGINT');
    expect(await ended).toBe(130);
    expect(io.err()).toMatch(/tcpx: 10\.0\.0\.2:\d+: aborted \(RST\)\n/);
  });
});

test('a reset by the only peer is exit 5; one of many is a remark and the server goes on', async () => {
  const one = await start(['7']);
  const peer = one.net.connect();
  await until(() => one.io.err().includes('-> ESTABLISHED'));
  peer.resetAndDestroy();
  expect(await one.ended).toBe(5);
  expect(one.io.err()).toMatch(
    /tcpx: 10\.0\.0\.2:\d+: connection reset by the peer \(RST in ESTABLISHED after .*\)\n {2}hint/,
  );

  const many = await start(['-k', '--echo', '7']);
  const rude = many.net.connect();
  await until(() => many.io.err().includes('-> ESTABLISHED'));
  rude.resetAndDestroy();
  await until(() => many.io.err().includes('tcpx: c1 10.0.0.2:'));
  const polite = many.net.connect();
  const got = allOf(polite);
  polite.end('still there');
  expect((await got).toString()).toBe('still there');
  many.io.signal('SIGINT');
  expect(await many.ended).toBe(0);
});

test('--timeout closes an idle connection: exit 4', async () => {
  const { io, net, ended } = await start(['7', '--timeout', '0.05']);
  net
    .connect()
    .on('end', function (this: TcpSocket) {
      this.end();
    })
    .resume();
  expect(await ended).toBe(4);
  expect(io.err()).toContain('no data for 0.05 s');
});

test('options reach the stack and its connections', async () => {
  const { net, io, ended } = await start([
    '7',
    '--mss',
    '500',
    '--keepalive=60,10,3',
    '--user-timeout',
    '2.5',
    '--ecn',
    '--no-sack',
    '--cc',
    'bbr',
    '--dscp',
    '46',
    '-I',
    'eth7',
    '--driver',
    'packet',
    '--ip',
    '10.9.9.9/24',
  ]);
  expect(net.asked).toMatchObject({
    port: 7,
    interface: 'eth7',
    driver: 'packet',
    ownAddress: { address: parseIpv4('10.9.9.9'), prefixLen: 24 },
    sysctl: { tcp_ecn: 1, tcp_sack: false },
  });
  await until(() => io.err() !== '');
  expect(io.err()).toContain(
    'TCP_MAXSEG=500  TCP_USER_TIMEOUT=2500  TCP_CONGESTION=bbr  IP_TOS=184  SO_KEEPALIVE=1  TCP_KEEPIDLE=60  TCP_KEEPINTVL=10  TCP_KEEPCNT=3',
  );
  io.signal('SIGINT');
  await ended;
});

test('a bare --keepalive takes nothing behind it for its value', async () => {
  const { net, io, ended } = await start(['--keepalive', 'localhost:7']);
  expect(net.asked).toMatchObject({ port: 7, address: parseIpv4('127.0.0.1') });
  await until(() => io.err() !== '');
  expect(io.err()).toContain('SO_KEEPALIVE=1\n');
  io.signal('SIGINT');
  await ended;
});

test.each([
  [['8080'], { host: undefined, port: 8080 }],
  [[':8080'], { host: undefined, port: 8080 }],
  [['*:8080'], { host: undefined, port: 8080 }],
  [['0.0.0.0:80'], { host: undefined, port: 80 }],
  [['localhost:http'], { host: 'localhost', port: 80 }],
  [['10.0.0.1', '7'], { host: '10.0.0.1', port: 7 }],
  [['0'], { host: undefined, port: 0 }],
  [['10.0.0.1:0'], { host: '10.0.0.1', port: 0 }],
])('%j is %j', (words, place) => {
  expect(parsePlace(words)).toEqual(place);
});

describe('what the user got wrong', () => {
  test.each([
    [['70000'], 2, 'port 70000 is out of range'],
    [['nosuchservice'], 2, "unknown service 'nosuchservice'"],
    [['10.0.0.1:'], 2, 'the target names no port'],
    [[], 2, "missing required argument 'port'"],
    [['[::1]:80'], 7, '::1 is an IPv6 address, and tcpx does not speak IPv6 yet'],
    [['7', '--bytes', '5'], 2, '--bytes says how much --source sends'],
    [['7', '--max-connections', '5'], 2, '--max-connections is for many connections'],
    [['-k', '7', '--max-connections', '5'], 2, 'stdin and stdout serve one connection at a time'],
    [['7', '--echo', '--discard'], 2, "option '--echo' cannot be used with option '--discard'"],
    [['7', '--file', '/nonexistent'], 2, 'cannot read /nonexistent: no such file'],
    [['7', '--file', '/dev/null'], 2, 'cannot send /dev/null: it is no regular file'],
    [
      ['7', '--keepalive=60,10,5,2'],
      2,
      '--keepalive=60,10,5,2: expected whole seconds from 1 to 32767, up to two of them, and a count up to 127',
    ],
    [
      ['7', '--keepalive=0'],
      2,
      '--keepalive=0: expected whole seconds from 1 to 32767, up to two of them, and a count up to 127',
    ],
    [
      ['7', '--cc', 'vegas'],
      2,
      "option '--cc <name>' argument 'vegas' is invalid. Allowed choices are cubic, reno, bbr",
    ],
    [['10.0.0.1:7', '--ip', '10.0.0.9/24'], 2, '--ip 10.0.0.9 is another address than 10.0.0.1'],
    [['7', '--ip', '10.0.0.9/33'], 2, "--ip '10.0.0.9/33' is not an IPv4 address with the length of its prefix"],
  ] as const)('%j: exit %i, %s', async (args, exitCode, message) => {
    const { io, ended, net } = await start(args);
    expect(await ended).toBe(exitCode);
    const [what, hint, rest] = io.err().split('\n');
    expect(what).toBe(`tcpx: ${message}`);
    expect(hint).toMatch(/^ {2}hint: \S/);
    expect(rest).toBe('');
    expect(net.asked).toBeUndefined();
  });
});
