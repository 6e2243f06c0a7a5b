import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, describe, expect, test } from 'vitest';
import { connectThrough } from '../../../src/cli/connect.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { LinkFailure } from '../../../src/link/failure.ts';
import { readPcap } from '../../../src/pcap/pcap-reader.ts';
import type { LogRecord } from '../../../src/tools/log-record.ts';
import { type FakeIo, type FakeNet, fakeIo, fakeNet } from '../../support/cli-io.ts';
import { wrongWith } from '../../support/log-schema.ts';

const directory = mkdtempSync(join(tmpdir(), 'tcpx-cli-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;
const scratch = (name: string): string => join(directory, `${files++}-${name}`);

interface Run {
  readonly io: FakeIo;
  readonly net: FakeNet;
  readonly ended: Promise<number>;
}

function start(args: readonly string[], o: { io?: FakeIo; net?: FakeNet } = {}): Run {
  const io = o.io ?? fakeIo();
  const net = o.net ?? fakeNet();
  return { io, net, ended: runProgram(['connect', ...args], io, [connectThrough(net.openHost)]) };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const records = (text: string): LogRecord[] =>
  text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as LogRecord);
const states = (log: readonly LogRecord[]): string[] =>
  log.flatMap((r) => (r.type === 'state' ? [`${r.event} ${r.to}`] : []));
const transitionLines = (text: string): string[] =>
  text
    .split('\n')
    .filter((l) => l.includes(' -> ') && !l.startsWith('tcpx'))
    .map((l) => l.slice(12, 41).trim());

test('stdin goes to the peer, the peer to stdout, the transitions to stderr', async () => {
  const { io, net, ended } = start(['10.0.0.2:7']);
  io.stdin.end('hello');
  expect(await ended).toBe(0);
  expect(io.out()).toBe('hello');
  const lines = io.err().split('\n');
  expect(lines[0]).toBe(
    'tcpx: 10.0.0.1:40000 -> 10.0.0.2:7  on mem0  driver memory  guard none (there is no kernel here)',
  );
  expect(transitionLines(io.err())).toEqual([
    'CLOSED       -> SYN-SENT',
    'SYN-SENT     -> ESTABLISHED',
    'ESTABLISHED  -> FIN-WAIT-1',
    'FIN-WAIT-1   -> FIN-WAIT-2',
    'FIN-WAIT-2   -> TIME-WAIT',
  ]);
  expect(io.err()).toContain('TIME-WAIT: both sides have closed; not staying 60 s');
  expect(lines.at(-2)).toMatch(
    /^tcpx: sent 5 octets in \d segments, received 5 octets in \d segments, 0 retransmissions, RTT min\/avg\/max 10\.000\//,
  );
  expect(net.open).toBe(0);
});

test('--time-wait stays until CLOSED, --msl says for how long', async () => {
  const { io, ended } = start(['10.0.0.2', '7', '--time-wait', '--msl', '2.5', '--json']);
  io.stdin.end();
  expect(await ended).toBe(0);
  const log = records(io.err());
  const [timeWait, closed] = log.filter((r) => r.type === 'state').slice(-2);
  expect(closed).toMatchObject({ from: 'TIME-WAIT', event: '2MSL', to: 'CLOSED' });
  expect(closed!.t - timeWait!.t).toBe(5_000_000);
});

test('--json is a whole log on stderr, each line of it by the schema', async () => {
  const { io, ended } = start(['10.0.0.2:7', '--json', '--no-sack', '--mss', '500']);
  io.stdin.end('x');
  await ended;
  const log = records(io.err());
  for (const record of log) expect(wrongWith(record), JSON.stringify(record)).toBeUndefined();
  expect(log[0]).toMatchObject({
    type: 'header',
    target: '10.0.0.2:7',
    driver: 'memory',
    sysctl: { tcp_sack: false },
    options: { TCP_MAXSEG: 500 },
  });
  expect(log.at(-1)).toMatchObject({ type: 'summary', state: 'TIME-WAIT', octetsOut: 1, octetsIn: 1 });
  const syn = log.find((r) => r.type === 'segment');
  expect(syn).toMatchObject({ seg: { flags: 'S', mss: 500 } });
  expect(syn).not.toHaveProperty('seg.sackOk');
});

test("--json-file holds every record beside the text, and replays; the file is its owner's alone", async () => {
  const file = scratch('run.ndjson');
  const { io, ended } = start(['10.0.0.2:7', '--json-file', file]);
  io.stdin.end('hello');
  await ended;
  expect(states(records(readFileSync(file, 'utf8')))).toHaveLength(5);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const again = fakeIo();
  expect(await runProgram(['replay', file], again)).toBe(0);
  expect(again.out()).toMatch(/run\.ndjson: same \(5 transitions, \d segments in, \d segments out\)\n$/);
  const drawn = fakeIo();
  expect(await runProgram(['ladder', file], drawn)).toBe(0);
  expect(drawn.out()).toContain('~ESTABLISHED');
});

test('-w holds every packet of the wire', async () => {
  const file = scratch('run.pcap');
  const { io, ended } = start(['10.0.0.2:7', '-w', file, '-v', '--json']);
  io.stdin.end('hello');
  await ended;
  const segments = records(io.err()).filter((r) => r.type === 'segment').length;
  let packets = 0;
  for await (const _ of readPcap(createReadStream(file))) packets++;
  expect(packets).toBe(segments);
  expect(packets).toBeGreaterThan(7);
});

test('a refused connection: what, why, remedy, exit 3', async () => {
  const { io, ended } = start(['10.0.0.2:81']);
  expect(await ended).toBe(3);
  expect(io.err()).toContain(
    'tcpx: connect 10.0.0.2:81: connection refused (RST in SYN-SENT after 10.0 ms)\n  hint: nothing listens',
  );
});

test('a silent peer: SYNs after 1, 2, 4… seconds, then exit 4', async () => {
  const { io, ended } = start(['10.0.0.9:7']);
  expect(await ended).toBe(4);
  expect(io.err()).toContain('tcpx: connect 10.0.0.9:7: timed out: 7 SYNs unanswered after 127.0 s');
  const again = io
    .err()
    .split('\n')
    .filter((l) => l.endsWith('(retransmission)'))
    .map((l) => Math.round(Number(l.slice(0, 10))));
  expect(again).toEqual([1, 3, 7, 15, 31, 63]);
});

test('--connect-timeout gives up sooner: exit 4', async () => {
  // Nothing arrives and no timer rings: its clock stands still.
  const { io, ended } = start(['10.0.0.9:7', '--connect-timeout', '0.05'], { net: fakeNet({ frozen: true }) });
  expect(await ended).toBe(4);
  expect(io.err()).toContain('tcpx: connect 10.0.0.9:7: no answer within 0.05 s\n  hint: ');
});

test('--timeout closes an idle connection, and aborts when the peer does not follow: exit 4', async () => {
  const polite = start(['10.0.0.2:7', '--timeout', '0.05', '--json']);
  expect(await polite.ended).toBe(4);
  expect(states(records(polite.io.err())).slice(2)).toEqual([
    'CLOSE FIN-WAIT-1',
    'rcv ACK of FIN FIN-WAIT-2',
    'rcv FIN TIME-WAIT',
  ]);
  const net = fakeNet();
  net.onPeer = (socket) => socket.on('error', () => {}).resume();
  const rude = start(['10.0.0.2:7', '--timeout', '0.05', '--json'], { net });
  expect(await rude.ended).toBe(4);
  expect(states(records(rude.io.err())).at(-1)).toBe('ABORT CLOSED');
});

test('a reset after the handshake: exit 5', async () => {
  const net = fakeNet();
  net.onPeer = (socket) => socket.on('error', () => {}).once('data', () => socket.resetAndDestroy());
  const { io, ended } = start(['10.0.0.2:7'], { net });
  io.stdin.write('hello');
  expect(await ended).toBe(5);
  expect(io.err()).toMatch(
    /tcpx: 10\.0\.0\.2:7: connection reset by the peer \(RST in ESTABLISHED after \d+\.\d ms\)\n {2}hint: /,
  );
});

test('in --json a failure is a record too, and stderr stays NDJSON', async () => {
  const { io, ended } = start(['10.0.0.2:81', '--json']);
  expect(await ended).toBe(3);
  const log = records(io.err());
  expect(log.at(-2)).toMatchObject({ type: 'failure', exitCode: 3 });
  for (const record of log) expect(wrongWith(record), JSON.stringify(record)).toBeUndefined();
});

describe('signals', () => {
  test('the first ^C closes with FIN and what the peer still sends arrives', async () => {
    const net = fakeNet();
    net.onPeer = (socket) => {
      socket.resume().once('end', () => socket.end('goodbye'));
    };
    const { io, ended } = start(['10.0.0.2:7'], { net });
    await until(() => io.err().includes('ESTABLISHED'));
    expect(io.signal('SIGINT')).toBe(true);
    expect(await ended).toBe(0);
    expect(io.out()).toBe('goodbye');
    expect(io.err()).toContain('closing (FIN); ^C again aborts (RST)');
  });

  test('the second aborts with RST: exit 130, or 143 for SIGTERM', async () => {
    for (const [signal, exitCode] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const net = fakeNet();
      net.onPeer = (socket) => socket.on('error', () => {}).resume();
      const { io, ended } = start(['10.0.0.2:7'], { net });
      await until(() => io.err().includes('ESTABLISHED'));
      io.signal(signal);
      await until(() => io.err().includes('FIN-WAIT-2'));
      io.signal(signal);
      expect(await ended).toBe(exitCode);
      expect(io.err()).toMatch(/FIN-WAIT-2 +-> CLOSED +ABORT .*> Flags \[R\.\]/);
      expect(io.signal(signal)).toBe(false);
    }
  });

  test('before there is a connection, the first ends it', async () => {
    const net = fakeNet();
    const { io, ended } = start(['10.0.0.9:7'], { net });
    io.signal('SIGINT');
    await until(() => io.err().includes('SYN-SENT'));
    io.signal('SIGINT');
    expect(await ended).toBe(130);
    expect(io.err()).toContain('tcpx: 10.0.0.9:7: aborted\n');
  });

  test('in TIME-WAIT it leaves, and all went well', async () => {
    const { io, ended } = start(['10.0.0.2:7', '--time-wait'], { net: fakeNet({ freezeIn: 'TIME-WAIT' }) });
    io.stdin.end();
    await until(() => io.err().includes('-> TIME-WAIT'));
    io.signal('SIGINT');
    expect(await ended).toBe(0);
    expect(transitionLines(io.err()).at(-1)).toBe('FIN-WAIT-2   -> TIME-WAIT');
  });
});

test('when nobody reads stdout any more, it aborts and says nothing', async () => {
  const stdout = new Writable({
    write: (_, __, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  });
  const io = fakeIo({ stdout });
  const { ended } = start(['10.0.0.2:7', '-q'], { io });
  io.stdin.write('hello');
  expect(await ended).toBe(0);
  expect(io.err()).toBe('');
});

test('a reader of stdout that is slow slows the peer down; nothing is lost', async () => {
  let held: (() => void) | undefined;
  let got = 0;
  const stdout = new Writable({
    highWaterMark: 1000,
    write: (chunk: Buffer, _, done) => {
      got += chunk.length;
      held = done;
    },
  });
  const net = fakeNet();
  let sent = 0;
  net.onPeer = (socket) => {
    const more = (): void => {
      while (sent < 20_000_000) {
        sent += 100_000;
        if (!socket.write(Buffer.alloc(100_000))) break;
      }
      if (sent === 20_000_000) socket.end();
      else socket.once('drain', more);
    };
    more();
  };
  const io = fakeIo({ stdout });
  const { ended } = start(['10.0.0.2:7', '-q'], { io, net });
  io.stdin.end();
  for (let turns = 0; turns < 5000; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect(sent).toBeLessThan(15_000_000);
  let over = false;
  void ended.then(() => (over = true));
  await until(() => {
    held?.();
    return over;
  });
  expect(got).toBe(20_000_000);
});

describe('what the user got wrong', () => {
  const v6 = {
    six: [{ address: '2001:db8::1', family: 6 }],
    both: [
      { address: '2001:db8::1', family: 6 },
      { address: '10.0.0.2', family: 4 },
    ],
    slow: 'EAI_AGAIN',
  };
  test.each([
    [['nosuch.invalid:80'], 7, 'cannot resolve nosuch.invalid: no such host'],
    [['slow:80'], 7, 'cannot resolve slow: the name server does not answer'],
    [['six:80'], 7, 'six has no IPv4 address (only IPv6: 2001:db8::1), and tcpx does not speak IPv6 yet'],
    [['[::1]:80'], 7, '::1 is an IPv6 address, and tcpx does not speak IPv6 yet'],
    [['::1'], 7, '::1 is an IPv6 address, and tcpx does not speak IPv6 yet'],
    [['-n', 'both:80'], 7, "'both' is not an IPv4 address, and -n forbids looking names up"],
    [['10.0.0.2:70000'], 2, 'port 70000 is out of range'],
    [['10.0.0.2:0'], 2, 'port 0 is out of range'],
    [['10.0.0.2'], 2, "'10.0.0.2' names no port"],
    [[':80'], 2, 'the target names no host'],
    [['10.0.0.2:nosuchservice'], 2, "unknown service 'nosuchservice'"],
    [['-w', '5', '10.0.0.2:7'], 2, "-w '5' names no file"],
    [['-w', '-', '10.0.0.2:7'], 2, "-w needs a file: stdout carries the peer's data"],
    [['-w', '/nonexistent/x.pcap', '10.0.0.2:7'], 1, 'cannot write /nonexistent/x.pcap: no such directory'],
    [['--json-file', directory, '10.0.0.2:7'], 1, `cannot write ${directory}: it is a directory`],
    [['--timeuot', '5', '10.0.0.2:7'], 2, "unknown option '--timeuot'"],
    [['-p', '70000', '10.0.0.2:7'], 2, "-p '70000' is not a whole number from 1 to 65535"],
    [['--tfo=123', '10.0.0.2:7'], 2, '--tfo=123: a cookie is an even number of octets from 4 to 16, in hexadecimal'],
    [['--ip', '10.0.0.9/24', '-s', '10.0.0.8', '10.0.0.2:7'], 2, '--ip is the source address already'],
    [['-s', 'eth0', '10.0.0.2:7'], 2, "-s 'eth0' is not an IPv4 address"],
    [['--timeout', '-1', '10.0.0.2:7'], 2, "--timeout '-1' is not a number of seconds above 0 and up to 86400"],
    [
      ['--guard', 'dog', '10.0.0.2:7'],
      2,
      "option '--guard <kind>' argument 'dog' is invalid. Allowed choices are auto, md5, nft, none",
    ],
    [[], 2, "missing required argument 'target'"],
    [['10.0.0.2', '7', 'x'], 2, "too many arguments for 'connect'. Expected 2 arguments but got 3"],
  ] as const)('%j: exit %i, %s', async (args, exitCode, message) => {
    const { io, net, ended } = start(args, { io: fakeIo({ names: v6 }) });
    expect(await ended).toBe(exitCode);
    const [what, hint, rest] = io.err().split('\n');
    expect(what).toBe(`tcpx: ${message}`);
    expect(hint).toMatch(/^ {2}hint: \S/);
    expect(rest).toBe('');
    expect(net.time.pending).toBe(0);
  });

  test('the nearest option is suggested', async () => {
    const { io, ended } = start(['--timeuot', '5', '10.0.0.2:7']);
    await ended;
    expect(io.err()).toContain("hint: did you mean '--timeout'? `tcpx connect --help` lists the options");
  });

  test.each([
    ['EPERM', 77],
    ['ENETUNREACH', 6],
    ['ENOTBUILT', 69],
    ['ENODEV', 1],
    ['EADDRINUSE', 1],
  ])('a host that fails with %s exits with %i, with its hint and no stack', async (code, exitCode) => {
    const io = fakeIo();
    const fails = connectThrough(() => Promise.reject(new LinkFailure(code, 'cannot open eth0', 'do this')));
    expect(await runProgram(['connect', '10.0.0.2:7'], io, [fails])).toBe(exitCode);
    expect(io.err()).toBe('tcpx: cannot open eth0\n  hint: do this\n');
  });

  test('a bug shows as one line, and its stack with TCPX_DEBUG=1 only', async () => {
    const fails = connectThrough(() => Promise.reject(new TypeError('x is undefined')));
    const io = fakeIo();
    expect(await runProgram(['connect', '10.0.0.2:7'], io, [fails])).toBe(1);
    expect(io.err()).toBe(
      'tcpx: internal error: x is undefined\n  hint: this is a bug in tcpx; TCPX_DEBUG=1 shows where it happened\n',
    );
    const debug = fakeIo({ env: { TCPX_DEBUG: '1' } });
    await runProgram(['connect', '10.0.0.2:7'], debug, [fails]);
    expect(debug.err()).toContain('connect.test.ts');
  });
});

test('names are looked up, IPv4 is taken though IPv6 comes first, and messages say both name and address', async () => {
  const io = fakeIo({
    names: {
      both: [
        { address: '2001:db8::1', family: 6 },
        { address: '10.0.0.2', family: 4 },
      ],
    },
  });
  const { ended } = start(['both:81'], { io });
  expect(await ended).toBe(3);
  expect(io.err()).toContain('connect both:81 (10.0.0.2): connection refused');
});
