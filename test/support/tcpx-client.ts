/**
 * tcpx's side of a test against a kernel: a program on openHost and TcpSocket, put together from switches.
 *
 *   --connect ADDR:PORT      open actively; or
 *   --listen PORT            open passively, for a peer at --from ADDR
 *   --port N                 our port (default: any)
 *   --send N                 send N octets of the pattern once connected
 *   --close sent|fin|asked   when to send our FIN: all is sent (default), all is sent and the peer's FIN has come, told to
 *   --close-after N          or: once N octets have come
 *   --stall SECONDS          read nothing for that long
 *   --faults JSON            {"in": …, "out": …} of a fault tap around the link, seeded by --seed N
 *   --driver NAME            'raw', 'packet'; of the environment's TCPX_TEST_DRIVER when absent
 *   --ip ADDR/LEN --interface NAME [--probe quick|rfc5227|off] [--mac MAC]   with an address of our own
 *   --guard KIND, --sysctl JSON, --options JSON, --log FILE   as they say; the log is NDJSON, trace records only
 *
 * On standard input, a line each: `close` (FIN), `abort` (RST), `destroy` (FIN, and nobody reads on), `send N`; to
 * a listener `close` (no more, and end when the last connection has).
 * Says what happens as NDJSON on stdout, like kernel-peer.mjs: ready, state, connect, sent, received-fin, time-wait, error, close.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { seededRandom } from '../../src/base/random.ts';
import { type FaultLink, faultTap } from '../../src/link/taps/fault.ts';
import { type DriverName, type OwnAddress, openHost } from '../../src/socket/host.ts';
import { TcpSocket } from '../../src/socket/tcp-socket.ts';
import type { TraceRecord } from '../../src/tcp/trace.ts';
import { parseMac } from '../../src/wire/ethernet.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';
import { pattern } from './pattern.ts';

const string = { type: 'string' } as const;
const { values: o } = parseArgs({
  options: {
    connect: string,
    listen: string,
    from: string,
    port: string,
    send: string,
    close: string,
    'close-after': string,
    stall: string,
    guard: string,
    sysctl: string,
    options: string,
    log: string,
    faults: string,
    seed: string,
    driver: string,
    interface: string,
    ip: string,
    probe: string,
    mac: string,
  },
});

const say = (event: string, fields: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const log = o.log === undefined ? undefined : openSync(o.log, 'w');
let lines = '';

function writeLog(all: boolean): void {
  if (log === undefined || (!all && lines.length < 65_536)) return;
  writeSync(log, lines);
  lines = '';
}

const [remoteText = '', remotePortText] = (o.connect ?? o.from ?? '').split(':');
const remote = parseIpv4(remoteText);
if (remote === undefined) throw new Error(`no address: ${remoteText}`);
const ourPort = o.listen ?? o.port;

/** The user has gone, the connection goes on to its end. */
let lingering = false;
let listening = o.listen !== undefined;
let conversations = 0;
let faults: FaultLink['faults'] | undefined;
const driver = o.driver ?? (o.ip === undefined ? process.env['TCPX_TEST_DRIVER'] : undefined);
const host = await openHost({
  remote,
  ...(remotePortText === undefined ? {} : { remotePort: Number(remotePortText) }),
  ...(ourPort === undefined ? {} : { sourcePort: Number(ourPort) }),
  ...(o.interface === undefined ? {} : { interface: o.interface }),
  ...(o.ip === undefined ? {} : { ownAddress: ownAddress(o.ip) }),
  // As a test wrote them: what is no driver and no kind of guard is for openHost to refuse.
  ...(driver === undefined ? {} : { driver: driver as DriverName }),
  guard: (o.guard ?? 'auto') as 'auto' | 'md5' | 'nft' | 'none',
  sysctl: JSON.parse(o.sysctl ?? '{}'),
  tap: (link, clock) => {
    if (o.faults === undefined) return link;
    const tap = faultTap(link, { clock, random: seededRandom(Number(o.seed)), ...JSON.parse(o.faults) });
    faults = tap.faults;
    return tap;
  },
  onLinkError: ({ code, message, fatal }) => say('link-error', { code, message, fatal }),
  tracer: {
    enabled: true,
    record: (r: TraceRecord) => {
      lines += `${JSON.stringify(r)}\n`;
      writeLog(false);
      if (r.type !== 'state') return;
      say('state', { from: r.from, to: r.to });
      if (lingering && r.to === 'CLOSED') setImmediate(finish);
    },
    open: () => {},
  },
});
const options = JSON.parse(o.options ?? '{}');

