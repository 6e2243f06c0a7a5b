/**
 * tcpx's side of a test with many connections, long transfers or a hostile network, in either role. It says how its
 * process fares: memory, and how late the event loop is. For one connection with its whole trace there is tcpx-client.ts.
 *
 *   --connect ADDR:PORT      open --count N connections (1), --parallel N of them at a time (all); or
 *   --listen PORT            take connections, for peers in the direction of --from ADDR
 *   --port N                 our port as a client (default: any; with --own each connection has its own)
 *   --many-ports             each connection has its own, guarded as needed
 *   --own ADDR/LEN           an address of our own on --interface NAME, at hardware address --mac MAC
 *   --driver raw|packet (of the environment's TCPX_TEST_DRIVER when absent), --guard KIND, --buffers JSON, --no-offload
 *   --send N                 each connection sends N octets of the pattern, then FIN; and reads all the while
 *   --send-late N            the same, once the other side's FIN has come
 *   --echo                   what comes goes back; FIN for FIN
 *   --source                 the pattern without end
 *   --close fin              our FIN only after the other side's
 *   --fast-open              --send goes out with the SYN where a cookie allows it
 *   --hold                   connections stay open until told
 *   --sysctl JSON, --options JSON, --backlog N, --capture FILE (pcap), --log FILE (state records, NDJSON)
 *
 * On standard input, a line each: `metrics`; `reset`, after which the loop's delay counts anew; `close`, FIN on all;
 * `urgent TEXT` and `send N` on all; `open N`, N more connections; `end`, which resets what is left and leaves.
 * On stdout NDJSON: ready, connect, close (with digests, for the first 20 connections), error, state (with --log), done (when
 * all --count connections are over), metrics.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { pcapHeader, pcapRecord } from '../../src/pcap/pcap-writer.ts';
import { openHost } from '../../src/socket/host.ts';
import { TcpSocket } from '../../src/socket/tcp-socket.ts';
import { patternPiece } from '../../src/tools/pattern.ts';
import { parseMac } from '../../src/wire/ethernet.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

const string = { type: 'string' } as const;
const boolean = { type: 'boolean' } as const;
const { values: o } = parseArgs({
  options: {
    connect: string,
    count: string,
    parallel: string,
    listen: string,
    from: string,
    port: string,
    own: string,
    mac: string,
    interface: string,
    driver: string,
    guard: string,
    'many-ports': boolean,
    buffers: string,
    'no-offload': boolean,
    send: string,
    'send-late': string,
    echo: boolean,
    source: boolean,
    close: string,
    'fast-open': boolean,
    hold: boolean,
    sysctl: string,
    options: string,
    backlog: string,
    capture: string,
    log: string,
  },
});

const say = (event: string, fields: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

function ipv4(text: string): NonNullable<ReturnType<typeof parseIpv4>> {
  const address = parseIpv4(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const log = o.log === undefined ? undefined : openSync(o.log, 'w');
const capture = o.capture === undefined ? undefined : openSync(o.capture, 'w');
if (capture !== undefined) writeSync(capture, pcapHeader());

const [remoteText = '', remotePort] = (o.connect ?? o.from ?? '').split(':');
const remote = ipv4(remoteText);
const ourPort = o.listen ?? o.port;
const [ownText, ownLen] = o.own?.split('/') ?? [];
const mac = parseMac(o.mac ?? '');
const driver = o.driver ?? (o.own === undefined ? process.env['TCPX_TEST_DRIVER'] : undefined);
const host = await openHost({
  remote,
  ...(remotePort !== undefined && { remotePort: Number(remotePort) }),
  ...(ourPort !== undefined && { sourcePort: Number(ourPort) }),
  ...(o.interface !== undefined && { interface: o.interface }),
  ...(ownText !== undefined && {
    ownAddress: { address: ipv4(ownText), prefixLen: Number(ownLen), ...(mac !== undefined && { mac }) },
  }),
  // As a test wrote them: what is no driver or guard is for openHost to refuse.
  ...(driver !== undefined && { driver: driver as 'raw' | 'packet' }),
  guard: (o.guard ?? 'auto') as 'auto',
  ...(o['many-ports'] && { ports: 'many' as const }),
  ...(o['no-offload'] && { offload: false }),
  ...(o.buffers !== undefined && { buffers: JSON.parse(o.buffers) }),
  sysctl: JSON.parse(o.sysctl ?? '{}'),
  ...(capture !== undefined && {
    capture: (t, _dir, octets) => void writeSync(capture, pcapRecord(t, octets)),
  }),
  ...(log !== undefined && {
    tracer: {
      enabled: true,
      record(r) {
        if (r.type !== 'state' && r.type !== 'error') return;
        writeSync(log, `${JSON.stringify(r)}\n`);
        if (r.type === 'state') say('state', { conn: r.conn, from: r.from, to: r.to });
      },
      open: () => {},
    },
  }),
  onLinkError: (error) => say('link-error', { ...error }),
});

const options = JSON.parse(o.options ?? '{}');
const count = Number(o.count ?? 1);
const begunAt = performance.now();
const connectMs: number[] = [];
const sockets = new Set<TcpSocket>();
const senders = new Map<TcpSocket, (len: number) => Promise<void>>();
const failures: Record<string, number> = {};
let opened = 0;
let connected = 0;
let over = 0;
let received = 0;
let sent = 0;
/** Connections that received just what they sent, or were to receive. */
let intact = 0;
let wanted = count;
let inOrder = 0;

