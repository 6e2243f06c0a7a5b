/**
 * Clients on the kernel's sockets, for a server that echoes: each sends octets of its own and wants them back.
 *
 *   --to ADDR:PORT   --count N   --at-once N (default: all)   --send OCTETS (default 100)
 *   --hold           after the echo keep the connection until a line comes on standard input; then close all that are open
 *
 * NDJSON on stdout: {"event":"echoed","n"} for each with --hold, {"event":"done","good","bad","errors"} at the end.
 */
import net from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const string = { type: 'string' };
const { values: o } = parseArgs({
  options: { to: string, count: string, 'at-once': string, send: string, hold: { type: 'boolean' } },
});
const say = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const [host, port] = o.to.split(':');
const count = Number(o.count ?? 1);
const atOnce = Number(o['at-once'] ?? count);
const len = Number(o.send ?? 100);
const held = new Set();
const errors = {};
let begun = 0;
let open = 0;
let good = 0;
let bad = 0;

function begin() {
  while (open < atOnce && begun < count) one(begun++);
  if (open === 0) {
    say('done', { good, bad, errors });
    process.exit(0);
  }
}

function one(n) {
  open++;
  const sent = Buffer.alloc(len, `${n},`);
  const got = [];
  let received = 0;
  const socket = net.connect({ host, port: Number(port), allowHalfOpen: true });
  socket.on('connect', () => {
    socket.write(sent);
    if (!o.hold) socket.end();
  });
  socket.on('data', (octets) => {
    got.push(octets);
    received += octets.length;
    if (o.hold && received === len) {
      say('echoed', { n });
      held.add(socket);
    }
  });
  // Whoever closes first is followed.
  socket.on('end', () => socket.end());
  socket.on('error', (error) => {
    errors[error.code] = (errors[error.code] ?? 0) + 1;
  });
  socket.on('close', () => {
    held.delete(socket);
    open--;
    if (Buffer.concat(got).equals(sent)) good++;
    else bad++;
    begin();
  });
}

if (o.hold)
  createInterface({ input: process.stdin }).on('line', () => {
    for (const socket of held) socket.end();
  });
begin();
