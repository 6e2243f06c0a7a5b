/**
 * A peer on the kernel's own sockets: a plain `node:net` program whose behaviour is put together from switches.
 *
 *   --listen [ADDR:]PORT     serve (port 0: any); or
 *   --connect ADDR:PORT      connect out, with --local-port PORT, --at MILLISECONDS (wall clock: both sides start at once)
 *   --send N                 send N octets of the pattern as soon as there is a connection
 *   --send-late N            send N octets once the other side has sent its FIN
 *   --echo                   send back what comes
 *   --close-first            FIN as soon as all of --send is out, without waiting for the other side's
 *   --close-after N          FIN once N octets have come
 *   --no-close               never FIN of its own accord
 *   --reset-after N          RST once N octets have come (0: at once)
 *   --stall SECONDS          read nothing for that long, so that the window shuts
 *   --keep                   go on after the first connection; otherwise exit when it is over
 *
 * The sink is no switch at all; the source is `--send N`; half-close is `--send-late N`. For a port that refuses start
 * nothing; for a silent one drop its packets (see Namespace.nft in lab.ts).
 *
 * Says what happens as NDJSON on stdout: {"event":"ready","address","port"}, {"event":"connection","id",…},
 * {"event":"received-fin","id","received","sha256"}, {"event":"sent","id","sent","sha256"}, {"event":"error","id","code"},
 * {"event":"close","id","received","sent","sha256","sentSha256","hadError"}; digests are of all octets received (or sent) so far.
 */
import { createHash } from 'node:crypto';
import net from 'node:net';
import { parseArgs } from 'node:util';

const string = { type: 'string' };
const boolean = { type: 'boolean' };
const { values: o } = parseArgs({
  options: {
    listen: string,
    connect: string,
    'local-port': string,
    at: string,
    send: string,
    'send-late': string,
    echo: boolean,
    'close-first': boolean,
    'close-after': string,
    'no-close': boolean,
    'reset-after': string,
    stall: string,
    keep: boolean,
  },
});

const say = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const number = (name) => (o[name] === undefined ? undefined : Number(o[name]));
const closeAfter = number('close-after');
const resetAfter = number('reset-after');
const stall = number('stall');
let connections = 0;

function endpointOf(text) {
  const at = text.lastIndexOf(':');
  return { host: at < 0 ? '0.0.0.0' : text.slice(0, at), port: Number(text.slice(at + 1)) };
}

/** Yields the pattern from `at` in pieces; see pattern.ts. */
function* pieces(len, at) {
  for (let done = 0; done < len; ) {
    const piece = Buffer.allocUnsafe(Math.min(65536, len - done));
    for (let i = 0; i < piece.length; i++) {
      const n = at + done + i;
      piece[i] = (n ^ (n >>> 8) ^ (n >>> 16)) & 0xff;
    }
    yield piece;
    done += piece.length;
  }
}

function serve(socket) {
  const id = ++connections;
  const hash = createHash('sha256');
  const sentHash = createHash('sha256');
  let received = 0;
  let sent = 0;
  let finReceived = false;
  const digests = () => ({ sha256: hash.copy().digest('hex'), sentSha256: sentHash.copy().digest('hex') });

  function write(octets) {
    sent += octets.length;
    sentHash.update(octets);
    return socket.write(octets);
  }
  async function send(len) {
    for (const piece of pieces(len, sent)) {
      if (socket.destroyed) return;
      if (!write(piece))
        await new Promise((resume) => {
          socket.once('drain', resume);
          socket.once('close', resume);
        });
    }
    say('sent', { id, sent, sha256: digests().sentSha256 });
  }
  async function run() {
    if (resetAfter === 0) return socket.resetAndDestroy();
    const sending = o.send === undefined ? Promise.resolve() : send(Number(o.send));
    if (o['close-first']) {
      await sending;
      socket.end();
    }
    if (o.echo) return;
    socket.on('end', async () => {
      await sending;
      if (o['send-late'] !== undefined) await send(Number(o['send-late']));
      if (!o['no-close']) socket.end();
    });
  }

  say('connection', {
    id,
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    localPort: socket.localPort,
  });
  socket.on('error', (error) => say('error', { id, code: error.code }));
  socket.on('close', (hadError) => {
    say('close', { id, received, sent, hadError, finReceived, ...digests() });
    if (!o.keep) server?.close();
  });
  socket.on('end', () => {
    finReceived = true;
    say('received-fin', { id, received, sha256: digests().sha256 });
    if (o.echo && !o['no-close']) socket.end();
  });
  function read() {
    socket.on('data', (octets) => {
      received += octets.length;
      hash.update(octets);
      if (resetAfter !== undefined && received >= resetAfter) return socket.resetAndDestroy();
      if (closeAfter !== undefined && received >= closeAfter) socket.end();
      if (o.echo && !write(octets)) {
        socket.pause();
        socket.once('drain', () => socket.resume());
      }
    });
    socket.resume();
  }
  if (stall === undefined) read();
  else setTimeout(read, stall * 1000);
  void run();
}

let server;
if (o.listen !== undefined) {
  server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, serve);
  server.on('error', (error) => {
    say('error', { id: 0, code: error.code });
    process.exitCode = 1;
  });
  // As many as net.core.somaxconn lets wait: see lab.ts.
  server.listen({ ...endpointOf(o.listen), backlog: 65_535 }, () => say('ready', server.address()));
} else if (o.connect !== undefined) {
  const start = () => {
    const localPort = number('local-port');
    const socket = net.connect({
      ...endpointOf(o.connect),
      allowHalfOpen: true,
      ...(localPort === undefined ? {} : { localPort }),
    });
    const early = (error) => {
      say('error', { id: 0, code: error.code });
      process.exitCode = 1;
    };
    socket.once('error', early);
    socket.once('connect', () => {
      socket.off('error', early);
      socket.pause();
      serve(socket);
    });
  };
  say('ready', {});
  const at = number('at');
  if (at === undefined) start();
  else {
    // A timer is up to a millisecond late; the last two are spun away.
    setTimeout(
      () => {
        while (Date.now() < at);
        start();
      },
      Math.max(0, at - Date.now() - 2),
    );
  }
} else {
  process.stderr.write('kernel-peer: --listen [ADDR:]PORT or --connect ADDR:PORT\n');
  process.exitCode = 2;
}
