/**
 * Many clients on the kernel's own sockets. Each connects to --connect ADDR:PORT, sends --send N octets of the pattern and
 * FIN, and reads to the end; --count N of them, --parallel N at a time (all), begun evenly over --spread MS.
 *
 *   --no-read        never read, and stay
 *   --octet          send an octet a minute, and stay
 *   --hold           stay connected
 *
 * NDJSON on stdout: ready, connected (when all are), done {connected, intact, failures, connectMs}; `end` on its input, or the
 * end of it, ends it. A client is intact when its FIN was answered and what came back is what it sent.
 */
import { createHash } from 'node:crypto';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const string = { type: 'string' };
const boolean = { type: 'boolean' };
const { values: o } = parseArgs({
  options: {
    connect: string,
    count: string,
    parallel: string,
    spread: string,
    send: string,
    'no-read': boolean,
    octet: boolean,
    hold: boolean,
  },
});

const say = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const [host, port] = o.connect.split(':');
const count = Number(o.count ?? 1);
const parallel = Number(o.parallel ?? count);
const stay = o['no-read'] || o.octet || o.hold;
const payload = Buffer.alloc(Number(o.send ?? 0));
for (let i = 0; i < payload.length; i++) payload[i] = (i ^ (i >>> 8) ^ (i >>> 16)) & 0xff;
const digest = createHash('sha256').update(payload).digest('hex');
const connectMs = [];
const failures = {};
let begun = 0;
let open = 0;
let over = 0;
let intact = 0;
const beganAt = performance.now();

function begin() {
  begun++;
  open++;
  const startedAt = performance.now();
  const socket = net.connect({ host, port: Number(port), allowHalfOpen: true });
  const hash = createHash('sha256');
  let ended = false;
  socket.once('connect', () => {
    connectMs.push(performance.now() - startedAt);
    if (o.octet) {
      socket.write('x');
      setInterval(() => socket.write('x'), 60_000);
    }
    if (!stay) socket.end(payload);
    if (o['no-read']) socket.pause();
    else
      socket.on('data', (octets) => {
        hash.update(octets);
      });
    if (connectMs.length === count) say('connected', { connectMs: summary() });
  });
  socket.on('end', () => {
    ended = true;
    if (stay) socket.end();
  });
  socket.on('error', (error) => {
    failures[error.code] = (failures[error.code] ?? 0) + 1;
  });
  socket.on('close', () => {
    open--;
    over++;
    if (ended && hash.digest('hex') === digest) intact++;
    next();
  });
}

function summary() {
  const sorted = connectMs.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], most: sorted.at(-1), over3s: sorted.filter((ms) => ms > 3000).length };
}

function next() {
  if (over === count) {
    const seconds = (performance.now() - beganAt) / 1000;
    say('done', { connected: connectMs.length, intact, failures, seconds, connectMs: summary() });
    input.close();
    return;
  }
  const spread = Number(o.spread ?? 0);
  const due = () => (spread === 0 ? count : Math.floor(((performance.now() - beganAt) / spread) * count));
  while (begun < count && open < parallel && begun <= due()) begin();
  if (spread > 0 && begun < count) setTimeout(next, spread / count);
}

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  if (line === 'end') process.exit();
});
say('ready', {});
next();