/** Most connections whose end is told one by one. */
const TOLD = 20;

function converse(socket: TcpSocket, alreadySent: number): void {
  const id = ++opened;
  const startedAt = performance.now();
  const into = createHash('sha256');
  const outOf = createHash('sha256');
  let intoLen = 0;
  let outOfLen = 0;
  let finReceived = false;
  /** `send` waits for room. */
  let goOn = (): void => {};
  sockets.add(socket);

  function next(most: number): Uint8Array {
    const piece = patternPiece(outOfLen, most);
    outOfLen += piece.length;
    sent += piece.length;
    outOf.update(piece);
    return piece;
  }
  async function send(len: number): Promise<void> {
    for (const end = outOfLen + len; outOfLen < end && !socket.destroyed && !socket.writableEnded; ) {
      if (socket.write(next(end - outOfLen))) continue;
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    }
  }
  socket.on('drain', () => goOn());
  senders.set(socket, send);
  async function run(): Promise<void> {
    if (alreadySent > 0) next(alreadySent);
    await send(o.source ? Number.POSITIVE_INFINITY : Number(o.send ?? 0) - alreadySent);
    if (o.echo || o.hold || (o.close === 'fin' && !finReceived) || o['send-late'] !== undefined) return;
    socket.end();
  }

  const onConnect = (): void => {
    connected++;
    connectMs.push(performance.now() - startedAt);
    if (id <= TOLD) say('connect', { id, remotePort: socket.remotePort, localPort: socket.localPort });
  };
  if (socket.connecting) socket.once('connect', onConnect);
  else onConnect();
  socket.on('data', (octets: Uint8Array) => {
    intoLen += octets.length;
    received += octets.length;
    into.update(octets);
    if (!o.echo) return;
    outOfLen += octets.length;
    sent += octets.length;
    outOf.update(octets);
    if (socket.write(octets)) return;
    socket.pause();
    socket.once('drain', () => socket.resume());
  });
  socket.on('end', async () => {
    finReceived = true;
    if (id <= TOLD) say('received-fin', { id, received: intoLen });
    if (o['send-late'] !== undefined) await send(Number(o['send-late']));
    if (o.hold) return;
    socket.end();
  });
  // What is left of TIME-WAIT is the stack's alone.
  socket.on('time-wait', () => {
    if (finReceived) finish();
    else socket.once('end', finish);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failures[error.code ?? ''] = (failures[error.code ?? ''] ?? 0) + 1;
    if (id <= TOLD) say('error', { id, code: error.code, message: error.message, ms: performance.now() - startedAt });
  });
  socket.once('close', finish);
  let finished = false;
  function finish(): void {
    if (finished) return;
    finished = true;
    goOn();
    sockets.delete(socket);
    senders.delete(socket);
    over++;
    const digests = { sha256: into.digest('hex'), sentSha256: outOf.digest('hex') };
    if (digests.sha256 === digests.sentSha256 && finReceived) intact++;
    const { total_retrans, bytes_retrans, snd_mss, rto } = socket.endpoint.info();
    const info = { total_retrans, bytes_retrans, snd_mss, rto };
    if (id <= TOLD) say('close', { id, received: intoLen, sent: outOfLen, finReceived, ...digests, info });
    socket.destroy();
    if (o.connect !== undefined) connectNext();
  }
  void run();
}