if (o.listen !== undefined) {
  const listener = host.stack.listen({ port: host.port, options });
  listener.onConnection = () => {
    const endpoint = listener.accept();
    if (endpoint !== undefined) converse(new TcpSocket(endpoint));
  };
  commands({
    close: () => {
      listener.close();
      listening = false;
      finishIfOver();
    },
  });
} else {
  converse(
    new TcpSocket(host.stack.connect({ address: remote, port: Number(remotePortText), localPort: host.port, options })),
  );
}
say('ready', { port: host.port });

function ownAddress(text: string): OwnAddress {
  const [address, prefixLen] = text.split('/');
  return {
    address: parseIpv4(address!)!,
    probe: (o.probe ?? 'quick') as 'quick' | 'rfc5227' | 'off',
    ...(prefixLen === undefined ? {} : { prefixLen: Number(prefixLen) }),
    ...(o.mac === undefined ? {} : { mac: parseMac(o.mac)! }),
  };
}

function converse(socket: TcpSocket): void {
  conversations++;
  const received = createHash('sha256');
  const sent = createHash('sha256');
  let receivedLen = 0;
  let sentLen = 0;
  let allSent = false;
  let finReceived = false;

  async function send(len: number): Promise<void> {
    for (let end = sentLen + len; sentLen < end && !socket.destroyed; ) {
      const piece = pattern(Math.min(65_536, end - sentLen), sentLen);
      sentLen += piece.length;
      sent.update(piece);
      // Ours again, and at once something else: what is sent again must still be right.
      if (!socket.write(piece, () => piece.fill(0xee))) {
        await new Promise<void>((resolve) => {
          socket.once('drain', resolve);
          socket.once('close', resolve);
        });
      }
    }
    allSent = true;
    say('sent', { sent: sentLen });
    closeIfDue();
  }
  function closeIfDue(): void {
    const due =
      o['close-after'] === undefined
        ? allSent && (o.close === 'fin' ? finReceived : o.close !== 'asked')
        : receivedLen >= Number(o['close-after']);
    if (due && !socket.writableEnded) socket.end();
  }

  socket.on('connect', () => say('connect', { remotePort: socket.endpoint.remotePort }));
  socket.on('end', () => {
    finReceived = true;
    say('received-fin', { received: receivedLen });
    closeIfDue();
  });
  socket.on('time-wait', () => say('time-wait'));
  socket.on('error', (error: NodeJS.ErrnoException) =>
    say('error', { code: error.code, syscall: error.syscall, message: error.message }),
  );
  socket.on('close', () => {
    say('close', {
      received: receivedLen,
      sent: sentLen,
      sha256: received.digest('hex'),
      sentSha256: sent.digest('hex'),
    });
    conversations--;
    finishIfOver();
  });
  const read = (): void => {
    socket.on('data', (octets: Uint8Array) => {
      receivedLen += octets.length;
      received.update(octets);
      closeIfDue();
    });
  };
  if (o.stall === undefined) read();
  else setTimeout(read, Number(o.stall) * 1000);
  commands({
    close: () => socket.end(),
    abort: () => socket.resetAndDestroy(),
    destroy: () => {
      lingering = true;
      socket.destroy();
    },
    send: (n) => void send(n),
  });
  void send(Number(o.send ?? 0));
}

function commands(table: Readonly<Record<string, (n: number) => void>>): void {
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => {
    const [name = '', n] = line.split(' ');
    table[name]?.(Number(n));
  });
}

function finishIfOver(): void {
  if (!listening && !lingering && conversations === 0) finish();
}

function finish(): void {
  say('counters', { stack: host.stack.counters, link: host.link.counters, faults });
  host.close();
  writeLog(true);
  if (log !== undefined) closeSync(log);
  process.stdin.destroy();
}