function connectNext(): void {
  if (over === wanted) done();
  else while (inOrder < wanted && sockets.size < Number(o.parallel ?? wanted)) connectOne();
}

function connectOne(): void {
  inOrder++;
  const data = o['fast-open'] ? patternPiece(0, Math.min(Number(o.send ?? 0), 1000)) : undefined;
  const endpoint = host.stack.connect({
    address: remote,
    port: Number(remotePort),
    ...(o.own === undefined && !o['many-ports'] && { localPort: host.port }),
    ...(data !== undefined && { data, fastOpen: true }),
    options,
  });
  converse(new TcpSocket(endpoint), data?.length ?? 0);
}

function done(): void {
  const sorted = connectMs.toSorted((a, b) => a - b);
  say('done', {
    connected,
    intact,
    failures,
    received,
    sent,
    seconds: (performance.now() - begunAt) / 1000,
    connectMs: { median: sorted[sorted.length >> 1], most: sorted.at(-1) },
  });
}

let asked = 0;
function metrics(): void {
  // Twice: what only the first collection let go of goes with the second.
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  say('metrics', {
    n: ++asked,
    ...{ rss, heapUsed, external, arrayBuffers, opened, connected, over, intact, received, sent, failures },
    open: sockets.size,
    retransmitted: [...sockets].reduce((sum, socket) => sum + socket.endpoint.info().total_retrans, 0),
    mss: [...sockets][0]?.endpoint.info().snd_mss,
    loopDelayMs: { p99: delay.percentile(99) / 1e6, most: delay.max / 1e6, mean: delay.mean / 1e6 },
    cpuSeconds: (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
    counters: host.stack.counters,
    link: host.link.counters,
    drops: host.link.drops?.() ?? 0,
  });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, ...rest] = line.split(' ');
  if (command === 'metrics') metrics();
  else if (command === 'reset') delay.reset();
  else if (command === 'close') for (const socket of sockets) socket.end();
  else if (command === 'urgent')
    for (const socket of sockets) socket.endpoint.sendUrgent(Buffer.from(rest.join(' '), 'latin1'));
  else if (command === 'send') for (const send of senders.values()) void send(Number(rest[0]));
  else if (command === 'open') {
    wanted += Number(rest[0]);
    connectNext();
  } else if (command === 'end') {
    host.close();
    if (log !== undefined) closeSync(log);
    if (capture !== undefined) closeSync(capture);
    say('ended');
    process.exit();
  }
});

if (o.listen !== undefined) {
  const backlog = o.backlog === undefined ? {} : { backlog: Number(o.backlog) };
  const listener = host.stack.listen({ port: host.port, options, ...backlog });
  listener.onConnection = () => {
    for (let e = listener.accept(); e !== undefined; e = listener.accept()) converse(new TcpSocket(e), 0);
  };
} else connectNext();
say('ready', { port: host.port });
